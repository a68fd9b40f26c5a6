"""Intervals and tests of proportions, paired differences and corpus scores.

All take values and a seed, and give the same answer for the same seed. What is resampled is the item, or the cluster
where items belong together (questions about one page): items of a cluster are not independent, and treating them so
makes intervals too narrow (Miller 2024, arXiv 2411.00640, section 2.2).

Ours because scipy and statsmodels (200 MB) would come for twenty formulas; the tests compare with both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SAMPLES: Final = 10_000
SEED: Final = 12345  # sacreBLEU's
MANY: Final = 2_000  # units from which
ALIKE: Final = 8  # so many to each distinct one are drawn by counts, and even ones by their normal limit
EVEN: Final = 0.03  # most of `_unevenness`: the ends of a 95 % interval move by less than 1 % of its width
_CELLS: Final = 250_000  # indices drawn at a time: 2 MB, so that a block stays in the cache


class Interval(msgspec.Struct, frozen=True):
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927; Newcombe 1998, method 3). Ties may count as halves.

    >>> found = wilson(81, 263)
    >>> f"{found.low:.4f} {found.high:.4f}"
    '0.2553 0.3662'
    """
    _require_items(n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(share, 0.0 if successes == 0 else low, 1.0 if successes == n else high)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson 1934): never too narrow, wide for small n."""
    _require_items(n)
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _bisect(lambda p: _incomplete_beta(successes, n - successes + 1, p), tail)
    high = 1.0 if successes == n else _bisect(lambda p: _incomplete_beta(successes + 1, n - successes, p), 1 - tail)
    return Interval(successes / n, low, high)


class McNemar(msgspec.Struct, frozen=True):
    """P values of the two-sided test that A and B are right equally often; `b` only A right, `c` only B right."""

    b: int
    c: int
    exact: float
    mid_p: float  # the one to use (Fagerland, Lydersen, Laake 2013)
    corrected: float  # chi squared with continuity correction (Edwards 1948)


def mcnemar(b: int, c: int) -> McNemar:
    """Without a discordant pair nothing speaks against equality: p = 1.

    >>> mcnemar(1, 7).mid_p
    0.0390625
    """
    n = b + c
    if n == 0:
        return McNemar(b, c, 1.0, 1.0, 1.0)
    least = min(b, c)
    tail, point = _binomial_tail(least, n)
    exact = min(1.0, 2 * tail)
    middle = 1.0 - point if b == c else 2 * tail - point
    statistic = (abs(b - c) - 1) ** 2 / n
    return McNemar(b, c, exact, middle, math.erfc(math.sqrt(statistic / 2)))


def _binomial_tail(k: int, n: int) -> tuple[float, float]:
    """P(X <= k) and P(X = k) of n tosses of a coin; above 1,000 from the incomplete beta function."""
    if n <= 1000:
        return sum(math.comb(n, i) for i in range(k + 1)) / 2**n, math.comb(n, k) / 2**n
    point = math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
    return (_incomplete_beta(n - k, k + 1, 0.5) if k < n else 1.0), point


def bootstrap(
    table: Array,
    combine: Callable[[Array], Array],
    clusters: Sequence[Hashable] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Array:
    """`combine` of the sums of resampled items: `table` is (items, statistics), the answer (samples,).

    A mean is the statistics (value, 1) and `combine` their ratio; BLEU is its counts and its formula. The same
    function carries a difference of two systems: put both systems' statistics side by side, and each sample draws
    the same items for both (Koehn 2004).

    :raises ValueError: no items
    """
    units = cluster_sums(table, clusters)
    _require_items(len(units))
    random = np.random.default_rng(seed)
    n = len(units)
    if n >= MANY:
        distinct, counts = np.unique(units, axis=0, return_counts=True)
        if len(distinct) * ALIKE <= n:  # how often each is drawn is multinomial: the same samples, sooner
            times = random.multinomial(n, counts / n, size=samples)  # (samples, distinct)
            return combine(times.astype(np.float64) @ distinct)
        if _unevenness(units) <= EVEN:
            return combine(_draw_normal_sums(units, samples, random))
    small = np.uint16 if n <= 65535 else np.uint32  # drawing 16 bits costs half of drawing 64
    block = max(1, _CELLS // n)
    values = np.empty(samples)
    for start in range(0, samples, block):
        rows = min(block, samples - start)
        drawn = random.integers(0, n, size=(rows, n), dtype=small).astype(np.intp)
        values[start : start + rows] = combine(_resample_sums(drawn, units))
    return values


def _unevenness(units: Array) -> float:
    """Lyapunov's ratio, the sum of |x|³ over that of x² to the power 1.5, of the most uneven column about its mean.

    It bounds the skewness g of a resampled sum, which moves a percentile by g (z² - 1) / 6 standard deviations (Cornish
    and Fisher 1938); 10,000 samples leave a chance error of 0.03. One outlier that outweighs all others gives 1.
    """
    apart = np.abs(units - units.mean(axis=0))
    squares = (apart**2).sum(axis=0)
    varied = squares > 1e-18 * np.maximum(1.0, np.abs(units).max(axis=0)) ** 2 * len(units)
    return float(((apart**3).sum(axis=0)[varied] / squares[varied] ** 1.5).max(initial=0.0))


def _draw_normal_sums(units: Array, samples: int, random: np.random.Generator) -> Array:
    """(samples, statistics): sums of resampled units as the central limit theorem has them, without drawing units."""
    n = len(units)
    spread = np.atleast_2d(np.cov(units, rowvar=False, bias=True)) * n
    drawn: Array = random.multivariate_normal(units.sum(axis=0), spread, size=samples, method="eigh")
    constant = np.ptp(units, axis=0) == 0
    drawn[:, constant] = units[:, constant].sum(axis=0)
    return drawn


def _resample_sums(drawn: NDArray[np.intp], units: Array) -> Array:
    """(samples, statistics) from (samples, items) drawn; a column of ones needs no adding up."""
    rows, n = drawn.shape
    if units.shape[1] <= 2:  # `clip` skips the check of bounds, which costs more than the taking
        columns = [
            np.full(rows, float(n)) if bool((column == 1).all()) else column.take(drawn, mode="clip").sum(axis=1)
            for column in units.T.copy()
        ]
        return np.column_stack(columns)
    counts = np.array([np.bincount(row, minlength=n) for row in drawn], dtype=np.float64)  # (samples, items)
    return counts @ units


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Interval:
    """mean(b) - mean(a) over the same items in the same order, with the expanded percentile interval."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} items and {len(b)} items: a paired test needs both values of each item")
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    table = np.column_stack([differences, np.ones(len(differences))])
    drawn = bootstrap(table, ratio, clusters, samples, seed)
    units = len(set(clusters)) if clusters is not None else len(differences)
    low, high = percentile_interval(drawn, units, confidence)
    return Interval(float(differences.mean()), low, high)


