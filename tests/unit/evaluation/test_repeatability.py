"""The model's own noise, against a published analysis of variance."""

from __future__ import annotations

import pytest

from steward.evaluation.repeatability import measure_repeatability

ANOVA = {"a": [6, 8, 4, 5, 3, 4], "b": [8, 12, 9, 11, 6, 8], "c": [13, 9, 11, 8, 7, 12]}


def test_variances_are_those_of_a_one_way_analysis() -> None:
    """Wikipedia, "One-way analysis of variance", example: MSW = 68/15, MSB = 42, so between is (42 - MSW) / 6."""
    ids = [f"{name}#{n}" for name, values in ANOVA.items() for n in range(6)]
    found = measure_repeatability("latency", ids, [float(value) for values in ANOVA.values() for value in values])
    assert found is not None and (found.items, found.flaky, found.worst[0]) == (3, 3, "c")
    assert found.within == pytest.approx(68 / 15) and found.between == pytest.approx((42 - 68 / 15) / 6)
    assert found.share == pytest.approx(found.within / (found.within + found.between))
    assert found.low is not None and found.high is not None and found.low <= found.within <= found.high


def test_items_that_were_scored_once_say_nothing() -> None:
    assert measure_repeatability("m", ["a#1", "b#2"], [1.0, 0.0]) is None
    found = measure_repeatability("m", ["a#1", "a#2", "b#1"], [1.0, 1.0, 0.0])
    assert found is not None and (found.items, found.within, found.share) == (1, 0.0, None)


def test_e12_equal_repeats_leave_an_interval() -> None:
    """Nothing moved in 8 items: Wilson's end, z²/(8 + z²), of them may move by all of the scale, a variance of 1/2."""
    ids = [f"{item}#{n}" for item in range(8) for n in (1, 2)]
    found = measure_repeatability("exact_match", ids, [1.0] * 16)
    assert found is not None and (found.within, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(3.8415 / 11.8415 / 2, abs=1e-4)


def test_two_items_have_a_variance_between_them() -> None:
    """Means 1 and 0: variance 1/2, nothing within; a difference of a float's rounding is no flaky item."""
    found = measure_repeatability("exact_match", ["a#1", "a#2", "b#1", "b#2"], [1.0, 1.0, 0.0, 1e-13])
    assert found is not None and found.between == pytest.approx(0.5) and found.flaky == 0
    moved = measure_repeatability("exact_match", ["a#1", "a#2", "b#1", "b#2"], [1.0, 0.5, 0.0, 0.0])
    assert moved is not None and moved.flaky == 1 and moved.worst == ("a",)


def test_twenty_items_that_moved_most_are_named() -> None:
    ids = [f"{item:02}#{n}" for item in range(25) for n in (1, 2)]
    values = [value for item in range(25) for value in (0.0, (item + 1) / 25)]
    found = measure_repeatability("exact_match", ids, values)
    assert found is not None and found.flaky == 25
    assert found.worst == tuple(f"{item:02}" for item in range(24, 4, -1))


def test_noise_alone_leaves_no_variance_between_two_items() -> None:
    """Means 1/2 and 1: 1/8, less half of a variance within of 1/4."""
    found = measure_repeatability("exact_match", ["a#1", "a#2", "b#1", "b#2"], [1.0, 0.0, 1.0, 1.0])
    assert found is not None and found.between == 0.0 and found.share == 1.0
    apart = measure_repeatability("exact_match", ["a#1", "a#2", "b#1", "b#2"], [0.5, 0.0, 1.0, 1.0])
    assert apart is not None and apart.between == pytest.approx(0.75**2 / 2 - 0.0625 / 2)
