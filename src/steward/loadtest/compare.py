"""Two load reports: what got slower, with intervals by a bootstrap of blocks, and whether it is within the margin.

A latency's change is a ratio, so that a margin of 5 % means the same for 50 ms and for 5 s. Its interval is the
normal's on the logarithm, with standard errors from the bootstrap, and at least as wide as the order statistics of both
runs (MOVER; Newcombe 1998, method 10) and the last digit of a latency allow; the intervals of all rows hold together in
95 of 100 comparisons (Bonferroni). A quantile so high that a run's largest answer may lie below it is not compared: the
99th percentile needs 368 answers. Not to be told is an answer: runs that were too short, invalid, or of different
loads decide nothing.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final, Literal

import msgspec
import numpy as np

from steward.core.errors import InputError
from steward.core.load_report import LoadReport
from steward.loadtest.statistics import Array, block_bootstrap, interval_of_quantile

ComparisonVerdict = Literal["no_worse", "slower", "inconclusive"]
DEFAULT: Final = ("ttft_p50", "ttft_p95", "tpot_p50", "tpot_p95", "e2e_p50", "e2e_p95")
_LEVELS: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_LEAST: Final = 100  # answers of a run
_LEAST_MS: Final = 1e-6  # of which a logarithm is taken, in place of 0
_DIGIT_MS: Final = 0.0005  # half of the last digit of a report's latencies
_SAMPLES: Final = 400  # enough for a standard error to 4 %


class MetricChange(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile: candidate / baseline - 1, above 0 is slower. `failed`: a difference of shares."""

    name: str
    baseline: float
    candidate: float
    change: float
    low: float
    high: float
    verdict: ComparisonVerdict


