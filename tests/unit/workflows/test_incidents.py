"""Incidents of a home: opened, updated, closed, reported; each change is recorded first, without its words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from served_home import serve_home
from steward.core.alerts import Alert
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.workflows.audit import audit_folder, list_acts
from steward.workflows.incidents import close_incident, list_incidents, open_incident, report_incident, update_incident
from steward.workflows.readiness import collect_situation
from steward.workflows.serve.deployment import open_served_store

ME = operator(7)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with serve_home(tmp_path) as home:
        yield home


def overdue(home: Path, now: float) -> tuple[str, ...] | None:
    return collect_situation(home, now).facts.overdue


def test_an_incident_goes_from_its_beginning_to_its_end(home: Path) -> None:
    one = open_incident(home, " names leaked ", 100.0, actor=ME, kind="serious", began_at=40.0)
    assert (one.title, one.began_at, one.known_at, one.opened_by) == ("names leaked", 40.0, 100.0, "operator:7")
    update_incident(home, one.id, 110.0, actor=ME, note="taken out of service")
    update_incident(home, one.id, 120.0, actor=ME, follow_up=("test the filter", 500.0), is_reported=True)
    assert overdue(home, 500.0) == () and overdue(home, 501.0) == (f"{one.id} follow-up 1",)
    closed = close_incident(home, one.id, "released without its gate", 130.0, actor=ME)
    assert (closed.closed_at, closed.closed_by, closed.reported_at) == (130.0, "operator:7", 120.0)
    assert overdue(home, 501.0) == (f"{one.id} follow-up 1",), "a closed incident still has to be followed up"
    done = update_incident(home, one.id, 600.0, actor=ME, done=1, kind="other")
    assert done.follow_ups[0].done_at == 600.0 and done.kind == "other" and overdue(home, 900.0) == ()
    assert list_incidents(home) == [done]
    acts = [act for act in list_acts(home, 9) if act.action.startswith("incidents.")]
    assert [act.action for act in acts] == [*["incidents.update"], "incidents.close", *["incidents.update"] * 2,
                                            "incidents.open"]  # fmt: skip
    assert {act.subject for act in acts} == {f"incident:{one.id}"}
    log = [path for path in audit_folder(home).rglob("*") if path.is_file()]
    assert not any(b"leaked" in path.read_bytes() or b"filter" in path.read_bytes() for path in log)


def test_an_alert_gives_title_and_beginning(home: Path) -> None:
    alert = Alert(
        id="al_1", rule="r", severity="page", summary="errors", evidence="12 of 100", scopes=("all",), started_at=9.0
    )
    store = open_served_store(home)
    store.migrate()
    store.alerts.put(alert)
    store.close()
    one = open_incident(home, "", 100.0, actor=ME, alert_id="al_1")
    assert (one.title, one.began_at, one.alert) == ("errors", 9.0, alert)
    with pytest.raises(UnknownName, match="al_1"):
        open_incident(home, "", 100.0, actor=ME, alert_id="al_2")


def test_the_report_has_the_acts_of_its_time(home: Path) -> None:
    now = time.time()  # of the audit log, which has its own clock
    one = open_incident(home, "names leaked", now, actor=ME)
    made = report_incident(home, one.id, now + 3600.0)
    assert f"incidents.open incident:{one.id}" in made.markdown and made.incident == one
    assert any("audit entry" in line.text for line in made.timeline)
    past = open_incident(home, "long ago", 100.0, actor=ME)
    close_incident(home, past.id, "nobody knows any more", 200.0, actor=ME)
    assert report_incident(home, past.id, now).timeline == ()


def test_what_is_no_change_is_refused_and_recorded_nowhere(home: Path) -> None:
    with pytest.raises(InputError, match="needs a title or an alert"):
        open_incident(home, " ", 1.0, actor=ME)
    one = open_incident(home, "names leaked", 1.0, actor=ME)
    with pytest.raises(InputError, match="nothing to change"):
        update_incident(home, one.id, 2.0, actor=ME, note=" ")
    for number in (0, 1):
        with pytest.raises(InputError, match="has 0"):
            update_incident(home, one.id, 2.0, actor=ME, done=number)
    with pytest.raises(InputError, match="says why"):
        close_incident(home, one.id, "dunno", 2.0, actor=ME)
    close_incident(home, one.id, "a good reason", 2.0, actor=ME)
    with pytest.raises(InputError, match="was closed by operator:7"):
        close_incident(home, one.id, "a good reason", 3.0, actor=ME)
    with pytest.raises(UnknownName, match=one.id):
        report_incident(home, "inc_none", 3.0)
    assert [act.action for act in list_acts(home, 2)] == ["incidents.close", "incidents.open"]


def test_a_damaged_file_is_named_and_check_cannot_tell(home: Path) -> None:
    assert list_incidents(home) == [] and overdue(home, 1.0) == ()
    one = open_incident(home, "names leaked", 1.0, actor=ME)
    (home / "incidents" / f"{one.id}.json").write_text("{")
    with pytest.raises(InputError, match="restore it from a backup"):
        list_incidents(home)
    assert overdue(home, 1.0) is None


def test_a_cause_is_a_sentence_of_ten_characters_at_least(home: Path) -> None:
    one = open_incident(home, "names leaked", 1.0, actor=ME)
    with pytest.raises(InputError, match="expected a sentence"):
        close_incident(home, one.id, " " + "x" * 9 + " ", 2.0, actor=ME)
    assert close_incident(home, one.id, " " + "x" * 10 + " ", 2.0, actor=ME).cause == "x" * 10
