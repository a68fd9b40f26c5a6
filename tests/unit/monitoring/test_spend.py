import math

import pytest

from steward.monitoring.spend import find_end_of_budget, find_month, forecast_month


def test_the_interval_is_that_of_hahn_and_meeker() -> None:
    # 14 days that alternate between 0 and 2: mean 1, standard deviation sqrt(14/13); 10 days left
    # t(0.975, 13) = 2.160; half = 2.160 * 1.03775 * sqrt(10 + 100/14) = 9.2803
    forecast = forecast_month(20.0, [0.0, 2.0] * 7, 10.0)
    assert forecast is not None and (forecast.usd, forecast.days) == (30.0, 14)
    assert forecast.low == pytest.approx(20.7197, abs=1e-3) and forecast.high == pytest.approx(39.2803, abs=1e-3)


@pytest.mark.parametrize(("weeks", "t"), [(2, 2.160), (3, 2.086), (4, 2.052)])
def test_the_interval_has_the_point_of_students_t_for_its_days(weeks: int, t: float) -> None:
    """97.5 % points of 13, 20 and 27 degrees of freedom: NIST/SEMATECH e-Handbook, table 1.3.6.7.2."""
    days = [8.0, *([10.0] * 5), 12.0] * weeks  # 7 * weeks values; squares of differences sum to 8 * weeks
    forecast = forecast_month(0.0, days, 1.0)
    spread = math.sqrt(8 * weeks / (7 * weeks - 1)) * math.sqrt(1 + 1 / (7 * weeks))
    assert forecast is not None and forecast.high is not None
    assert forecast.high - 10.0 == pytest.approx(t * spread)


def test_it_never_says_less_than_was_spent() -> None:
    forecast = forecast_month(20.0, [0.0] * 13 + [14.0], 10.0)
    assert forecast is not None and forecast.low == 20.0


@pytest.mark.parametrize(
    ("days", "used", "bounded"),
    [(1, 1, False), (6, 6, False), (7, 7, False), (13, 7, False), (14, 14, True), (20, 14, True), (27, 21, True),
     (28, 28, True), (90, 28, True)],
)  # fmt: skip
def test_whole_weeks_are_used_where_there_is_one(days: int, used: int, bounded: bool) -> None:
    forecast = forecast_month(0.0, [1.0] * days, 3.0)
    assert forecast is not None and (forecast.days, forecast.low is not None) == (used, bounded)


def test_the_newest_days_count() -> None:
    forecast = forecast_month(0.0, [100.0, *([1.0] * 7)], 2.0)
    assert forecast is not None and forecast.usd == 2.0
    assert forecast_month(1.0, [], 5.0) is None


def test_months_are_utcs() -> None:
    assert find_month(0.0) == (0, 31.0)
    assert find_month(31 * 86400.0 - 1) == (0, 1 / 86400)
    assert find_month(31 * 86400.0) == (31 * 86400, 28.0)
    assert find_month(1_709_164_800.0) == (1_706_745_600, 1.0)  # 29 February 2024


def test_a_budget_ends_at_the_mean_of_the_days_before() -> None:
    assert find_end_of_budget(10.0, 10.0, [], 5.0) == 0.0
    assert find_end_of_budget(0.0, 10.0, [], 5.0) is None
    assert find_end_of_budget(0.0, 10.0, [0.0] * 9, 5.0) is None
    assert find_end_of_budget(0.0, 10.0, [2.0], 5.0) is None  # with the month
    assert math.isclose(find_end_of_budget(0.0, 10.0, [2.5], 5.0) or 0, 4.0)
    assert find_end_of_budget(0.0, 10.0, [1000.0] + [2.5] * 28, 5.0) == 4.0


@pytest.mark.parametrize(
    ("spent", "budget", "end"), [(5.0, 10.0, 5.0), (9.0, 10.0, 1.0), (9.99, 10.0, 0.01), (0.5, 10.0, None)]
)
def test_what_was_spent_already_brings_the_end_nearer(spent: float, budget: float, end: float | None) -> None:
    found = find_end_of_budget(spent, budget, [1.0] * 7, 9.0)
    assert found == (None if end is None else pytest.approx(end))
