"""Refits the efficiency terms to one deployment's own measurements: rows of a table, or a load test's report.

A short test cannot tell a dozen terms apart, so each stays near its shipped value unless the rows say otherwise; which
terms are free depends on what the deployment uses. The result carries its error before and after, and the same by
cross-validation, because a fit's own error flatters it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from steward.capacity.fit import fit_leaving_one_out, fit_terms
from steward.capacity.measurements import MeasuredMetric, Measurement, MetricError, validate
from steward.capacity.memory import Deployment
from steward.capacity.step_time import Terms
from steward.core.errors import InputError

LEAST_ROWS: Final = 3
_FOLDS: Final = 5
# Log-normal widths: what differs between deployments of one engine (kernels, clocks, client) is wide, physics narrow.
_WIDTHS: Final = {
    "scale": 0.4,
    "bandwidth": 0.15,
    "kv_bandwidth": 0.25,
    "attention": 0.5,
    "step_us": 0.7,
    "sequence_us": 0.8,
    "request_ms": 1.0,
    "stall": 0.7,
    "overlap": 0.2,
}
# Nothing shipped is measured on a CPU, whose batches share cores with the gateway and with everything else.
_CPU_WIDTHS: Final = {"bandwidth": 0.5, "step_us": 2.0, "sequence_us": 4.0, "request_ms": 1.5, "scale": 0.7}


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration. `held_out` are the errors of rows that a fit to the others did not see; None: too few rows."""

    deployment: str
    rows: int
    before: dict[MeasuredMetric, MetricError]
    after: dict[MeasuredMetric, MetricError]
    held_out: dict[MeasuredMetric, MetricError] | None
    terms: Terms


def calibrate(rows: Sequence[Measurement], start: Terms, *, cross: bool = True) -> Calibration:
    """:raises InputError: fewer than three rows, or rows of several deployments"""
    groups = {describe_deployment(row.deployment) for row in rows}
    if len(rows) < LEAST_ROWS:
        raise InputError(f"{len(rows)} rows to calibrate on; expected at least {LEAST_ROWS}, at different loads")
    if len({(row.deployment.model.name, row.deployment.gpu.name, row.deployment.engine.name) for row in rows}) > 1:
        raise InputError(f"the rows are of several deployments: {', '.join(sorted(groups))}; calibrate one at a time")
    terms = fit_deployment_terms(rows, start)
    held_out = None
    if cross and len(rows) >= 2 * _FOLDS:
        folds = [str(at % _FOLDS) for at in range(len(rows))]
        own = fit_leaving_one_out(rows, start, choose_free_terms(rows), groups=folds, balance=False)
        fold_of = dict(zip((row.id for row in rows), folds, strict=True))
        held_out = validate(rows, (), lambda row: own[fold_of[row.id]]).metrics
    return Calibration(
        deployment=", ".join(sorted(groups)),
        rows=len(rows),
        before=validate(rows, (), lambda _: start).metrics,
        after=validate(rows, (), lambda _: terms).metrics,
        held_out=held_out,
        terms=terms,
    )


def fit_deployment_terms(rows: Sequence[Measurement], start: Terms) -> Terms:
    return fit_terms(rows, start, start, choose_free_terms(rows), balance=False)


def choose_free_terms(rows: Sequence[Measurement]) -> dict[str, float]:
    """The free terms: those that the rows' deployments use."""
    widths = dict(_WIDTHS)
    if any(row.deployment.engine.kind == "cpp" for row in rows):
        widths.update(_CPU_WIDTHS)
    for row in rows:
        d = row.deployment
        widths[f"matrix_{d.precision.arithmetic}" if _has_rate(d) else "matrix_16"] = 0.3
        widths["layer_compiled_us" if d.engine.kind == "compiled" else "layer_python_us"] = 0.5
        if d.gpus > 1:
            widths.update(allreduce_us=0.7, link=0.4)
        if d.model.experts:
            widths.update(expert=0.5, expert_matrix=0.5, moe_layer_us=0.6)
    front = widths.pop("request_ms")
    if not any(row.load.kind in ("closed", "open") for row in rows):
        del widths["stall"]
        return widths
    names = {"request_native_ms" if row.deployment.engine.front == "native" else "request_ms" for row in rows}
    return widths | dict.fromkeys(sorted(names), front)


def _has_rate(d: Deployment) -> bool:
    return (d.gpu.fp4_tflops if d.precision.arithmetic == "4" else d.gpu.fp8_tflops or d.gpu.int8_tops) is not None


def describe_deployment(d: Deployment) -> str:
    """What a calibration holds for: "Llama-3.1-8B fp8, 1 x H100-SXM-80GB, vllm tp1"."""
    parallel = f"tp{d.tp}" + (f" pp{d.pp}" if d.pp > 1 else "") + (f" dp{d.dp}" if d.dp > 1 else "")
    return f"{d.model.name} {d.precision.name}, {d.gpus} x {d.gpu.name}, {d.engine.name} {parallel}"


def describe_family(d: Deployment) -> str:
    """The same without its degrees: what a calibration still helps with when they change."""
    return f"{d.model.name} {d.precision.name}, {d.gpu.name}, {d.engine.name}"
