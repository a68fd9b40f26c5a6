"""`steward maintenance list`: what must be renewed, when, and whose task it is."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_table
from steward.cli.lazy import CsvRows


def list_(
    due: Annotated[bool, typer.Option("--due", help="Show only what is overdue or due soon.")] = False,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show models, evaluations, baselines, certificates, keys, licences and advisories with their dates and owners.

    Exits with 1 if anything is overdue or due soon.
    """
    from steward.monitoring.maintenance import DUE
    from steward.workflows.maintenance import read_calendar

    entries = read_calendar(find_home(home))
    chosen = [entry for entry in entries if not due or entry.state in DUE]
    if json:
        show_json(chosen)
    else:
        rows = [
            [
                entry.kind,
                entry.name,
                entry.state,
                None if entry.due_at is None else time.strftime("%Y-%m-%d", time.gmtime(entry.due_at)),
                None if entry.age_days is None else f"{entry.age_days:.0f} days",
                entry.owner or "nobody",
                entry.detail or None,
                entry.next_step,
            ]
            for entry in chosen
        ]
        show_table(["kind", "name", "state", "due", "age", "owner", "detail", "next step"], rows)
    if any(entry.state in DUE for entry in entries):
        raise typer.Exit(1)
