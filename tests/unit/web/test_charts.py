import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.web.charts import (
    ChartInterval,
    ChartPoint,
    ChartSeries,
    bar_chart,
    interval_chart,
    line_chart,
    nice_ticks,
    scatter_chart,
)

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=30)


@given(st.floats(1e-6, 1e9))
def test_ticks_cover_the_top_with_few_round_steps(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0 and ticks[-1] >= top * (1 - 1e-6) and 2 <= len(ticks) <= 6


@given(VALUES)
def test_charts_are_well_formed_and_inside_their_frame(values: list[float | None]) -> None:
    lines = [ChartSeries("<p50>", tuple(values), "a")]
    labels = [str(index) for index in range(len(values))]
    for chart in (line_chart("t", labels, lines, str, area=True), bar_chart("t", labels, lines, str)):
        root = ET.fromstring(chart)
        heights = [float(mark.attrib["y"]) for mark in root.iter("rect")]
        assert all(0 <= y <= 200 for y in heights) and "<p50>" in "".join(root.itertext())


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0, 10)), min_size=1, max_size=12), st.booleans())
def test_intervals_lie_inside_their_frame_and_hold_their_dot(given_: list[tuple[float, float]], bare: bool) -> None:
    spans = [ChartInterval("<n>", value, None if bare else value - half, value + half) for value, half in given_]
    root = ET.fromstring(interval_chart("t", spans, str, mark=0.0))
    assert all(0 <= float(dot.attrib["cx"]) <= 720 for dot in root.iter("circle"))
    for line in (line for line in root.iter("line") if "whisker" in line.attrib["class"]):
        assert 0 <= float(line.attrib["x1"]) <= float(line.attrib["x2"]) <= 720
    assert len(list(root.iter("circle"))) == len(spans)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1), st.floats(0, 0.5)), min_size=1, max_size=12))
def test_spots_lie_inside_their_frame_and_on_their_whiskers(given_: list[tuple[float, float, float]]) -> None:
    spots = [ChartPoint("<n>", x, y, max(0.0, y - half), y + half) for x, y, half in given_]
    root = ET.fromstring(scatter_chart("t", spots, str, str, level=0.05, mark=spots[0].x, legend=[("held", "a")]))
    assert all(
        0 <= float(dot.attrib["cx"]) <= 720 and 0 <= float(dot.attrib["cy"]) <= 200 for dot in root.iter("circle")
    )
    for line in (line for line in root.iter("line") if "whisker" in line.attrib["class"]):
        assert float(line.attrib["y2"]) <= float(line.attrib["y1"]) <= 200
    assert len(list(root.iter("circle"))) == len(spots)


def test_p07_a_numeric_axis_places_points_by_their_value() -> None:
    """Rates 1, 2 and 8 on an axis from 0 to 8: at an eighth, a quarter and the whole of the 652 units of width."""
    drawn = line_chart("t", ["1/s", "2/s", "8/s"], [ChartSeries("p95", (1.0, 1.0, 1.0), "a")], str, at=[1.0, 2.0, 8.0])
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    x = [float(point.split(",")[0]) for point in points[1].split()]
    assert x == pytest.approx([60 + 652 / 8, 60 + 652 / 4, 712], abs=0.1)
    assert re.findall(r'y="195" text-anchor="\w+">([^<]+)<', drawn) == ["0", "2", "4", "6", "8"]
