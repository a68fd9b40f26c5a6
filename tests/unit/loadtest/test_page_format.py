import pytest

from steward.loadtest.page_format import (
    TimeUnit,
    choose_unit,
    format_clock,
    format_count,
    format_number,
    format_percent,
    format_rate,
)


def test_l7_one_unit_for_all_latencies_of_a_page():
    assert choose_unit([None, 9999.9]) == TimeUnit("ms", 1.0) and choose_unit([]) == TimeUnit()
    unit = choose_unit([48.2, 10_000.0])
    assert unit == TimeUnit("s", 1000.0)
    assert [unit.format(value) for value in (43_494.0, 22_600.0, 48.2, None)] == ["43.5 s", "22.6 s", "0.0482 s", "–"]
    assert unit.convert(2500.0) == 2.5 and unit.convert(None) is None


@pytest.mark.parametrize(
    "value, number, rate",
    [
        (None, "–", "–"),
        (0.0, "0", "0"),
        (999.96, "1e+03", "1000"),
        (1000.0, "1,000", "1,000"),
        (3.8654, "3.87", "3.865"),
    ],
)
def test_numbers_have_sensible_digits(value, number, rate):
    assert format_rate(value) == rate and format_number(value) == number


def test_the_rest():
    assert format_percent(0.0512) == "5.12 %" and format_clock(3719) == "61:59"
    assert format_count(1200, "answer") == "1,200 answers" and format_count(1, "answer") == "1 answer"
    assert [format_count(number, "process", "processes") for number in (1, 2)] == ["1 process", "2 processes"]


@pytest.mark.parametrize("at_s, clock", [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (75, "1:15")])
def test_a_clock_has_sixty_seconds_a_minute(at_s, clock):
    assert format_clock(at_s) == clock
