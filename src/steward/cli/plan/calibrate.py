"""`steward plan calibrate`: fits the planner to your own load tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.capacity.calibrate import Calibration
from steward.cli.common import HomeOption, JsonOption, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.cli.plan.options import HardwareOptions, ModelOption, find_home_or_none
from steward.cli.plan.show import format_share
from steward.workflows.plan.calibrate import calibrate_files
from steward.workflows.plan.deployment import DeploymentSpec


def calibrate(
    files: Annotated[list[Path], typer.Argument(help="Load reports (JSON) or tables (CSV) of one deployment.")],
    hardware: HardwareOptions,
    model: ModelOption = None,
    max_num_seqs: Annotated[
        int | None, typer.Option(min=1, help="Most sequences that the engine runs at once.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the calibration to this file.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("after")] = False,
) -> None:
    """Fit the planner to load tests of your own deployment; the next `steward plan` uses the result."""
    folder = find_home_or_none(home)
    spec = (
        None
        if model is None
        else DeploymentSpec(model=model, max_num_seqs=max_num_seqs, **msgspec.structs.asdict(hardware))
    )
    calibration = calibrate_files(files, spec, folder, out)
    if json:
        show_json(calibration)
        return
    _show_calibration(calibration)
    if folder:
        show_lines([f"Saved in {folder / 'plan'}; the next `steward plan` uses it."])
    else:
        show_lines(["Not saved, since there is no deployment here; name one with --home."])


def _show_calibration(calibration: Calibration) -> None:
    show_lines([f"{calibration.deployment}: {calibration.rows} measured points"])
    rows = []
    for metric, before in calibration.before.items():
        if before.n:
            held_out = calibration.held_out[metric].median_error if calibration.held_out else None
            after = calibration.after[metric].median_error
            shares = (format_share(error) for error in (before.median_error, after, held_out))
            rows.append([metric, before.n, *shares])
    show_table(["median error of", "rows", "before", "after", "on rows left out of the fit"], rows)
