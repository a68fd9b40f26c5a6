"""`steward eval checks`: a suite's behavioural tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.build_results import JUnitOption, build_server_run, tell_build_server
from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.eval.options import LimitOption, ModelOption, OutOption, SuiteArgument, TargetOptions
from steward.cli.eval.output import format_numbers, progress_bar
from steward.cli.lazy import CsvRows
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.checks import CheckReport


def checks(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    target: TargetOptions,
    limit: LimitOption = None,
    junit: JUnitOption = None,
    json: Annotated[JsonOption, CsvRows("checks")] = False,
) -> None:
    """Run a suite's behavioural checks: minimum functionality (MFT), invariance (INV) and direction (DIR).

    Exits 1 if a check failed, 3 if items without a value leave a check undecided.
    """
    require_extra()
    from steward.evaluation.build_cases import list_check_cases
    from steward.workflows.evaluate.changes import run_checks

    with build_server_run("steward eval checks", junit):
        with progress_bar() as bar:
            report = run_checks(suite, target.make_target(model), out, limit=limit, progress=bar)
        if json:
            show_json(report)
        else:
            _show_report(report)
        tell_build_server("steward eval checks", list_check_cases(report), junit)
        raise typer.Exit({"passed": 0, "failed": 1, "inconclusive": 3}[report.verdict])


def _show_report(report: CheckReport) -> None:
    columns = ["check", "kind", "verdict", "share", "low", "high", "at least", "items", "failed", "undecided"]
    rows = []
    for check in report.checks:
        numbers = format_numbers(check.share, check.low, check.high, check.at_least)
        counts = [check.n, len(check.failed), len(check.unscored) + len(check.errored)]
        rows.append([check.name, check.kind, check.verdict, *numbers, *counts])
    show_table(columns, rows)
    for check in report.checks:
        for example in check.examples[:1]:
            show_lines([f"{check.name}, item {example.id}: {example.asked!r} → {example.said!r}"])
            show_lines([f"  {example.asked_after!r} → {example.said_after!r}"] if example.asked_after else [])
        show_lines([f"{check.name}, undecided: {line}" for line in [*check.errored, *check.unscored][:5]])
