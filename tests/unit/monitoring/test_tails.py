"""Tails of counts against sums of exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from steward.monitoring.tails import binomial_tail, hypergeometric_low_tail, poisson_low_tail


@pytest.mark.parametrize(
    ("successes", "trials", "rate"),
    [(0, 5, 0.5), (1, 5, 0.5), (5, 5, 0.5), (6, 5, 0.5), (3, 10, 0.1), (1, 10, 0.1), (40, 300, 0.05), (9, 300, 0.05)],
)
def test_binomial_is_the_sum_of_its_terms(successes: int, trials: int, rate: float) -> None:
    p = Fraction(rate)
    exact = sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(max(0, successes), trials + 1))
    assert binomial_tail(successes, trials, rate) == pytest.approx(float(exact), rel=1e-9)


def test_binomial_at_the_ends_of_the_rate() -> None:
    assert binomial_tail(1, 10, 0.0) == 0.0
    assert binomial_tail(10, 10, 1.0) == 1.0
    assert binomial_tail(0, 10, 0.0) == 1.0


def test_binomial_far_out_keeps_its_digits() -> None:
    assert binomial_tail(30, 30, 0.01) == pytest.approx(1e-60, rel=1e-9)


@pytest.mark.parametrize(("count", "mean"), [(0, 14.0), (1, 5.0), (12, 5.0), (40, 50.0)])
def test_poisson_is_the_sum_of_its_terms(count: int, mean: float) -> None:
    exact = sum(mean**k * math.exp(-mean) / math.factorial(k) for k in range(count + 1))
    assert poisson_low_tail(count, mean) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("count", "mean"), [(6, 5.0), (5, 5.0), (4, 5.0), (60, 50.0), (204, 2.0), (1, 0.5)])
def test_poisson_beyond_its_mean_is_the_sum_of_its_terms(count: int, mean: float) -> None:
    exact = sum(Fraction(mean) ** k / math.factorial(k) for k in range(count + 1)) * Fraction(math.exp(-mean))
    assert poisson_low_tail(count, mean) == pytest.approx(float(exact), rel=1e-9)


def test_counts_far_beyond_what_is_expected_are_certain_to_be_no_fall() -> None:
    """Each term is below the smallest float there: their sum is 1 and not 0, which would call a surge a fall."""
    assert poisson_low_tail(400, 2.0) == poisson_low_tail(5_000, 1_000.0) == 1.0
    assert hypergeometric_low_tail(900, 1_000, 1_000, 100_000) == 1.0


def test_poisson_of_nothing() -> None:
    assert poisson_low_tail(0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("successes", "drawn", "all_successes", "everyone"),
    [(1, 4, 4, 8), (0, 4, 4, 8), (3, 10, 40, 100), (9, 10, 12, 20), (10, 10, 12, 20), (25, 30, 300, 330)],
)
def test_hypergeometric_is_the_sum_of_its_terms(successes: int, drawn: int, all_successes: int, everyone: int) -> None:
    ways = sum(
        math.comb(all_successes, k) * math.comb(everyone - all_successes, drawn - k) for k in range(successes + 1)
    )
    exact = Fraction(ways, math.comb(everyone, drawn))
    assert hypergeometric_low_tail(successes, drawn, all_successes, everyone) == pytest.approx(float(exact), rel=1e-9)


def test_fewer_successes_than_there_can_be() -> None:
    assert hypergeometric_low_tail(7, 10, 18, 20) == 0.0  # at least eight of ten drawn are among the eighteen
