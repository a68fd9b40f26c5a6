"""The time that a URL asks for."""

import pytest

from steward.console.reader import Reader
from steward.console.time_range import RANGES, TimeRange, parse_moment, parse_range

NOW = 1_000_000.0


def parse(**query: str) -> TimeRange:
    return parse_range({name.rstrip("_"): value for name, value in query.items()}, NOW, Reader())


def test_a_name_is_a_span_that_ends_now() -> None:
    assert (parse().since, parse().until, parse().name) == (NOW - 86400, NOW, "24h")
    assert parse(range="1h", compare="week").shift_s() == 7 * 86400


def test_two_ends_are_taken_as_they_are_and_end_now_at_the_latest() -> None:
    chosen = parse(from_="500000", to="600000")
    assert (chosen.since, chosen.until, chosen.name, chosen.problem) == (500000.0, 600000.0, "", "")
    assert parse(from_="1970-01-12T00:00", to="2030-01-01").until == NOW


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"range": "5x"}, "expected one of 1h"),
        ({"from_": "yesterday"}, "is no time"),
        ({"from_": "2030-01-01"}, "has not come yet"),
        ({"from_": "600000", "to": "500000"}, "the end must come after the start"),
        ({"from_": "9" * 30}, "is no time"),
    ],
)
def test_what_cannot_be_shown_is_said_and_the_last_day_is_shown(query: dict[str, str], words: str) -> None:
    chosen = parse(**query)
    assert words in chosen.problem and (chosen.name, chosen.since) == ("24h", NOW - 86400)


def test_a_span_of_centuries_is_cut() -> None:
    assert parse(from_="0001-01-01T00:00+00:00", to="900000").span_s == 3660 * 86400


@pytest.mark.parametrize(
    ("span_s", "step_s"),
    [
        (60, 60),
        (5760, 60),
        (5761, 300),
        (86400, 3600),
        (14 * 86400, 14400),
        (14 * 86400 + 1, 86400),
        (365 * 86400, 86400),
    ],
)
def test_a_chart_has_about_a_hundred_points(span_s: float, step_s: int) -> None:
    assert TimeRange(since=0.0, until=float(span_s)).step_s() == step_s


def test_a_link_keeps_what_was_chosen() -> None:
    chosen = parse(from_="500000", to="600000", compare="day")
    assert chosen.query({"model": "m"}) == "from=500000&to=600000&compare=day&model=m"
    assert chosen.range_query("1h", {}) == "range=1h&compare=day"
    assert chosen.comparison_query("", {}) == "from=500000&to=600000"


@pytest.mark.parametrize(
    ("span_s", "step_s"),
    [(6 * 3600, 300), (6 * 3600 + 1, 3600), (2 * 86400, 3600), (2 * 86400 + 1, 3600), (96 * 3600, 3600),
     (96 * 3600 + 1, 7200), (192 * 3600 + 1, 14400)],
)  # fmt: skip
def test_hours_are_shown_from_six_hours_on(span_s: float, step_s: int) -> None:
    assert TimeRange(since=0.0, until=float(span_s)).step_s() == step_s


def test_what_a_range_is_compared_with() -> None:
    shifts = {name: parse(range="6h", compare=name).shift_s() for name in ("", "before", "day", "week", "year")}
    assert shifts == {"": 0.0, "before": 21600.0, "day": 86400.0, "week": 604800.0, "year": 0.0}


def test_ranges_last_as_long_as_they_say() -> None:
    assert {name: (parse(range=name).span_s, parse(range=name).label) for name in RANGES} == {
        "1h": (3600, "Last hour"), "6h": (21600, "Last 6 hours"), "24h": (86400, "Last 24 hours"),
        "7d": (604800, "Last 7 days"), "30d": (2592000, "Last 30 days"), "90d": (7776000, "Last 90 days"),
    }  # fmt: skip
    assert parse(from_="1", to="2").label == "Chosen time"


def test_a_moment_is_a_number_of_up_to_eleven_digits_or_a_date() -> None:
    assert parse_moment("9" * 11, Reader()) == 99999999999.0 and parse_moment("9" * 12, Reader()) is None
    assert parse_moment("1970-01-01T02:00", Reader(zone="Europe/Berlin")) == 3600.0
    assert parse_moment("1970-01-01T02:00+02:00", Reader(zone="Asia/Tokyo")) == 0.0


def test_a_range_needs_time_that_has_come() -> None:
    assert "has not come yet" in parse(from_=f"{NOW:.0f}").problem
    assert parse(from_=f"{NOW - 1:.0f}").span_s == 1.0  # to now, where no end is given
    assert "the end must come after the start" in parse(from_="5", to="5").problem
    assert parse(to="5").problem.startswith("'' is no time")
    assert parse(from_="7", to="soon").problem.startswith("'soon' is no time")
