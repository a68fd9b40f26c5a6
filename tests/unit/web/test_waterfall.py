"""A timeline as bars."""

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
