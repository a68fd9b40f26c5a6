"""`steward.improvement.anytime` for arrays of counts: the same formulas, all looks of a simulation at once.

`tests/unit/test_release_evidence.py` compares both. NumPy has no gamma function; the arguments here are a constant and
a whole number, so that its logarithms are sums of logarithms, kept in tables.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from steward.improvement.anytime import (
    SPLIT_CONCENTRATION,
    Direction,
    choose_concentration,
    log_beta,
    log_incomplete_beta,
    tilt,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]

_tables: dict[float, Floats] = {}


def log_gamma(start: float, counts: Ints) -> Floats:
    """log Gamma(start + count) of each count."""
    most = int(counts.max(initial=0))
    table = _tables.get(start)
    if table is None or len(table) <= most:
        size = max(1024, 2 * most)
        table = math.lgamma(start) + np.append(0.0, np.cumsum(np.log(start + np.arange(size))))
        _tables[start] = table
    return table[counts]


def log_incomplete_betas(a: Floats, b: Floats, x: float, log_betas: Floats) -> Floats:
    """`log_incomplete_beta` of each a and b at one x between 0 and 1. `log_betas`: their `log_beta`."""
    swapped = x > (a + 1.0) / (a + b + 2.0)
    p, q, at = np.where(swapped, b, a), np.where(swapped, a, b), np.where(swapped, 1.0 - x, x)
    front = p * np.log(at) + q * np.log1p(-at) - np.log(p) - log_betas
    result = front + np.log(_continue_fraction(p, q, at))
    with np.errstate(divide="ignore"):
        turned = np.log1p(-np.exp(np.minimum(result, 0.0)))
    return np.where(swapped, turned, result)


def _continue_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """Lentz's algorithm (DLMF 8.17.22). Denominators are positive where x is below the mean, as it is here."""
    c, d = np.ones_like(a), 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d.copy()
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / (1.0 + even * d)
        c = 1.0 + even / c
        fraction *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / (1.0 + odd * d)
        c = 1.0 + odd / c
        step = c * d
        fraction *= step
        if np.abs(step - 1.0).max(initial=0.0) < 1e-14:
            break
    return fraction


def log_coin_evidences(candidate: Ints, events: Ints, weight: float, ratio: float, direction: Direction) -> Floats:
    """`log_coin_evidence` of each pair of counts."""
    theta = tilt(weight, ratio)
    concentration = choose_concentration(weight)
    a, b = concentration * theta, concentration * (1.0 - theta)
    others = events - candidate
    betas = log_gamma(a, candidate) + log_gamma(b, others) - log_gamma(a + b, events)
    mixture = betas - log_beta(a, b) - candidate * math.log(theta) - others * math.log1p(-theta)
    if direction == "below":
        share = log_incomplete_betas(a + candidate, b + others, theta, betas) - log_incomplete_beta(a, b, theta)
    else:
        share = log_incomplete_betas(b + others, a + candidate, 1.0 - theta, betas)
        share -= log_incomplete_beta(b, a, 1.0 - theta)
    evidence: Floats = share + mixture
    return evidence


def log_split_evidences(candidate: Ints, events: Ints, weight: float) -> Floats:
    """`log_split_evidence` of each pair of counts."""
    a, b = SPLIT_CONCENTRATION * weight, SPLIT_CONCENTRATION * (1.0 - weight)
    others = events - candidate
    betas = log_gamma(a, candidate) + log_gamma(b, others) - log_gamma(a + b, events)
    evidence: Floats = betas - log_beta(a, b) - candidate * math.log(weight) - others * math.log1p(-weight)
    return evidence


def log_floor_evidences(bad: Ints, units: Ints, floor: float) -> Floats:
    """`log_floor_evidence` of each pair of counts."""
    good = units - bad
    betas = log_gamma(1.0, bad) + log_gamma(1.0, good) - log_gamma(2.0, units)
    share = log_incomplete_betas(bad + 1.0, good + 1.0, floor, betas)
    evidence: Floats = betas + share - math.log(floor) - bad * math.log(floor) - good * math.log1p(-floor)
    return evidence
