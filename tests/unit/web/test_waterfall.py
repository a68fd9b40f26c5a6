"""A timeline as bars."""

import re

import pytest

from steward.web.axes import NARROW, WIDE
from steward.web.waterfall import LEAST_WIDTH, WaterfallBar, draw_waterfall


def test_bars_begin_at_the_first_and_are_as_wide_as_they_take() -> None:
    bars = [WaterfallBar("authenticate", -1.0, 1.0), WaterfallBar("attempt", 0.0, 3.0, "<m> 200", "d")]
    text = draw_waterfall("Timeline", bars, lambda value: f"{value:g}s")
    wide = text.partition("</svg>")[0]  # 720 units, 220 for names, 8 + 40 at the right: 452 for 4 s
    assert 'class="bar a" x="220.0"' in wide and 'width="113.0"' in wide
    assert 'class="bar d" x="333.0"' in wide and 'width="339.0"' in wide
    assert "&lt;m&gt; 200" in text and "<m>" not in text
    assert "<tr><th>attempt</th><td>1s</td><td>3s</td><td>&lt;m&gt; 200</td></tr>" in text


def test_a_moment_can_be_seen_and_nothing_can_be_drawn() -> None:
    assert f'width="{LEAST_WIDTH:.1f}"' in draw_waterfall("t", [WaterfallBar("first byte", 1.0, 0.0)], str)
    assert "<rect" not in draw_waterfall("t", [], str)


def find_all(text: str, kind: str, frame: int) -> list[dict[str, str]]:
    """The attributes of each element of a kind in the drawing for wide (0) or narrow (1) screens."""
    drawing = text.split("</svg>")[frame]
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', one)) for one in re.findall(rf"<{kind} [^>]*>", drawing)]


def test_each_bar_has_its_row_and_its_name_before_it() -> None:
    """Wide: rows of 24 from 12, names end 12 before the bars; the letters stand 4.5 below the middle of the row."""
    bars = [WaterfallBar("one", 0.0, 1.0), WaterfallBar("two", 1.0, 3.0)]
    text = draw_waterfall("t", bars, str)
    top, bottom = WIDE.top, WIDE.bottom
    rects = find_all(text, "rect", 0)
    assert [float(rect["y"]) for rect in rects] == [top + 12 - 6, top + 36 - 6] and rects[0]["height"] == "12"
    labels = [one for one in find_all(text, "text", 0) if one["class"] == "label"]
    assert [(one["x"], float(one["y"]), one["text-anchor"]) for one in labels] == [
        ("208", top + 16.5, "end"), ("208", top + 40.5, "end")
    ]  # fmt: skip
    ticks = [one for one in find_all(text, "text", 0) if one["class"] == "tick"]
    assert [one["x"] for one in ticks] == ["220.0", "333.0", "446.0", "559.0", "672.0"]  # 452 for 4 s
    assert {float(one["y"]) for one in ticks} == {top + 48 + bottom - 5}
    assert {one["text-anchor"] for one in ticks} == {"middle"}
    grid = find_all(text, "line", 0)
    assert {(float(one["y1"]), float(one["y2"])) for one in grid} == {(top - 6, top + 48)}
    assert f'viewBox="0 0 720 {top + 48 + bottom}"' in text


def test_on_narrow_screens_the_name_stands_above_its_bar() -> None:
    """Rows of 40, of which the bar has the lower half; every other mark has its number, the first one beside it."""
    text = draw_waterfall("t", [WaterfallBar("one", 0.0, 4.0, "m")], str)
    (rect,) = find_all(text, "rect", 1)
    assert (float(rect["x"]), float(rect["y"])) == (8.0, NARROW.top + 30 - 6)
    assert float(rect["width"]) == 340 - 8 - NARROW.right - 40
    (label,) = [one for one in find_all(text, "text", 1) if one["class"] == "label"]
    assert (label["x"], float(label["y"])) == ("0", NARROW.top + 30 - 12)
    ticks = [one for one in find_all(text, "text", 1) if one["class"] == "tick"]
    assert [one["text-anchor"] for one in ticks] == ["start", "middle", "middle"]


@pytest.mark.parametrize(("start", "begins"), [(-2.0, "0.0"), (3.0, "5.0")])
def test_the_table_counts_from_the_first_bar(start: float, begins: str) -> None:
    text = draw_waterfall("t", [WaterfallBar("a", -2.0, 1.0), WaterfallBar("b", start, 1.0)], str)
    assert f"<tr><th>b</th><td>{begins}</td><td>1.0</td>" in text


def test_a_timeline_below_a_second_fills_the_width() -> None:
    """452 units for four tenths; without a length it is drawn against one second."""
    (bar,) = find_all(draw_waterfall("t", [WaterfallBar("one", 5.0, 0.4)], str), "rect", 0)
    assert float(bar["width"]) == 452.0
    text = draw_waterfall("t", [WaterfallBar("one", 5.0, 0.0)], str)
    assert ">1.0</text>" in text and "nan" not in text


def test_narrow_rows_have_room_for_a_name_above_the_bar() -> None:
    rows = find_all(draw_waterfall("t", [WaterfallBar(str(n), n, 1.0) for n in range(2)], str), "rect", 1)
    assert float(rows[1]["y"]) - float(rows[0]["y"]) == 40.0
