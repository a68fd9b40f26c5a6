"""Tests that stay valid however often one looks: counts as coin flips, means with a confidence sequence.

An e-value is what a bet against a hypothesis has become: under it, the chance that it ever reaches 1/alpha is at most
alpha (Ville's inequality). E-values are returned as logarithms, since they grow beyond a float.

Sources: coin flips, Lindon and Malek (arXiv 2011.03567) and Howard, Ramdas, McAuliffe and Sekhon 2021 (Annals of
Statistics 49(2), propositions 6 and 7: the beta-binomial mixture); means, Waudby-Smith, Arbour, Sinha, Kennedy and
Ramdas 2024 (arXiv 2103.06476).
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p, sqrt
from typing import Final, Literal

Direction = Literal["below", "above"]

SPLIT_CONCENTRATION: Final = 1000.0  # flips that a split check takes as known before it begins
# How concentrated the mixture is, by the candidate's weight: chosen by simulation to decide soonest
_CONCENTRATIONS: Final = ((0.05, 60.0), (0.25, 30.0), (0.5, 20.0))
_TINY: Final = 1e-300


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function, for positive a and b."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def log_incomplete_beta(a: float, b: float, x: float) -> float:
    """The logarithm of the regularised incomplete beta function (DLMF 8.17, by Lentz's continued fraction).

    >>> round(exp(log_incomplete_beta(1.0, 1.0, 0.25)), 12)
    0.25
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x >= 1.0 else -inf
    if x > (a + 1.0) / (a + b + 2.0):
        other = log_incomplete_beta(b, a, 1.0 - x)
        return log1p(-exp(other)) if other < 0.0 else -inf
    front = a * log(x) + b * log1p(-x) - log(a) - log_beta(a, b)
    c, d = 1.0, 1.0 / _avoid_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _avoid_zero(1.0 + term * d)
            c = _avoid_zero(1.0 + term / c)
            fraction *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return front + log(fraction)


def _avoid_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def tilt(weight: float, ratio: float) -> float:
    """The chance that an event is the candidate's, if its rate is `ratio` times the champion's.

    >>> tilt(0.25, 1.0), tilt(0.5, 3.0)
    (0.25, 0.75)
    """
    return weight * ratio / (weight * ratio + 1.0 - weight)


def choose_concentration(weight: float) -> float:
    """How concentrated the mixture of a coin test is; between the simulated weights by interpolation."""
    (low, first), *rest = _CONCENTRATIONS
    if weight <= low:
        return first
    before, value = low, first
    for at, concentration in rest:
        if weight <= at:
            return value + (concentration - value) * (weight - before) / (at - before)
        before, value = at, concentration
    return value


def log_coin_evidence(candidate: int, events: int, weight: float, ratio: float, direction: Direction) -> float:
    """Evidence that the candidate's rate of events is "below", or "above", `ratio` times the champion's.

    Of `events`, `candidate` were the candidate's, who is drawn with probability `weight`. That the rate itself moves
    changes nothing; 0 (no evidence) without events.
    """
    theta = tilt(weight, ratio)
    concentration = choose_concentration(weight)
    a, b = concentration * theta, concentration * (1.0 - theta)
    x, y = a + candidate, b + events - candidate
    if direction == "below":
        share = log_incomplete_beta(x, y, theta) - log_incomplete_beta(a, b, theta)
    else:
        share = log_incomplete_beta(y, x, 1.0 - theta) - log_incomplete_beta(b, a, 1.0 - theta)
    return share + _log_mixture(candidate, events, theta, a, b)


def log_split_evidence(candidate: int, events: int, weight: float, concentration: float = SPLIT_CONCENTRATION) -> float:
    """Evidence that `candidate` of `events` are not a draw with probability `weight`, on either side."""
    return _log_mixture(candidate, events, weight, concentration * weight, concentration * (1.0 - weight))


def _log_mixture(candidate: int, events: int, theta: float, a: float, b: float) -> float:
    mixed = log_beta(a + candidate, b + events - candidate) - log_beta(a, b)
    return mixed - candidate * log(theta) - (events - candidate) * log1p(-theta)


def log_floor_evidence(bad: int, units: int, floor: float) -> float:
    """Evidence that the candidate's own rate of bad units is below `floor`: a flat mixture over [0, floor].

    It lets a candidate pass that makes no mistakes at all, of which coins can say nothing.
    """
    mixed = log_beta(bad + 1.0, units - bad + 1.0) + log_incomplete_beta(bad + 1.0, units - bad + 1.0, floor)
    return mixed - log(floor) - bad * log(floor) - (units - bad) * log1p(-floor)


def mean_of_evidence(one: float, other: float) -> float:
    """The logarithm of the mean of two e-values, which is an e-value of what both speak against."""
    high, low = max(one, other), min(one, other)
    return high + log1p(exp(low - high)) - log(2.0)


def sequence_width(units: int, alpha: float, planned: int, *, two_sided: bool = False) -> float:
    """Half the width of a confidence sequence of a mean, in standard deviations of a unit.

    Tightest near `planned` units. Asymptotic: take it from about 50 units on. One-sided: the chance that the mean
    ever lies beyond the one end is `alpha`.
    """
    level = alpha if two_sided else 2.0 * alpha
    spread = (-2.0 * log(level) + log(-2.0 * log(level) + 1.0)) / planned
    grown = units * spread + 1.0
    if two_sided:
        return sqrt(grown / (units * units * spread) * log(grown / (alpha * alpha)))
    return sqrt(2.0 * grown / (units * units * spread) * log1p(sqrt(grown) / (2.0 * alpha)))


def to_e_value(logarithm: float) -> float:
    """For people: the e-value itself; a larger one than a float holds as the largest power of ten below."""
    return exp(min(logarithm, 690.0))
