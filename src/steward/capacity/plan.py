"""The plan as a record: what was asked, what was chosen and how sure that is. Monitoring compares it with reality."""

from __future__ import annotations

from typing import Final

import msgspec

from steward.capacity.catalog import TABLES
from steward.capacity.measurements import MeasuredMetric
from steward.capacity.predict import LoadPrediction
from steward.capacity.sizing import PlanOption, Requirements

FORMAT: Final = 1


class Assumption(msgspec.Struct, frozen=True):
    """A figure that the plan rests on, and where it comes from."""

    what: str
    value: str
    source: str


class PredictionInterval(msgspec.Struct, frozen=True):
    """Where 80 % of measurements lie, by the errors on rows that the fit did not see."""

    low: float
    value: float
    high: float


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


# Quantiles 0.1 and 0.9 of predicted/measured.
ErrorRatios = dict[MeasuredMetric, tuple[float, float]]


def load_shipped_ratios() -> ErrorRatios:
    """On groups that the fit did not see; written by scripts/fit_planner.py."""
    return msgspec.json.decode((TABLES / "ratios.json").read_bytes(), type=ErrorRatios)


UNMEASURED: Final = 1.3  # factor on both sides for vendors of which no measurement is shipped
GUESSED: Final = 5.0  # and for a CPU, of which nothing is known but its memory; both are judgement, not statistics


def choose_uncalibrated_ratios(vendor: str) -> ErrorRatios:
    """What to expect of a deployment that nobody has measured."""
    shipped = load_shipped_ratios()
    if vendor == "CPU":
        return {metric: (1 / GUESSED, GUESSED) for metric in shipped}
    wider = 1.0 if vendor == "NVIDIA" else UNMEASURED
    return {metric: (low / wider, high * wider) for metric, (low, high) in shipped.items()}


def build_interval(value: float, ratios: ErrorRatios, metric: MeasuredMetric) -> PredictionInterval:
    """
    >>> build_interval(100.0, {"tpot_ms": (0.8, 1.25)}, "tpot_ms")
    PredictionInterval(low=80.0, value=100.0, high=125.0)
    """
    low, high = ratios[metric]
    return PredictionInterval(value / high, value, value / low)