class LoadComparison(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load compare --json`."""

    verdict: ComparisonVerdict
    margin: float
    reasons: tuple[str, ...]  # why nothing can be told, where it cannot
    changes: tuple[MetricChange, ...]
    baseline: str  # model and URL
    candidate: str


def compare_reports(
    baseline: LoadReport, candidate: LoadReport, margin: float = 0.05, names: tuple[str, ...] = DEFAULT
) -> LoadComparison:
    """:raises InputError: a name that is no quantile of a latency"""
    read = [(name, *_read_samples(baseline, candidate, name)) for name in names]
    pairs = [(name, one, other) for name, one, other in read if min(len(one), len(other)) >= _count_least(name)]
    changes = [_compare_quantile(name, one, other, margin, len(pairs) + 1) for name, one, other in pairs]
    changes.append(_compare_failures(baseline, candidate, margin, len(pairs) + 1))
    reasons = find_differences(baseline, candidate)
    reasons += [
        f"{name} needs {_count_least(name)} answers of each run, and there are {min(len(one), len(other))}; run longer"
        for name, one, other in read
        if _LEAST <= min(len(one), len(other)) < _count_least(name)
    ]
    if not any(min(len(one), len(other)) >= _LEAST for _, one, other in read):
        reasons.append(f"fewer than {_LEAST} answers of a run carry any of {', '.join(names)}; run longer")
    verdicts = {change.verdict for change in changes}
    verdict: ComparisonVerdict = "no_worse"
    if reasons or ("inconclusive" in verdicts and "slower" not in verdicts):
        verdict = "inconclusive"
    elif "slower" in verdicts:
        verdict = "slower"
    return LoadComparison(
        verdict=verdict,
        margin=margin,
        reasons=tuple(reasons),
        changes=tuple(changes),
        baseline=f"{baseline.model} at {baseline.url}",
        candidate=f"{candidate.model} at {candidate.url}",
    )


def find_differences(one: LoadReport, other: LoadReport) -> list[str]:
    """Why the two runs say nothing of each other."""
    differences = []
    for name, run in (("baseline", one), ("candidate", other)):
        if not run.valid:
            differences.append(f"the {name} is invalid: {'; '.join(run.invalid_reasons)}")
        if run.partial:
            differences.append(f"the {name} is partial")
    for field in ("arrival", "requested_rate", "requested_concurrency", "endpoint", "streamed"):
        a, b = getattr(one, field), getattr(other, field)
        if a != b:
            differences.append(f"different load: {field} {a} and {b}")
    for side in ("input", "output"):
        a, b = getattr(one, f"{side}_tokens_mean"), getattr(other, f"{side}_tokens_mean")
        if a and b and abs(math.log(b / a)) > 0.05:
            differences.append(f"different load: {a:.1f} and {b:.1f} {side} tokens a request")
    return differences


def _read_samples(baseline: LoadReport, candidate: LoadReport, name: str) -> tuple[Array, Array]:
    metric, _, level = name.partition("_")
    if metric not in ("ttft", "tpot", "e2e") or level not in _LEVELS:
        raise InputError(f"metric {name!r}: expected ttft, tpot or e2e with p50, p90, p95 or p99, such as ttft_p95")
    one, other = (
        np.array([value for value in getattr(run.samples, f"{metric}_ms") if value is not None], dtype=np.float64)
        for run in (baseline, candidate)
    )
    return one, other


def _compare_quantile(name: str, one: Array, other: Array, margin: float, rows: int) -> MetricChange:
    level = _LEVELS[name.partition("_")[2]]
    before, after = float(np.quantile(one, level)), float(np.quantile(other, level))
    variances = [
        float(np.log(np.maximum(block_bootstrap(values, [level], samples=_SAMPLES)[:, 0], _LEAST_MS)).var(ddof=1))
        for values in (one, other)
    ]
    middle = math.log(max(after, _LEAST_MS) / max(before, _LEAST_MS))
    half = NormalDist().inv_cdf(1 - 0.05 / rows / 2) * math.sqrt(sum(variances))
    (one_down, one_up), (other_down, other_up) = (_measure_reach(values, level) for values in (one, other))
    down, up = max(half, math.hypot(other_down, one_up)), max(half, math.hypot(other_up, one_down))
    change, low, high = (math.expm1(value) for value in (middle, middle - down, middle + up))
    return MetricChange(
        name=f"{name}_ms",
        baseline=before,
        candidate=after,
        change=change,
        low=low,
        high=high,
        verdict=_judge_interval(low, high, margin),
    )


def _count_least(name: str) -> int:
    """Answers of a run below which the largest may lie below the quantile in more than 2.5 of 100 runs."""
    return max(_LEAST, math.ceil(math.log(0.025) / math.log(_LEVELS[name.partition("_")[2]])))


def _measure_reach(values: Array, level: float) -> tuple[float, float]:
    """How far below and above a quantile its 95 % interval reaches, on the logarithm."""
    middle = max(float(np.quantile(values, level)), _LEAST_MS)
    low, high = interval_of_quantile(values, level)
    least, most = max(min(low, middle - _DIGIT_MS), _LEAST_MS), max(high, middle + _DIGIT_MS)
    return math.log(middle / least), math.log(most / middle)


def _compare_failures(baseline: LoadReport, candidate: LoadReport, margin: float, rows: int) -> MetricChange:
    """Difference of two shares with Newcombe's interval (1998, method 10)."""
    z = NormalDist().inv_cdf(1 - 0.05 / rows / 2)
    parts = []
    for run in (baseline, candidate):
        n = max(1, run.sent)
        share = run.failed / n
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        parts.append((share, max(0.0, middle - half), min(1.0, middle + half)))
    (a, a_low, a_high), (b, b_low, b_high) = parts
    change = b - a
    low = change - math.hypot(b - b_low, a_high - a)
    high = change + math.hypot(b_high - b, a - a_low)
    return MetricChange(
        name="failed",
        baseline=a,
        candidate=b,
        change=change,
        low=low,
        high=high,
        verdict=_judge_interval(low, high, margin),
    )


def _judge_interval(low: float, high: float, margin: float) -> ComparisonVerdict:
    return "no_worse" if high <= margin else "slower" if low > margin else "inconclusive"
