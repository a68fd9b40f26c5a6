import pytest

from steward.core.rates import Rate, count_effective, holm, rate_of, rate_of_people, wilson_interval


def test_wilsons_interval() -> None:
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson_interval(0.0, 29) == pytest.approx((0.0, 0.1170), abs=1e-4)  # the same table, 0 of 29
    assert wilson_interval(1.0, 29)[1] == pytest.approx(1.0)
    assert wilson_interval(0.5, 10, z=1.0) == pytest.approx((0.34924433, 0.65075567))  # (5.5 -+ sqrt(2.75)) / 11


def test_nothing_observed_has_no_rate() -> None:
    assert rate_of(0, 0) == rate_of_people([]) == rate_of_people([(0, 0)]) == Rate()


@pytest.mark.parametrize(("count", "total", "value"), [(1, 4, 0.25), (5, 4, 1.0), (-1, 4, 0.0), (1, 1, 1.0)])
def test_a_share_stays_within_its_bounds(count: int, total: int, value: float) -> None:
    rate = rate_of(count, total)
    assert rate.value == value and rate.low is not None and rate.high is not None
    assert 0.0 <= rate.low <= value <= rate.high <= 1.0


def test_one_rating_each_is_an_independent_sample() -> None:
    people = [(1, 1)] * 60 + [(1, 0)] * 40
    rate = rate_of_people(people)
    assert rate.value == 0.6
    assert count_effective(people) == pytest.approx(99.0)  # n - 1, by Bessel's correction
    assert (rate.low, rate.high) == pytest.approx(wilson_interval(0.6, 99.0))


def test_people_who_agree_with_themselves_count_once() -> None:
    people = [(5, 5)] * 12 + [(5, 0)] * 8  # 100 ratings that say what 20 people say
    assert count_effective(people) == pytest.approx(19.0)
    assert rate_of_people(people).value == 0.6


def test_ratings_that_do_not_depend_on_the_person_all_count() -> None:
    assert count_effective([(5, 3)] * 20) == 100.0  # no variance between people
    assert count_effective([(2, 1)] * 19 + [(2, 2)]) == 40.0  # never more than were made


@pytest.mark.parametrize(
    ("people", "effective"),
    [([(5, 4)] * 9, 9.0), ([(5, 5)] * 30, 30.0), ([(5, 0)] * 30, 30.0), ([(7, 3)], 1.0), ([(5, 4)] * 10, 50.0)],
)
def test_few_people_or_all_of_one_mind_count_as_people(people: list[tuple[int, int]], effective: float) -> None:
    assert count_effective(people) == effective


def test_p_values_are_adjusted_so_that_one_false_alarm_is_as_rare_as_promised() -> None:
    """R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []
