"""Evidence against closed forms: sums of binomials, numerical integrals, and the figures of the papers' authors."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from steward.improvement.anytime import (
    choose_concentration,
    log_beta,
    log_coin_evidence,
    log_floor_evidence,
    log_incomplete_beta,
    log_split_evidence,
    mean_of_evidence,
    sequence_width,
    tilt,
    to_e_value,
)


def integrate(value: Callable[[float], float], low: float, high: float, steps: int = 20_000) -> float:
    """By the midpoint rule."""
    width = (high - low) / steps
    return width * sum(value(low + (step + 0.5) * width) for step in range(steps))


@pytest.mark.parametrize(("a", "b", "x"), [(1, 1, 0.3), (3, 5, 0.2), (3, 5, 0.8), (40, 2, 0.9), (2, 400, 0.01)])
def test_the_incomplete_beta_is_a_tail_of_binomials(a: int, b: int, x: float) -> None:
    n = a + b - 1  # DLMF 8.17.5
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert math.exp(log_incomplete_beta(a, b, x)) == pytest.approx(tail, rel=1e-11)


def test_the_incomplete_beta_at_its_ends_and_far_in_its_tail() -> None:
    assert log_incomplete_beta(2, 3, 0.0) == -math.inf and log_incomplete_beta(2, 3, 1.0) == 0.0
    assert log_incomplete_beta(2000, 1, 0.5) == pytest.approx(2000 * math.log(0.5))  # I_x(a, 1) = x^a, below any float
    assert log_beta(3, 4) == pytest.approx(math.log(1 / 60))


def test_concentrations_are_those_of_the_simulation_and_lie_between() -> None:
    assert [choose_concentration(weight) for weight in (0.01, 0.05, 0.25, 0.5, 0.9)] == [60, 60, 30, 20, 20]
    assert choose_concentration(0.15) == pytest.approx(45) and choose_concentration(0.375) == pytest.approx(25)


@pytest.mark.parametrize("direction", ["below", "above"])
@pytest.mark.parametrize(
    ("candidate", "events", "weight", "ratio"), [(3, 40, 0.25, 2.0), (30, 40, 0.5, 1.0), (2, 9, 0.05, 1.5)]
)
def test_evidence_of_coins_is_a_mixture_over_the_other_side(
    candidate: int, events: int, weight: float, ratio: float, direction: str
) -> None:
    theta = tilt(weight, ratio)
    c = choose_concentration(weight)
    a, b = c * theta, c * (1 - theta)

    def prior(x: float) -> float:
        return math.exp((a - 1) * math.log(x) + (b - 1) * math.log(1 - x))

    def likelihood(x: float) -> float:
        return (x / theta) ** candidate * ((1 - x) / (1 - theta)) ** (events - candidate)

    low, high = (0.0, theta) if direction == "below" else (theta, 1.0)
    mixed = integrate(lambda x: prior(x) * likelihood(x), low, high) / integrate(prior, low, high)
    found = log_coin_evidence(candidate, events, weight, ratio, direction)  # type: ignore[arg-type]
    assert math.exp(found) == pytest.approx(mixed, rel=2e-3)


def test_no_event_is_no_evidence() -> None:
    assert log_coin_evidence(0, 0, 0.25, 2.0, "below") == 0.0 == log_split_evidence(0, 0, 0.25)
    assert log_floor_evidence(0, 0, 0.01) == pytest.approx(0.0)


def test_evidence_of_a_split_is_a_mixture_over_all_weights() -> None:
    a, b = 10 * 0.25, 10 * 0.75
    norm = integrate(lambda x: x ** (a - 1) * (1 - x) ** (b - 1), 0, 1)
    mixed = integrate(lambda x: x ** (a - 1 + 9) * (1 - x) ** (b - 1 + 11), 0, 1) / norm / (0.25**9 * 0.75**11)
    assert math.exp(log_split_evidence(9, 20, 0.25, 10.0)) == pytest.approx(mixed, rel=1e-3)
    assert log_split_evidence(250, 1000, 0.25) < 0 < math.log(1000) < log_split_evidence(400, 1000, 0.25)


@pytest.mark.parametrize(("units", "floor"), [(2670, 0.002), (530, 0.01)])
def test_a_candidate_without_mistakes_passes_a_floor_after_its_number_of_requests(units: int, floor: float) -> None:
    # the mean with coins that say nothing (1) reaches 20 at alpha 0.05: 2,670 requests of its own at 0.2 %, 530 at 1 %
    edge = math.log(20)
    assert mean_of_evidence(0.0, log_floor_evidence(0, units + 5, floor)) > edge
    assert mean_of_evidence(0.0, log_floor_evidence(0, units - 15, floor)) < edge


def test_evidence_of_a_floor_is_a_flat_mixture_below_it() -> None:
    mixed = integrate(lambda p: p**2 * (1 - p) ** 298, 0, 0.02) / 0.02 / (0.02**2 * 0.98**298)
    assert math.exp(log_floor_evidence(2, 300, 0.02)) == pytest.approx(mixed, rel=1e-6)


def test_the_mean_of_evidence_and_what_people_see_of_it() -> None:
    assert mean_of_evidence(math.log(3), math.log(5)) == pytest.approx(math.log(4))
    assert mean_of_evidence(2000.0, 0.0) == pytest.approx(2000.0 - math.log(2))
    assert to_e_value(math.log(42)) == pytest.approx(42) and 1e299 < to_e_value(5000.0) < math.inf


def test_the_width_of_a_sequence_by_hand() -> None:
    # n = 100, planned 100, alpha 0.05: rho2 = (-2 ln 0.1 + ln(-2 ln 0.1 + 1)) / 100
    rho2 = (-2 * math.log(0.1) + math.log(-2 * math.log(0.1) + 1)) / 100
    one = math.sqrt(2 * (100 * rho2 + 1) / (1e4 * rho2) * math.log(1 + math.sqrt(100 * rho2 + 1) / 0.1))
    assert sequence_width(100, 0.05, 100) == pytest.approx(one)
    rho2 = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 100
    two = math.sqrt((100 * rho2 + 1) / (1e4 * rho2) * math.log((100 * rho2 + 1) / 0.0025))
    assert sequence_width(100, 0.05, 100, two_sided=True) == pytest.approx(two)
    assert sequence_width(100, 0.05, 100) < two and sequence_width(400, 0.05, 100) < one / 1.5


def test_a_tilted_coin() -> None:
    assert tilt(0.5, 2.0) == pytest.approx(2 / 3) and tilt(0.05, 3.0) == pytest.approx(0.15 / 1.1)
