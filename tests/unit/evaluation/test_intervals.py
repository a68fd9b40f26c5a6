"""Intervals that hold for equal values and small n; each right value names its source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steward.evaluation.intervals import (
    difference_interval,
    is_degenerate,
    mean_interval,
    mean_of_shares,
    paired_proportions,
    resampled_mean,
    statistic_interval,
    tail_probability,
    tango,
    unit_values,
    win_rate,
)
from steward.evaluation.score import Prediction, score_predictions
from steward.evaluation.statistics import Interval, clopper_pearson, mcnemar, wilson


@pytest.mark.parametrize(
    ("only_first", "only_second", "n", "confidence", "low", "high"),
    [
        (7, 1, 21, 0.95, -0.517, -0.026),  # Fagerland, Lydersen and Laake 2014, airway reactivity
        (25, 28, 618, 0.90, -0.0148, 0.0247),  # R, PropCIs::scoreci.mp(25, 28, 618, 0.9)
        (0, 0, 20, 0.95, -3.8415 / 23.8415, 3.8415 / 23.8415),  # closed form: z² / (n + z²)
    ],
)
def test_tangos_interval_is_the_published_one(
    only_first: int, only_second: int, n: int, confidence: float, low: float, high: float
) -> None:
    found = tango(only_first, only_second, n, confidence)
    digits = 5e-4 if n == 21 else 5e-5
    assert (found.low, found.high) == (pytest.approx(low, abs=digits), pytest.approx(high, abs=digits))
    assert found.value == (only_second - only_first) / n


def test_without_ties_tango_is_wilson() -> None:
    """All pairs discordant: the difference is 2p - 1, and both are score intervals."""
    for lost in range(9):
        found, share = tango(lost, 8 - lost, 8), wilson(8 - lost, 8)
        assert [found.low, found.high] == pytest.approx([2 * share.low - 1, 2 * share.high - 1], abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 12, 25])
def test_e12_an_interval_of_pairs_covers_as_often_as_it_says(n: int) -> None:
    """Mean coverage over shares from 0 to 1 by enumeration: 95 %, as a score interval has it (Agresti, Coull 1998)."""
    truths = [(index + 0.5) / 200 for index in range(200)]
    ends = [paired_proportions(n - k, k, n) for k in range(n + 1)]
    covered = [
        sum(
            math.comb(n, k) * p**k * (1 - p) ** (n - k)
            for k in range(n + 1)
            if ends[k].low <= 2 * p - 1 <= ends[k].high
        )
        for p in truths
    ]
    assert 0.945 <= sum(covered) / 200 <= 0.975


def test_e12_a_slice_in_which_all_lost_has_a_width() -> None:
    """25 of 25 worse: Tango's upper end without ties is Wilson's, 2 · 3.8415 / 28.8415 - 1."""
    found = paired_proportions(25, 0, 25)
    assert found.low == -1.0 and found.high == pytest.approx(2 * 3.8415 / 28.8415 - 1, abs=1e-4)
    assert resampled_mean([-1.0] * 25, -1.0, 1.0) == tango(25, 0, 25)


def test_e12_one_item_says_little() -> None:
    """Wilson's interval of a quarter of one success, and Tango's of one pair that lost."""
    assert paired_proportions(1, 0, 1).high > 0 and resampled_mean([0.25], 0.0, 1.0) == wilson(0.25, 1)
    assert math.isnan(resampled_mean([0.25], 0.0, math.inf).low)


def test_e12_a_scale_of_another_length_stretches_the_interval() -> None:
    """BLEU goes to 100, and levels from 1 to 5: Wilson's interval of the same fractions, stretched."""
    share = wilson(2.5, 5)
    assert resampled_mean([50.0] * 5, 0.0, 100.0).low == pytest.approx(100 * share.low)
    assert resampled_mean([3.0] * 5, 1.0, 5.0).high == pytest.approx(1 + 4 * share.high)
    assert resampled_mean([-2.0] * 5, -4.0, 4.0).high == pytest.approx(4 * tango(2.5, 0, 5).high)
    assert resampled_mean([2.0] * 5, -4.0, 4.0).low == pytest.approx(4 * tango(0, 2.5, 5).low)


def test_e12_few_different_values_have_students_interval() -> None:
    """Differences 1, 2, 4, 7 tenths: mean .35, sd .26458, t(3, .975) = 3.1824 (table): ± .4210."""
    found = resampled_mean([0.1, 0.2, 0.4, 0.7], -1.0, 1.0, samples=20_000)
    assert [found.low, found.high] == pytest.approx([0.35 - 0.421, 0.35 + 0.421], abs=0.01)


def test_e12_what_was_not_seen_may_be_there() -> None:
    """1 of 20 lost everything, the rest stayed."""
    assert resampled_mean([0.0] * 19 + [-1.0], -1.0, 1.0) == tango(1, 0, 20)


def test_many_values_keep_the_bootstrap() -> None:
    values = [number / 100 for number in range(100)]
    found = resampled_mean(values, 0.0, 1.0)
    half = 1.984 * float(np.std(values, ddof=1)) / 10  # t(99, .975)
    assert [found.low, found.high] == pytest.approx([0.495 - half, 0.495 + half], abs=0.004)
    assert not is_degenerate(np.array(values)) and is_degenerate(np.array([0.0] * 10 + [1.0] * 9))
    assert not is_degenerate(np.array([0.0] * 10 + [1.0] * 10))


