"""Charts as SVG text: lines, bars and intervals, each with a table of the same numbers behind it.

Pure functions of values; colours are CSS classes, so that one chart serves dark and light. Each chart is drawn twice,
for wide and for narrow screens, and the style sheet shows one of them. Ours rather than a library: those at hand weigh
5 MB a report or need `unsafe-inline`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import msgspec

from steward.web.axes import (
    NARROW,
    SPIKE,
    WIDE,
    Frame,
    UprightAxis,
    choose_labels,
    log_ticks,
    nice_step,
    nice_ticks,
    shorten_name,
)

NO_END: Final = "no end"  # of an interval
ARROW_ROOM: Final = 1.25  # the axis of a plot goes so far beyond a point whose interval has no upper end


class ChartSeries(msgspec.Struct, frozen=True):
    """One series; `values` may hold None where nothing was measured. `style` is a CSS class, "a" to "d". `low` and
    `high`: the ends of each value's interval, drawn as a band."""

    name: str
    values: tuple[float | None, ...]
    style: str
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


class ChartInterval(msgspec.Struct, frozen=True):
    """A value with the ends of its interval, or without; one that has a single end is open and ends in an arrow.
    `style` is a CSS class, "a" to "d"."""

    name: str
    value: float
    low: float | None
    high: float | None
    style: str = "a"


class ChartPoint(msgspec.Struct, frozen=True):
    """A point of a plane, with the interval of its height where it has one. Without `high` the interval has no upper
    end, and is an arrow. `style` is a CSS class, "a" to "d"."""

    name: str
    x: float
    y: float
    low: float
    high: float | None
    style: str = "a"


class ChartLevel(msgspec.Struct, frozen=True):
    """A threshold: a dashed line across, with its name."""

    name: str
    value: float


class ChartEvent(msgspec.Struct, frozen=True):
    """Something that happened, such as a release: a dotted line upwards at `place`, from 0 to 1 of the plot."""

    name: str
    place: float


def line_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    *,
    area: bool = False,
    at: Sequence[float] | None = None,
    head: str = "Time",
    log: bool = True,
    levels: Sequence[ChartLevel] = (),
    events: Sequence[ChartEvent] = (),
) -> str:
    """Lines over equal steps, or `at` these places of a numeric axis from 0; gaps stay gaps. With `area` the first line
    is filled; `head` names the labels. With `log` the axis is logarithmic where one spike would flatten the rest, and
    the title says so. A level counts for the axis, so that it is always in the picture."""
    axis = _choose_axis(lines, log and not area, [level.value for level in levels])
    title = f"{title}, log axis" if axis.log else title

    def draw(frame: Frame) -> str:
        if all(value is None for line in lines for value in line.values):
            return _draw_nothing(frame)
        x = _x(frame, len(labels)) if at is None else _x_at(frame, at)
        below = _label_axis(frame, labels) if at is None else _numeric_axis(frame, at)
        parts = [_draw_band(frame, axis, line, x) for line in lines]
        parts += [_draw_line(frame, axis, line, x, area and number == 0) for number, line in enumerate(lines)]
        parts += [_draw_level(frame, axis, level) for level in levels]
        return _upright_axis(frame, axis, unit) + below + _draw_events(frame, events) + "".join(parts)

    return _figure(title, labels, lines, unit, draw, head, stepped=at is None)


def bar_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    *,
    head: str = "Time",
    beside: bool = False,
    edges: Sequence[float] | None = None,
    levels: Sequence[ChartLevel] = (),
    events: Sequence[ChartEvent] = (),
) -> str:
    """Bars over equal steps, the series stacked from the first up, or `beside` each other; `head` names the labels.
    With `edges`, one more than there are bars, the axis shows round ones of them instead of labels."""
    heights = [[line.values[index] or 0.0 for line in lines] for index in range(len(labels))]
    whole = all(value.is_integer() for step in heights for value in map(float, step))
    top = max((max(step) if beside else sum(step) for step in heights), default=0.0)
    axis = UprightAxis(nice_ticks(max([top, *(level.value for level in levels)]), whole=whole))

    def draw(frame: Frame) -> str:
        below = _label_axis(frame, labels) if edges is None else _edge_axis(frame, edges)
        over = _draw_events(frame, events) + "".join(_draw_level(frame, axis, level) for level in levels)
        return _upright_axis(frame, axis, unit) + below + _draw_bars(frame, axis, len(labels), lines, beside) + over

    return _figure(title, labels, lines, unit, draw, head, stepped=True)


