from pathlib import Path

import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data.stages.perplexity import PerplexityStage

ARPA = "\\1-grams:\n-2\t<unk>\n-99\t<s>\t0\n-1\t</s>\n-1\ta\t0\n\\end\\\n"  # perplexity 10 of `a`, 31.6 of `b`


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "m.arpa").write_text(ARPA)
    return str(tmp_path / "m.arpa")


def test_rows_go_on_either_side_and_without_words(model: str) -> None:
    result = PerplexityStage(model=model, max=20, min=9).apply(batch("a", "b", " "))
    assert result.batch["perplexity"].to_pylist() == pytest.approx([10.0])
    rules = [(entry.id, entry.rule, entry.value, entry.threshold) for entry in result.entries]
    assert rules == [("d1", "high_perplexity", pytest.approx(10**1.5), 20.0), ("d2", "no_words", None, None)]
    [low] = PerplexityStage(model=model, min=11).apply(batch("a")).entries
    assert (low.rule, low.value, low.threshold) == ("low_perplexity", pytest.approx(10.0), 11.0)


def test_a_perplexity_at_a_bound_is_within_it(model: str) -> None:
    (value,) = PerplexityStage(model=model).apply(batch("a")).batch["perplexity"].to_pylist()
    assert PerplexityStage(model=model, max=value, min=value).apply(batch("a")).entries == ()


def test_without_bounds_the_column_is_added_and_nothing_goes(model: str) -> None:
    result = PerplexityStage(model=model, lower=True).apply(batch("A", ""))
    assert result.batch["perplexity"].to_pylist() == [pytest.approx(10.0), None] and result.entries == ()
    assert PerplexityStage(model=model).check() == []


def test_bounds_that_nothing_is_within_are_refused(model: str) -> None:
    with pytest.raises(InputError, match="min 5 is above max 4"):
        PerplexityStage(model=model, min=5, max=4)
    with pytest.raises(InputError, match="cannot be read"):
        PerplexityStage(model="none.arpa").check()
