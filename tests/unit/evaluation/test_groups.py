"""Rates by group against fairlearn 0.15, and p values that call chance by its name."""

from __future__ import annotations

import random

import pytest

from steward.evaluation.groups import LabelledCase, compare_label_rates, rates_by_group

NAMES = ["a", "b", "c"]
ROWS = [LabelledCase("abc"[i % 3], (i * 7) % 5 < 2, (i * i + i // 3) % 7 < 3) for i in range(60)]

# fairlearn 0.15.0 on the same 60 rows: MetricFrame by group, and its functions of the measures' names
FAIRLEARN_RATES = [(0.55, 0.5, 7 / 12), (0.45, 0.375, 0.5), (0.25, 0.25, 0.25)]
FAIRLEARN = {
    "demographic parity difference": 0.30000000000000004,
    "demographic parity ratio": 0.45454545454545453,
    "equal opportunity difference": 0.25,
    "false positive rate difference": 0.33333333333333337,
    "equalised odds difference": 0.33333333333333337,
    "accuracy difference": 0.1,
}


def test_rates_and_differences_are_fairlearns() -> None:
    rates = [tuple(rate.value for rate in three) for three in rates_by_group(ROWS, NAMES)]
    assert rates == [pytest.approx(three) for three in FAIRLEARN_RATES]
    found = {one.measure: one.value for one in compare_label_rates(ROWS, NAMES)}
    assert found == {name: pytest.approx(value, abs=1e-12) for name, value in FAIRLEARN.items()}


def test_a_real_difference_has_a_small_p_and_chance_has_not() -> None:
    """Under equal treatment a p below .05 comes in one of twenty draws: of 40, more than 7 in 1 of 1,000 (binomial)."""
    apart = [LabelledCase("ab"[i % 2], True, i % 2 == 0 or i % 5 == 0) for i in range(100)]
    first = compare_label_rates(apart, ["a", "b"], samples=400)[0]
    assert first.value == pytest.approx(0.8) and first.p is not None and first.p < 0.01
    assert first.low is not None and first.low > 0.6
    small = 0
    for seed in range(40):
        draw = random.Random(seed)
        rows = [LabelledCase(draw.choice("abc"), draw.random() < 0.5, draw.random() < 0.5) for _ in range(90)]
        small += (compare_label_rates(rows, NAMES, samples=200)[0].p or 0) < 0.05
    assert small <= 7


def test_a_group_without_anybody_due_has_no_such_rate() -> None:
    rows = [LabelledCase("a", True, True), LabelledCase("a", False, False), LabelledCase("b", False, True)] * 5
    found = {one.measure: one.value for one in compare_label_rates(rows, ["a", "b"], samples=50)}
    assert found["equal opportunity difference"] is None and found["equalised odds difference"] is None
    assert found["false positive rate difference"] == 1.0 and found["demographic parity ratio"] == 0.5
    assert rates_by_group(rows, ["a", "b"])[1][1].n == 0


def test_clusters_have_intervals_and_no_p() -> None:
    found = compare_label_rates(ROWS, NAMES, [str(i // 6) for i in range(60)], samples=200)
    assert all(one.p is None and one.low is not None for one in found)


def test_p_counts_the_assignment_that_was_seen() -> None:
    """Phipson and Smyth 2010: (b + 1) / (m + 1); of 99 random orders of 40 none sorts the labels."""
    rows = [LabelledCase("ab"[i % 2], True, i % 2 == 0) for i in range(40)]
    assert compare_label_rates(rows, ["a", "b"], samples=99)[0].p == 0.01


def test_e12_groups_that_are_all_alike_leave_an_interval() -> None:
    """Three of three and three of three: Clopper and Pearson's lower limit of 3 of 3 is 0.2924 (their table)."""
    found = compare_label_rates([LabelledCase("ab"[i % 2], True, True) for i in range(6)], ["a", "b"], samples=99)
    first, ratio = found[0], found[1]
    assert (first.value, first.low) == (0.0, 0.0) and first.high == pytest.approx(1 - 0.2924, abs=1e-4)
    assert (ratio.value, ratio.high) == (1.0, 1.0) and ratio.low == pytest.approx(0.2924, abs=1e-4)
