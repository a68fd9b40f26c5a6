"""A sweep: the steps of rates or users, and from where on the server is saturated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.load_report import LoadReport

Array = NDArray[np.float64]
SATURATED_SHARE: Final = 0.9  # of the requests that were answered in time; below it the server falls behind
_FIRST_PART: Final = 3  # the first third of a step shows how long an answer takes before a queue has grown
KNEE_SHARE: Final = 0.1  # of a closed loop: users that bring less than this share of their part bring nothing more
NARROW_RATIO: Final = 1.1  # between two steps; no step is put between them


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a sweep."""

    rate: float | None  # that was asked for; None: closed loop
    concurrency: int | None
    achieved_rate: float
    answered_rate: float
    output_tok_s: float
    concurrency_mean: float
    failed: int
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    tpot_p50_ms: float | None
    tpot_p95_ms: float | None
    e2e_p50_ms: float | None
    e2e_p95_ms: float | None
    saturated: bool
    valid: bool

    @property
    def load(self) -> float:
        """Requests per second, or users."""
        return float(self.rate or self.concurrency or 0)

    def describe_load(self) -> str:
        return f"{self.concurrency} users" if self.concurrency else f"{self.rate:.4g} req/s"


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load sweep --json`. `capacity_rate`: the most answers per second of any step."""

    model: str
    url: str
    arrival: str
    points: tuple[SweepPoint, ...]
    saturates_at: float | None  # the lowest load from which on every step was saturated
    capacity_rate: float
    capacity_tok_s: float
    keeps_up_to: float | None = None  # the highest load up to which no step was saturated
    notes: tuple[str, ...] = ()
    partial: bool = False  # interrupted

    def describe(self) -> str:
        """The result in one sentence."""
        if not self.points:
            return "No step was finished"
        unit = "users" if any(point.concurrency for point in self.points) else "requests per second"
        if self.saturates_at is None and self.keeps_up_to is None:
            kept = "Some steps were saturated and higher ones were not, so no limit can be told"
        elif self.saturates_at is None:
            kept = f"The server kept up with {self.keeps_up_to:.4g} {unit} and was not saturated"
            if self.keeps_up_to != self.points[-1].load:
                kept = f"The server kept up with {self.keeps_up_to:.4g} {unit}; above, the steps contradict each other"
        elif self.keeps_up_to is None:
            kept = f"The server was saturated from {self.saturates_at:.4g} {unit} on, the lowest step that can be told"
        else:
            kept = (
                f"The server kept up with {self.keeps_up_to:.4g} {unit} and was saturated from {self.saturates_at:.4g}"
            )
        return f"{kept}; it answered at most {self.capacity_rate:.4g} requests per second"


def share_in_time(sent_s: Array, ended_s: Array) -> float | None:
    """The share of requests that had ended when the last one was sent, of those whose time had come by then.

    Both are (requests,) in s, in order of sending. A request's time is the p95 of the first third of the requests, so a
    server that keeps up has a share near 1, and one that gets R times what it can do a share near 1 / R. None if the
    step is too short to tell.
    """
    if not len(sent_s):
        return None
    first = max(1, len(sent_s) // _FIRST_PART)
    needed_s = float(np.quantile(ended_s[:first] - sent_s[:first], 0.95))
    last = float(sent_s[-1])
    due = sent_s <= last - needed_s
    return float((ended_s[due] <= last).mean()) if due.any() else None


def make_sweep_point(report: LoadReport, in_time: float | None, growing: bool) -> SweepPoint:
    """`in_time`: see `share_in_time`; `growing`: latencies rose during the step. Neither counts in a closed loop."""
    behind = in_time is not None and in_time < SATURATED_SHARE
    saturated = report.requested_concurrency is None and (behind or growing)
    return SweepPoint(
        rate=report.requested_rate,
        concurrency=report.requested_concurrency,
        achieved_rate=report.achieved_rate,
        answered_rate=report.answered_rate,
        output_tok_s=report.output_tok_s,
        concurrency_mean=report.concurrency_mean,
        failed=report.failed,
        ttft_p50_ms=report.ttft_ms.p50,
        ttft_p95_ms=report.ttft_ms.p95,
        tpot_p50_ms=report.tpot_ms.p50,
        tpot_p95_ms=report.tpot_ms.p95,
        e2e_p50_ms=report.e2e_ms.p50,
        e2e_p95_ms=report.e2e_ms.p95,
        saturated=saturated,
        valid=report.valid,
    )


def summarize_sweep(
    model: str, url: str, arrival: str, points: Sequence[SweepPoint], notes: Sequence[str] = (), partial: bool = False
) -> Sweep:
    """Put the steps in order of load and find where the server is saturated."""
    ordered = sorted(points, key=lambda point: point.load)
    kept = list(itertools.takewhile(lambda point: not point.saturated, ordered))
    beyond = list(itertools.takewhile(lambda point: point.saturated, reversed(ordered)))
    keeps_up_to = kept[-1].load if kept else None
    saturates_at = beyond[-1].load if beyond else None
    if saturates_at is None and ordered and ordered[0].concurrency:
        keeps_up_to, saturates_at = _find_knee(ordered)
    return Sweep(
        model=model,
        url=url,
        arrival=arrival,
        points=tuple(ordered),
        saturates_at=saturates_at,
        keeps_up_to=keeps_up_to,
        capacity_rate=max((point.answered_rate for point in ordered), default=0.0),
        capacity_tok_s=max((point.output_tok_s for point in ordered), default=0.0),
        notes=tuple(notes),
        partial=partial,
    )


def _find_knee(points: Sequence[SweepPoint]) -> tuple[float, float | None]:
    """Of a closed loop: the last number of users that still brought more answers, and the first that did not."""
    for before, after in itertools.pairwise(points):
        users = after.load / before.load - 1
        if after.answered_rate / max(before.answered_rate, 1e-9) - 1 < KNEE_SHARE * users:
            return before.load, after.load
    return points[-1].load, None


def choose_next_sweep_rate(points: Sequence[SweepPoint], start: float, most: int) -> float | None:
    """Double until saturated, then halve the widest gaps between the last step that was not and the first that was."""
    if len(points) >= most:
        return None
    if not points:
        return start
    rates = sorted(point.load for point in points)
    saturated = [point.load for point in points if point.saturated]
    if not saturated:
        return 2 * rates[-1]
    below = [rate for rate in rates if rate < min(saturated)]
    if not below:
        return min(saturated) / 2
    inside = [rate for rate in rates if below[-1] / 2 <= rate <= min(saturated)]
    gaps = [(later / earlier, math.sqrt(later * earlier)) for earlier, later in itertools.pairwise(inside)]
    ratio, middle = max(gaps)
    return middle if ratio > NARROW_RATIO else None
