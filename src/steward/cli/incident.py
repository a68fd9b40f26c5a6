"""`steward incident open|update|close|list|report`: what went wrong, what is left to do, and the report."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError


class KindName(StrEnum):
    """By which Article 73 of the AI Act sets a deadline."""

    OTHER = "other"
    SERIOUS = "serious"
    DEATH = "death"
    WIDESPREAD = "widespread"


IncidentArgument = Annotated[str, typer.Argument(help="Id of the incident; `steward incident list` shows them.")]


def open_(
    title: Annotated[str, typer.Argument(help="What happened, in a few words.")] = "",
    alert: Annotated[str | None, typer.Option(help="Id of the alert that it begins with.")] = None,
    kind: Annotated[
        KindName, typer.Option(help="serious: 15 days to report; death: 10; widespread: 2.")
    ] = KindName.OTHER,
    began: Annotated[str | None, typer.Option(help="How long ago it began, such as 3h.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Open an incident, by hand or from an alert. Deadlines count from now."""
    from steward.core.durations import parse_span_s
    from steward.core.identity import operator
    from steward.workflows.incidents import open_incident

    now = time.time()
    began_at = None if began is None else now - parse_span_s(began)
    incident = open_incident(
        find_home(home), title, now, actor=operator(os.getuid()), kind=kind.value, alert_id=alert, began_at=began_at
    )
    if json:
        show_json(incident)
        return
    by = "" if incident.report_by is None else f" Report it by {_when(incident.report_by)}, if you have to."
    show_lines(
        [f"{incident.id} is open: {incident.title}.{by}", f"Next: steward incident update {incident.id} --note …"]
    )


def update(
    incident: IncidentArgument,
    note: Annotated[str, typer.Option(help="What was seen or done.")] = "",
    kind: Annotated[KindName | None, typer.Option(help="Another kind.")] = None,
    follow_up: Annotated[str, typer.Option(help="What must be done; with --due.")] = "",
    due: Annotated[str | None, typer.Option(help="When the follow-up must be done, such as 14d.")] = None,
    done: Annotated[int | None, typer.Option(help="Number of a follow-up that is done.")] = None,
    reported: Annotated[bool, typer.Option("--reported", help="The authority was told.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Add a note or a follow-up, end a follow-up, or say that the authority was told."""
    from steward.core.durations import parse_span_s
    from steward.core.identity import operator
    from steward.workflows.incidents import update_incident

    if bool(follow_up.strip()) != (due is not None):
        raise InputError("a follow-up needs words and a day: --follow-up 'test the failover' --due 14d")
    now = time.time()
    changed = update_incident(
        find_home(home),
        incident,
        now,
        actor=operator(os.getuid()),
        note=note,
        kind=None if kind is None else kind.value,
        follow_up=None if due is None else (follow_up.strip(), now + parse_span_s(due)),
        done=done,
        is_reported=reported,
    )
    if json:
        show_json(changed)
    else:
        left = sum(item.done_at is None for item in changed.follow_ups)
        show_lines([f"{changed.id}: {len(changed.notes)} notes, {left} of {len(changed.follow_ups)} follow-ups open."])


def close(
    incident: IncidentArgument,
    cause: Annotated[str, typer.Option(help="Why it happened, as far as it is known.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Close an incident. Its follow-ups stay open until they are done, and `steward check` watches them."""
    from steward.core.identity import operator
    from steward.workflows.incidents import close_incident

    closed = close_incident(find_home(home), incident, cause, time.time(), actor=operator(os.getuid()))
    if json:
        show_json(closed)
    else:
        show_lines([f"{closed.id} is closed."])


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List incidents, newest first."""
    from steward.workflows.incidents import list_incidents

    incidents = list_incidents(find_home(home))
    if json:
        show_json(incidents)
        return
    if not incidents:
        show_lines(["No incident was opened here."])
        return
    rows = [
        [one.id, _when(one.known_at), one.kind, "open" if one.closed_at is None else "closed",
         sum(item.done_at is None for item in one.follow_ups), one.title]
        for one in incidents
    ]  # fmt: skip
    show_table(["incident", "known", "kind", "state", "to do", "title"], rows)


def report(
    incident: IncidentArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of the terminal.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a report with the timeline of the audit log and the items of Article 73 of the AI Act."""
    from steward.core.files import write_file
    from steward.workflows.incidents import report_incident

    made = report_incident(find_home(home), incident, time.time())
    if out is not None:
        write_file(out, made.markdown.encode())
    if json:
        show_json(made)
    else:
        show_lines(made.markdown.splitlines() if out is None else [f"{out}: the report of {incident}."])


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
