import msgspec
import pytest

from steward.core.errors import Contradiction
from steward.data.profile import LengthStatistics
from steward.data.summary import StageCount, Summary, find_problems

STAGES = (StageCount("read", 2000, 2000), StageCount("<b>", 2000, 0, dropped=2000, rules={"drop short": 2000}))
SUMMARY = Summary(
    rows_in=2000, rows_out=0, added=0, dropped=2000, merged=0, failed=0, blank_lines=0, empty_files=0, stages=STAGES,
    digest="0123456789abcdef" * 4, parts=(), inputs=(), key="k", kind="text", before=LengthStatistics(),
    after=LengthStatistics(), warnings=("images & sounds were not read",),
)  # fmt: skip


def test_a_notebook_shows_the_stages_and_what_went_wrong() -> None:
    html = SUMMARY._repr_html_()
    assert "<b>0 of 2,000 rows</b>, digest <code>0123456789abcdef</code>" in html
    cells = "<td>2,000</td><td>0</td><td>2,000</td><td>0</td><td>0</td><td>0</td><td>0</td>"
    assert f"<tr><th>&lt;b&gt;</th>{cells}</tr>" in html
    assert "<p>images &amp; sounds were not read</p>" in html
    assert find_problems(SUMMARY)[0].startswith("stage '<b>' removed all of its 2,000 rows (2,000 drop short)")


def test_a_stage_that_removed_all_names_its_three_commonest_rules() -> None:
    rules = {"drop short": 1, "drop long": 4, "merge near": 3, "fail read": 2}
    gone = StageCount("s", 10, 0, dropped=5, merged=3, failed=2, rules=rules)
    summary = msgspec.structs.replace(SUMMARY, stages=(StageCount("read", 10, 10), StageCount("idle"), gone))
    (problem,) = find_problems(summary)
    assert "removed all of its 10 rows (4 drop long, 3 merge near, 2 fail read); check" in problem


COUNT = StageCount("s", 10, 8, added=3, dropped=2, merged=2, failed=1, changed=4, rules={"b": 1, "a": 2})


def test_counts_of_two_shards_add_up() -> None:
    other = StageCount("s", 5, 2, added=1, dropped=1, merged=2, failed=1, changed=1, rules={"b": 3})
    both = COUNT.add_counts(other)
    assert both == StageCount("s", 15, 10, added=4, dropped=3, merged=4, failed=2, changed=5, rules={"a": 2, "b": 4})


@pytest.mark.parametrize("name", ["rows_in", "rows_out", "added", "dropped", "merged", "failed"])
def test_a_row_too_many_does_not_balance(name: str) -> None:
    """10 + 3 = 8 + 2 + 2 + 1."""
    COUNT.check("here")
    for change in (1, -1):
        off = msgspec.structs.replace(COUNT, **{name: getattr(COUNT, name) + change})
        with pytest.raises(Contradiction, match="here: stage 's' does not balance"):
            off.check("here")
