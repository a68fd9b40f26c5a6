"""`steward drift compare`: has the traffic changed, and could it be chance?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows


def compare(
    baseline: Annotated[Path, typer.Argument(help="Requests to compare with, one JSON object a line.")],
    current: Annotated[Path, typer.Argument(help="Requests of now, one JSON object a line.")],
    json: Annotated[JsonOption, CsvRows("features")] = False,
) -> None:
    """Compare the traffic of two files, feature by feature. Exits with 1 if anything drifted."""
    from steward.workflows.alerts import compare_files
    from steward.workflows.findings import describe_drift

    result = compare_files(baseline, current)
    keep_finding(describe_drift(result, baseline, current))
    if json:
        show_json(result)
    else:
        show_lines([f"{result.baseline_events:,} requests before, {result.current_events:,} now.", ""])
        rows = [
            [
                feature.name,
                "drifted" if feature.drifted else "cannot tell" if feature.p is None else "no drift",
                _value(feature.baseline),
                _value(feature.current),
                None if feature.effect is None else f"{feature.effect:.4f}",
                _p(feature.p_adjusted),
            ]
            for feature in result.features
        ]
        show_table(["feature", "verdict", "before", "now", "effect, bits", "adjusted p"], rows)
        show_lines(f"{feature.name}: {feature.why}" for feature in result.features if feature.why)
    if result.drifted:
        raise typer.Exit(1)


def _value(value: float | str | None) -> str | None:
    return f"{value:.4g}" if isinstance(value, float) else value


def _p(p: float | None) -> str | None:
    return None if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
