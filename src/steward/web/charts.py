"""Charts as SVG text: lines, bars and intervals, each with a table of the same numbers behind it.

Pure functions of values; colours are CSS classes, so that one chart serves dark and light. Ours rather
than a library: those at hand weigh 5 MB a report or need `unsafe-inline`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import msgspec

WIDTH: Final = 720
HEIGHT: Final = 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 8, 12, 22
_NAMES, _ROW, _LETTERS = 220, 24, 30  # of charts with a name at each row


class ChartSeries(msgspec.Struct, frozen=True):
    """One series; `values` may hold None where nothing was measured. `style` is a CSS class, "a" to "d"."""

    name: str
    values: tuple[float | None, ...]
    style: str


class ChartInterval(msgspec.Struct, frozen=True):
    """A value with the ends of its interval, or without. `style` is a CSS class, "a" to "d"."""

    name: str
    value: float
    low: float | None
    high: float | None
    style: str = "a"


class ChartPoint(msgspec.Struct, frozen=True):
    """A point of a plane, with the interval of its height where it has one. `style` is a CSS class, "a" to "d"."""

    name: str
    x: float
    y: float
    low: float
    high: float
    style: str = "a"


def nice_ticks(top: float, count: int = 4) -> list[float]:
    """Round marks from 0 to at least `top`: steps of 1, 2, 2.5 or 5 times a power of ten.

    >>> nice_ticks(7.3)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if top < 1e-9 or not math.isfinite(top):
        return [0.0, 1.0]
    rough = top / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(step * index, 12) for index in range(math.ceil(top / step - 1e-9) + 1)]


def line_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    *,
    area: bool = False,
    at: Sequence[float] | None = None,
    head: str = "Time",
) -> str:
    """Lines over equal steps, or `at` these places of a numeric axis from 0; gaps stay gaps. With `area` the first line
    is filled; `head` names the labels."""
    ticks = nice_ticks(max((value for line in lines for value in line.values if value is not None), default=0.0))
    x, y = (_x(len(labels)) if at is None else _x_at(at)), _y(ticks[-1])
    marks = []
    for number, line in enumerate(lines):
        for run in _runs(line.values):
            points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in run)
            if area and number == 0 and len(run) > 1:
                base = f"{x(run[-1][0]):.1f},{y(0):.1f} {x(run[0][0]):.1f},{y(0):.1f}"
                marks.append(f'<polygon class="fill {line.style}" points="{points} {base}"/>')
            if len(run) == 1:
                marks.append(
                    f'<circle class="dot {line.style}" cx="{x(run[0][0]):.1f}" cy="{y(run[0][1]):.1f}" r="2.5"/>'
                )
            else:
                marks.append(f'<polyline class="line {line.style}" points="{points}"/>')
    axis = None if at is None else _numeric_axis(at)
    return _figure(title, labels, lines, unit, ticks, y, "".join(marks), head, axis)


def bar_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    *,
    head: str = "Time",
    beside: bool = False,
) -> str:
    """Bars over equal steps, the series stacked from the first up, or `beside` each other; `head` names the labels."""
    heights = [[line.values[index] or 0.0 for line in lines] for index in range(len(labels))]
    ticks = nice_ticks(max((max(step) if beside else sum(step) for step in heights), default=0.0))
    y = _y(ticks[-1])
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    marks = []
    for index in range(len(labels)):
        base, left, width = 0.0, _LEFT + index * step + 1, max(1.0, step - 2)
        if beside:
            width = width / max(1, len(lines))
        for line in lines:
            value = line.values[index] or 0.0
            if value:
                top, bottom = y(base + value), y(base)
                marks.append(
                    f'<rect class="bar {line.style}" x="{left:.1f}" y="{top:.1f}" '
                    f'width="{width:.1f}" height="{bottom - top:.1f}" rx="1.5"/>'
                )
            base, left = (0.0, left + width) if beside else (base + value, left)
    return _figure(title, labels, lines, unit, ticks, y, "".join(marks), head)


def interval_chart(
    title: str, spans: Sequence[ChartInterval], unit: Callable[[float], str], mark: float | None = None
) -> str:
    """A dot with whiskers a row, names to the left; `mark` draws a dashed line, such as "no difference"."""
    ends = [end for span in spans for end in (span.value, span.low, span.high) if end is not None]
    ends += [mark] if mark is not None else []
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    step = nice_ticks(max(most, 0.0) - min(least, 0.0))[1]  # round marks, 0 among them
    first, last = math.floor(min(least, 0.0) / step), math.ceil(max(most, 0.0) / step)
    ticks = [step * number for number in range(first, max(last, first + 1) + 1)]
    width = WIDTH - _NAMES - _RIGHT - 16
    height = _TOP + len(spans) * _ROW + _BOTTOM

    def x(value: float) -> float:
        return _NAMES + (value - ticks[0]) / (ticks[-1] - ticks[0]) * width

    parts = [
        f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP - 6}" y2="{height - _BOTTOM}"/>'
        f'<text class="tick" x="{x(tick):.1f}" y="{height - 5}" text-anchor="middle">{escape(unit(tick))}</text>'
        for tick in ticks
    ]
    if mark is not None:
        parts.append(
            f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP - 6}" y2="{height - _BOTTOM}"/>'
        )
    for row, span in enumerate(spans):
        y = _TOP + (row + 0.5) * _ROW
        parts.append(f'<text class="label" x="{_NAMES - 12}" y="{y + 4.5:.1f}" text-anchor="end">')
        parts.append(f"{escape(_shorten_name(span.name))}</text>")
        if span.low is not None and span.high is not None:
            ends_x = f'x1="{x(span.low):.1f}" x2="{x(span.high):.1f}"'
            parts.append(f'<line class="whisker {span.style}" {ends_x} y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<circle class="dot {span.style}" cx="{x(span.value):.1f}" cy="{y:.1f}" r="4"/>')
    lines = [
        ChartSeries("value", tuple(span.value for span in spans), "a"),
        ChartSeries("low", tuple(span.low for span in spans), "a"),
        ChartSeries("high", tuple(span.high for span in spans), "a"),
    ]
    return (
        f'<figure class="chart"><figcaption><h2>{escape(title)}</h2></figcaption>'
        f'<svg class="span" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
        f"{_table([span.name for span in spans], lines, unit, '')}</figure>"
    )


