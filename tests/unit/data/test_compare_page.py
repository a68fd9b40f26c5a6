from pathlib import Path

import msgspec

from steward.data.compare import RuleDifference, RunComparison, StageDifference
from steward.data.compare_page import render_comparison, write_comparison

COMPARISON = RunComparison(
    same_inputs=True, same_rows=False, first_rows=(10, 7), second_rows=(10, 4), first_mean_characters=10.0,
    second_mean_characters=12.5, stages=(StageDifference("pii", None, None, 10, 1000),),
    rules=(RuleDifference("quality", "drop <short>", 2, 1), RuleDifference("quality", "drop long", 0, 5)),
)  # fmt: skip


def test_the_page_has_both_runs_and_what_differs(tmp_path: Path) -> None:
    write_comparison(tmp_path / "page.html", COMPARISON, ("a", "b"))
    page = (tmp_path / "page.html").read_text()
    assert "<h1>Different rows came out</h1>" in page and "comparison of a and b · the same input" in page
    assert (
        '<td class="">pii</td><td class="n">–</td><td class="n">–</td><td class="n">10</td><td class="n">1,000</td>'
        in page
    )
    assert '<td class="">drop &lt;short&gt;</td><td class="n">2</td><td class="n">1</td><td class="n">-1</td>' in page
    assert '<td class="n">+5</td>' in page and "<script" not in page


def test_tokens_stand_on_the_page_where_they_were_counted() -> None:
    page = render_comparison(msgspec.structs.replace(COMPARISON, first_tokens=1_200), ("a", "b"))
    assert "Tokens out, a" in page and "1,200" in page and "Tokens out, b" not in page


def test_runs_without_a_difference_say_so() -> None:
    page = render_comparison(
        msgspec.structs.replace(COMPARISON, same_rows=True, same_inputs=False, rules=()), ("a", "b")
    )
    assert "The same rows came out" in page and "<p>None.</p>" in page and "other input" in page
