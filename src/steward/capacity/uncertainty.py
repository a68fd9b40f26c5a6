"""How far off a prediction may be: intervals from the errors on sources that the fit did not see.

A planner meets deployments of people who measured nothing for it, so what counts is how predictions do on a *source*
left out, not on a row or a deployment left out: machines, drivers, clients and settings differ by source. Widths are
quantiles of those errors with each source weighing as its rows up to thirty, scaled until intervals made from the other
sources hold 80 % of a left-out one on average (scripts/fit_planner.py). They widen with the distance from what was
measured. Where no source measured anything alike (other vendors, CPUs) there is no coverage to estimate, and the
interval says so.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from steward.capacity.catalog import TABLES
from steward.capacity.fit import fit_leaving_one_out
from steward.capacity.measurements import (
    MeasuredMetric,
    Measurement,
    get_predicted,
    predict_measurement,
    read_shipped_measurements,
)
from steward.capacity.memory import Deployment
from steward.capacity.predict import Load
from steward.capacity.step_time import WIDTHS, Terms

ErrorRatios = dict[MeasuredMetric, tuple[float, float]]  # quantiles 0.1 and 0.9 of predicted/measured
NEAR: Final = 1.0  # within it a deployment counts as measured
WIDENING: Final = 0.25  # of the logarithmic width, for each unit of distance beyond
MOST: Final = 3.0
FULL_WEIGHT: Final = 30  # rows beyond which a source tells no more of what other sources will show


class Distance(msgspec.Struct, frozen=True):
    """To the nearest measurement. Units are doublings, two of lengths, three of batches; 1 for another kind of engine,
    number format or model (dense against experts)."""

    value: float
    nearest: str  # model, accelerator, engine

    @property
    def is_extrapolation(self) -> bool:
        return self.value > NEAR

    @property
    def widening(self) -> float:
        """Factor on the logarithm of an interval's width."""
        return min(MOST, 1.0 + WIDENING * max(0.0, self.value - NEAR))


def load_shipped_ratios() -> ErrorRatios:
    """Of deployments like the measured ones; written by scripts/fit_planner.py."""
    return msgspec.json.decode((TABLES / "ratios.json").read_bytes(), type=ErrorRatios)


@functools.cache
def list_shipped_measurements() -> tuple[Measurement, ...]:
    return tuple(read_shipped_measurements())


def measure_distance(deployment: Deployment, load: Load, rows: Sequence[Measurement] | None = None) -> Distance:
    """To the nearest of `rows`, the shipped ones by default."""
    here = _describe(deployment, load)
    listed = list_shipped_measurements() if rows is None else rows
    value, row = min(((_distance(here, _describe(row.deployment, row.load)), row) for row in listed), key=_get_distance)
    d = row.deployment
    return Distance(value, f"{d.model.name} on {d.gpus} x {d.gpu.name}, {d.engine.name}")


def estimate_ratios(deployment: Deployment, load: Load) -> ErrorRatios | None:
    """What to expect of a deployment that was not calibrated; None: nothing like it was measured."""
    if deployment.gpu.vendor != "NVIDIA":
        return None
    return widen(load_shipped_ratios(), measure_distance(deployment, load).widening)


def widen(ratios: Mapping[MeasuredMetric, tuple[float, float]], factor: float) -> ErrorRatios:
    """
    >>> {name: tuple(round(x, 3) for x in pair) for name, pair in widen({"tpot_ms": (0.5, 2.0)}, 2.0).items()}
    {'tpot_ms': (0.25, 4.0)}
    """
    return {metric: (low**factor, high**factor) for metric, (low, high) in ratios.items()}


Features = tuple[tuple[float, ...], tuple[str, ...]]


def _describe(d: Deployment, load: Load) -> Features:
    """Logarithms of what scales a step, and what kind of deployment it is."""
    batch = load.concurrency or load.requests or max(1.0, load.rate if math.isfinite(load.rate) else 256.0)
    numbers = (
        math.log2(d.model.active_params) / 2,
        math.log2(d.model.params) / 2,
        math.log2(d.gpu.bandwidth_gb_s),
        math.log2(d.gpu.bf16_tflops) / 2,
        math.log2(d.gpus) / 2,
        math.log2(load.input_tokens) / 2,
        math.log2(load.output_tokens) / 3,
        math.log2(batch) / 3,
    )
    kinds = (d.engine.kind, d.precision.arithmetic, "experts" if d.model.experts else "dense")
    return numbers, kinds


def _distance(one: Features, other: Features) -> float:
    apart = sum((a - b) ** 2 for a, b in zip(one[0], other[0], strict=True))
    return math.sqrt(apart + sum(a != b for a, b in zip(one[1], other[1], strict=True)))


