"""One interval for each kind of number, right also where every value is the same and where there are few.

A bootstrap resamples what was seen: of 25 equal values it knows one value, and of three it knows a range that holds
the truth in half of all cases. So

    paired right or wrong     Tango's score interval (Statistics in Medicine 1998), extended to 0 where McNemar's mid-p,
                              the test beside it, does not reject: interval and test say the same
    most units equal, fewer   what has not been seen may be there: a score interval (Wilson's; Tango's of a difference)
    than ten differ           that counts each unit as the fraction of the scale it went
    fewer than ten units      Student's t with the bootstrap's standard error
    otherwise                 the expanded percentile interval (`statistics.percentile_interval`)

A scale without ends (seconds, dollars) has no bound for what was not seen: equal values then have no interval (NaN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np

from steward.evaluation.statistics import (
    SAMPLES,
    SEED,
    Array,
    Interval,
    bootstrap,
    clopper_pearson,
    mcnemar,
    percentile_interval,
    ratio,
    student_quantile,
    wilson,
)

FEW: Final = 10  # units, or units that differ from the most common value, below which a bootstrap knows too little
SMALL: Final = 30  # items below which the interval of a share is exact
_EQUAL: Final = 1e-12  # values nearer than this are the same


def tango(only_first: float, only_second: float, n: int, confidence: float = 0.95) -> Interval:
    """Tango's score interval of (only_second - only_first) / n for `n` pairs of right or wrong.

    Fractions count as Wilson's interval counts ties.

    >>> found = tango(7, 1, 21)
    >>> f"{found.low:.3f} {found.high:.3f}"
    '-0.517 -0.026'
    """
    value, z = (only_second - only_first) / n, NormalDist().inv_cdf(0.5 + confidence / 2)

    def score(difference: float) -> float:
        """Tango 1998, equations 7 to 9: falls as the difference that is assumed rises."""
        a = 2 * n
        b = -only_second - only_first + (2 * n - only_second + only_first) * difference
        c = -only_first * difference * (1 - difference)
        only_first_share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
        variance = n * (2 * only_first_share + difference * (1 - difference))
        distance = only_second - only_first - n * difference
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    low = -1.0 if only_first == n else _bisect_falling(score, z, -1.0, value)
    high = 1.0 if only_second == n else _bisect_falling(score, -z, value, 1.0)
    return Interval(value, low, high)


def paired_proportions(only_first: int, only_second: int, n: int, confidence: float = 0.95) -> Interval:
    """Tango's interval, extended to 0 where McNemar's mid-p is above 1 - confidence."""
    ends = tango(only_first, only_second, n, confidence)
    if mcnemar(only_first, only_second).mid_p > 1 - confidence:
        return Interval(ends.value, min(ends.low, 0.0), max(ends.high, 0.0))
    return ends


def mean_interval(
    value: float, drawn: Array, units: Array, low: float, high: float, confidence: float = 0.95
) -> Interval:
    """The interval of a mean or another statistic of independent units.

    `drawn` (samples,): the bootstrap's values. `units` (units,): each unit's own value. `low`, `high`: ends of the
    scale of one unit, infinite where it has none or where a unit is beyond it. Ends are NaN where nothing bounds
    what was not seen.
    """
    n = len(units)
    count = _most_common(units)
    high = math.inf if float(units.max()) > high + _EQUAL * abs(high) else high  # TER may go beyond 100
    low = -math.inf if float(units.min()) < low - _EQUAL * abs(low) else low
    bounded = math.isfinite(low) and math.isfinite(high)
    if n - count < FEW and 2 * count >= n and (bounded or count == n):
        if not bounded:
            return Interval(value, math.nan, math.nan)
        score_ends = _score_interval(units, low, high, confidence)
        ends = (score_ends.low, score_ends.high)
    else:
        ends = _sample_ends(value, drawn, n, confidence)
    return Interval(value, max(low, min(value, ends[0])), min(high, max(value, ends[1])))


def statistic_interval(value: float, drawn: Array, n: int, confidence: float = 0.95) -> Interval:
    """The interval of a statistic of `n` units that has no scale of its own, from its bootstrap `drawn` (samples,).

    Ends are NaN with one unit, and where every sample is the same: nothing bounds what was not seen.
    """
    if n < 2 or len(drawn) == 0 or float(np.ptp(drawn)) <= _EQUAL:
        return Interval(value, math.nan, math.nan)
    return Interval(value, *_sample_ends(value, drawn, n, confidence))


def win_rate(wins: int, losses: int, n: int, confidence: float = 0.95) -> Interval:
    """The share of `n` comparisons that were won, ties as halves: `paired_proportions` of wins and losses.

    Contains 0.5 where the sign test, mid-p, does not reject.
    """
    difference = paired_proportions(losses, wins, n, confidence)
    return Interval(*(0.5 + end / 2 for end in (difference.value, difference.low, difference.high)))


def mean_of_shares(
    values: Sequence[float], clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Interval:
    """The mean of values from 0 to 1: exact where few are all 0 or 1, else Wilson's; with clusters `mean_interval`.

    :raises ValueError: no values
    """
    if not values:
        raise ValueError("0 items; expected at least one")
    total = sum(values)
    if clusters is None and len(values) < SMALL and all(value in (0.0, 1.0) for value in values):
        return clopper_pearson(round(total), len(values), confidence)
    if clusters is None:
        return wilson(total, len(values), confidence)
    return resampled_mean(values, 0.0, 1.0, clusters, confidence)


def resampled_mean(
    values: Sequence[float],
    low: float,
    high: float,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Interval:
    """The mean of values between `low` and `high`, items or clusters resampled. :raises ValueError: no values"""
    table = np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])  # (items, value and count)
    drawn = bootstrap(table, ratio, clusters, samples, seed)
    return mean_interval(float(table[:, 0].mean()), drawn, unit_values(table, clusters), low, high, confidence)


def is_degenerate(units: Array) -> bool:
    """Whether so few units, (units,), differ from the most common value that a bootstrap knows too little."""
    count = _most_common(units)
    return len(units) - count < FEW and 2 * count >= len(units)


def difference_interval(first: Interval, second: Interval) -> Interval:
    """`first` - `second` of independent groups from the intervals of both (Newcombe 1998, method 10: MOVER)."""
    value = first.value - second.value
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - down, value + up)


def tail_probability(interval_at: Callable[[float], Interval], outside: Callable[[Interval], bool]) -> float:
    """One-sided p: half of the smallest 1 - confidence whose interval is `outside`; so that p and interval agree.

    0.5 where no interval is outside.
    """
    if not outside(interval_at(1e-6)):
        return 0.5
    inside, out = 0.0, 0.5  # tails: 0 is never outside, a half is
    for _ in range(40):
        middle = (inside + out) / 2
        if outside(interval_at(1 - 2 * middle)):
            out = middle
        else:
            inside = middle
        if out - inside < 1e-6:
            break
    return out


def _sample_ends(value: float, drawn: Array, n: int, confidence: float) -> tuple[float, float]:
    """By Student's t below `FEW` units, else by percentiles; NaN for one unit."""
    if n < 2:
        return math.nan, math.nan
    if n >= FEW:
        return percentile_interval(drawn, n, confidence)
    error = float(np.nanstd(drawn)) * math.sqrt(n / (n - 1))
    half = -student_quantile((1 - confidence) / 2, n - 1) * error
    return value - half, value + half


