"""Calibrates the planner on a deployment's own load tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from steward.capacity import measurements
from steward.capacity.calibrate import Calibration, calibrate, describe_deployment
from steward.capacity.measurements import MeasuredMetric, Measurement
from steward.capacity.memory import Deployment
from steward.capacity.predict import Load
from steward.capacity.step_time import load_shipped_terms
from steward.core.errors import InputError
from steward.core.files import SHARED, write_file
from steward.core.load_report import LoadReport, Samples, read_load_report
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment, resolve_model
from steward.workflows.plan.home import add_calibration, load_calibrations, read_plan, save_calibrations

LEAST_SAMPLES: Final = 8  # answers at one number of requests in flight, for a row of their own


def calibrate_files(
    paths: Sequence[Path], spec: DeploymentSpec | None, home: Path | None, out: Path | None = None
) -> Calibration:
    """Load reports (JSON) and tables (CSV) of one deployment; the fit is kept in the home, where there is one.

    A report says what was asked and answered, not on what hardware: that comes from `spec`, else from the saved plan.
    :raises InputError: an invalid run, several deployments, too few points
    """
    rows: list[Measurement] = []
    for path in paths:
        if path.suffix == ".csv":
            listed, declined = measurements.read_measurements(path)
            if declined and not listed:
                raise InputError(f"{path}: {declined[0].reason}")
            rows += listed
        else:
            rows += convert_report(read_load_report(path), path, _find_tested_deployment(spec, home))
    calibration = calibrate(rows, load_shipped_terms())
    merged = add_calibration(load_calibrations(home), rows, calibration)
    if home is not None:
        save_calibrations(home, merged)
    if out is not None:
        write_file(out, msgspec.json.format(msgspec.json.encode(merged)), mode=SHARED)
    return calibration


def _find_tested_deployment(spec: DeploymentSpec | None, home: Path | None) -> Deployment:
    """:raises InputError: neither named nor planned"""
    if spec is not None:
        return resolve_deployment(spec, resolve_model(spec.model).model)
    if home is None or not (home / "plan" / "plan.json").exists():
        raise InputError(
            "a load report does not say which hardware it ran on: give --model and --gpu, or save a plan first with "
            "`steward plan … --keep`"
        )
    plan = read_plan(home)
    if plan.chosen is None:
        raise InputError("the saved plan found no deployment; give --model and --gpu")
    chosen = plan.chosen
    planned = DeploymentSpec(
        model=plan.model, gpu=chosen.gpu, precision=chosen.precision, engine=plan.engine, tp=chosen.tp, pp=chosen.pp
    )
    return resolve_deployment(planned, resolve_model(plan.model).model)


def convert_report(report: LoadReport, path: Path, deployment: Deployment) -> list[Measurement]:
    """A report's means as one row, and its samples by the number of requests in flight as further ones.

    :raises InputError: the run was not valid, or nothing was answered
    """
    if not report.valid:
        why = "; ".join(report.invalid_reasons) or "no reason given"
        advice = (
            "run it again from a quieter machine, or with more --processes; the number of clients need not change"
            if report.requested_concurrency
            else "run it again at a lower rate, or from a quieter machine"
        )
        raise InputError(f"{path}: not a valid run ({why}); {advice}")
    if not report.answered or report.tpot_ms.mean is None:
        raise InputError(
            f"{path}: {report.answered} answers and no time per token; run a streamed test with answers of at least "
            "two tokens"
        )
    samples = report.samples
    lengths = _describe_lengths(samples, range(len(samples.input_tokens)))
    outputs = _mean(samples.output_tokens) or lengths.keywords["output_tokens"]
    if report.requested_concurrency:
        load = lengths(kind="closed", concurrency=report.requested_concurrency)
    else:
        load = lengths(kind="open", rate=report.requested_rate or report.achieved_rate, requests=min(report.sent, 2000))
    known: dict[MeasuredMetric, float | None] = {
        "tpot_ms": report.tpot_ms.mean,
        "ttft_ms": report.ttft_ms.mean,
        "output_tok_s": report.answered * outputs / report.duration_s if report.duration_s > 0 else None,
    }
    measured = {metric: value for metric, value in known.items() if value}
    row = partial(Measurement, group=describe_deployment(deployment), deployment=deployment)
    rows = [row(id=path.name, load=load, measured=measured)]
    for count, places in sorted(_group_by_in_flight(report).items()):
        if not (mean := _mean([value for at in places if (value := samples.tpot_ms[at]) is not None])):
            continue
        rows.append(
            row(
                id=f"{path.name}#{count}",
                load=_describe_lengths(samples, places)(kind="closed", concurrency=count),
                measured={"tpot_ms": mean},
            )
        )
    return rows


def _group_by_in_flight(report: LoadReport) -> dict[int, list[int]]:
    """Positions of samples by requests in flight, where enough of them have a time per token."""
    positions: dict[int, list[int]] = {}
    for at, count in enumerate(report.samples.in_flight):
        positions.setdefault(count, []).append(at)
    timed = report.samples.tpot_ms
    return {
        count: places
        for count, places in positions.items()
        if sum(timed[at] is not None for at in places) >= LEAST_SAMPLES
    }


def _describe_lengths(samples: Samples, places: Iterable[int]) -> partial[Load]:
    """A load of the mean lengths at these places; answers are at least the two tokens that have a time between them."""
    places = tuple(places)
    inputs = _mean([samples.input_tokens[at] for at in places]) or 0
    outputs = _mean([samples.output_tokens[at] for at in places]) or 0
    return partial(Load, input_tokens=max(1, round(inputs)), output_tokens=max(2, round(outputs)))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
