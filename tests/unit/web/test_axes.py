"""Round marks and the labels that have room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.web.axes import NARROW, WIDE, UprightAxis, choose_labels, log_ticks, nice_step, nice_ticks, shorten_name


@given(st.floats(1e-6, 1e9))
def test_ticks_cover_the_top_with_few_round_steps(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0 and ticks[-1] >= top * (1 - 1e-6) and 2 <= len(ticks) <= 6


@pytest.mark.parametrize(
    ("top", "count", "ticks"),
    [
        (0.0, 4, [0, 1]),
        (float("inf"), 4, [0, 1]),
        (0.5, 4, [0, 0.2, 0.4, 0.6]),
        (1.0, 4, [0, 0.25, 0.5, 0.75, 1]),
        (4.0, 4, [0, 1, 2, 3, 4]),
        (7.3, 4, [0, 2, 4, 6, 8]),
        (10.0, 4, [0, 2.5, 5, 7.5, 10]),
        (20.0, 4, [0, 5, 10, 15, 20]),
        (4.0, 8, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]),
        (2e-9, 4, [0, 5e-10, 1e-9, 1.5e-9, 2e-9]),
    ],
)
def test_marks_are_steps_of_1_2_2_and_a_half_or_5(top: float, count: int, ticks: list[float]) -> None:
    assert nice_ticks(top, count) == pytest.approx(ticks, abs=1e-15)


@pytest.mark.parametrize(
    ("top", "ticks"),
    [(1.0, [0, 1]), (2.0, [0, 1, 2]), (5.0, [0, 2, 4, 6]), (10.0, [0, 5, 10]), (100.0, [0, 25, 50, 75, 100])],
)
def test_pages_counts_have_whole_marks(top: float, ticks: list[float]) -> None:
    assert nice_ticks(top, whole=True) == ticks


@pytest.mark.parametrize(
    ("rough", "step"), [(1.0, 1.0), (1.01, 2.0), (2.4, 2.5), (2.6, 5.0), (5.1, 10.0), (0.03, 0.05)]
)
def test_steps_are_round(rough: float, step: float) -> None:
    assert nice_step(rough) == pytest.approx(step)


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (1, 10, [1, 10]),
        (10, 10, [10, 100]),
        (9, 11, [1, 10, 100]),
        (1, 1e6, [1, 100, 1e4, 1e6]),
        (0.5, 2, [0.1, 1, 10]),
    ],
)
def test_pages_log_axes_have_powers_of_ten(least: float, most: float, ticks: list[float]) -> None:
    assert log_ticks(least, most) == pytest.approx(ticks)


def test_values_are_placed_by_themselves_or_by_their_logarithm() -> None:
    """166 high over 178 in the wide frame, 156 over 168 in the narrow one."""
    axis = UprightAxis([0.0, 10.0])
    assert [axis.place(WIDE, value) for value in (0, 5, 10)] == [178, 95, 12]
    assert axis.place(NARROW, 10) == 12 and axis.place(NARROW, 0) == 168
    axis = UprightAxis([1.0, 100.0], log=True)
    assert [axis.place(WIDE, value) for value in (0, 1, 10, 100)] == [178, 178, 95, 12]


def clock(first: int, last: int, every: int = 1) -> list[str]:
    return [f"{minute // 60}:{minute % 60:02}" for minute in range(first, last, every)]


@pytest.mark.parametrize(
    ("labels", "most", "shown"),
    [
        (clock(7, 67), 6, ["0:10", "0:20", "0:30", "0:40", "0:50", "1:00"]),
        (clock(7, 67), 4, ["0:15", "0:30", "0:45", "1:00"]),
        (clock(547, 1987, 15), 6, []),  # marks that are never round: evenly spaced
        (clock(0, 1440), 6, ["0:00", "4:00", "8:00", "12:00", "16:00", "20:00"]),
        (clock(1, 7), 6, ["0:01", "0:02", "0:03", "0:04", "0:05", "0:06"]),
        (["12:00:00", "12:00:30", "12:01:00", "12:01:30"], 3, ["12:00:00", "12:01:00"]),
    ],
)
def test_pages_times_are_marked_on_round_minutes(labels: list[str], most: int, shown: list[str]) -> None:
    found = [labels[index] for index in choose_labels(labels, most)]
    assert found == shown if shown else 0 < len(found) <= most


@pytest.mark.parametrize("step", [1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440])
def test_pages_marks_are_on_the_minutes_hours_and_days_that_clocks_have(step: int) -> None:
    """Of a time that is six steps long, each step is marked: no smaller one has room."""
    labels = clock(0, 6 * step, 1 if step < 60 else 60)
    assert [labels[index] for index in choose_labels(labels, 6)] == clock(0, 6 * step, step)


def test_other_labels_are_evenly_spaced() -> None:
    assert choose_labels([str(number) for number in range(12)], 6) == [1, 3, 5, 7, 9, 11]
    assert choose_labels([str(number) for number in range(12)], 4) == [1, 4, 7, 10]
    assert choose_labels([str(number) for number in range(11)], 6) == [1, 3, 5, 7, 9]
    assert choose_labels([str(number) for number in range(13)], 6) == [1, 4, 7, 10]
    assert choose_labels([str(number) for number in range(11)], 5) == [1, 4, 7, 10]
    assert choose_labels(["a"], 6) == [0] and choose_labels([], 6) == []


@pytest.mark.parametrize(("length", "shown"), [(30, "n" * 30), (31, "n" * 29 + "…")])
def test_a_name_is_cut_to_its_room(length: int, shown: str) -> None:
    assert shorten_name("n" * length, 30) == shown


@given(st.integers(2, 400), st.floats(0.01, 500), st.sampled_from([4, 6]))
def test_pages_no_time_is_marked_twice(points: int, step: float, most: int) -> None:
    """A short run has several points a second."""
    times = [int(place * step) for place in range(points)]
    labels = [f"{at // 60}:{at % 60:02d}" for at in times]
    found = [labels[index] for index in choose_labels(labels, most)]
    if len(labels) > most and len(set(labels)) > 1:
        assert len(set(found)) == len(found)
