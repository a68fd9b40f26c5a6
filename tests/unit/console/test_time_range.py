"""The time that a URL asks for."""

import pytest

from steward.console.reader import Reader
from steward.console.time_range import TimeRange, parse_range

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