def percentile_interval(drawn: Array, units: int, confidence: float = 0.95) -> tuple[float, float]:
    """Percentiles of bootstrap samples, widened as Student's t widens the normal for few units.

    Plain percentiles are too narrow by sqrt((n-1)/n) and by z against t (Hesterberg 2015, "What Teachers Should
    Know About the Bootstrap", section 4.3, the expanded percentile interval). `drawn`: (samples,). One unit has no
    interval: NaN.
    """
    if units < 2:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    expanded = NormalDist().cdf(math.sqrt(units / (units - 1)) * student_quantile(tail, units - 1))
    low, high = np.quantile(drawn, [expanded, 1 - expanded])
    return float(low), float(high)


def ratio(sums: Array) -> Array:
    """Of the first statistic to the second: a mean where the second counts the items.

    `sums`: (samples, 2); returns (samples,), NaN where the second is 0.
    """
    ratios: Array = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] != 0)
    return ratios


def cluster_sums(table: Array, clusters: Sequence[Hashable] | None) -> Array:
    """The rows of each cluster added up, clusters in order of appearance; without clusters, the table.

    `table`: (items, statistics); returns (clusters, statistics).
    """
    if clusters is None:
        return table
    if len(clusters) != len(table):
        raise ValueError(f"{len(table)} items and {len(clusters)} clusters: every item needs one cluster")
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    summed = np.zeros((len(numbers), table.shape[1]))
    np.add.at(summed, indices, table)
    return summed


def permutation(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> float:
    """P of the two-sided paired permutation test: the sign of each unit's difference is a coin toss.

    All 2^n assignments where there are no more than `samples`, else random ones with p = (c + 1) / (n + 1)
    (Phipson and Smyth 2010); their normal limit where there are many and none outweighs the others.
    """
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    units = cluster_sums(differences[:, None], clusters)[:, 0]
    n = len(units)
    _require_items(n)
    seen = abs(units.sum()) - 1e-12 * np.abs(units).sum()  # sums in another order differ in the last bit
    if n < samples.bit_length():  # 2^n assignments are no more than that
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * bits) @ units) >= seen).mean())
    if n >= MANY and _unevenness(np.concatenate([units, -units])[:, None]) * math.sqrt(2) <= EVEN:
        p = math.erfc(seen / math.sqrt(2 * float((units**2).sum())))
        return max(p, 1 / (samples + 1))
    random = np.random.default_rng(seed)
    block, extreme = max(1, _CELLS // n), 0
    for start in range(0, samples, block):
        signs = 1 - 2 * random.integers(0, 2, size=(min(block, samples - start), n), dtype=np.int8)
        extreme += int((np.abs(signs.astype(np.float64) @ units) >= seen).sum())
    return (extreme + 1) / (samples + 1)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the share of false discoveries (Benjamini and Hochberg 1995), in the order given."""
    n = len(p_values)
    order = sorted(range(n), key=lambda index: p_values[index], reverse=True)
    adjusted, smallest = [0.0] * n, 1.0
    for rank, index in enumerate(order):
        smallest = min(smallest, p_values[index] * n / (n - rank))
        adjusted[index] = smallest
    return adjusted


def required_items(
    difference: float, spread: float, margin: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Items until the interval of `difference` leaves `-margin` on one side, if the difference is real.

    `spread`: standard deviation of the paired differences, an item. Miller 2024, equation 9, with the distance to
    the margin as the effect. None where the difference sits on the margin: no number of items would decide it that.
    """
    distance = abs(difference + margin)
    if distance == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2) + NormalDist().inv_cdf(power)
    return max(2, math.ceil((z * spread / distance) ** 2))


@lru_cache(maxsize=1024)
def student_quantile(p: float, freedom: float) -> float:
    """The p quantile of Student's t."""
    if p > 0.5:
        return -student_quantile(1 - p, freedom)
    x = _bisect(lambda value: _incomplete_beta(freedom / 2, 0.5, value), 2 * p)
    return -math.sqrt(freedom * (1 - x) / x) if x > 0 else -math.inf


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (Numerical Recipes, 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / _avoid_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _avoid_zero(1 + term * d)
            c = _avoid_zero(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction


def _avoid_zero(value: float) -> float:
    """Away from zero, so that one may divide by it."""
    return value if abs(value) > 1e-300 else 1e-300


def _bisect(rising: Callable[[float], float], target: float) -> float:
    """Where a rising function on [0, 1] reaches the target, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2


def _require_items(n: Any) -> None:
    if n < 1:
        raise ValueError("0 items; expected at least one")
