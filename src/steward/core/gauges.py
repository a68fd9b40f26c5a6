"""What belongs to no model, route and key: engines, GPUs and processes, measured now and then, and guards' verdicts.

A sample falls into its minute, hour and day as count, sum, least, most and last value, which merge. A counter's sample
is its increase since the last look, so that its sum over a time is what happened in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from steward.core.minutes import SHADOW
from steward.core.series import MINUTE_S, RESOLUTIONS, start_of

ENGINE: Final = "engine"  # kinds of subjects
GPU: Final = "gpu"
PROCESS: Final = "process"
GUARD_COUNTS: Final = ("guard_checks", "guard_blocks", "guard_rewrites", "guard_warnings", "guard_failures")
MOST_LETTERS: Final = 200  # of a subject's name
_RECEIPT: Final = re.compile(r"([^=@:]+)[^=]*=(allow|rewrite|block)(?:\((.*))?")  # privacy@2.1f3a:answer=allow(failed)

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


def count_verdicts(rows: Iterable[Mapping[str, Any]]) -> list[GaugeRow]:
    """What guards said of settled exchanges, by guard, ordered by key; `rows` have the columns of the store's table."""
    texts = Counter(
        (start_of(row["settled_at"], MINUTE_S), row["guards"])
        for row in rows
        if row["guards"] and row["key_id"] != SHADOW
    )
    counts: Counter[tuple[int, int, str, str]] = Counter()
    for (minute, text), requests in texts.items():
        for guard, metric in _read_receipts(text):
            for resolution_s in RESOLUTIONS:
                counts[resolution_s, start_of(minute, resolution_s), guard, metric] += requests
    return [
        GaugeRow(
            resolution_s=key[0], start=key[1], subject=key[2], metric=key[3], count=number, total=float(number),
            least=1.0, most=1.0, last=1.0,
        )
        for key, number in sorted(counts.items())
    ]  # fmt: skip


def _read_receipts(text: str) -> Iterator[tuple[str, str]]:
    """The guards and what counts of each. A guard that is switched off has checked nothing."""
    for receipt in text.split(", "):
        match = _RECEIPT.match(receipt)
        if match is None or match[3] == "off)":
            continue
        guard = match[1][:MOST_LETTERS]
        yield guard, "guard_checks"
        if match[2] != "allow":
            yield guard, f"guard_{match[2]}s"
        elif match[3]:
            yield guard, "guard_failures" if match[3] == "failed)" else "guard_warnings"
