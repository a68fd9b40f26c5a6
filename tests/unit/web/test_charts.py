import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.web.axes import NARROW, WIDE, UprightAxis
from steward.web.charts import (
    ChartEvent,
    ChartInterval,
    ChartLevel,
    ChartPoint,
    ChartSeries,
    _draw_arrow,
    _draw_events,
    _draw_level,
    _numeric_axis,
    bar_chart,
    interval_chart,
    line_chart,
    scatter_chart,
)

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=30)


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
    assert len(list(root.iter("circle"))) == 2 * len(spans)  # for wide and for narrow screens


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1), st.floats(0, 0.5)), min_size=1, max_size=12))
def test_spots_lie_inside_their_frame_and_on_their_whiskers(given_: list[tuple[float, float, float]]) -> None:
    spots = [ChartPoint("<n>", x, y, max(0.0, y - half), y + half) for x, y, half in given_]
    root = ET.fromstring(scatter_chart("t", spots, str, str, level=0.05, mark=spots[0].x, legend=[("held", "a")]))
    assert all(
        0 <= float(dot.attrib["cx"]) <= 720 and 0 <= float(dot.attrib["cy"]) <= 200 for dot in root.iter("circle")
    )
    for line in (line for line in root.iter("line") if "whisker" in line.attrib["class"]):
        assert float(line.attrib["y2"]) <= float(line.attrib["y1"]) <= 200
    assert len(list(root.iter("circle"))) == 2 * len(spots)


def test_p07_a_numeric_axis_places_points_by_their_value() -> None:
    """Rates 1, 2 and 8 on an axis from 0 to 8: at an eighth, a quarter and the whole of the 652 units of width."""
    drawn = line_chart("t", ["1/s", "2/s", "8/s"], [ChartSeries("p95", (1.0, 1.0, 1.0), "a")], str, at=[1.0, 2.0, 8.0])
    points = re.search(r'points="([^"]+)"', drawn)
    assert points is not None
    x = [float(point.split(",")[0]) for point in points[1].split()]
    assert x == pytest.approx([60 + 652 / 8, 60 + 652 / 4, 712], abs=0.1)
    assert re.findall(r'y="195" text-anchor="\w+">([^<]+)<', drawn) == ["0", "2", "4", "6", "8"]


def wide(chart: str) -> ET.Element:
    """The drawing for wide screens."""
    return next(svg for svg in ET.fromstring(chart).iter("svg") if "wide" in svg.attrib["class"])


def marks(chart: str, tag: str, *names: str, kind: str = "") -> list[tuple[str, ...]]:
    """Attributes of each element of a kind in the drawing for wide screens, in order."""
    found = [item for item in wide(chart).iter(tag) if kind in item.attrib.get("class", "")]
    return [tuple(item.attrib[name] for name in names) for item in found]


A, B = ChartSeries("ok", (3.0, 1.0), "a"), ChartSeries("errors", (1.0, None), "b")


def read_bars(chart: str) -> list[list[tuple[float, float, float, float]]]:
    """Left, top, width and height of each bar, by series."""
    number = r"(-?[\d.]+)"
    outline = f"M{number} {number}V{number}h{number}V{number}z"
    return [
        [
            (float(left), float(top), float(width), round(float(bottom) - float(top), 1))
            for left, bottom, top, width, _ in re.findall(outline, path)
        ]
        for (path,) in marks(chart, "path", "d", kind="bar")
    ]


def test_bars_are_stacked() -> None:
    """The plot is 652 wide from 60 and 166 high over 178: two steps of 326, and 41.5 for each of 4."""
    chart = bar_chart("t", ["x", "y"], [A, B], str)
    assert read_bars(chart) == [
        [(61.0, 53.5, 324.0, 124.5), (387.0, 136.5, 324.0, 41.5)],
        [(61.0, 12.0, 324.0, 41.5)],
    ]
    assert marks(chart, "path", "class", kind="bar") == [("bar a",), ("bar b",)]


def test_bars_stand_beside_each_other() -> None:
    """The highest is 3: marks of 1, and 166 / 3 for each."""
    chart = bar_chart("t", ["x", "y"], [A, B], str, beside=True)
    assert read_bars(chart) == [
        [(61.0, 12.0, 162.0, 166.0), (387.0, 122.7, 162.0, 55.3)],
        [(223.0, 122.7, 162.0, 55.3)],
    ]


def test_the_last_mark_of_a_numeric_axis_ends_with_the_plot() -> None:
    """So that it is not cut off; 2,500 by 500 has five marks after 0, and on a narrow screen every one has room."""
    for frame in (WIDE, NARROW):
        marks_of_axis = re.findall(
            r'x="([\d.]+)" y="\d+" text-anchor="(\w+)">([\d,]+)<', _numeric_axis(frame, [2500.0])
        )
        assert [mark for _, _, mark in marks_of_axis] == ["0", "500", "1,000", "1,500", "2,000", "2,500"]
        assert [anchor for _, anchor, _ in marks_of_axis] == ["middle"] * 5 + ["end"]
        assert float(marks_of_axis[-1][0]) == frame.width - 8


def test_the_drawings_have_the_sizes_that_the_style_sheets_expect() -> None:
    """A narrow one fits a phone of 360; letters of 15 and of 12 are 0.6 of that wide."""
    chart = line_chart("t", ["a"], [A], str)
    assert re.findall(r'viewBox="([^"]+)"', chart) == ["0 0 720 200", "0 0 340 190"]
    assert (WIDE.letter, NARROW.letter) == (0.6 * 15, pytest.approx(0.6 * 12))


def test_a_lonely_bar_fills_the_plot() -> None:
    one = ChartSeries("ok", (1.0,), "a")
    assert read_bars(bar_chart("t", ["x"], [one], str)) == [[(61.0, 12.0, 650.0, 166.0)]]
    assert read_bars(bar_chart("t", ["x"], [one], str, beside=True)) == [[(61.0, 12.0, 650.0, 166.0)]]


def test_the_head_of_an_arrow_is_six_long_and_eight_wide() -> None:
    def points(*given: float) -> list[str]:
        x, y, right, down = given
        return re.findall(r"-?\d+\.\d", _draw_arrow(x, y, int(right), int(down), "a"))

    assert points(100, 50, 1, 0) == ["94.0", "46.0", "100.0", "50.0", "94.0", "54.0"]
    assert points(100, 50, -1, 0) == ["106.0", "54.0", "100.0", "50.0", "106.0", "46.0"]
    assert points(100, 50, 0, -1) == ["104.0", "56.0", "100.0", "50.0", "96.0", "56.0"]


def test_many_bars_keep_a_width_of_one() -> None:
    series = ChartSeries("n", (1.0,) * 652, "a")
    (bars,) = read_bars(bar_chart("t", ["x"] * 652, [series], str))
    assert len(bars) == 652 and {width for _, _, width, _ in bars} == {1.0}


def test_a_series_without_a_bar_draws_nothing() -> None:
    nothing = ChartSeries("n", (0.0, None), "c")
    assert len(read_bars(bar_chart("t", ["x", "y"], [A, nothing, B], str))) == 2
    assert read_bars(bar_chart("t", ["x", "y"], [nothing], str)) == []


def test_a_line_breaks_at_a_gap_and_a_lonely_value_is_a_dot() -> None:
    """Three steps of 217.3; 83 for each of 2."""
    chart = line_chart("t", ["x", "y", "z"], [ChartSeries("n", (1.0, None, 2.0), "a")], str, area=True)
    assert marks(chart, "circle", "cx", "cy") == [("168.7", "95.0"), ("603.3", "12.0")]
    assert not marks(chart, "polyline", "points") and not marks(chart, "polygon", "points")