def _get_distance(pair: tuple[float, Measurement]) -> float:
    return pair[0]


# -- choosing the widths -----------------------------------------------------------------------------


class UnseenError(msgspec.Struct, frozen=True):
    """log(predicted/measured) of a row by a fit that saw nothing of its source, over the widening of its distance to
    the rows of other sources."""

    source: str
    metric: MeasuredMetric
    error: float


def list_unseen_errors(rows: Sequence[Measurement]) -> list[UnseenError]:
    """Each row predicted by a fit that saw nothing of its source. Takes a minute."""
    own = fit_leaving_one_out(rows, Terms(), WIDTHS, groups=[row.source for row in rows])
    errors = []
    for row in rows:
        others = [other for other in rows if other.source != row.source]
        widening = measure_distance(row.deployment, row.load, others).widening
        prediction = predict_measurement(row, own[row.source])
        for metric, value in row.measured.items():
            error = math.log(max(1e-9, get_predicted(prediction, metric)) / value)
            errors.append(UnseenError(row.source, metric, error / widening))
    return errors


def choose_ratios(errors: Sequence[UnseenError], share: float = 0.8) -> ErrorRatios:
    """Intervals that hold `share` of each left-out source on average, where the others' errors make them."""
    ratios: ErrorRatios = {}
    for metric in dict.fromkeys(item.metric for item in errors):
        of_metric = [item for item in errors if item.metric == metric]
        factor = choose_factor(of_metric, share)
        low, high = _weighted_quantiles(of_metric, share)
        ratios[metric] = (math.exp(low * factor), math.exp(high * factor))
    return ratios


def choose_factor(errors: Sequence[UnseenError], share: float) -> float:
    """The least factor on the widths, of 1 to 5 in steps of a twentieth, at which left-out sources are held."""
    return next((step / 20 for step in range(20, 101) if measure_coverage(errors, share, step / 20) >= share), 5.0)


def measure_coverage(errors: Sequence[UnseenError], share: float, factor: float) -> float:
    """Weighted mean over sources of the share of their errors inside the interval that the other sources' errors
    give."""
    held, total = 0.0, 0.0
    for source in dict.fromkeys(item.source for item in errors):
        low, high = _weighted_quantiles([item for item in errors if item.source != source], share)
        own = [item.error for item in errors if item.source == source]
        weight = min(FULL_WEIGHT, len(own))
        held += weight * sum(low * factor <= error <= high * factor for error in own) / len(own)
        total += weight
    return held / total


class SourceCoverage(msgspec.Struct, frozen=True):
    """The share of a source's errors inside intervals whose quantiles and factor its errors had no part in."""

    source: str
    held: float
    rows: int


def list_source_coverages(errors: Sequence[UnseenError], share: float) -> list[SourceCoverage]:
    """Of one metric; what a source that nobody saw would find. At least three sources are needed: two others that the
    factor is chosen on.

    Unlike `measure_coverage` with `choose_factor` of the same errors, whose factor is chosen for the figure it gives.
    """
    found = []
    sources = dict.fromkeys(item.source for item in errors)
    for source in sources if len(sources) > 2 else ():
        others = [item for item in errors if item.source != source]
        own = [item.error for item in errors if item.source == source]
        low, high = _weighted_quantiles(others, share)
        factor = choose_factor(others, share)
        held = sum(low * factor <= error <= high * factor for error in own) / len(own)
        found.append(SourceCoverage(source, held, len(own)))
    return found


def estimate_coverage(errors: Sequence[UnseenError], share: float) -> float | None:
    """`list_source_coverages` as one figure, each source weighing as its rows up to thirty; None: too few sources."""
    found = list_source_coverages(errors, share)
    weights = [min(FULL_WEIGHT, one.rows) for one in found]
    held = sum(weight * one.held for weight, one in zip(weights, found, strict=True))
    return held / sum(weights) if found else None


def _weighted_quantiles(errors: Sequence[UnseenError], share: float) -> tuple[float, float]:
    """The quantiles that leave out (1 - share) / 2 on each side; the lower one is below 0, the upper one above."""
    counts = Counter(item.source for item in errors)
    total = sum(min(FULL_WEIGHT, count) for count in counts.values())
    ordered = sorted((item.error, min(1.0, FULL_WEIGHT / counts[item.source]) / total) for item in errors)
    tail, below, low, high = (1 - share) / 2, 0.0, ordered[0][0], ordered[-1][0]
    for error, weight in ordered:
        if below <= tail + 1e-12:
            low = error
        below += weight
        if below >= 1 - tail - 1e-12:
            high = error
            break
    return min(low, -LEAST), max(high, LEAST)


LEAST: Final = 0.02  # of an error, so that an interval has a width
