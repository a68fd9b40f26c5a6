"""`steward check`: is this deployment ready, and what is missing?"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from steward.cli.build_results import build_server_run
from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.governance.readiness import ReadinessReport

EXIT_CODES: Final = {"go": 0, "no-go": 1, "cannot tell": 3}
VERDICT_NAMES: Final = {
    "pass": "passed", "fail": "failed", "cannot tell": "cannot be told", "waived": "waived",
    "not applicable": "do not apply",
}  # fmt: skip


class LevelName(StrEnum):
    """How much depends on the deployment."""

    PROTOTYPE = "prototype"
    INTERNAL = "internal"
    PRODUCTION = "production"
    REGULATED = "regulated"


class PitfallName(StrEnum):
    """A way in which deployments fail."""

    INFRASTRUCTURE = "infrastructure"
    DATA = "data"
    EVALUATION = "evaluation"
    MONITORING = "monitoring"
    SECURITY = "security"
    ETHICS = "ethics"


CheckArgument = Annotated[str, typer.Argument(metavar="CHECK", help="Id of the check, as `steward check` prints it.")]


def check(
    context: typer.Context,
    level: Annotated[LevelName, typer.Option(help="How much depends on it.")] = LevelName.PRODUCTION,
    pitfall: Annotated[PitfallName | None, typer.Option(help="Only the checks of one way to fail.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML to this file.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("checks")] = False,
) -> None:
    """Check whether a deployment is ready. Exits with 0 for go, with 1 for no-go, with 3 where nobody can tell."""
    if context.invoked_subcommand is not None:
        return
    from steward.core.files import write_file
    from steward.governance.readiness import PITFALLS
    from steward.governance.readiness_report import render_junit, render_page
    from steward.workflows.gateway_probe import ask_gateway
    from steward.workflows.readiness import check_home

    folder, now = find_home(home), time.time()
    chosen = next((name for name in PITFALLS if pitfall is not None and name.startswith(pitfall.value)), None)
    with build_server_run("steward check", junit):
        answers, problem = ask_gateway(folder)
        readiness = check_home(folder, level.value, now, answers, problem, chosen)
    if html is not None:
        write_file(html, render_page(readiness, folder.name, now).encode())
    if junit is not None:
        write_file(junit, render_junit(readiness).encode())
    if json:
        show_json(readiness)
    else:
        _show(readiness)
    raise typer.Exit(EXIT_CODES[readiness.verdict])


def waive(
    name: CheckArgument,
    reason: Annotated[str, typer.Option(help="Why it can wait, for whoever reads the report.")],
    until: Annotated[str, typer.Option(help="How long, at most 90d, such as 14d.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let a check wait for a while, with your name on it. When the time is over, the check has failed."""
    from steward.core.durations import parse_span_s
    from steward.core.identity import operator
    from steward.workflows.readiness import waive as record_waiver

    now = time.time()
    waiver = record_waiver(find_home(home), name, reason, now + parse_span_s(until), now, operator(os.getuid()))
    if json:
        show_json(waiver)
    else:
        show_lines([f"{waiver.check} is waived until {_day(waiver.until)} by {waiver.owner}: {waiver.reason}"])


def end_waiver(name: CheckArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """End a waiver: the check counts again."""
    from steward.core.identity import operator
    from steward.workflows import readiness

    readiness.end_waiver(find_home(home), name, operator(os.getuid()))
    if json:
        show_json({"check": name, "waived": False})
    else:
        show_lines([f"{name} counts again."])


def _show(readiness: ReadinessReport) -> None:
    words = {"go": "Go", "no-go": "No-go", "cannot tell": "Cannot tell"}
    show_lines([f"{words[readiness.verdict]} at level {readiness.level}: {count_verdicts(readiness)}.", ""])
    for waiver in readiness.waivers:
        show_lines([f"Waived until {_day(waiver.until)} by {waiver.owner}: {waiver.check}: {waiver.reason}"])
    for pitfall in dict.fromkeys(item.pitfall for item in readiness.checks):
        show_lines(["", pitfall.capitalize()])
        rows = [
            [item.verdict, item.id, item.question, item.value] for item in readiness.checks if item.pitfall == pitfall
        ]
        show_table(["verdict", "check", "question", "seen"], rows)
    fixes = [item for item in readiness.checks if item.fix and item.verdict != "waived"]
    if fixes:
        show_lines(["", "What to do"])
        show_table(["check", "command"], [[item.id, item.fix] for item in fixes])


def count_verdicts(readiness: ReadinessReport) -> str:
    from collections import Counter

    counts = Counter[str](item.verdict for item in readiness.checks)
    parts = [f"{counts[verdict]} {name}" for verdict, name in VERDICT_NAMES.items() if counts[verdict]]
    return ", ".join(parts) or "no checks"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
