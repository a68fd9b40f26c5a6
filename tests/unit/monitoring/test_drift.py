"""Drift: effect, chance, and false alarms that are as many as is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steward.monitoring.drift import (
    MIN_EVENTS,
    adjust,
    compare,
    divergence_bits,
    measure_anderson_darling,
    measure_chi_square,
    permute,
    share_beyond,
)
from steward.monitoring.events import Event


def events(count: int, shift: float = 0.0, seed: int = 0, refused: float = 0.1, language: str = "en") -> list[Event]:
    rng = np.random.default_rng(seed)
    return [
        Event(
            at=float(index),
            prompt_chars=float(chars),
            output_tokens=float(tokens),
            refused=bool(no),
            language=language if other else "de",
        )
        for index, (chars, tokens, no, other) in enumerate(
            zip(
                np.exp(rng.normal(7 + shift, 1, count)),
                np.exp(rng.normal(5, 1, count)),
                rng.random(count) < refused,
                rng.random(count) < 0.7,
                strict=True,
            )
        )
    ]


def test_adjusted_p_of_the_first_example_of_benjamini_and_hochberg() -> None:
    # The fifteen p-values of Benjamini and Hochberg (1995), section 4: four are rejected at 0.05
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    adjusted = adjust(p)
    assert sum(value < 0.05 for value in adjusted) == 4
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)
    assert adjusted[-1] == 1.0


def test_divergence_by_hand() -> None:
    # halves against three quarters: 1 - (h(1/2) + h(3/4)) / 2 + ..., computed by its definition
    middle = [(0.5 + 0.75) / 2, (0.5 + 0.25) / 2]
    by_hand = sum(
        0.5 * share * math.log2(share / mid)
        for side in ([0.5, 0.5], [0.75, 0.25])
        for share, mid in zip(side, middle, strict=True)
    )
    assert divergence_bits([2, 2], [3, 1]) == pytest.approx(by_hand)


def test_statistics_of_tables_that_are_known() -> None:
    # Pearson's chi-square of [[10, 20], [30, 40]]: 0.79365 (R, chisq.test without correction)
    assert measure_chi_square(np.array([[10, 20]]), np.array([[30, 40]]))[0] == pytest.approx(0.79365, abs=1e-5)
    assert measure_anderson_darling(np.array([[5, 5]]), np.array([[5, 5]]))[0] == 0.0


def test_p_is_never_zero_and_one_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    first, second = np.array([40, 0]), np.array([0, 40])
    assert permute(first, second, measure_chi_square, rng) == 0.5 / 2000
    assert permute(first, first, measure_chi_square, rng) == 1.0
    assert permute(np.array([50]), np.array([60]), measure_chi_square, rng) == 1.0


def test_mid_p_of_the_lady_tasting_tea() -> None:
    # Fisher (1935): of 4 cups called milk-first, 3 are. Of 70 splits 2 are farther, 32 as far: (2 + 16) / 70
    p = permute(np.array([3, 1]), np.array([1, 3]), measure_chi_square, np.random.default_rng(1), permutations=40_000)
    assert p == pytest.approx(18 / 70, abs=0.01)


def test_splits_that_are_as_far_count_half() -> None:
    assert share_beyond(np.array([0.0, 1.0, 1.0, 2.0]), 1.0) == 0.5  # (1 + 3 / 2) / 5
    assert share_beyond(np.array([3.0, 3.0]), 1.0) == pytest.approx(2.5 / 3)
    assert share_beyond(np.array([0.0, 0.0]), 1.0) == pytest.approx(0.5 / 3)
    assert share_beyond(np.array([0.0, 0.0]), 0.0) == 1.0


@pytest.mark.parametrize("count", [100, 200, 1000])
def test_false_alarms_of_a_rate_are_within_two_points_of_nominal(count: int) -> None:
    """Over all outcomes of two sides of which 5 % are refused, each weighted by its probability: 3 to 7 % at 5 %."""

    def choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    rng, rejected = np.random.default_rng(2), 0.0
    for both in range(int(0.03 * 2 * count), int(0.075 * 2 * count) + 4):  # nearly all of the probability
        weight = math.exp(choose(2 * count, both) + both * math.log(0.05) + (2 * count - both) * math.log(0.95))
        for refused in range(max(0, both - count), both + 1):
            first = np.array([refused, count - refused])
            second = np.array([both - refused, count - both + refused])
            chance = math.exp(choose(count, refused) + choose(count, both - refused) - choose(2 * count, both))
            if weight * chance > 1e-5 and permute(first, second, measure_chi_square, rng, permutations=999) < 0.05:
                rejected += weight * chance
    assert 0.03 <= rejected <= 0.07


def test_the_same_traffic_has_not_drifted_and_a_shift_has() -> None:
    same = compare(events(500), events(500, seed=1))
    assert not same.drifted
    moved = compare(events(500), events(500, shift=0.5, seed=1))
    assert [feature.name for feature in moved.features if feature.drifted] == ["prompt_chars"]
    feature = next(feature for feature in moved.features if feature.name == "prompt_chars")
    assert feature.kind == "number" and feature.current > feature.baseline  # type: ignore[operator]


def test_words_and_rates() -> None:
    moved = compare(events(500), events(500, seed=1, refused=0.3, language="fr"))
    by_name = {feature.name: feature for feature in moved.features}
    assert by_name["language"].drifted and (by_name["language"].baseline, by_name["language"].current) == ("en", "fr")
    assert by_name["refused"].drifted and by_name["refused"].kind == "rate"
    assert by_name["refused"].current == pytest.approx(0.3, abs=0.05)


def test_too_few_events_do_not_tell() -> None:
    few = compare(events(MIN_EVENTS - 1), events(500, shift=3.0))
    assert not few.drifted and all(feature.p is None for feature in few.features)
    assert few.features[0].why == "29 known on one side; at least 30 are needed"
    assert compare(events(MIN_EVENTS), events(500, shift=3.0)).drifted


def test_what_nobody_knows_is_not_listed() -> None:
    assert [feature.name for feature in compare([Event(at=0.0)], [Event(at=0.0)]).features] == []


def test_a_tiny_shift_that_is_certain_is_no_drift() -> None:
    assert not compare(events(60_000), events(60_000, shift=0.05, seed=1)).drifted


@pytest.mark.parametrize("count", [100, 200])
def test_false_alarms_are_as_many_as_said(count: int) -> None:
    """200 comparisons of the same traffic at 5 %: between 2 and 20 alarms has a probability above 0.999."""
    rng, alarms = np.random.default_rng(5), 0
    for _ in range(200):
        first, second = (np.bincount(rng.integers(0, 30, count), minlength=30) for _ in range(2))
        alarms += permute(first, second, measure_anderson_darling, rng, permutations=199) <= 0.05
    assert 2 <= alarms <= 20


def test_many_different_values_are_compared_in_cells() -> None:
    assert not compare(events(3000), events(3000, seed=3)).drifted
