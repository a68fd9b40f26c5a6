"""Parallel coordinates: an upright axis a parameter, a line a trial, the one that won in front."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

from steward.web.page import table

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _SIDE = 960, 320, 34, 26, 60


class ParallelAxis(msgspec.Struct, frozen=True):
    """`low` and `high` are what stands at its ends."""

    name: str
    low: str
    high: str


class ParallelLine(msgspec.Struct, frozen=True):
    """`places`: from 0, at the bottom, to 1, one an axis; `texts`: the values, for the table. `style`: "a" to "d"."""

    name: str
    places: tuple[float, ...]
    texts: tuple[str, ...]
    style: str = "a"


def parallel_chart(title: str, axes: Sequence[ParallelAxis], lines: Sequence[ParallelLine]) -> str:
    """A figure with its table behind it; lines are drawn in their order, so that the last one is in front."""
    gap = (_WIDTH - 2 * _SIDE) / max(1, len(axes) - 1)
    xs = [_SIDE + gap * at for at in range(len(axes))]
    bottom = _HEIGHT - _BOTTOM
    parts = []
    for x, axis in zip(xs, axes, strict=True):
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        for y, text in ((14, axis.name), (_TOP - 6, axis.high), (_HEIGHT - 8, axis.low)):
            kind = "label" if text is axis.name else "tick"
            parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="middle">{escape(text[:18])}</text>')
    for line in lines:
        spots = " ".join(
            f"{x:.1f},{bottom - min(max(place, 0.0), 1.0) * (bottom - _TOP):.1f}"
            for x, place in zip(xs, line.places, strict=True)
        )
        parts.append(
            f'<polyline class="line {line.style}" points="{spots}"><title>{escape(line.name)}</title></polyline>'
        )
    columns = "|".join(["trial", *(axis.name.replace("|", "/") for axis in axes)])
    rows = [[line.name, *line.texts] for line in lines]
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}"'
    svg = f'<svg class="parallel" {box}>{"".join(parts)}</svg>'  # on a phone wider than the screen, or nobody reads it
    svg = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">{svg}</div>'
    details = f"<details><summary>Table</summary>{table(columns, rows)}</details>"
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{svg}{details}</figure>'
