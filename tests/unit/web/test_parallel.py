import re

from steward.web.parallel import ParallelAxis, ParallelLine, parallel_chart


def test_a_line_goes_from_axis_to_axis():
    axes = [ParallelAxis("a", "0", "1"), ParallelAxis("b|c", "x", "y")]
    svg = parallel_chart(
        "T <1>", axes, [ParallelLine("trial 0", (0.0, 1.0), ("0", "y")), ParallelLine("w", (2.0, -1.0), ("", ""))]
    )
    first, second = re.findall(r'points="([^"]+)"', svg)
    assert first == "60.0,294.0 900.0,34.0"  # the bottom of one, the top of the other
    assert second == "60.0,34.0 900.0,294.0"  # what lies outside is drawn at the edge
    assert "T &lt;1&gt;" in svg and "<td>y</td>" in svg and "b/c" in svg


def test_one_axis_alone():
    assert "60.0,164.0" in parallel_chart("t", [ParallelAxis("a", "0", "1")], [ParallelLine("x", (0.5,), ("v",))])


def test_axes_stand_at_equal_distances_with_their_ends_written():
    axes = [ParallelAxis(name, "low", "high") for name in ("a", "b", "a name of more than eighteen")]
    svg = parallel_chart("t", axes, [])
    grid = re.findall(r'class="grid" x1="([\d.]+)" x2="([\d.]+)" y1="(\d+)" y2="(\d+)"', svg)
    assert grid == [("60.0", "60.0", "34", "294"), ("480.0", "480.0", "34", "294"), ("900.0", "900.0", "34", "294")]
    texts = re.findall(r'class="(\w+)" x="60.0" y="(\d+)" text-anchor="middle">([^<]+)<', svg)
    assert texts == [("label", "14", "a"), ("tick", "28", "high"), ("tick", "312", "low")]
    assert ">a name of more tha<" in svg
