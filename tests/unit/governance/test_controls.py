"""The state of a control follows from the verdicts of its checks; nothing is called compliant."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.governance.controls import DISCLAIMER, ControlState, describe_states, map_controls, render_control_page
from steward.governance.frameworks import FRAMEWORKS
from steward.governance.readiness import DAY_S, CheckVerdict, ReadinessLine, ReadinessReport

AS_OF = 1_795_824_000.0  # 2026-11-28, the day of the map


def line(name: str, verdict: CheckVerdict, *evidence: str) -> ReadinessLine:
    return ReadinessLine(
        id=name, pitfall="ethics", question="?", verdict=verdict, value="seen", expected="", evidence=evidence,
        produced_at=None, valid_until=None, fix="",
    )  # fmt: skip


def report(*lines: ReadinessLine) -> ReadinessReport:
    return ReadinessReport(verdict="cannot tell", level="regulated", checks=lines, waivers=())


@pytest.mark.parametrize(
    ("audit", "witness", "state"),
    [
        ("pass", "pass", "evidence for"),
        ("pass", "not applicable", "evidence for"),
        ("pass", "cannot tell", "evidence in part"),
        ("pass", "waived", "evidence in part"),
        ("pass", "fail", "evidence against"),
        ("cannot tell", "fail", "evidence against"),
        ("cannot tell", "waived", "no evidence"),
        ("not applicable", "not applicable", "no evidence"),
    ],
)
def test_the_checks_of_a_control_decide(audit: CheckVerdict, witness: CheckVerdict, state: ControlState) -> None:
    """HIPAA 164.312(b) is spoken for by the audit log and its witness."""
    controls = map_controls(
        report(line("security.audit", audit, "ev_1"), line("security.witness", witness, "ev_1", "ev_2")), AS_OF, "hipaa"
    )
    (found,) = [one for one in controls.frameworks[0].controls if one.id == "164.312(b)"]
    assert found.state == state
    assert found.checks == {"security.audit": audit, "security.witness": witness} and found.evidence == ("ev_1", "ev_2")


def test_a_control_that_no_check_speaks_for_says_where_to_look() -> None:
    states = {one.id: one.state for one in map_controls(report(), AS_OF, "eu-ai-act").frameworks[0].controls}
    assert states["Art. 13"] == "kept elsewhere" and states["Art. 17"] == "people only"
    assert states["Art. 12"] == "no evidence"


def test_a_map_that_was_not_read_for_half_a_year_says_so() -> None:
    fresh, old = (map_controls(report(), AS_OF + days * DAY_S, "gdpr").frameworks[0] for days in (180, 180.1))
    assert (fresh.old, old.old) == (False, True)


def test_all_frameworks_or_one() -> None:
    assert [one.name for one in map_controls(report(), AS_OF).frameworks] == [one.name for one in FRAMEWORKS]
    with pytest.raises(UnknownName, match="eu-ai-act"):
        map_controls(report(), AS_OF, "eu-ai-akt")


def test_the_page_says_what_it_is() -> None:
    controls = map_controls(report(line("security.audit", "fail", "ev_<1>")), AS_OF + 181 * DAY_S, "hipaa")
    page = render_control_page(controls, "<home>")
    assert DISCLAIMER in page and "&lt;home&gt;" in page and "ev_&lt;1&gt;" in page
    assert "security.audit: fail" in page and "<code>steward users list</code>" in page and "the procedure" in page
    assert "more than 180 days ago" in page and "compliant" not in page.lower()
    assert describe_states(controls.frameworks[0]) == (
        "9 controls: 2 with evidence against them, 6 without evidence, 1 that a command alone shows"
    )