def _score_interval(units: Array, low: float, high: float, confidence: float) -> Interval:
    """A score interval, each unit counted as the fraction of the way it went: a value between the ends of the scale
    varies less than one at its ends, so that the interval is never too narrow for it.
    """
    n = len(units)
    if low < 0 < high:
        down, up = float(np.maximum(0, -units / -low).sum()), float(np.maximum(0, units / high).sum())
        ends = tango(down, up, n, confidence)
        return Interval(ends.value, ends.low * -low, ends.high * high)
    ends = wilson(float(((units - low) / (high - low)).sum()), n, confidence)
    return Interval(*(low + end * (high - low) for end in (ends.value, ends.low, ends.high)))


def _most_common(units: Array) -> int:
    """How many units have the value that most have."""
    ordered = np.sort(units)
    starts = np.flatnonzero(np.diff(ordered, prepend=-math.inf) > _EQUAL)
    return int(np.diff(np.append(starts, len(ordered))).max())


def _bisect_falling(function: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a falling function reaches the target between `low` and `high`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > target else (low, middle)
    return (low + high) / 2


def finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def unit_values(table: Array, clusters: Sequence[Hashable] | None) -> Array:
    """(units,) means of clusters, or the items' values; `table` is (items, value and count)."""
    if clusters is None:
        return table[:, 0] / table[:, 1]
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    sums = np.zeros((len(numbers), 2))
    np.add.at(sums, indices, table)
    means: Array = sums[:, 0] / sums[:, 1]
    return means