def interval_chart(
    title: str, spans: Sequence[ChartInterval], unit: Callable[[float], str], mark: float | None = None
) -> str:
    """A dot with whiskers a row, names to the left; `mark` draws a dashed line, such as "no difference"."""
    ends = [end for span in spans for end in (span.value, span.low, span.high) if end is not None]
    ends += [mark] if mark is not None else []
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    step = nice_ticks(max(most, 0.0) - min(least, 0.0))[1]  # round marks, 0 among them
    first, last = math.floor(min(least, 0.0) / step), math.ceil(max(most, 0.0) / step)
    last += any(span.low is not None and span.high is None for span in spans)  # room for arrows
    first -= least < 0 and any(span.high is not None and span.low is None for span in spans)
    ticks = [step * number for number in range(first, max(last, first + 1) + 1)]

    def draw(frame: Frame) -> str:
        return _draw_spans(frame, spans, ticks, unit, mark)

    lines = [
        ChartSeries("value", tuple(span.value for span in spans), "a"),
        ChartSeries("low", tuple(span.low for span in spans), "a"),
        ChartSeries("high", tuple(span.high for span in spans), "a"),
    ]
    heights = {frame.style: frame.top + len(spans) * frame.row + frame.bottom for frame in (WIDE, NARROW)}
    return _figure(title, [span.name for span in spans], lines, unit, draw, "", legend="", heights=heights, kind="span")


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
    ends = [value for spot in spots for value in (spot.y, spot.low, spot.high) if value is not None]
    whole = all(float(value).is_integer() for value in ends)
    highest = max([*ends, level or 0.0, *(ARROW_ROOM * spot.y for spot in spots if spot.high is None)])
    axis = UprightAxis(nice_ticks(highest, whole=whole))
    wide = nice_ticks(max([*(spot.x for spot in spots), mark or 0.0]), 8)

    def draw(frame: Frame) -> str:
        return _draw_spots(frame, axis, wide, spots, (unit_x, unit_y), level, mark)

    keys = "".join(f'<li><span class="key {style}"></span>{escape(name)}</li>' for name, style in legend)
    lines = [ChartSeries(name, tuple(getattr(spot, name) for spot in spots), "a") for name in ("y", "low", "high")]
    return _figure(title, [spot.name for spot in spots], lines, unit_y, draw, "", legend=keys, missing=NO_END)


