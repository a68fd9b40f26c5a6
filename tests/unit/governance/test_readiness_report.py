"""Readiness as a page and as JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec

from steward.governance.readiness import CheckVerdict, ReadinessLine, ReadinessReport, Waiver
from steward.governance.readiness_report import render_junit, render_page


def line(name: str, verdict: CheckVerdict, fix: str = "") -> ReadinessLine:
    return ReadinessLine(
        id=name, pitfall="data", question="<Is it?>", verdict=verdict, value="seen & read", expected="more",
        evidence=("ev_1",), produced_at=1_795_900_000.0, valid_until=None, fix=fix,
    )  # fmt: skip


WAIVER = Waiver(check="d", reason="until May", owner="operator:1", made_at=0.0, until=1_795_900_000.0)
READINESS = ReadinessReport(
    verdict="no-go",
    level="internal",
    checks=(line("a", "pass"), line("b", "fail", "do <it>"), line("c", "cannot tell", "try"), line("d", "waived")),
    waivers=(WAIVER,),
)


def test_the_page_has_every_line_and_escapes_it() -> None:
    page = render_page(READINESS, "home<1>", 1_795_900_000.0)
    assert "No-go at level internal" in page and "home&lt;1&gt;" in page and "2026-11-28 21:06 UTC" in page
    assert "&lt;Is it?&gt; (b)" in page and "<code>do &lt;it&gt;</code>" in page and "seen &amp; read" in page
    assert "ev_1 of 2026-11-28" in page and "until May" in page and page.index("until May") < page.index("(a)")


def test_a_proof_has_its_day_and_its_end_where_it_has_one() -> None:
    ending = msgspec.structs.replace(line("y", "pass"), valid_until=1_795_900_000.0 + 86_400)
    page = render_page(msgspec.structs.replace(READINESS, checks=(line("a", "pass"), ending)), "h", 0.0)
    assert page.count("ev_1 of 2026-11-28<") == 1 and page.count("ev_1 of 2026-11-28, until 2026-11-29<") == 1
    bare = msgspec.structs.replace(line("z", "pass"), evidence=(), produced_at=None)
    page = render_page(msgspec.structs.replace(READINESS, checks=(bare,)), "h", 0.0)
    assert "ev_1" not in page and " of 2026" not in page


def test_junit_counts_failures_and_leaves_out_what_cannot_be_told() -> None:
    suite = ElementTree.fromstring(render_junit(READINESS).split("\n", 1)[1])
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    cases = {str(case.get("name")): [child.tag for child in case] for case in suite}
    assert cases == {
        "a: <Is it?>": [],
        "b: <Is it?>": ["failure"],
        "c: <Is it?>": ["skipped"],
        "d: <Is it?>": ["skipped"],
    }
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.get("message") == "seen & read; expected more; do <it>"


def test_each_way_to_fail_has_a_table_of_its_own_lines() -> None:
    other = msgspec.structs.replace(line("z", "pass"), pitfall="ethics", expected="")
    page = render_page(msgspec.structs.replace(READINESS, checks=(*READINESS.checks, other)), "h", 0.0)
    assert page.index(">Data<") < page.index("(a)") < page.index(">Ethics<") < page.index("(z)")
    assert page.count("more</td>") == 4