def test_only_the_first_line_is_filled() -> None:
    lines = [ChartSeries("n", (1.0, 2.0, None), "a"), ChartSeries("m", (None, 1.0, 1.0), "b")]
    chart = line_chart("t", ["x", "y", "z"], lines, str, area=True)
    assert marks(chart, "polygon", "points") == [("168.7,95.0 386.0,12.0 386.0,178.0 168.7,178.0",)]
    assert marks(chart, "polyline", "points") == [("168.7,95.0 386.0,12.0",), ("386.0,95.0 603.3,95.0",)]


def test_the_frame_has_its_marks_and_every_so_many_labels() -> None:
    labels = [str(number) for number in range(12)]
    chart = line_chart("t", labels, [ChartSeries("n", (1.9,) * 12, "a")], str)
    assert marks(chart, "line", "x1", "x2", "y1", "y2", kind="grid") == [
        ("60", "712", y, y) for y in ("178.0", "136.5", "95.0", "53.5", "12.0")
    ]
    ticks = [(item.attrib["x"], item.attrib["y"], item.text) for item in wide(chart).iter("text")]
    assert ticks[:2] == [("52", "181.5", "0.0"), ("52", "140.0", "0.5")]
    assert [(x, text) for x, _, text in ticks[5:]] == [
        ("141.5", "1"), ("250.2", "3"), ("358.8", "5"), ("467.5", "7"), ("576.2", "9"), ("684.8", "11")
    ]  # fmt: skip
    assert 'viewBox="0 0 720 200"' in chart
    few = [item.text for item in wide(line_chart("t", ["x", "y"], [A], str)).iter("text")]
    assert few[-2:] == ["x", "y"]


def test_intervals_are_placed_by_value_and_row() -> None:
    """476 wide from 220; marks of a half up to 2; rows of 24."""
    spans = [ChartInterval("one", 1.0, 0.5, 2.0), ChartInterval("two", 0.5, None, None)]
    chart = interval_chart("t", spans, str, mark=1.5)
    assert marks(chart, "circle", "cx", "cy") == [("458.0", "24.0"), ("339.0", "48.0")]
    assert marks(chart, "line", "x1", "x2", "y1", "y2", kind="whisker") == [("339.0", "696.0", "24.0", "24.0")]
    assert marks(chart, "line", "x1", "x2", "y1", "y2", kind="mark") == [("577.0", "577.0", "6", "60")]
    assert [x for x, *_ in marks(chart, "line", "x1", "x2", "y1", "y2", kind="grid")] == [
        "220.0", "339.0", "458.0", "577.0", "696.0"
    ]  # fmt: skip
    assert marks(chart, "text", "x", "y", kind="label") == [("208", "28.5"), ("208", "52.5")]
    assert marks(chart, "text", "x", "y", kind="tick")[0] == ("220.0", "77") and 'viewBox="0 0 720 82"' in chart


def test_intervals_below_zero_end_at_zero() -> None:
    chart = interval_chart("t", [ChartInterval("one", -1.0, -2.0, -0.5)], str)
    assert marks(chart, "circle", "cx") == [("458.0",)]
    ticks = [item.text for item in wide(chart).iter("text") if item.attrib["class"] == "tick"]
    assert ticks == ["-2.0", "-1.5", "-1.0", "-0.5", "0.0"]


@pytest.mark.parametrize(("length", "shown"), [(30, "n" * 30), (31, "n" * 29 + "…")])
def test_a_name_has_thirty_letters(length: int, shown: str) -> None:
    chart = interval_chart("t", [ChartInterval("n" * length, 1.0, None, None)], str)
    assert [item.text for item in wide(chart).iter("text") if item.attrib["class"] == "label"] == [shown]


