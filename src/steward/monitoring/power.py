"""What a test of two shares can see with so many trials, so that a rule can say where it cannot judge.

The sample sizes of Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (3rd ed., 2003), section 4.2,
solved for the difference, with Yates's correction, since Fisher's exact test is as strict as the corrected one.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

POWER: Final = 0.8  # chance with which a fall of this size is seen
_STEPS: Final = 30  # of the bisection: to 1e-9


def find_least_fall(now: int, before: int, share: float, alpha: float) -> float | None:
    """The smallest fall of `share` that `now` trials, compared with `before` earlier ones, show with a chance of 80 %
    at a one-sided `alpha`; None: not even a fall to nothing.

    >>> find_least_fall(30, 100, 0.8, 1e-5)
    0.512
    """
    if not now or not before or not _is_seen(share, now, before, share, alpha):
        return None
    low, high = 0.0, share
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _is_seen(middle, now, before, share, alpha) else (middle, high)
    return round(high, 3)


def _is_seen(fall: float, now: int, before: int, share: float, alpha: float) -> bool:
    fallen, weight = share - fall, 1 / now + 1 / before
    pooled = (now * fallen + before * share) / (now + before)
    null = sqrt(max(0.0, pooled * (1 - pooled)) * weight)
    real = sqrt(max(0.0, fallen * (1 - fallen) / now + share * (1 - share) / before))
    normal = NormalDist()
    return fall - weight / 2 >= normal.inv_cdf(1 - alpha) * null + normal.inv_cdf(POWER) * real
