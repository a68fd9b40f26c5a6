"""`steward plan watch`: compares live traffic with the saved plan."""

from __future__ import annotations

from typing import Final

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, keep_finding, show_json, show_lines
from steward.workflows.findings import describe_headroom
from steward.workflows.plan.watch import watch_headroom

CODES: Final = {"holds": 0, "outgrown": 1, "soon": 1, "unknown": 3}


def watch(home: HomeOption = None, json: JsonOption = False) -> None:
    """Compare live traffic with the saved plan; exit 1 when traffic outgrows it within 30 days, 3 with too little."""
    folder = find_home(home)
    status = watch_headroom(folder)
    keep_finding(describe_headroom(status), folder)
    if json:
        show_json(status)
    else:
        show_lines([f"{status.state}: {status.why}"])
        if status.headroom is not None:
            growth = "unknown" if status.growth_a_day is None else f"{status.growth_a_day:+.1%} per day"
            left = "" if status.days_left is None else f", full in {status.days_left:.0f} days"
            show_lines([f"  headroom {status.headroom:.0%}, growth {growth}{left}"])
        show_lines(f"  {note}" for note in status.notes)
    raise typer.Exit(CODES[status.state])