def test_spots_are_placed_by_both_values() -> None:
    """644 wide from 60 for 4, 166 high over 178 for 1."""
    chart = scatter_chart("t", [ChartPoint("one", 4.0, 0.5, 0.25, 1.0)], str, str, level=0.5, mark=2.0)
    assert marks(chart, "circle", "cx", "cy") == [("704.0", "95.0")]
    assert marks(chart, "line", "x1", "x2", "y1", "y2", kind="whisker") == [("704.0", "704.0", "136.5", "12.0")]
    assert marks(chart, "line", "x1", "x2", "y1", "y2", kind="mark") == [
        ("60", "704", "95.0", "95.0"), ("382.0", "382.0", "12", "178.0")
    ]  # fmt: skip
    grid = marks(chart, "line", "x1", "x2", "y1", kind="grid")
    assert grid == [("60", "704", y) for y in ("178.0", "136.5", "95.0", "53.5", "12.0")]
    ticks = [(item.attrib["x"], item.attrib["y"], item.text) for item in wide(chart).iter("text")]
    assert ticks[1] == ("140.5", "195", "0.5") and ticks[9] == ("52", "181.5", "0.0")
    low = scatter_chart("t", [ChartPoint("one", 1.0, 0.1, 0.1, 0.1)], str, str, level=1.0, mark=4.0)
    assert marks(low, "circle", "cx", "cy") == [("221.0", "161.4")]


def test_steps_without_a_number_are_left_out_of_the_table() -> None:
    lines = [ChartSeries("n", (1.0, None, 0.0), "a"), ChartSeries("m", (None, None, 2.0), "b")]
    table = line_chart("t", ["x", "y", "z"], lines, str).partition("<tbody>")[2]
    assert table.startswith(
        '<tr data-i="0"><th>x</th><td>1.0</td><td></td></tr>'
        '<tr data-i="2"><th>z</th><td>0.0</td><td>2.0</td></tr></tbody>'
    )


def drawings(chart: str) -> dict[str, ET.Element]:
    return {svg.attrib["class"].split()[-1]: svg for svg in ET.fromstring(chart).iter("svg")}


def test_pages_slice_charts_are_redrawn_for_narrow_screens() -> None:
    """340 wide: names stand above their rows, and every point is inside."""
    spans = [ChartInterval("a long name of a slice", 1.0, 0.5, 2.0)]
    narrow = drawings(interval_chart("t", spans, str, mark=1.5))["narrow"]
    assert narrow.attrib["viewBox"] == "0 0 340 74"
    dot = next(narrow.iter("circle"))
    label = next(item for item in narrow.iter("text") if item.attrib["class"] == "label")
    assert (label.attrib["x"], label.attrib["y"], label.text) == ("0", "30.0", "a long name of a slice")
    assert (dot.attrib["cx"], dot.attrib["cy"]) == ("162.0", "42.0")  # 308 wide from 8, half of 2


def test_pages_narrow_charts_have_fewer_labels() -> None:
    labels = [str(number) for number in range(12)]
    both = drawings(line_chart("t", labels, [ChartSeries("n", (2.0,) * 12, "a")], str))
    shown = {style: [item.text for item in svg.iter("text")][3:] for style, svg in both.items()}
    assert shown == {"wide": ["1", "3", "5", "7", "9", "11"], "narrow": ["1", "4", "7", "10"]}


def test_pages_counts_have_no_halves_on_their_axis() -> None:
    chart = bar_chart("t", ["x"], [ChartSeries("n", (2.0,), "a")], "{:g}".format)
    assert [item.text for item in wide(chart).iter("text")][:3] == ["0", "1", "2"]


def test_pages_one_spike_does_not_flatten_the_rest() -> None:
    """Seven values of 10 and one of 1,000 on powers of ten: 10 at the bottom, 1,000 at the top."""
    chart = line_chart("t", list("abcdefgh"), [ChartSeries("n", (*[10.0] * 7, 1000.0), "a")], "{:g}".format)
    assert "t, log axis" in chart
    ((points,),) = marks(chart, "polyline", "points")
    heights = [point.split(",")[1] for point in points.split()]
    assert heights == ["178.0"] * 7 + ["12.0"]
    assert [item.text for item in wide(chart).iter("text")][:3] == ["10", "100", "1000"]
    usual = line_chart("t", list("abcdefgh"), [ChartSeries("n", (*[10.0] * 7, 300.0), "a")], str)
    assert "log axis" not in usual  # 30 times the median and no more
    assert "log axis" not in line_chart("t", ["a", "b"], [ChartSeries("n", (1.0, 1000.0), "a")], str)  # too few to say


