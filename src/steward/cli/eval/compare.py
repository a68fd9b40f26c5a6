"""`steward eval compare` and `gate`: two runs item by item, and whether a candidate may be released."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.build_results import build_server_run
from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import BaselineArgument, CandidateArgument
from steward.cli.eval.output import format_numbers
from steward.cli.lazy import CsvRows
from steward.evaluation.numbers import format_p
from steward.workflows.evaluate.extra import require_extra


def compare(
    baseline: BaselineArgument,
    candidate: CandidateArgument,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    json: Annotated[JsonOption, CsvRows("wholes", "slices")] = False,
) -> None:
    """Compare two runs item by item: gains with intervals, and which items got better or worse."""
    require_extra()
    from steward.workflows.evaluate.comparison import compare_folders

    comparison = compare_folders(baseline, candidate, html)
    if json:
        show_json(comparison)
        return
    columns = ["", "baseline", "candidate", "gain", "low", "high", "p", "items", "better", "worse"]
    rows = []
    for row in (*comparison.wholes, *comparison.slices):
        numbers = [*format_numbers(row.baseline, row.candidate, row.gain, row.low, row.high), format_p(row.p)]
        rows.append([row.title, *numbers, row.n, len(row.better), len(row.worse)])
    show_table(columns, rows)
    if not comparison.same_prompts:
        show_lines(["The two runs used different prompts."])


def gate(
    baseline: Annotated[Path, typer.Option(help="Run folder of the released model.")],
    candidate: Annotated[Path, typer.Option(help="Run folder of the model to release.")],
    policy: Annotated[Path, typer.Option(help="YAML file with metrics, margins, slices, coverage and must_pass.")],
    markdown: Annotated[Path | None, typer.Option(help="Write the decision as Markdown to this file.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the decision as JUnit XML to this file.")] = None,
    json: Annotated[JsonOption, CsvRows("guards")] = False,
) -> None:
    """Decide whether a candidate may replace the baseline.

    Exits 0 if no metric got worse by more than its margin, 1 if one did, 3 if the data do not decide it.
    """
    require_extra()
    from steward.workflows.evaluate.comparison import gate_folders
    from steward.workflows.findings import describe_gate

    with build_server_run("steward gate", junit):
        decision = gate_folders(baseline, candidate, policy, markdown, junit)
    keep_finding(describe_gate(decision, policy, baseline, candidate))
    if json:
        show_json(decision)
    else:
        show_lines([f"{decision.candidate} against {decision.baseline}: {decision.verdict}"])
        rows = [
            [check.name, check.verdict, *format_numbers(check.gain, check.low, check.high), check.why]
            for check in decision.checks
        ]
        show_table(["check", "verdict", "gain", "low", "high", "why"], rows)
    raise typer.Exit({"passed": 0, "regressed": 1, "inconclusive": 3}[decision.verdict])
