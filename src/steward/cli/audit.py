"""`steward audit tail|verify`: who changed what, and whether the record was altered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table


def tail(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of acts to show, newest first.")] = 20,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the latest administrative acts: who changed keys, prompts and the configuration."""
    from steward.workflows.audit import list_acts

    acts = list_acts(find_home(home), lines)
    if json:
        show_json(acts)
        return
    rows = [
        [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(act.at)), act.actor, act.action, act.subject, act.after]
        for act in acts
    ]
    show_table(["at", "actor", "action", "subject", "after"], rows)


def verify(
    witness: Annotated[Path | None, typer.Option(help="A checkpoint of this log that was kept elsewhere.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check the audit log. Exits with 1 if it was altered, and with 3 if there was no witness to compare with."""
    from steward.workflows.audit import verify_home

    verification = verify_home(find_home(home), witness)
    if json:
        show_json(verification)
    elif verification.error:
        where = f" at entry {verification.at}" if verification.at is not None else ""
        show_lines([f"ALTERED{where}: {verification.error}"])
    else:
        show_lines([f"{verification.verified} of {verification.entries} entries verified."])
        if not verification.compared:
            show_lines(
                [
                    "It was not compared with a copy from elsewhere: a rollback of the whole home would not be seen.",
                    "Keep copies of audit/checkpoint on another machine and pass one with --witness.",
                ]
            )
    if verification.error:
        raise typer.Exit(1)
    if not verification.compared:
        raise typer.Exit(3)