def test_pages_an_interval_is_a_band() -> None:
    """Ends 0 to 2 and 1 to 4 on an axis to 4: 41.5 for each of 1."""
    series = ChartSeries("n", (1.0, 2.0), "a", low=(0.0, 1.0), high=(2.0, 4.0))
    chart = line_chart("t", ["x", "y"], [series], str)
    assert marks(chart, "polygon", "points") == [("223.0,95.0 549.0,12.0 549.0,136.5 223.0,178.0",)]
    assert "<th>n, low</th><th>n, high</th>" in chart
    lone = line_chart("t", ["x", "y"], [ChartSeries("n", (1.0, None), "a", low=(0.0, None), high=(2.0, None))], str)
    assert marks(lone, "line", "x1", "y1", "y2", kind="whisker") == [("223.0", "178.0", "12.0")]


def test_pages_bars_between_edges_have_round_marks() -> None:
    """Edges from 0.2 to 1.2 in steps of 0.1: marks at 0.2, 0.4 …, the first at the left end."""
    edges = [0.2 + 0.1 * number for number in range(11)]
    chart = bar_chart("t", ["-"] * 10, [ChartSeries("n", (1.0,) * 10, "a")], str, edges=edges)
    ticks = [(item.attrib["x"], item.text) for item in wide(chart).iter("text")][2:]
    assert ticks[0] == ("60.0", "0.2") and [text for _, text in ticks] == ["0.2", "0.4", "0.6", "0.8", "1", "1.2"]


def test_bars_far_from_zero_are_marked_by_their_own_width() -> None:
    """Edges from 100 to 101 in steps of 0.1: as the ones from 0 to 1."""
    chart = bar_chart(
        "t", ["-"] * 10, [ChartSeries("n", (1.0,) * 10, "a")], str, edges=[100 + 0.1 * n for n in range(11)]
    )
    ticks = [item.text for item in wide(chart).iter("text")][2:]
    assert ticks == ["100", "100.2", "100.4", "100.6", "100.8", "101"]


@pytest.mark.parametrize(
    ("most", "narrow"), [(7.9, ["-2.0", "2.0", "6.0"]), (5.9, ["-2.0", "0.0", "2.0", "4.0", "6.0"])]
)
def test_narrow_charts_name_every_other_of_six_marks(most: float, narrow: list[str]) -> None:
    """From -0.1 on in steps of 2: six marks to 8, five to 6."""
    spans = [ChartInterval("a", 1.0, -0.1, most)]
    drawing = drawings(interval_chart("t", spans, str))["narrow"]
    assert [item.text for item in drawing.iter("text") if item.attrib["class"] == "tick"] == narrow


def test_pages_labels_do_not_run_into_each_other() -> None:
    """Eight names of 12 letters, 9 units each and 10 apart, beside each other in 652 units: 5 have room."""
    names = [f"RTX-{number}-Ampere" for number in range(8)]
    chart = bar_chart("t", names, [ChartSeries("n", (1.0,) * 8, "a")], str)
    shown = [item for item in wide(chart).iter("text") if item.text in names]
    places = [float(item.attrib["x"]) for item in shown]
    apart = [after - before for before, after in itertools.pairwise(places)]
    assert len(shown) >= 3 and min(apart) > 9 * max(len(name) for name in names)


def test_pages_a_numeric_axis_has_thousands_and_room() -> None:
    """Marks from 0 to 3,000 in steps of 500: every other one has room on a narrow screen."""
    places = [500.0, 3000.0]
    both = drawings(line_chart("t", ["", ""], [ChartSeries("n", (1.0, 2.0), "a")], str, at=places))
    shown = {
        style: [item.text for item in svg.iter("text") if item.attrib["y"] == str(svg_bottom(svg))]
        for style, svg in both.items()
    }
    assert shown["narrow"] == ["0", "1,000", "2,000", "3,000"] and len(shown["wide"]) == 7