def _draw_spans(
    frame: Frame,
    spans: Sequence[ChartInterval],
    ticks: Sequence[float],
    unit: Callable[[float], str],
    mark: float | None,
) -> str:
    height = frame.top + len(spans) * frame.row + frame.bottom
    left = frame.names or 8
    width = frame.width - left - frame.right - 16
    shown = ticks if frame.names or len(ticks) < 6 else ticks[::2]

    def x(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * width

    def upright(value: float, style: str) -> str:
        at = f'<line class="{style}" x1="{x(value):.1f}" x2="{x(value):.1f}"'
        return "".join(f'{at} y1="{top:.4g}" y2="{bottom:.4g}"/>' for top, bottom in _free_heights(frame, len(spans)))

    parts = [
        f'{upright(tick, "grid")}<text class="tick" x="{x(tick):.1f}" y="{height - 5}" text-anchor="middle">'
        f"{escape(unit(tick))}</text>"
        for tick in shown
    ]
    if mark is not None:
        parts.append(upright(mark, "mark"))
    for row, span in enumerate(spans):
        y = frame.top + (row + (0.5 if frame.names else 0.75)) * frame.row
        place = f'x="{left - 12}" y="{y + 4.5:.1f}" text-anchor="end"' if frame.names else f'x="0" y="{y - 12:.1f}"'
        parts.append(f'<text class="label" {place}>{escape(shorten_name(span.name, frame.letters))}</text>')
        parts.append(_draw_span(span, y, x, (x(ticks[0]), x(ticks[-1]))))
        parts.append(f'<circle class="dot {span.style}" cx="{x(span.value):.1f}" cy="{y:.1f}" r="4"/>')
    return "".join(parts)


def _draw_span(span: ChartInterval, y: float, x: Callable[[float], float], bounds: tuple[float, float]) -> str:
    """The whisker; an end that is open is an arrow to the end of the axis."""
    if span.low is None and span.high is None:
        return ""
    low, high = (bounds[0] if span.low is None else x(span.low)), (bounds[1] if span.high is None else x(span.high))
    arrows = "" if span.low is not None else _draw_arrow(low, y, -1, 0, span.style)
    arrows += "" if span.high is not None else _draw_arrow(high, y, 1, 0, span.style)
    ends = f'x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
    return f'<line class="whisker {span.style}" {ends}/>{arrows}'


def _draw_arrow(x: float, y: float, right: int, down: int, style: str) -> str:
    """The head of a whisker without an end; its tip at (x, y), to one side: 1 or -1."""
    back_x, back_y = x - 6 * right, y - 6 * down
    across_x, across_y = 4 * down, 4 * right
    return (
        f'<path class="whisker open {style}" d="M{back_x - across_x:.1f} {back_y - across_y:.1f}L{x:.1f} {y:.1f}'
        f'L{back_x + across_x:.1f} {back_y + across_y:.1f}"/>'
    )


def _free_heights(frame: Frame, rows: int) -> list[tuple[float, float]]:
    """From where to where an upright line may go: past the rows, but not through names that stand above them."""
    if frame.names:
        return [(frame.top - 6, frame.top + rows * frame.row)]
    return [(frame.top + (row + 0.75) * frame.row - 7, frame.top + (row + 1.0) * frame.row) for row in range(rows)]


def _draw_spots(
    frame: Frame,
    axis: UprightAxis,
    wide: Sequence[float],
    spots: Sequence[ChartPoint],
    units: tuple[Callable[[float], str], Callable[[float], str]],
    level: float | None,
    mark: float | None,
) -> str:
    width = frame.width - frame.left - 2 * frame.right

    def x(value: float) -> float:
        return frame.left + value / wide[-1] * width

    def y(value: float) -> float:
        return axis.place(frame, value)

    every = math.ceil(len(wide) / min(frame.labels + 3, frame.count_labels([units[0](tick) for tick in wide])))
    parts = [
        f'<text class="tick" x="{x(tick):.1f}" y="{frame.height - 5}" text-anchor="middle">{shown}</text>'
        for tick, shown in ((tick, escape(units[0](tick))) for tick in wide[::every])
    ]
    right = frame.left + width
    for tick in axis.ticks:
        parts.append(f'<line class="grid" x1="{frame.left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{frame.left - 8}" y="{y(tick) + 3.5:.1f}" text-anchor="end">')
        parts.append(f"{escape(units[1](tick))}</text>")
    if level is not None:
        ends = f'y1="{y(level):.1f}" y2="{y(level):.1f}"'
        parts.append(f'<line class="mark" x1="{frame.left}" x2="{right}" {ends}/>')
    if mark is not None:
        parts.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{frame.top}" y2="{y(0):.1f}"/>')
    for spot in spots:
        at, top = f"{x(spot.x):.1f}", float(frame.top) if spot.high is None else y(spot.high)
        parts.append(
            f'<line class="whisker {spot.style}" x1="{at}" x2="{at}" y1="{y(spot.low):.1f}" y2="{top:.1f}"/>'
            f'<circle class="dot {spot.style}" cx="{at}" cy="{y(spot.y):.1f}" r="4"/>'
        )
        if spot.high is None:
            parts.append(_draw_arrow(x(spot.x), top, 0, -1, spot.style))
    return "".join(parts)


def _draw_level(frame: Frame, axis: UprightAxis, level: ChartLevel) -> str:
    y, right = axis.place(frame, level.value), frame.width - frame.right
    name = escape(shorten_name(level.name, frame.letters))
    return (
        f'<line class="level" x1="{frame.left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="level-name" x="{right}" y="{y - 4:.1f}" text-anchor="end">{name}</text>'
    )


def _draw_events(frame: Frame, events: Sequence[ChartEvent]) -> str:
    bottom = frame.height - frame.bottom
    parts = []
    for event in events:
        x = f"{frame.left + event.place * frame.plot:.1f}"
        parts.append(
            f'<g><title>{escape(event.name)}</title><line class="event" x1="{x}" x2="{x}" y1="{frame.top}" '
            f'y2="{bottom}"/><circle class="event-dot" cx="{x}" cy="{frame.top}" r="3"/></g>'
        )
    return "".join(parts)


def _choose_axis(lines: Sequence[ChartSeries], log: bool, levels: Sequence[float] = ()) -> UprightAxis:
    """From 0, or logarithmic where the greatest value is far above the median."""
    ends = [value for line in lines for values in (line.values, line.high) for value in values if value is not None]
    ends += levels
    positive = [value for value in ends if value > 0]
    if log and len(positive) >= 8 and max(positive) > SPIKE * statistics.median(positive):
        return UprightAxis(log_ticks(min(positive), max(positive)), log=True)
    whole = all(float(value).is_integer() for value in ends)
    return UprightAxis(nice_ticks(max(ends, default=0.0), whole=whole and bool(ends)))


def _draw_line(frame: Frame, axis: UprightAxis, line: ChartSeries, x: Callable[[int], float], filled: bool) -> str:
    marks = []
    for run in _runs(line.values):
        points = " ".join(f"{x(index):.1f},{axis.place(frame, value):.1f}" for index, value in run)
        if filled and len(run) > 1:
            bottom = frame.height - frame.bottom
            base = f"{x(run[-1][0]):.1f},{bottom:.1f} {x(run[0][0]):.1f},{bottom:.1f}"
            marks.append(f'<polygon class="fill {line.style}" points="{points} {base}"/>')
        if len(run) == 1:
            (index, value), *_ = run
            place = f'cx="{x(index):.1f}" cy="{axis.place(frame, value):.1f}"'
            marks.append(f'<circle class="dot {line.style}" {place} r="2.5"/>')
        else:
            marks.append(f'<polyline class="line {line.style}" points="{points}"/>')
    return "".join(marks)


def _draw_band(frame: Frame, axis: UprightAxis, line: ChartSeries, x: Callable[[int], float]) -> str:
    """Between the ends of the values' intervals."""
    if not line.low:
        return ""
    known = [
        (x(index), low, high)
        for index, (low, high) in enumerate(zip(line.low, line.high, strict=True))
        if low is not None and high is not None
    ]
    if len(known) == 1:
        at, low, high = known[0]
        ends = f'y1="{axis.place(frame, low):.1f}" y2="{axis.place(frame, high):.1f}"'
        return f'<line class="whisker {line.style}" x1="{at:.1f}" x2="{at:.1f}" {ends}/>'
    upper = [f"{at:.1f},{axis.place(frame, high):.1f}" for at, _, high in known]
    lower = [f"{at:.1f},{axis.place(frame, low):.1f}" for at, low, _ in reversed(known)]
    return f'<polygon class="band {line.style}" points="{" ".join([*upper, *lower])}"/>' if known else ""


def _draw_bars(frame: Frame, axis: UprightAxis, count: int, lines: Sequence[ChartSeries], beside: bool) -> str:
    """One path a series: an element for each of a few hundred bars is three quarters of a page."""
    step = frame.plot / max(1, count)
    outlines: list[list[str]] = [[] for _ in lines]
    for index in range(count):
        base, left, width = 0.0, frame.left + index * step + 1, max(1.0, step - 2)
        if beside:
            width = width / max(1, len(lines))
        for line, outline in zip(lines, outlines, strict=True):
            value = line.values[index] or 0.0
            if value:
                top, bottom = axis.place(frame, base + value), axis.place(frame, base)
                outline.append(f"M{left:.1f} {bottom:.1f}V{top:.1f}h{width:.1f}V{bottom:.1f}z")
            base, left = (0.0, left + width) if beside else (base + value, left)
    return "".join(
        f'<path class="bar {line.style}" d="{"".join(outline)}"/>'
        for line, outline in zip(lines, outlines, strict=True)
        if outline
    )


def _x(frame: Frame, count: int) -> Callable[[int], float]:
    step = frame.plot / max(1, count)
    return lambda index: frame.left + (index + 0.5) * step


def _x_at(frame: Frame, places: Sequence[float]) -> Callable[[int], float]:
    """Positions on an axis from 0 to a round mark above the largest place."""
    top = nice_ticks(max(places, default=0.0), 6)[-1]
    return lambda index: frame.left + places[index] / top * frame.plot


def _numeric_axis(frame: Frame, places: Sequence[float]) -> str:
    ticks = nice_ticks(max(places, default=0.0), 6)
    x, names = _x_at(frame, [*ticks]), [f"{tick:,.10g}" for tick in ticks]
    every = math.ceil(len(ticks) / frame.count_labels(names))
    shown = range(0, len(ticks), every)
    return "".join(_axis_mark(frame, x(i), names[i], last=i == len(ticks) - 1) for i in shown)


def _edge_axis(frame: Frame, edges: Sequence[float]) -> str:
    """Round marks among the edges of bars."""
    first, last = edges[0], edges[-1]
    step = nice_step((last - first) / frame.labels)
    marks = [step * number for number in range(math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9) + 1)]
    width = last - first
    return "".join(
        _axis_mark(frame, frame.left + (mark - first) / width * frame.plot, f"{mark + 0.0:,.10g}", last=mark == last)
        for mark in marks
    )


