"""Embeddings: the energy distance by hand, its false alarms, and vectors that cannot be compared."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steward.monitoring.drift import compare
from steward.monitoring.embedding_drift import (
    MIN_VECTORS,
    MOST_VECTORS,
    EmbeddingDrift,
    compare_embeddings,
    find_kind,
    measure_energy,
)
from steward.monitoring.events import Event

RNG = np.random.default_rng


def events(count: int, shift: float = 0.0, seed: int = 0, size: int = 16, embedder: str | None = "m") -> list[Event]:
    vectors = RNG(seed).normal(size=(count, size))
    vectors[:, 0] += shift
    return [Event(at=0.0, embedding=tuple(map(float, vector)), embedder=embedder) for vector in vectors]


def judge(before: list[Event], after: list[Event]) -> EmbeddingDrift:
    result = compare_embeddings(before, after, RNG(1))
    assert result is not None
    return result


def test_the_energy_of_four_points_by_hand() -> None:
    # 0 and 2 against 10 and 12: across 10, 12, 8, 10, twice their mean 20; within 2 and 2: (20 - 2 - 2) / 20
    effect, p = measure_energy(np.array([[0.0], [2.0]]), np.array([[10.0], [12.0]]), RNG(0), permutations=6000)
    assert effect == pytest.approx(0.8)
    # of 6 splits {0, 2} and {10, 12} are as far and none is farther: (2 / 6) / 2
    assert p == pytest.approx(1 / 6, abs=0.02)


def test_vectors_that_are_all_the_same_do_not_differ() -> None:
    assert measure_energy(np.ones((40, 3)), np.ones((50, 3)), RNG(0)) == (0.0, 1.0)


def test_a_shift_of_a_known_size_has_a_known_effect() -> None:
    # In one dimension, for normals d apart: 1 - E|X - X'| / E|X - Y|, here d = 1: E|X - X'| = 2 / sqrt(pi), and of
    # |N(1, 2)|: 2 exp(-1/4) / sqrt(pi) + erf(1/2) (the folded normal's mean; Leone, Nelson and Nottingham, 1961)
    within, across = 2 / math.sqrt(math.pi), 2 * math.exp(-0.25) / math.sqrt(math.pi) + math.erf(0.5)
    first, second = RNG(3).normal(size=(500, 1)), RNG(4).normal(loc=1.0, size=(500, 1))
    effect, p = measure_energy(first, second, RNG(0))
    assert effect == pytest.approx(1 - within / across, abs=0.04) and p == 0.5 / 1000


def test_the_same_traffic_has_not_moved_and_another_topic_has() -> None:
    same = judge(events(200), events(200, seed=1))
    assert same.p is not None and same.p > 0.05 and same.effect is not None and same.effect < 0.01
    moved = judge(events(200), events(200, shift=1.0, seed=1))
    assert moved.p == 0.5 / 1000 and moved.effect is not None and moved.effect > 0.01
    assert (moved.before, moved.after) == (200, 200)
    assert moved.spread_before is not None and moved.spread_after is not None
    assert moved.spread_before < moved.spread_after


def test_false_alarms_are_as_many_as_said() -> None:
    """100 comparisons at 5 %: between 0 and 13 alarms has a probability above 0.999."""
    rng, alarms = RNG(5), 0
    for _ in range(100):
        first, second = rng.normal(size=(60, 8)), rng.normal(size=(60, 8))
        alarms += measure_energy(first, second, rng, permutations=199)[1] < 0.05
    assert alarms <= 13


def test_vectors_of_two_models_are_not_compared() -> None:
    other = judge(events(100), events(100, embedder="n", size=8))
    assert other.p is None and other.effect is None
    assert other.why == "made by m (16 numbers) before and by n (8 numbers) now, which cannot be compared; " + (
        "freeze a new baseline"
    )
    mixed = judge(events(100), [*events(40, embedder="n"), *events(35, seed=2)])
    assert mixed.p is not None and (mixed.before, mixed.after) == (100, 35)


def test_too_few_vectors_do_not_tell() -> None:
    few = judge(events(MIN_VECTORS - 1), events(100))
    assert few.p is None and few.why == "29 known on one side; at least 30 are needed"
    assert judge(events(MIN_VECTORS), events(100)).p is not None
    assert compare_embeddings([Event(at=0.0)], [Event(at=0.0)], RNG(0)) is None
    assert judge([Event(at=0.0)], events(100)).why.startswith("0 known")


def test_the_kind_of_a_vector() -> None:
    assert find_kind(Event(at=0.0, embedding=(1.0, 2.0))) == ("", 2)
    assert find_kind(Event(at=0.0, embedding=())) is None and find_kind(Event(at=0.0, embedder="m")) is None


def test_more_vectors_than_are_compared_are_thinned() -> None:
    many = judge(events(3 * MOST_VECTORS), events(3 * MOST_VECTORS, seed=1))
    assert many.before == 3 * MOST_VECTORS and many.p is not None


def test_it_is_one_of_the_features() -> None:
    (feature,) = compare(events(200), events(200, shift=1.0, seed=1)).features
    assert (feature.name, feature.kind, feature.drifted) == ("embedding", "vector", True)
    (unknown,) = compare(events(200), events(200, embedder="n")).features
    assert not unknown.drifted and "cannot be compared" in unknown.why


def test_the_spread_is_the_mean_distance_from_the_centre_of_before() -> None:
    """Before: all at the origin or 2 beside it, so 1 from their centre; after: all 3 from it."""

    def at(*places: float) -> list[Event]:
        return [Event(at=0.0, embedding=(place, 0.0), embedder="m") for place in places]

    found = judge(at(*[0.0, 2.0] * 20), at(*[4.0, -2.0] * 20))
    assert (found.spread_before, found.spread_after) == (1.0, 3.0)
