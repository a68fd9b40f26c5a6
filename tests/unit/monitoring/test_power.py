"""Which fall of a share so many trials show."""

from __future__ import annotations

import random

import pytest

from steward.monitoring.power import POWER, find_least_fall
from steward.monitoring.tails import hypergeometric_low_tail


@pytest.mark.parametrize(
    ("now", "before", "share", "alpha", "least"),
    [
        (30, 100, 0.8, 1e-5, 0.512),
        (201, 806, 0.8, 1e-5, 0.177),
        (12_000, 48_000, 0.8, 1e-5, 0.021),
        (201, 806, 0.8, 0.05, 0.086),
    ],
)
def test_more_trials_and_a_milder_test_show_smaller_falls(
    now: int, before: int, share: float, alpha: float, least: float
) -> None:
    assert find_least_fall(now, before, share, alpha) == least


@pytest.mark.parametrize(
    ("now", "before", "share"), [(0, 100, 0.8), (100, 0, 0.8), (10, 100, 0.3), (5, 5, 0.8), (100, 100, 0.0)]
)
def test_where_not_even_a_fall_to_nothing_shows_there_is_none(now: int, before: int, share: float) -> None:
    assert find_least_fall(now, before, share, 1e-5) is None


def test_fishers_test_sees_that_fall_with_a_chance_of_about_80_percent() -> None:
    """By simulation, which knows nothing of the formula."""
    least = find_least_fall(201, 806, 0.8, 1e-5)
    assert least is not None
    rng, seen, rounds = random.Random(1), 0, 400
    for _ in range(rounds):
        now, before = (sum(rng.random() < rate for _ in range(n)) for rate, n in ((0.8 - least, 201), (0.8, 806)))
        seen += hypergeometric_low_tail(now, 201, now + before, 1007) < 1e-5
    assert seen / rounds == pytest.approx(POWER, abs=0.06)
