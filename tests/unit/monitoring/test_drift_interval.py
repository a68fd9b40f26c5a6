"""The interval of a drift: its distribution against published numbers, its coverage by simulation."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from steward.monitoring.drift import compare, divergence_bits
from steward.monitoring.drift_interval import find_interval_bits, score_noncentral
from steward.monitoring.events import Event


@pytest.mark.parametrize(
    ("degrees", "critical", "noncentrality"), [(1, 3.841, 7.849), (2, 5.991, 9.635), (4, 9.488, 11.935)]
)
def test_noncentral_chi_square_of_published_tables(degrees: int, critical: float, noncentrality: float) -> None:
    # Haynam, Govindarajulu and Leone (1970): the noncentrality that has a power of 0.80 at 5 %
    assert NormalDist().cdf(score_noncentral(critical, degrees, noncentrality)) == pytest.approx(0.20, abs=0.005)
    assert NormalDist().cdf(score_noncentral(critical, degrees, 0.0)) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("after", [[0.05, 0.95], [0.1, 0.9], [0.5, 0.5]])
def test_the_interval_has_the_true_drift_as_often_as_it_says(after: list[float]) -> None:
    """Of 400 at 95 %, at least 355 and, since ends at 0 cannot miss, perhaps all: fewer has a chance below 1e-6."""
    rng, before = np.random.default_rng(7), [0.05, 0.95]
    true, hits = divergence_bits(before, after), 0
    for _ in range(400):
        first, second = rng.multinomial(500, before), rng.multinomial(300, after)
        interval = find_interval_bits(divergence_bits(first, second), 500, 300, 2)
        assert interval is not None
        hits += interval[0] - 1e-12 <= true <= interval[1]
    assert hits >= 355


def test_no_difference_is_not_certain_to_be_none() -> None:
    interval = find_interval_bits(0.0, 100, 100, 2)
    assert interval is not None and interval[0] == 0.0 and 0.01 < interval[1] < 0.05
    wider, narrower = find_interval_bits(0.0, 30, 30, 2), find_interval_bits(0.0, 9000, 9000, 2)
    assert wider is not None and narrower is not None and wider[1] > interval[1] > narrower[1]
    assert find_interval_bits(0.0, 100, 100, 1) is None
    assert find_interval_bits(1.0, 100, 100, 2) == (pytest.approx(0.81, abs=0.05), 1.0)


def test_every_compared_feature_has_an_interval_around_its_effect() -> None:
    def make(refused: int) -> list[Event]:
        return [
            Event(at=float(n), prompt_chars=float(n), language="en" if n % 3 else "de", refused=n < refused, route="r")
            for n in range(100)
        ]

    features = {one.name: one for one in compare(make(5), make(40)).features}
    for name in ("prompt_chars", "language", "refused"):
        one = features[name]
        assert one.effect is not None and one.effect_low is not None and one.effect_high is not None
        assert one.effect_low <= one.effect <= one.effect_high
    assert features["refused"].effect_low and features["language"].effect_low == 0.0
    assert features["route"].effect == 0.0 and features["route"].effect_high is None  # it has one value on both sides
