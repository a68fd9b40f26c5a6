"""Exact tails of counts, so that a rule at low traffic says what it can and no more. Probabilities are in [0, 1]."""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p
from typing import Final

_NEGLIGIBLE: Final = 1e-17  # of the sum so far: below what a float can add


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """P(X >= successes) for X ~ Binomial(trials, rate).

    >>> round(binomial_tail(3, 10, 0.1), 6)
    0.070191
    """
    if successes <= 0:
        return 1.0
    if successes > trials or rate <= 0.0:
        return 0.0
    if rate >= 1.0:
        return 1.0
    if successes <= trials * rate:  # the other side is the shorter sum
        return max(0.0, 1.0 - _sum_binomial(0, successes - 1, trials, rate, downwards=True))
    return min(1.0, _sum_binomial(successes, trials, trials, rate, downwards=False))


def _sum_binomial(first: int, last: int, trials: int, rate: float, downwards: bool) -> float:
    """The terms from the end nearest to the mean outwards, until they no longer count."""
    start, odds = (last if downwards else first), rate / (1.0 - rate)
    term = exp(_log_choose(trials, start) + start * log(rate) + (trials - start) * log1p(-rate))
    total, k = 0.0, start
    while first <= k <= last and term > total * _NEGLIGIBLE:
        total += term
        if downwards:
            term *= k / ((trials - k + 1) * odds)
            k -= 1
        else:
            term *= (trials - k) * odds / (k + 1)
            k += 1
    return total


def poisson_low_tail(count: int, mean: float) -> float:
    """P(X <= count) for X ~ Poisson(mean).

    >>> round(poisson_low_tail(1, 5.0), 6)
    0.040428
    """
    if mean <= 0.0:
        return 1.0
    if count > mean:  # the other side is the shorter sum; and far beyond the mean every term is 0 to a float
        return 1.0 - _sum_poisson(count + 1, mean, downwards=False)
    return _sum_poisson(count, mean, downwards=True)


def _sum_poisson(k: int, mean: float, downwards: bool) -> float:
    """The chances of `k` and of all below or above it, beginning with the largest."""
    term, total = exp(k * log(mean) - mean - lgamma(k + 1)), 0.0
    while k >= 0 and term > total * _NEGLIGIBLE:
        total += term
        if downwards:
            term *= k / mean
            k -= 1
        else:
            k += 1
            term *= mean / k
    return total


def hypergeometric_low_tail(successes: int, drawn: int, all_successes: int, everyone: int) -> float:
    """P(X <= successes) among `drawn` of `everyone`, of whom `all_successes` succeed: Fisher's exact test, one-sided.

    >>> round(hypergeometric_low_tail(1, 4, 4, 8) * 70, 9)  # Fisher's lady with a cup right: The Design of Experiments
    17.0
    """
    failures = everyone - all_successes
    if successes * everyone > drawn * all_successes:  # the other side is the shorter sum, as of Poisson's
        return 1.0 - hypergeometric_low_tail(drawn - successes - 1, drawn, failures, everyone)
    least = max(0, drawn - failures)
    if successes < least:
        return 0.0
    k = min(successes, drawn, all_successes)
    term = exp(_log_choose(all_successes, k) + _log_choose(failures, drawn - k) - _log_choose(everyone, drawn))
    total = 0.0
    while k >= least and term > total * _NEGLIGIBLE:
        total += term
        term *= k * (failures - drawn + k) / ((all_successes - k + 1) * (drawn - k + 1))
        k -= 1
    return min(1.0, total)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf
