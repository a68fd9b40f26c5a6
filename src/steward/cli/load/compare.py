"""`steward load compare`: whether a candidate got slower than a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.workflows.loadtest.run import require_extra

EXIT_CODES = {"no_worse": 0, "slower": 1, "inconclusive": 3}


def compare(
    baseline: Annotated[Path, typer.Argument(help="JSON report of the version in use.")],
    candidate: Annotated[Path, typer.Argument(help="JSON report of the new version.")],
    margin: Annotated[float, typer.Option(min=0, help="Allowed slowdown: 0.05 is five percent.")] = 0.05,
    metric: Annotated[list[str] | None, typer.Option(help="Metric, such as ttft_p95. May be repeated.")] = None,
    json: Annotated[JsonOption, CsvRows("changes")] = False,
) -> None:
    """Compare two reports. Exit 0: nothing got slower by more than the margin; 1: something did; 3: undecided."""
    require_extra()
    from steward.workflows.loadtest.compare import compare_files

    both = compare_files(baseline, candidate, margin, metric or ())
    if json:
        show_json(both)
    else:
        rows = [
            [item.name, f"{item.baseline:.4g}", f"{item.candidate:.4g}", f"{item.change:+.1%}", f"{item.low:+.1%}",
             f"{item.high:+.1%}", item.verdict.replace("_", " ")]
            for item in both.changes
        ]  # fmt: skip
        show_table(["metric", "baseline", "candidate", "change", "low", "high", "verdict"], rows)
        show_lines([f"{both.candidate} compared with {both.baseline}: {both.verdict.replace('_', ' ')}"])
        show_lines(f"note: {reason}" for reason in both.reasons)
    raise typer.Exit(EXIT_CODES[both.verdict])