def test_ends_stay_on_the_scale() -> None:
    found = mean_interval(0.95, np.linspace(0.8, 1.1, 50), np.array([0.9, 0.95, 1.0]), 0.0, 1.0)
    assert found.high == 1.0 and 0.0 <= found.low < 0.95


@pytest.mark.parametrize(("wins", "losses"), [(4, 0), (5, 0), (6, 0), (7, 1), (8, 1), (9, 3), (30, 20)])
def test_e14_interval_and_test_say_the_same(wins: int, losses: int) -> None:
    """The interval leaves a half on one side just where McNemar's mid-p is below 5 %, with ties and without."""
    for n in (wins + losses, wins + losses + 30):
        found = win_rate(wins, losses, n)
        assert (found.low > 0.5) == (mcnemar(losses, wins).mid_p <= 0.05), n


def test_e14_a_win_rate_of_four_tasks_is_undecided() -> None:
    found = win_rate(4, 0, 4)
    assert (found.value, found.low, found.high) == (1.0, 0.5, 1.0) and mcnemar(0, 4).mid_p == 0.0625


def test_shares_are_exact_wilsons_or_of_clusters() -> None:
    assert mean_of_shares([1.0, 1.0, 0.0]) == clopper_pearson(2, 3)
    assert mean_of_shares([1.0] * 20 + [0.0] * 10) == wilson(20, 30)
    assert mean_of_shares([1.0, 0.5]) == wilson(1.5, 2)
    clustered = mean_of_shares([1.0, 1.0, 0.0], ["a", "a", "b"])
    assert clustered.value == pytest.approx(2 / 3) and clustered.low < 0.1
    with pytest.raises(ValueError, match="0 items"):
        mean_of_shares([])


def test_a_difference_of_groups_is_newcombes() -> None:
    """Newcombe 1998 (Statistics in Medicine 17, 873), table II, 56/70 - 48/80: method 10 gives 0.0524 to 0.3339."""
    found = difference_interval(wilson(56, 70), wilson(48, 80))
    assert [found.value, found.low, found.high] == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)


def test_p_is_where_the_interval_ends() -> None:
    """A normal estimate 1.96 errors above 0 has a one-sided p of 2.5 %; one on the wrong side has no small p."""

    def interval_at(confidence: float) -> Interval:
        from statistics import NormalDist

        half = NormalDist().inv_cdf(0.5 + confidence / 2)
        return Interval(1.96, 1.96 - half, 1.96 + half)

    assert tail_probability(interval_at, lambda found: found.low > 0) == pytest.approx(0.025, abs=1e-4)
    assert tail_probability(interval_at, lambda found: found.high < 0) == 0.5


def test_equal_samples_have_no_interval() -> None:
    assert math.isnan(statistic_interval(1.0, np.ones(100), 50).low)
    assert math.isnan(statistic_interval(1.0, np.arange(5.0), 1).low)
    assert statistic_interval(2.0, np.arange(5.0), 50).low < 1.0


def test_units_are_items_or_means_of_clusters() -> None:
    table = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    assert unit_values(table, None).tolist() == [1.0, 0.0, 1.0]
    assert unit_values(table, ["a", "a", "b"]).tolist() == [0.5, 1.0]


def test_nine_that_differ_from_nine_alike_are_counted_and_ten_from_ten_are_resampled() -> None:
    assert resampled_mean([0.0] * 9 + [1.0] * 9, 0.0, 1.0) == wilson(9, 18)
    assert is_degenerate(np.array([0.0] * 9 + [1.0] * 9))
    assert resampled_mean([0.0] * 10 + [1.0] * 10, 0.0, 1.0) != wilson(10, 20)


def test_two_units_have_an_interval() -> None:
    """Student's with one degree of freedom: t(1, .975) = 12.706 (table), the error of two units times sqrt 2."""
    found = statistic_interval(2.0, np.arange(5.0), 2)
    assert found.high - 2.0 == pytest.approx(12.706 * math.sqrt(2) * math.sqrt(2), rel=1e-4)


def test_clusters_that_are_all_right_are_counted_on_the_scale_of_shares() -> None:
    found = mean_of_shares([1.0] * 6, ["a", "a", "b", "b", "c", "c"])
    assert (found.low, found.high) == (wilson(3, 3).low, 1.0)


def test_e12_values_beyond_the_scale_have_no_end() -> None:
    """TER of 300 %: equal values bound nothing (as seconds), different ones have the t interval."""
    given = [Prediction(str(n), "x y z u v w") for n in range(25)]
    equal = score_predictions("ter", given, {str(n): ["a b"] for n in range(25)}).score
    assert (equal.value, equal.low, equal.high) == (300.0, None, None)
    varied = score_predictions("ter", given, {str(n): ["a b" if n % 2 else "a b c"] for n in range(25)}).score
    assert varied.value is not None and varied.low is not None and varied.high is not None
    assert varied.low < varied.value < varied.high


@pytest.mark.parametrize(
    ("alike", "others", "few"), [(10, 9, True), (10, 10, False), (5, 5, True), (4, 6, False), (4, 5, False)]
)
def test_units_are_counted_where_fewer_than_ten_differ_from_at_least_half(alike: int, others: int, few: bool) -> None:
    units = np.array([1.0] * alike + [2.0 + number for number in range(others)])
    assert is_degenerate(units) is few
