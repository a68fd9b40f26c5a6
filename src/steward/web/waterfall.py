"""A timeline as bars below each other, with a table of the same numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final, NamedTuple

from steward.web.axes import NARROW, WIDE, Frame, nice_ticks, shorten_name

LEAST_WIDTH: Final = 2.0  # of a bar, so that a moment is seen


class WaterfallBar(NamedTuple):
    """One part of a timeline, in seconds from its beginning; `style` is a CSS class, "a" to "d"."""

    name: str
    start_s: float
    duration_s: float
    detail: str = ""
    style: str = "a"


def draw_waterfall(title: str, bars: Sequence[WaterfallBar], unit: Callable[[float], str]) -> str:
    """As SVG, once for wide and once for narrow screens. Times before the beginning are drawn from the first one."""
    first = min((bar.start_s for bar in bars), default=0.0)
    last = max((bar.start_s + bar.duration_s for bar in bars), default=0.0)
    ticks = nice_ticks(last - first)
    drawings = "".join(_draw(frame, title, bars, first, ticks, unit) for frame in (WIDE, NARROW))
    rows = "".join(
        f"<tr><th>{escape(bar.name)}</th><td>{escape(unit(bar.start_s - first))}</td>"
        f"<td>{escape(unit(bar.duration_s))}</td><td>{escape(bar.detail)}</td></tr>"
        for bar in bars
    )
    head = "<tr><th>Part</th><th>Begins</th><th>Takes</th><th>Detail</th></tr>"
    return (
        f'<figure class="chart"><figcaption><h2>{escape(title)}</h2></figcaption>{drawings}<details>'
        f"<summary>Numbers</summary><table><thead>{head}</thead><tbody>{rows}</tbody></table></details></figure>"
    )


def _draw(
    frame: Frame,
    title: str,
    bars: Sequence[WaterfallBar],
    first: float,
    ticks: Sequence[float],
    unit: Callable[[float], str],
) -> str:
    left = frame.names or 8
    height = frame.top + len(bars) * frame.row + frame.bottom
    width = frame.width - left - frame.right - 40

    def x(value: float) -> float:
        return left + value / ticks[-1] * width

    shown = ticks if frame.names else ticks[::2]
    parts = [
        f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{frame.top - 6}" y2="{height - frame.bottom}"/>'
        f'<text class="tick" x="{x(tick):.1f}" y="{height - 5}" '
        f'text-anchor="{"middle" if index or frame.names else "start"}">{escape(unit(tick))}</text>'
        for index, tick in enumerate(shown)
    ]
    for row, bar in enumerate(bars):
        y = frame.top + (row + (0.5 if frame.names else 0.75)) * frame.row
        place = f'x="{left - 12}" y="{y + 4.5:.1f}" text-anchor="end"' if frame.names else f'x="0" y="{y - 12:.1f}"'
        name = f"{bar.name} {bar.detail}".strip()
        parts.append(
            f'<text class="label" {place}>{escape(shorten_name(name, frame.letters))}</text>'
            f'<rect class="bar {bar.style}" x="{x(bar.start_s - first):.1f}" y="{y - 6:.1f}" '
            f'width="{max(LEAST_WIDTH, bar.duration_s / ticks[-1] * width):.1f}" height="12" rx="2"/>'
        )
    return (
        f'<svg class="span {frame.style}" viewBox="0 0 {frame.width} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
