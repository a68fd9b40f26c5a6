"""Incidents of a home: one file each, recorded in the audit log before they change. Their words are not in the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.alerts import MOST_ALERTS, Alert
from steward.core.errors import InputError, UnknownName
from steward.core.files import hold_lock, make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.governance.incidents import (
    FollowUp,
    Incident,
    IncidentKind,
    IncidentNote,
    TimelineLine,
    make_timeline,
    render_incident_report,
)
from steward.workflows.audit import find_acts, make_act
from steward.workflows.serve.deployment import find_deployment, open_served_store

_FOLDER: Final = "incidents"
_MOST_ACTS: Final = 500
_BEFORE_S: Final = 3600.0  # acts from before it began that may have caused it
_AFTER_S: Final = 3600.0


class IncidentReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward incident report --json`."""

    incident: Incident
    timeline: tuple[TimelineLine, ...]
    markdown: str


def open_incident(
    home: Path,
    title: str,
    now: float,
    *,
    actor: Principal,
    kind: IncidentKind = "other",
    alert_id: str | None = None,
    began_at: float | None = None,
) -> Incident:
    """Begin one, by hand or from an alert.

    :raises InputError: no title and no alert :raises UnknownName: no such alert
    """
    alert = None if alert_id is None else _find_alert(home, alert_id)
    words = title.strip() or (alert.summary if alert is not None else "")
    if not words:
        raise InputError("an incident needs a title or an alert: steward incident open 'what happened', or --alert ID")
    incident = Incident(
        id=make_short_id("inc"),
        title=words,
        kind=kind,
        began_at=began_at or (alert.started_at if alert is not None else now),
        known_at=now,
        opened_by=actor.actor,
        alert=alert,
    )
    _record(home, actor, "incidents.open", incident)
    make_private_folder(home / _FOLDER)
    _write(home, incident)
    return incident


def update_incident(
    home: Path,
    incident_id: str,
    now: float,
    *,
    actor: Principal,
    note: str = "",
    kind: IncidentKind | None = None,
    follow_up: tuple[str, float] | None = None,
    done: int | None = None,
    is_reported: bool = False,
) -> Incident:
    """Add a note or a follow-up (its words, and its day), end one, or say that an authority was told.

    :raises InputError: nothing changes, or no such follow-up :raises UnknownName: no such incident
    """

    def change(one: Incident) -> Incident:
        notes, items = one.notes, one.follow_ups
        if note.strip():
            notes = (*notes, IncidentNote(at=now, by=actor.actor, text=note.strip()))
        if follow_up is not None:
            items = (*items, FollowUp(number=len(items) + 1, text=follow_up[0], due=follow_up[1]))
        if done is not None:
            if not 1 <= done <= len(items):
                raise InputError(f"follow-up {done}: {one.id} has {len(items)}; see: steward incident report {one.id}")
            items = tuple(msgspec.structs.replace(i, done_at=now) if i.number == done else i for i in items)
        reported_at = now if is_reported else one.reported_at
        return msgspec.structs.replace(
            one, notes=notes, follow_ups=items, kind=kind or one.kind, reported_at=reported_at
        )

    return _change(home, incident_id, "incidents.update", change, actor)


def close_incident(home: Path, incident_id: str, cause: str, now: float, *, actor: Principal) -> Incident:
    """Follow-ups stay open until they are done. :raises InputError: no cause, or it is closed"""

    def change(one: Incident) -> Incident:
        if one.closed_at is not None:
            raise InputError(f"{one.id} was closed by {one.closed_by}; open another one, or add a note")
        if len(cause.strip()) < 10:
            raise InputError(f"cause {cause!r}: expected a sentence that says why it happened, as far as it is known")
        return msgspec.structs.replace(one, closed_at=now, closed_by=actor.actor, cause=cause.strip())

    return _change(home, incident_id, "incidents.close", change, actor)


def list_incidents(home: Path) -> list[Incident]:
    """The newest first. :raises InputError: a file that cannot be read"""
    found = []
    for file in (home / _FOLDER).glob("inc_*.json"):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Incident))
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{file}: {error}; restore it from a backup") from error
    return sorted(found, key=lambda one: (-one.known_at, one.id))


def report_incident(home: Path, incident_id: str, now: float) -> IncidentReport:
    """With what stands in the audit log from an hour before it began to an hour after it was closed."""
    incident = _find(home, incident_id)
    end = now if incident.closed_at is None else incident.closed_at + _AFTER_S
    begin = incident.began_at - _BEFORE_S
    acts = find_acts(home, lambda act: begin <= act.at <= end, _MOST_ACTS, tenant=None).acts
    timeline = make_timeline(incident, acts)
    return IncidentReport(
        incident=incident, timeline=timeline, markdown=render_incident_report(incident, timeline, now)
    )


def _find_alert(home: Path, alert_id: str) -> Alert:
    store = open_served_store(home)
    try:
        alert = store.alerts.find_alert(alert_id)
        if alert is None:
            raise UnknownName("alert", alert_id, [one.id for one in store.alerts.list_alerts(MOST_ALERTS)])
        return alert
    finally:
        store.close()


def _find(home: Path, incident_id: str) -> Incident:
    incidents = list_incidents(home)
    found = next((one for one in incidents if one.id == incident_id), None)
    if found is None:
        raise UnknownName("incident", incident_id, [one.id for one in incidents])
    return found


def _change(
    home: Path, incident_id: str, act: str, change: Callable[[Incident], Incident], actor: Principal
) -> Incident:
    _find(home, incident_id)
    with hold_lock(home / _FOLDER / "lock"):
        before = _find(home, incident_id)
        after = change(before)
        if after == before:
            raise InputError("nothing to change; give --note, --kind, --follow-up, --done or --reported")
        _record(home, actor, act, after)
        _write(home, after)
    return after


def _record(home: Path, actor: Principal, act: str, incident: Incident) -> None:
    find_deployment(home).open_audit_log().record(make_act(actor, act, f"incident:{incident.id}", after=incident.kind))


def _write(home: Path, incident: Incident) -> None:
    write_file(home / _FOLDER / f"{incident.id}.json", msgspec.json.encode(incident), durable=True)
