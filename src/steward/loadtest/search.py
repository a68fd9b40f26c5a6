"""Which rate to try next: for the highest rate that holds an objective, and for a sweep up to saturation.

Rates are fractions, steps are by ratio: from a rate that surely holds it doubles until one fails, then halves the ratio
of the bracket. What a failed trial still answered guesses at the capacity, which saves trials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.core.load_report import LoadReport
from steward.loadtest.slo import SloAnswer, TermResult

TRIAL_REQUESTS: Final = 150  # a p95 needs 73 without one over it (Wilson's upper end below 5 %)
_LONGEST: Final = 10  # times the trial's duration that few requests may make it last
SATURATED_SHARE: Final = 0.9  # of the requests sent that were answered in the time; below it the server falls behind


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that was tried."""

    rate: float
    answer: SloAnswer
    why: str
    answered_rate: float
    terms: tuple[TermResult, ...] = ()
    ttft_p95_ms: float | None = None
    tpot_p95_ms: float | None = None
    sent: int = 0
    valid: bool = True
    output_tok_s: float = 0.0
    input_tok_s: float = 0.0


class FindMax(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load find-max --json`. The highest rate lies in [rate, fails_at)."""

    slo: str
    rate: float | None  # the highest that held
    fails_at: float | None  # the lowest above it that did not
    verdict: Literal["found", "not_even_the_lowest", "client_limit", "no_limit_found"]
    reason: str = ""
    trials: tuple[Trial, ...] = ()
    model: str = ""
    url: str = ""
    arrival: str = ""


def find_bracket(trials: Sequence[Trial]) -> tuple[float | None, float | None]:
    """The lowest rate that failed, and the highest below it that held. Trials that contradict each other count for the
    worse: above a rate that failed nothing holds."""
    fails = min((trial.rate for trial in trials if trial.answer == "fails"), default=None)
    held = [trial.rate for trial in trials if trial.answer == "holds" and (fails is None or trial.rate < fails)]
    return max(held, default=None), fails


def choose_next_rate(
    trials: Sequence[Trial], start: float, highest: float, tolerance: float, lowest: float = 1e-3
) -> float | None:
    """None: the bracket is narrower than the tolerance (0.02: two percent), or there is nothing left to try.

    Below `lowest` requests hardly ever meet, so that what fails there fails at any rate.

    >>> choose_next_rate([], start=2.0, highest=1e6, tolerance=0.02)
    2.0
    """
    low, high = find_bracket(trials)
    if not trials:
        return min(start, highest)
    if high is None:
        return None if low is not None and low >= highest else min(highest, 2 * (low or start))
    if low is None:
        return high / 2 if high / 2 >= lowest else None
    if high / low <= 1 + tolerance:
        return None
    return _guess_rate(trials, low, high, tolerance)


def _guess_rate(trials: Sequence[Trial], low: float, high: float, tolerance: float) -> float:
    """In the bracket: a little below or above what the overloaded server answered while the bracket is wide, else its
    middle by ratio."""
    if high / low > 1.25:
        capacity = max((trial.answered_rate for trial in trials if trial.answer == "fails"), default=0.0)
        for factor in (0.97, 1.03):
            rate = capacity * factor
            if low * (1 + tolerance) < rate < high / (1 + tolerance):
                return rate
    return math.sqrt(low * high)


def choose_trial_s(rate: float, asked_s: float) -> float:
    """So long that a percentile can be told, within bounds; for five requests at least."""
    return max(asked_s, min(_LONGEST * asked_s, TRIAL_REQUESTS / rate), 5 / rate)


def resolve_unclear(trial: Trial) -> Trial:
    """A trial that stayed unclear counts by its point estimates."""
    if trial.answer != "unclear":
        return trial
    held = trial.terms and all(term.share_over <= term.allowed for term in trial.terms)  # NaN, of no request, is not
    return msgspec.structs.replace(
        trial, answer="holds" if held else "fails", why=f"{trial.why}; by the share that was seen"
    )


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a sweep."""

    rate: float | None  # asked for; None: closed loop
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


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load sweep --json`. `capacity_rate`: the most answers a second of any step."""

    model: str
    url: str
    arrival: str
    points: tuple[SweepPoint, ...]
    saturates_at: float | None  # the first rate, or number of users, that was saturated
    capacity_rate: float
    capacity_tok_s: float
    notes: tuple[str, ...] = ()


def make_sweep_point(report: LoadReport, growing: bool) -> SweepPoint:
    closed = report.requested_concurrency is not None
    behind = not closed and report.answered_rate < SATURATED_SHARE * report.achieved_rate
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
        saturated=behind or growing,
        valid=report.valid,
    )


def summarize_sweep(
    model: str, url: str, arrival: str, points: Sequence[SweepPoint], notes: Sequence[str] = ()
) -> Sweep:
    ordered = sorted(points, key=lambda item: item.rate or item.concurrency or 0)
    first = next((item.rate or item.concurrency for item in ordered if item.saturated), None)
    if first is None and ordered and ordered[0].concurrency:
        first = _find_knee(ordered)
    return Sweep(
        model=model,
        url=url,
        arrival=arrival,
        points=tuple(ordered),
        saturates_at=first,
        capacity_rate=max((item.answered_rate for item in ordered), default=0.0),
        capacity_tok_s=max((item.output_tok_s for item in ordered), default=0.0),
        notes=tuple(notes),
    )


def _find_knee(points: Sequence[SweepPoint]) -> float | None:
    """Of a closed loop: the first number of users that brings less than a tenth of what their share would."""
    for before, after in itertools.pairwise(points):
        users = (after.concurrency or 1) / (before.concurrency or 1) - 1
        if after.answered_rate / max(before.answered_rate, 1e-9) - 1 < 0.1 * users:
            return after.concurrency
    return None


def choose_next_sweep_rate(points: Sequence[SweepPoint], start: float, most: int) -> float | None:
    """Doubles until saturated, then fills the widest gaps between the last that was not and the first that was."""
    if len(points) >= most:
        return None
    if not points:
        return start
    rates = sorted(item.rate or 0.0 for item in points)
    saturated = [item.rate or 0.0 for item in points if item.saturated]
    if not saturated:
        return 2 * rates[-1]
    below = [rate for rate in rates if rate < min(saturated)]
    if not below:
        return min(saturated) / 2
    inside = [rate for rate in rates if below[-1] / 2 <= rate <= min(saturated)]
    gaps = [(later / earlier, math.sqrt(later * earlier)) for earlier, later in itertools.pairwise(inside)]
    ratio, middle = max(gaps)
    return middle if ratio > 1.1 else None
