"""`steward plan validate`: measures the planner's errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines
from steward.cli.lazy import CsvRows
from steward.cli.plan.options import FitRowsOption
from steward.cli.plan.show import show_errors
from steward.workflows.plan.validate import validate_file


def validate(
    table: Annotated[Path, typer.Argument(help="CSV of measurements; docs/how-to/plan-capacity.md lists its columns.")],
    calibrate: FitRowsOption = 0,
    calibration: Annotated[
        Path | None, typer.Option(help="File that `calibrate --out` wrote. Default: the home's.")
    ] = None,
    gpu_table: Annotated[
        Path | None, typer.Option(help="CSV of your own accelerators, with the columns of the shipped table.")
    ] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("metrics")] = False,
) -> None:
    """Compare predictions with a table of measurements; exit 3 when no row can be compared."""
    validation = validate_file(table, find_home(home) if home else None, calibrate, gpu_table, calibration)
    if json:
        show_json(validation)
    else:
        show_errors(validation)
        show_lines([f"{validation.rows} rows, {sum(validation.declined.values())} left out"])
        show_lines(f"  {count} x {reason}" for reason, count in validation.declined.items())
    if not any(error.n for error in validation.metrics.values()):
        raise typer.Exit(3)
