"""How large has a drift been, at least and at most? An interval at 95 % of the Jensen-Shannon divergence.

Of samples of n and m values the divergence in bits, times 8 ln(2) nm / (n + m), is distributed about as a noncentral
chi-square with as many degrees of freedom as there are bins less one, and the divergence of what they were drawn from,
times the same, is its noncentrality. The interval has each noncentrality that is not refuted at 2.5 % on either side,
as Smithson, Confidence Intervals (2003), chapter 4, does for effects of tables. Distribution: the approximation of
Sankaran (Biometrika 50, 1963), for which no library is needed. Simulated coverage is 92 to 99 %, for rates, 20 words
and deciles, of 100 to 2,000 values a side.

It does not know of vectors, whose energy distance has no such distribution.
"""

from __future__ import annotations

from math import log, sqrt
from typing import Final

from steward.core.rates import Z975

STEPS: Final = 60  # of a bisection


def find_interval_bits(effect_bits: float, first: int, second: int, bins: int) -> tuple[float, float] | None:
    """At least and at most, in bits of 0 to 1. None: there is only one bin, so that nothing could differ.

    `first`, `second`: values on either side; `bins`: those that have any. An effect that is smaller than chance alone
    makes it is taken for that in the upper end, which would be 0 otherwise.

    >>> low, high = find_interval_bits(0.0066, 500, 500, 2)
    >>> round(low, 4), round(high, 4)
    (0.0008, 0.0179)
    """
    if bins < 2:
        return None
    degrees, scale = bins - 1, 8 * log(2) * first * second / (first + second)
    low = _find_noncentrality(effect_bits * scale, degrees, Z975)
    high = _find_noncentrality(max(effect_bits * scale, degrees), degrees, -Z975)
    return low / scale, min(1.0, max(high / scale, effect_bits))


def _find_noncentrality(value: float, degrees: int, z: float) -> float:
    """The one that makes `value` the quantile of normal score `z`; 0 where it is below all."""
    if value <= 0.0 or score_noncentral(value, degrees, 0.0) <= z:
        return 0.0
    low, high = 0.0, 4.0 * value + 50.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if score_noncentral(value, degrees, middle) > z else (low, middle)
    return low


def score_noncentral(value: float, degrees: int, noncentrality: float) -> float:
    """The normal score of the chance that a noncentral chi-square is at most `value`, which is above 0."""
    mean, half_variance = degrees + noncentrality, degrees + 2 * noncentrality
    power = 1 - 2 * mean * (degrees + 3 * noncentrality) / (3 * half_variance**2)
    spread, skew = half_variance / mean**2, (power - 1) * (1 - 3 * power)
    centre = 1 + power * spread * (power - 1 - 0.5 * (2 - power) * skew * spread)
    return float(((value / mean) ** power - centre) / (power * sqrt(2 * spread) * (1 + 0.5 * skew * spread)))
