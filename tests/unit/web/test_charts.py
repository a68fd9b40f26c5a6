import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from steward.web.charts import Line, bar_chart, line_chart, nice_ticks

VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=30)


@given(st.floats(1e-6, 1e9))
def test_ticks_cover_the_top_with_few_round_steps(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0 and ticks[-1] >= top * (1 - 1e-6) and 2 <= len(ticks) <= 6


@given(VALUES)
def test_charts_are_well_formed_and_inside_their_frame(values: list[float | None]) -> None:
    lines = [Line("<p50>", tuple(values), "a")]
    labels = [str(index) for index in range(len(values))]
    for chart in (line_chart("t", labels, lines, str, area=True), bar_chart("t", labels, lines, str)):
        root = ET.fromstring(chart)
        heights = [float(mark.attrib["y"]) for mark in root.iter("rect")]
        assert all(0 <= y <= 200 for y in heights) and "<p50>" in "".join(root.itertext())