def _label_axis(frame: Frame, labels: Sequence[str]) -> str:
    """Every so many labels; of times, those on a round minute or second."""
    x, most = _x(frame, len(labels)), min(frame.labels, frame.count_labels(labels))
    return "".join(_axis_mark(frame, x(index), labels[index]) for index in choose_labels(labels, most))


def _draw_nothing(frame: Frame) -> str:
    """Instead of an axis that measures nothing."""
    middle = f'x="{frame.left + frame.plot / 2:.1f}" y="{frame.height / 2:.1f}"'
    return f'<text class="tick" {middle} text-anchor="middle">nothing was measured</text>'


def _axis_mark(frame: Frame, x: float, label: str, last: bool = False) -> str:
    anchor = "end" if last else "middle"
    return f'<text class="tick" x="{x:.1f}" y="{frame.height - 5}" text-anchor="{anchor}">{escape(label)}</text>'


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]


def _upright_axis(frame: Frame, axis: UprightAxis, unit: Callable[[float], str]) -> str:
    parts = []
    for tick in axis.ticks:
        y = axis.place(frame, tick)
        parts.append(
            f'<line class="grid" x1="{frame.left}" x2="{frame.width - frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{frame.left - 8}" y="{y + 3.5:.1f}" text-anchor="end">{escape(unit(tick))}</text>'
        )
    return "".join(parts)


