"""How far predictions are off on a table of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steward.capacity import measurements
from steward.capacity.calibrate import fit_deployment_terms
from steward.capacity.catalog import read_accelerator_table
from steward.capacity.measurements import Measurement, Validation
from steward.capacity.step_time import Terms, load_shipped_terms
from steward.capacity.uncertainty import ErrorRatios, estimate_ratios
from steward.workflows.plan.home import load_calibrations, read_calibrations


def validate_file(
    path: Path,
    home: Path | None = None,
    calibrate_rows: int = 0,
    gpu_table: Path | None = None,
    calibration: Path | None = None,
) -> Validation:
    """Errors on a table. With `calibrate_rows`, each deployment is first fitted to that many of its rows and tested on
    the others; deployments with too few rows are left out.

    :raises InputError: not such a table
    """
    rows, declined = measurements.read_measurements(path, read_accelerator_table(gpu_table) if gpu_table else None)
    stored = read_calibrations(calibration) if calibration else load_calibrations(home)
    shipped = load_shipped_terms()
    if not calibrate_rows:

        def find_bounds(row: Measurement) -> ErrorRatios | None:
            calibrated = stored.find(row.deployment)
            return calibrated[1] if calibrated else estimate_ratios(row.deployment, row.load)

        return measurements.validate(
            rows, declined, lambda row: stored.find_terms(row.deployment, shipped), find_bounds
        )
    tested, own = split_fit(rows, calibrate_rows, shipped)
    return measurements.validate(tested, (), lambda row: own[row.id])


def split_fit(rows: Sequence[Measurement], count: int, start: Terms) -> tuple[list[Measurement], dict[str, Terms]]:
    """For each deployment with more than `count` rows: terms fitted to `count` rows spread over the table's order, and
    the rows left to test, with their terms by row."""
    groups: dict[str, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    tested: list[Measurement] = []
    own: dict[str, Terms] = {}
    for group in groups.values():
        if len(group) <= count:
            continue
        picked = {round(index * (len(group) - 1) / (count - 1)) for index in range(count)} if count > 1 else {0}
        terms = fit_deployment_terms([row for at, row in enumerate(group) if at in picked], start)
        for at, row in enumerate(group):
            if at not in picked:
                tested.append(row)
                own[row.id] = terms
    return tested, own
