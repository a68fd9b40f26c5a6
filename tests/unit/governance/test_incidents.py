"""Deadlines, what is late, timelines and reports of incidents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.acts import RecordedAct
from steward.core.alerts import Alert
from steward.governance.incidents import (
    DAY_S,
    FollowUp,
    Incident,
    IncidentKind,
    IncidentNote,
    list_overdue,
    make_timeline,
    render_incident_report,
)

ALERT = Alert(
    id="al_1", rule="error-burn", severity="page", summary="errors", evidence="12 of 100 failed", scopes=("all",),
    started_at=50.0,
)  # fmt: skip


def incident(**changes: Any) -> Incident:
    whole: dict[str, Any] = {
        "id": "inc_1", "title": "names leaked", "kind": "serious", "began_at": 60.0, "known_at": 120.0,
        "opened_by": "operator:1",
    }  # fmt: skip
    return Incident(**whole | changes)


@pytest.mark.parametrize(("kind", "days"), [("serious", 15), ("death", 10), ("widespread", 2), ("other", None)])
def test_article_73_sets_the_deadline(kind: IncidentKind, days: int | None) -> None:
    assert incident(kind=kind).report_by == (None if days is None else 120.0 + days * DAY_S)


def test_what_is_late_is_a_follow_up_past_its_day_or_a_report() -> None:
    items = (FollowUp(number=1, text="a", due=10.0), FollowUp(number=2, text="b", due=10.0, done_at=11.0),
             FollowUp(number=3, text="c", due=30.0))  # fmt: skip
    quiet = incident(kind="other", follow_ups=items)
    assert list_overdue([quiet], 10.0) == [] and list_overdue([quiet], 10.1) == ["inc_1 follow-up 1"]
    due = 120.0 + 15 * DAY_S
    assert list_overdue([incident()], due) == [] and list_overdue([incident()], due + 1) == ["inc_1 report"]
    assert list_overdue([incident(reported_at=130.0)], due + 1) == []
    assert list_overdue([incident(closed_at=130.0)], due + 1) == ["inc_1 report"]


def test_the_timeline_has_the_alert_acts_and_notes_in_order() -> None:
    act = RecordedAct(at=70.0, actor="operator:2", action="config.write", subject="settings", entry=4)
    notes = (IncidentNote(at=90.0, by="operator:1", text="seen"), IncidentNote(at=65.0, by="operator:1", text="early"))
    lines = make_timeline(incident(alert=ALERT, notes=notes), [act])
    assert [(line.at, line.by, line.text) for line in lines] == [
        (50.0, "steward", "alert error-burn: errors"),
        (65.0, "operator:1", "early"),
        (70.0, "operator:2", "config.write settings (audit entry 4)"),
        (90.0, "operator:1", "seen"),
    ]


def test_a_report_is_incomplete_until_it_is_closed_and_all_is_done() -> None:
    item = FollowUp(number=1, text="test the filter", due=86400.0)
    one = incident(alert=ALERT, follow_ups=(item,), closed_at=180.0, closed_by="operator:2", cause="no gate")
    text = render_incident_report(one, make_timeline(one, []), 240.0)
    assert text.startswith("# Incident inc_1: names leaked\n\nMade on 1970-01-01 00:04 UTC. Initial and incomplete")
    assert "- Report to the authority by: 1970-01-16 00:02 UTC\n- Reported: not yet\n" in text
    assert "- Closed: 1970-01-01 00:03 UTC by operator:2\n" in text and "\nno gate\n" in text
    assert "12 of 100 failed" in text and "- 1970-01-01 00:00 UTC · steward · alert error-burn: errors\n" in text
    assert text.endswith("- 1. test the filter (due 1970-01-02 00:00 UTC)\n")
    done = incident(closed_at=180.0, follow_ups=(FollowUp(number=1, text="x", due=1.0, done_at=60.0),), kind="other")
    whole = render_incident_report(done, (), 240.0)
    assert "Complete report." in whole and "no deadline of Article 73 was declared" in whole and "no alert" in whole
    assert "(done 1970-01-01 00:01 UTC)" in whole and "- Closed: not yet" in render_incident_report(incident(), (), 1.0)


def test_a_serious_incident_is_due_fifteen_days_after_it_is_known() -> None:
    """AI Act, Article 73 (2), (3) and (4): 15, 2 and 10 days."""
    one = Incident(id="i", title="t", kind="serious", began_at=0.0, known_at=1000.0, opened_by="operator:1")
    dues = [msgspec.structs.replace(one, kind=kind).report_by for kind in ("serious", "widespread", "death", "other")]
    assert dues == [1_297_000.0, 173_800.0, 865_000.0, None]
