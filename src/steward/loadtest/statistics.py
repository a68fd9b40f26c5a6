"""Quantiles of many requests, their intervals by a bootstrap of blocks, and the test for a growing queue.

Blocks, not requests, are drawn: requests that waited in one queue are not independent, and drawing them one by one
makes intervals too narrow (Künsch 1989; Politis and Romano 1994).
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.load_report import Quantiles

Array = NDArray[np.float64]
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
SAMPLES: Final = 1000
SEED: Final = 12345
BLOCKS: Final = 50
T975: Final = {9: 2.262157, 19: 2.093024, 49: 2.009575}  # Student's t, NIST Handbook 1.3.6.7.2


def compute_quantiles(values: Array, *, intervals: bool = True) -> Quantiles:
    """Of values in order of time; NaN is left out. Percentiles interpolate as numpy's (and vLLM's) do.

    p999 needs 1,000 values, and an interval 100 or more.
    """
    kept = values[~np.isnan(values)].astype(np.float64)
    n = len(kept)
    if not n:
        return Quantiles()
    found = dict(zip(QUANTILES, (float(value) for value in np.quantile(kept, list(QUANTILES.values()))), strict=True))
    ends = bootstrap_intervals(kept) if intervals and n >= 100 else {}
    if n < 1000:
        found.pop("p999")
        ends.pop("p999", None)
    return msgspec.convert(
        {"n": n, "mean": float(kept.mean()), "max": float(kept.max()), "intervals": ends, **found}, Quantiles
    )


def bootstrap_intervals(values: Array) -> dict[str, tuple[float, float]]:
    """95 % intervals of all quantiles and of the mean, by name."""
    drawn = block_bootstrap(values, list(QUANTILES.values()))  # (samples, quantiles)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {name: (float(low[place]), float(high[place])) for place, name in enumerate(QUANTILES)}


def block_bootstrap(values: Array, wanted: list[float], samples: int = SAMPLES, seed: int = SEED) -> Array:
    """Quantiles of resampled blocks: (samples, quantiles). At least 20 values a block, at most 50 blocks.

    Each block is a histogram over at most 1,200 bins whose edges are quantiles of the whole, finer in the upper tail: a
    sample is then one product of matrices, whatever the number of values.
    """
    blocks = max(2, min(BLOCKS, len(values) // 20))
    levels = np.unique(np.concatenate([np.linspace(0, 1, 801), 1 - np.logspace(-5, -1, 400)]))
    edges = np.unique(np.quantile(values, levels, method="inverted_cdf"))  # (bins,)
    parts = np.array_split(np.searchsorted(edges, values, side="left").clip(max=len(edges) - 1), blocks)
    counts = np.array([np.bincount(part, minlength=len(edges)) for part in parts], dtype=np.float32)  # (blocks, bins)
    drawn = np.random.default_rng(seed).multinomial(blocks, [1 / blocks] * blocks, size=samples)
    below = np.cumsum(drawn.astype(np.float32) @ counts, axis=1)  # (samples, bins)
    places = [np.searchsorted(row, row[-1] * np.asarray(wanted, dtype=np.float32)) for row in below]
    found: Array = edges[np.minimum(np.array(places), len(edges) - 1)]
    return found


def quantiles_from_histogram(counts: NDArray[np.uint64], middles: Array) -> Quantiles:
    """Of a histogram: each value is its bin's middle."""
    n = int(counts.sum())
    if not n:
        return Quantiles()
    below = np.cumsum(counts)
    places = {name: int(np.searchsorted(below, q * n)) for name, q in QUANTILES.items()}
    found = {name: float(middles[min(place, len(middles) - 1)]) for name, place in places.items()}
    if n < 1000:
        found.pop("p999")
    top = float(middles[np.flatnonzero(counts)[-1]])
    return msgspec.convert({"n": n, "mean": float((counts * middles).sum() / n), "max": top, **found}, Quantiles)


def is_growing(values: Array, blocks: int = 10) -> bool:
    """Whether a series rises from its first part to its last: what a queue does above the server's capacity.

    Mann and Kendall's test over means of blocks, one-sided at 1 % (Mann 1945; Kendall 1975), and by more than a tenth
    of its mean. With ten blocks the sum of signs must be 29 of 45 (probability 0.0046 without a trend).
    """
    if len(values) < 5 * blocks:
        return False
    means = np.array([part.mean() for part in np.array_split(values, blocks)])
    later, earlier = np.triu_indices(blocks, 1)[1], np.triu_indices(blocks, 1)[0]
    signs = float(np.sign(means[later] - means[earlier]).sum())
    deviation = math.sqrt(blocks * (blocks - 1) * (2 * blocks + 5) / 18)
    rise = means[-blocks // 3 :].mean() - means[: blocks // 3].mean()
    return (signs - 1) / deviation > 2.326 and rise > 0.1 * abs(float(means.mean()))


def compute_dispersion(times: Array, span_s: float, windows: int) -> float | None:
    """Variance over mean of the counts in equal windows from 0: 1 for Poisson, 0 for constant. None: too few to say.

    >>> compute_dispersion(np.array([0.5, 1.5, 2.5, 3.5]), 4.0, windows=4)
    0.0
    """
    if windows < 4 or span_s <= 0 or not len(times):
        return None
    places = (times / span_s * windows).astype(np.int64).clip(0, windows - 1)
    counts = np.bincount(places, minlength=windows)
    return float(counts.var(ddof=1) / counts.mean())
