import pytest

from data_batches import batch
from steward.core.errors import InputError, UnknownName
from steward.data.stages.filter import Filter


def test_rows_that_are_not_so_go_with_the_expression() -> None:
    result = Filter(where="score > 0.5 and len(text) < 4").apply(batch("a", "bb", "ccccc", score=[0.9, 0.1, 0.9]))
    assert result.batch["text"].to_pylist() == ["a"]
    assert [(entry.action, entry.rule, entry.threshold) for entry in result.entries] == [
        ("drop", "where", "score > 0.5 and len(text) < 4")
    ] * 2


def test_a_row_on_which_it_cannot_be_carried_out_fails() -> None:
    result = Filter(where="text > n").apply(batch("a", n=[1]))
    (entry,) = result.entries
    assert (entry.action, entry.rule, entry.value) == ("fail", "where", "TypeError") and not len(result.batch)


def test_a_wrong_expression_or_column_is_said() -> None:
    with pytest.raises(InputError, match="expected such as"):
        Filter(where="score >")
    with pytest.raises(UnknownName, match="did you mean 'score'"):
        Filter(where="scores > 1").apply(batch("a", score=[1]))