def scatter_chart(
    title: str,
    spots: Sequence[ChartPoint],
    unit_x: Callable[[float], str],
    unit_y: Callable[[float], str],
    *,
    legend: Sequence[tuple[str, str]] = (),
    level: float | None = None,
    mark: float | None = None,
) -> str:
    """Dots with upright whiskers. `level` draws a dashed line across, such as what is allowed; `mark` one upwards, such
    as what was chosen. `legend`: name and style."""
    tall = nice_ticks(max([*(spot.high for spot in spots), level or 0.0]))
    wide = nice_ticks(max([*(spot.x for spot in spots), mark or 0.0]), 8)
    y, width = _y(tall[-1]), WIDTH - _LEFT - 2 * _RIGHT

    def x(value: float) -> float:
        return _LEFT + value / wide[-1] * width

    parts = [
        f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(unit_x(tick))}</text>'
        for tick in wide
    ]
    for tick in tall:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y(tick) + 3.5:.1f}" text-anchor="end">')
        parts.append(f"{escape(unit_y(tick))}</text>")
    if level is not None:
        parts.append(f'<line class="mark" x1="{_LEFT}" x2="{_LEFT + width}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
    if mark is not None:
        parts.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP}" y2="{y(0):.1f}"/>')
    for spot in spots:
        at = f"{x(spot.x):.1f}"
        parts.append(
            f'<line class="whisker {spot.style}" x1="{at}" x2="{at}" y1="{y(spot.low):.1f}" y2="{y(spot.high):.1f}"/>'
            f'<circle class="dot {spot.style}" cx="{at}" cy="{y(spot.y):.1f}" r="4"/>'
        )
    keys = "".join(f'<li><span class="key {style}"></span>{escape(name)}</li>' for name, style in legend)
    lines = [ChartSeries(name, tuple(getattr(spot, name) for spot in spots), "a") for name in ("y", "low", "high")]
    return (
        f'<figure class="chart"><figcaption><h2>{escape(title)}</h2><ul class="legend">{keys}</ul></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f"{_table([spot.name for spot in spots], lines, unit_y, '')}</figure>"
    )


def _shorten_name(name: str) -> str:
    """As many letters as fit left of the plot."""
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _x(count: int) -> Callable[[int], float]:
    step = (WIDTH - _LEFT - _RIGHT) / max(1, count)
    return lambda index: _LEFT + (index + 0.5) * step


def _x_at(places: Sequence[float]) -> Callable[[int], float]:
    """Positions on an axis from 0 to a round mark above the largest place."""
    top = nice_ticks(max(places, default=0.0), 6)[-1]
    return lambda index: _LEFT + places[index] / top * (WIDTH - _LEFT - _RIGHT)


def _numeric_axis(places: Sequence[float]) -> str:
    ticks = nice_ticks(max(places, default=0.0), 6)
    x = _x_at([*ticks])
    return "".join(_axis_mark(x(index), f"{tick:g}", last=index == len(ticks) - 1) for index, tick in enumerate(ticks))


def _axis_mark(x: float, label: str, last: bool = False) -> str:
    anchor = "end" if last else "middle"
    return f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{escape(label)}</text>'


def _y(top: float) -> Callable[[float], float]:
    return lambda value: HEIGHT - _BOTTOM - (value / top) * (HEIGHT - _TOP - _BOTTOM)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]


def _figure(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    ticks: list[float],
    y: Callable[[float], float],
    marks: str,
    head: str = "Time",
    axis: str | None = None,
) -> str:
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{escape(unit(tick))}</text>'
        for tick in ticks
    )
    if axis is None:
        x, every = _x(len(labels)), max(1, len(labels) // 6)
        axis = "".join(_axis_mark(x(index), labels[index]) for index in range(every // 2, len(labels), every))
    legend = "".join(f'<li><span class="key {line.style}"></span>{escape(line.name)}</li>' for line in lines)
    return (
        f'<figure class="chart"><figcaption><h2>{escape(title)}</h2><ul class="legend">{legend}</ul></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{grid}{axis}{marks}</svg>'
        f"{_table(labels, lines, unit, head)}</figure>"
    )


def _table(labels: Sequence[str], lines: Sequence[ChartSeries], unit: Callable[[float], str], first: str) -> str:
    """The same numbers, for readers who cannot see the picture; steps without any number are left out."""
    head = "".join(f"<th>{escape(line.name)}</th>" for line in lines)
    rows = []
    for index, label in enumerate(labels):
        values = [line.values[index] for line in lines]
        if any(value for value in values):
            cells = "".join(f"<td>{'' if value is None else escape(unit(value))}</td>" for value in values)
            rows.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return (
        f"<details><summary>Numbers</summary><table><thead><tr><th>{escape(first)}</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )
