"""What is measured now and then rather than counted with requests: engines, GPUs, processes.

A sample falls into its minute, hour and day as count, sum, least, most and last value, which merge. A counter's sample
is its increase since the last look, so that its sum over a time is what happened in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from steward.core.series import RESOLUTIONS, start_of

ENGINE: Final = "engine"  # kinds of subjects
GPU: Final = "gpu"
PROCESS: Final = "process"

MetricState = Literal["ok", "missing", "not offered", "rejected"]
ScrapeState = Literal["ok", "unreachable", "unknown engine"]


class GaugeSample(msgspec.Struct, frozen=True):
    """One value of a metric of one subject, such as a model's engine."""

    at: float
    subject: str  # such as a model's name
    metric: str
    value: float


class GaugeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one minute, hour or day holds."""

    resolution_s: int
    start: int
    subject: str
    metric: str
    count: int
    total: float
    least: float
    most: float
    last: float


class EngineMetricState(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the normal form as an engine told it last."""

    state: MetricState
    value: float | None = None  # of a counter: its total
    source: str = ""  # the engine's name for it


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """One engine's metrics endpoint at the last look."""

    model: str
    at: float
    state: ScrapeState
    engine: str = ""  # vllm, sglang, tgi, llama.cpp or triton
    since: float = 0.0  # when this state began
    error: str = ""
    metrics: dict[str, EngineMetricState] = {}
    rejected: int = 0  # values that no engine can have, so far
    ever: tuple[str, ...] = ()  # metrics that it once told


def merge_samples(samples: Iterable[GaugeSample]) -> list[GaugeRow]:
    """Samples by their minutes, hours and days, ordered by key; the later of two is the last."""
    rows: dict[tuple[int, int, str, str], GaugeRow] = {}
    for sample in sorted(samples, key=lambda one: one.at):
        for resolution_s in RESOLUTIONS:
            key = (resolution_s, start_of(sample.at, resolution_s), sample.subject, sample.metric)
            before = rows.get(key)
            rows[key] = GaugeRow(
                resolution_s=resolution_s,
                start=key[1],
                subject=sample.subject,
                metric=sample.metric,
                count=1 + (before.count if before else 0),
                total=sample.value + (before.total if before else 0.0),
                least=min(sample.value, before.least) if before else sample.value,
                most=max(sample.value, before.most) if before else sample.value,
                last=sample.value,
            )
    return [rows[key] for key in sorted(rows)]