def _figure(
    title: str,
    labels: Sequence[str],
    lines: Sequence[ChartSeries],
    unit: Callable[[float], str],
    draw: Callable[[Frame], str],
    head: str,
    *,
    legend: str | None = None,
    heights: dict[str, int] | None = None,
    kind: str = "",
    stepped: bool = False,
    missing: str = "",
) -> str:
    """`legend`: its entries as HTML, or those of the lines; `heights` of drawings, where they are not the frames'.
    `stepped`: labels stand at equal steps, so that a pointer's place tells one. `missing`: in the table, where there
    is no number."""
    if legend is None:
        legend = "".join(f'<li><span class="key {line.style}"></span>{escape(line.name)}</li>' for line in lines)
    keys = f'<ul class="legend">{legend}</ul>' if legend else ""
    drawings = "".join(
        f'<svg class="{f"{kind} {frame.style}".strip()}" '
        f'viewBox="0 0 {frame.width} {(heights or {}).get(frame.style, frame.height)}" role="img" '
        f'data-left="{frame.left}" data-right="{frame.right}" '
        f'aria-label="{escape(title)}">{draw(frame)}</svg>'
        for frame in (WIDE, NARROW)
    )
    steps = f' data-steps="{len(labels)}"' if stepped else ""
    return (
        f'<figure class="chart"{steps}><figcaption><h2>{escape(title)}</h2>{keys}</figcaption>{drawings}'
        f"{_table(labels, _with_ends(lines), unit, head, missing)}</figure>"
    )


def _with_ends(lines: Sequence[ChartSeries]) -> list[ChartSeries]:
    """The lines with the ends of their bands as lines of their own, for the table."""
    found = []
    for line in lines:
        found.append(line)
        if line.low:
            found.append(ChartSeries(f"{line.name}, low", line.low, line.style))
            found.append(ChartSeries(f"{line.name}, high", line.high, line.style))
    return found


def _table(
    labels: Sequence[str], lines: Sequence[ChartSeries], unit: Callable[[float], str], first: str, missing: str
) -> str:
    """The same numbers, for readers who cannot see the picture; steps without any number are left out."""
    head = "".join(f"<th>{escape(line.name)}</th>" for line in lines)
    rows = []
    for index, label in enumerate(labels):
        values = [line.values[index] for line in lines]
        if any(value for value in values):
            cells = "".join(f"<td>{missing if value is None else escape(unit(value))}</td>" for value in values)
            rows.append(f'<tr data-i="{index}"><th>{escape(label)}</th>{cells}</tr>')
    return (
        f"<details><summary>Numbers</summary><table><thead><tr><th>{escape(first)}</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )
