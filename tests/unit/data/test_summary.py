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
