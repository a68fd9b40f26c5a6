"""Quantiles of many requests with their intervals, and the test for a growing queue.

The bootstrap draws blocks, not requests: requests that waited in one queue are not independent, and drawing them one by
one makes intervals too narrow (Künsch 1989; Politis and Romano 1994).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.load_report import QUANTILES, Quantiles, count_needed_values

Array = NDArray[np.float64]
SAMPLES: Final = 1000
SEED: Final = 12345
BLOCKS: Final = 50
T975: Final = {19: 2.093024}  # Student's t, NIST Handbook 1.3.6.7.2
Z975: Final = 1.959964
_TREND_Z: Final = 2.326  # one-sided 1 % of the normal distribution


def compute_quantiles(values: Array, *, intervals: bool = True) -> Quantiles:
    """Summarize `values`: (requests,) in order of time; NaN is left out. Percentiles interpolate as numpy's (and
    vLLM's).

    A percentile needs `count_needed_values`, and intervals at least 100.
    """
    kept = values[~np.isnan(values)].astype(np.float64)
    n = len(kept)
    if not n:
        return Quantiles()
    told = list_told_quantiles(n)
    quantiles = dict(zip(told, (float(value) for value in np.quantile(kept, list(told.values()))), strict=True))
    ends = bootstrap_intervals(kept, told) if intervals and n >= 100 else {}
    return msgspec.convert(
        {"n": n, "mean": float(kept.mean()), "max": float(kept.max()), "intervals": ends, **quantiles}, Quantiles
    )


def list_told_quantiles(n: int) -> dict[str, float]:
    """Those of QUANTILES that `n` values tell.

    >>> list_told_quantiles(42)
    {'p50': 0.5, 'p90': 0.9, 'p95': 0.95}
    """
    return {name: quantile for name, quantile in QUANTILES.items() if n >= count_needed_values(quantile)}


def bootstrap_intervals(values: Array, quantiles: Mapping[str, float] = QUANTILES) -> dict[str, tuple[float, float]]:
    """95 % intervals of quantiles by name. `values`: (requests,) in order of time."""
    drawn = block_bootstrap(values, list(quantiles.values()))  # (samples, quantiles)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {name: (float(low[place]), float(high[place])) for place, name in enumerate(quantiles)}


def block_bootstrap(values: Array, wanted: list[float], samples: int = SAMPLES, seed: int = SEED) -> Array:
    """Quantiles of resampled blocks: (samples, quantiles). `values`: (requests,); blocks: at most 50, of at least 20.

    Each block is a histogram over at most 1,200 bins. The edges are quantiles of all values, finer in the upper tail,
    so all samples are one product of matrices, however many values there are.
    """
    blocks = max(2, min(BLOCKS, len(values) // 20))
    levels = np.unique(np.concatenate([np.linspace(0, 1, 801), 1 - np.logspace(-5, -1, 400)]))
    edges = np.unique(np.quantile(values, levels, method="inverted_cdf"))  # (bins,)
    parts = np.array_split(np.searchsorted(edges, values, side="left"), blocks)
    counts = np.array([np.bincount(part, minlength=len(edges)) for part in parts], dtype=np.float32)  # (blocks, bins)
    drawn = np.random.default_rng(seed).multinomial(blocks, [1 / blocks] * blocks, size=samples)
    below = drawn.astype(np.float32) @ np.cumsum(counts, axis=1)  # (samples, bins), whole numbers
    goals = below[:, -1:] * np.asarray(wanted, dtype=np.float32)  # (samples, quantiles)
    places = [np.count_nonzero(below < goal[:, None], axis=1) for goal in goals.T]
    resampled: Array = edges[np.column_stack(places)]
    return resampled


def quantiles_from_histogram(counts: NDArray[np.uint64], middles: Array) -> Quantiles:
    """Summarize a histogram: `counts` and `middles` are (bins,); each value is taken as the middle of its bin."""
    n = int(counts.sum())
    if not n:
        return Quantiles()
    below = np.cumsum(counts)
    places = {name: int(np.searchsorted(below, q * n)) for name, q in list_told_quantiles(n).items()}
    quantiles = {name: float(middles[place]) for name, place in places.items()}
    top = float(middles[np.flatnonzero(counts)[-1]])
    return msgspec.convert({"n": n, "mean": float((counts * middles).sum() / n), "max": top, **quantiles}, Quantiles)


def is_growing(values: Array, min_rise: float, blocks: int = 10) -> bool:
    """Whether a series rises from its first to its last third by more than `min_rise`, and not by chance.

    This is what latencies do above the server's capacity. `values`: (requests,) in order of time, in the unit of
    `min_rise`. The test is Mann and Kendall's over means of blocks, one-sided at 1 % (Mann 1945; Kendall 1975): with
    ten blocks the sum of signs must be 29 of 45 (probability 0.0046 without a trend).
    """
    if len(values) < 5 * blocks:
        return False
    means = np.array([part.mean() for part in np.array_split(values, blocks)])  # (blocks,)
    later, earlier = np.triu_indices(blocks, 1)[1], np.triu_indices(blocks, 1)[0]
    signs = float(np.sign(means[later] - means[earlier]).sum())
    deviation = math.sqrt(blocks * (blocks - 1) * (2 * blocks + 5) / 18)
    third = blocks // 3
    rise = float(means[-third:].mean() - means[:third].mean())
    return (signs - 1) / deviation > _TREND_Z and rise > min_rise


def interval_of_quantile(values: Array, quantile: float) -> tuple[float, float]:
    """The 95 % interval of one quantile; an end is infinite (or 0) if there are too few values for it.

    `values`: (requests,) in order of time. Order statistics (David and Nagaraja, "Order Statistics", 7.1), and from 100
    values on at least as wide as the bootstrap's interval.
    """
    n, ordered = len(values), np.sort(values)
    spread = Z975 * math.sqrt(n * quantile * (1 - quantile))
    below, above = math.floor(n * quantile - spread), math.ceil(n * quantile + spread)  # ranks, from 0
    low = 0.0 if (1 - quantile) ** n > 0.025 else float(ordered[max(0, below)])
    high = math.inf if quantile**n > 0.025 else float(ordered[min(n - 1, above)])
    if n >= 100 and math.isfinite(float(ordered[-1])):
        drawn = block_bootstrap(values, [quantile], samples=400)[:, 0]  # (samples,)
        low, high = min(low, float(np.quantile(drawn, 0.025))), max(high, float(np.quantile(drawn, 0.975)))
    return low, high


def compute_dispersion(times: Array, span_s: float, windows: int) -> float | None:
    """Variance over mean of the counts in equal windows from 0: 1 for Poisson, 0 for constant arrivals.

    `times`: (arrivals,) in s. None if there are too few windows or no arrivals.

    >>> compute_dispersion(np.array([0.5, 1.5, 2.5, 3.5]), 4.0, windows=4)
    0.0
    """
    if windows < 4 or span_s <= 0 or not len(times):
        return None
    places = (times / span_s * windows).astype(np.int64).clip(0, windows - 1)
    counts = np.bincount(places, minlength=windows)
    return float(counts.var(ddof=1) / counts.mean())
