"""Incidents: what happened, what is left to do, by when it must be reported, and the report. Pure.

Source of the deadlines: Regulation (EU) 2024/1689, Article 73: 15 days after somebody became aware of a serious
incident (2), 2 days where it is widespread or of critical infrastructure (3), 10 days after a death (4). Whether an
incident must be reported, and by whom, is not decided here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from steward.core.acts import RecordedAct
from steward.core.alerts import Alert

IncidentKind = Literal["other", "serious", "death", "widespread"]
DAY_S: Final = 86400.0
REPORT_DAYS: Final[dict[IncidentKind, int | None]] = {"other": None, "serious": 15, "death": 10, "widespread": 2}


class IncidentNote(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote down."""

    at: float
    by: str
    text: str


class FollowUp(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must be done so that it does not happen again. `number` counts from 1."""

    number: int
    text: str
    due: float
    done_at: float | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the home's folder `incidents`."""

    id: str
    title: str
    kind: IncidentKind
    began_at: float
    known_at: float  # from when deadlines count
    opened_by: str
    alert: Alert | None = None
    notes: tuple[IncidentNote, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    reported_at: float | None = None  # to an authority
    closed_at: float | None = None
    closed_by: str = ""
    cause: str = ""

    @property
    def report_by(self) -> float | None:
        """None: no deadline of Article 73."""
        days = REPORT_DAYS[self.kind]
        return None if days is None else self.known_at + days * DAY_S


def list_overdue(incidents: Iterable[Incident], now: float) -> list[str]:
    """Follow-ups whose day has passed, and reports that are late, in the words of `steward check`."""
    late = []
    for one in incidents:
        late += [
            f"{one.id} follow-up {item.number}" for item in one.follow_ups if item.done_at is None and item.due < now
        ]
        if one.report_by is not None and one.reported_at is None and one.report_by < now:
            late.append(f"{one.id} report")
    return late


class TimelineLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    at: float
    by: str
    text: str


def make_timeline(incident: Incident, acts: Sequence[RecordedAct]) -> tuple[TimelineLine, ...]:
    """The alert, acts of the audit log and notes, oldest first."""
    lines = [TimelineLine(at=note.at, by=note.by, text=note.text) for note in incident.notes]
    lines += [
        TimelineLine(at=act.at, by=act.actor, text=f"{act.action} {act.subject} (audit entry {act.entry})")
        for act in acts
    ]
    if incident.alert is not None:
        alert = incident.alert
        lines.append(TimelineLine(at=alert.started_at, by="steward", text=f"alert {alert.rule}: {alert.summary}"))
    return tuple(sorted(lines, key=lambda line: line.at))


def render_incident_report(incident: Incident, timeline: Sequence[TimelineLine], now: float) -> str:
    """Markdown, with the items of Article 73; what nobody has recorded is left for people to fill in."""
    due = "no deadline of Article 73 was declared" if incident.report_by is None else _when(incident.report_by)
    open_items = [item for item in incident.follow_ups if item.done_at is None]
    complete = incident.closed_at is not None and not open_items
    closed = "not yet" if incident.closed_at is None else f"{_when(incident.closed_at)} by {incident.closed_by}"
    evidence = incident.alert.evidence if incident.alert else "no alert"
    lines = [
        f"# Incident {incident.id}: {incident.title}",
        "",
        f"Made on {_when(now)}. {'Complete' if complete else 'Initial and incomplete (Article 73(5))'} report.",
        "",
        f"- Kind: {incident.kind}",
        f"- Began: {_when(incident.began_at)}",
        f"- Known: {_when(incident.known_at)}, noted by {incident.opened_by}",
        f"- Report to the authority by: {due}",
        f"- Reported: {'not yet' if incident.reported_at is None else _when(incident.reported_at)}",
        f"- Closed: {closed}",
        "",
        "## For people to fill in",
        "",
        "- Provider or deployer who reports, with a contact: ____",
        "- System, version and where it is used; a card: `steward card system`: ____",
        "- Member State where it occurred (Article 73(1)): ____",
        "- Harm, of the kinds in Article 3(49): ____",
        "- Authorities told otherwise, such as of personal data (GDPR, Article 33): ____",
        "",
        "## Cause, or why a link is reasonably likely (Article 73(2))",
        "",
        incident.cause or "____",
        "",
        "## What was measured",
        "",
        evidence,
        "",
        "## Timeline",
        "",
        *(f"- {_when(line.at)} · {line.by} · {line.text}" for line in timeline),
        "",
        "## Investigation, risk assessment and corrective action (Article 73(6))",
        "",
        "Do not change the system in a way that affects later evaluation of causes before the authority was told.",
        "",
        *(_describe(item) for item in incident.follow_ups),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _describe(item: FollowUp) -> str:
    state = f"due {_when(item.due)}" if item.done_at is None else f"done {_when(item.done_at)}"
    return f"- {item.number}. {item.text} ({state})"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