def svg_bottom(svg: ET.Element) -> int:
    """Where labels of the axis below stand."""
    return int(svg.attrib["viewBox"].split()[3]) - 5


def test_pages_a_line_without_a_value_says_so() -> None:
    chart = line_chart("t", ["x", "y"], [ChartSeries("n", (None, None), "a")], str, at=[1.0, 2.0])
    for drawing in drawings(chart).values():
        assert [item.text for item in drawing.iter("text")] == ["nothing was measured"]


def test_narrow_interval_charts_draw_no_line_through_names():
    """A name's letters of 13 px go from 10 px above its base line to 3 px below it."""
    spans = [ChartInterval(f"a rather long name {n}", 0.5, 0.25, 0.75) for n in range(3)]
    drawing = drawings(interval_chart("t", spans, str, mark=0.25))["narrow"]
    names = [float(text.get("y")) for text in drawing.iter("text") if text.get("class") == "label"]
    lines = [line for line in drawing.iter("line") if line.get("class") in ("mark", "grid")]
    heights = [(float(line.get("y1")), float(line.get("y2"))) for line in lines]
    assert len(names) == 3 and sum(line.get("class") == "mark" for line in lines) == 3
    assert not [1 for y in names for top, bottom in heights if top < y + 3 and bottom > y - 10]


def test_an_interval_without_an_end_is_an_arrow_to_the_edge():
    spots = [ChartPoint("open", 1.0, 2.0, 1.0, None), ChartPoint("closed", 2.0, 2.0, 1.0, 3.0)]
    chart = scatter_chart("t", spots, str, str)
    assert chart.count("whisker open") == 2 and f'y2="{12.0}"' in chart  # drawn twice; to the top of the frame
    assert "<td>no end</td>" in chart
    spans = [
        ChartInterval("up", 2.0, 1.0, None),
        ChartInterval("down", 2.0, None, 3.0),
        ChartInterval("none", 2.0, None, None),
    ]
    assert interval_chart("t", spans, str).count("whisker open") == 2 * 2


def test_an_open_end_has_a_quarter_more_room() -> None:
    """Marks to 10 for a point at 8, which would have 8 alone."""

    def marks_of(high: float | None) -> list[str | None]:
        chart = scatter_chart("t", [ChartPoint("p", 1.0, 8.0, 7.5, high)], str, str)
        return [item.text for item in wide(chart).iter("text") if item.attrib.get("text-anchor") == "end"][:5]

    assert "10.0" in marks_of(None) and "10.0" not in marks_of(8.0)


def test_a_threshold_goes_across_with_its_name_above_its_right_end() -> None:
    """The plot of a wide chart is 652 from 60 on, and 166 high over 178: half of ten stands at 95."""
    drawn = _draw_level(WIDE, UprightAxis([0.0, 10.0]), ChartLevel("95 % <in time>", 5.0))
    assert '<line class="level" x1="60" x2="712" y1="95.0" y2="95.0"/>' in drawn
    assert '<text class="level-name" x="712" y="91.0" text-anchor="end">95 % &lt;in time&gt;</text>' in drawn


def test_an_event_stands_at_its_time_over_the_whole_height() -> None:
    drawn = _draw_events(WIDE, [ChartEvent("release <2>", 0.0), ChartEvent("end", 0.25)])
    lines = re.findall(r'class="event" x1="([\d.]+)" x2="([\d.]+)" y1="(\d+)" y2="(\d+)"', drawn)
    assert lines == [("60.0", "60.0", "12", "178"), ("223.0", "223.0", "12", "178")]  # 60 + 652 / 4
    assert "<title>release &lt;2&gt;</title>" in drawn and drawn.count('cy="12" r="3"') == 2
