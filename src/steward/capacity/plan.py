"""The plan as a record: what was asked, what was chosen and how sure that is. Monitoring compares it with reality."""

from __future__ import annotations

from typing import Final

import msgspec

from steward.capacity.measurements import MeasuredMetric
from steward.capacity.predict import LoadPrediction
from steward.capacity.sizing import PlanOption, Requirements
from steward.capacity.uncertainty import ErrorRatios

FORMAT: Final = 1


class Assumption(msgspec.Struct, frozen=True):
    """A figure that the plan rests on, and where it comes from."""

    what: str
    value: str
    source: str


class PredictionInterval(msgspec.Struct, frozen=True):
    """Where 80 % of measurements lie, by the errors on sources that the fit did not see. None: cannot tell, since
    nothing like it was measured."""

    low: float | None
    value: float
    high: float | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`steward plan --json`. `chosen` is None where it declines; `declined` says why, by candidate."""

    format: int = FORMAT
    at: float  # seconds since the epoch
    model: str
    engine: str
    wanted: Requirements
    chosen: PlanOption | None
    ttft_p95_ms: PredictionInterval | None = None
    tpot_p95_ms: PredictionInterval | None = None
    max_rate: PredictionInterval | None = None  # requests a second, of all replicas
    alternatives: tuple[PlanOption, ...] = ()
    declined: dict[str, str] = {}
    considered: int = 0
    assumptions: tuple[Assumption, ...] = ()


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """`steward plan predict --json`: one deployment under one load."""

    model: str
    gpu: str
    gpus: int
    precision: str
    tp: int
    pp: int
    engine: str
    visible_gib: float  # of one accelerator, as the driver reports it
    usable_gib: float
    weights_gib: float  # on each accelerator
    activation_gib: float
    overhead_gib: float
    kv_gib: float
    kv_bytes_per_token: float
    kv_tokens: int  # of the replica
    prediction: LoadPrediction
    output_tok_s: PredictionInterval
    ttft_ms: PredictionInterval  # means
    tpot_ms: PredictionInterval
    calibrated: bool
    assumptions: tuple[Assumption, ...] = ()


def build_interval(value: float, ratios: ErrorRatios | None, metric: MeasuredMetric) -> PredictionInterval:
    """
    >>> build_interval(100.0, {"tpot_ms": (0.8, 1.25)}, "tpot_ms")
    PredictionInterval(low=80.0, value=100.0, high=125.0)
    >>> build_interval(100.0, None, "tpot_ms")
    PredictionInterval(low=None, value=100.0, high=None)
    """
    if ratios is None:
        return PredictionInterval(None, value, None)
    low, high = ratios[metric]
    return PredictionInterval(value / high, value, value / low)
