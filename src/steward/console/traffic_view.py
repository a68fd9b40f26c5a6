"""Traffic as figures, charts and tables of a page. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from steward.console.reader import Reader
from steward.console.time_range import TimeRange
from steward.core.acts import RecordedAct
from steward.core.rates import rate_of
from steward.core.series import DAY_S
from steward.monitoring.slo import SloPlan
from steward.monitoring.traffic import Traffic, TrafficSums
from steward.web.charts import ChartEvent, ChartLevel, ChartSeries, bar_chart, line_chart

SHADES: Final = 5  # of a heat map
HEAT_COLUMNS: Final = 12
HEAT_ROWS: Final = 12  # the groups with the most requests
MOST_EVENTS: Final = 40  # on a chart
MOST_LEVELS: Final = 3  # of objectives, on a chart


class Figure(NamedTuple):
    """A number with its name, what it is of, and how it was before."""

    name: str
    value: str
    note: str = ""
    before: str = ""


def list_figures(now: TrafficSums, before: TrafficSums | None, reader: Reader) -> list[Figure]:
    """The numbers on top. What was not measured is a dash, never a zero."""
    rate = rate_of(now.satisfied, now.rated)
    said = "no ratings"
    if now.rated:
        said = f"{reader.share(rate.low)} to {reader.share(rate.high)}, {reader.number(now.rated)} ratings"

    def then(text: Callable[[TrafficSums], str]) -> str:
        return "" if before is None else text(before)

    return [
        Figure(
            "Requests",
            reader.compact(now.requests),
            f"{reader.compact(now.left)} left or refused" if now.left else "",
            then(lambda one: reader.compact(one.requests)),
        ),
        Figure(
            "Errors",
            reader.share(now.error_rate, 2),
            f"{reader.number(now.failed)} of {reader.compact(now.judged)}",
            then(lambda one: reader.share(one.error_rate, 2)),
        ),
        Figure(
            "Latency p95",
            reader.duration(now.p95_s),
            f"half within {reader.duration(now.p50_s)}" if now.p50_s is not None else "",
            then(lambda one: reader.duration(one.p95_s)),
        ),
        Figure(
            "First token p95",
            reader.duration(now.ttft_p95_s),
            "streamed answers" if now.ttft_p95_s is not None else "no streamed answers",
            then(lambda one: reader.duration(one.ttft_p95_s)),
        ),
        Figure(
            "Satisfied",
            reader.share(now.satisfaction),
            said if now.rated else "no ratings",
            then(lambda one: reader.share(one.satisfaction)),
        ),
        Figure(
            "Spend",
            reader.usd(now.usd) if now.usd else "–",
            f"{reader.compact(now.input_tokens)} tokens in, {reader.compact(now.output_tokens)} out",
            then(lambda one: reader.usd(one.usd) if one.usd else "–"),
        ),
    ]


class TrafficCharts:
    """Charts of one time on one axis. `acts` are drawn where they happened."""

    def __init__(
        self,
        traffic: Traffic,
        before: Traffic | None,
        reader: Reader,
        *,
        acts: Sequence[RecordedAct] = (),
        slos: Sequence[SloPlan] = (),
        beside: str = "before",
    ) -> None:
        self._beside = beside  # what `before` is called
        self._traffic, self._before, self._reader, self._slos = traffic, before, reader, slos
        self._labels = reader.ticks(list(traffic.starts), traffic.step_s)
        first, span = traffic.starts[0], traffic.step_s * len(traffic.starts)
        self._events = [
            ChartEvent(f"{act.action} {act.subject}, {reader.moment(act.at)}", (act.at - first) / span)
            for act in acts[:MOST_EVENTS]
            if first <= act.at < first + span
        ]
        self._per = "day, UTC" if traffic.step_s == DAY_S else reader.duration(traffic.step_s)

    def requests(self) -> Markup:
        points = self._traffic.points
        lines = [
            ChartSeries("answered", tuple(float(point.judged - point.failed) for point in points), "a"),
            ChartSeries("failed", tuple(float(point.failed) for point in points), "d"),
        ]
        if any(point.left for point in points):
            lines.append(ChartSeries("left or refused", tuple(float(point.left) for point in points), "e"))
        title = f"Requests per {self._per}"
        return Markup(bar_chart(title, self._labels, lines, self._reader.compact, events=self._events))

    def latency(self) -> Markup:
        levels = [
            ChartLevel(f"{slo.name}: {self._reader.duration(slo.threshold)}", slo.threshold)
            for slo in self._slos
            if slo.kind == "total" and slo.threshold is not None
        ]
        lines = [
            self._line("p50", "a", lambda point: point.p50_s),
            self._line("p95", "b", lambda point: point.p95_s),
            self._line("p99", "c", lambda point: point.p99_s),
        ]
        if self._before is not None:
            lines.append(self._line(f"p95 {self._beside}", "e", lambda point: point.p95_s, self._before))
        return self._lines("Time to the whole answer", lines, self._reader.duration, levels)

    def errors(self) -> Markup:
        levels = [
            ChartLevel(f"{slo.name}: {self._reader.share(slo.budget(), 2)}", slo.budget())
            for slo in self._slos
            if slo.kind == "availability"
        ]
        lines = [self._line("failed", "d", lambda point: point.error_rate)]
        if self._before is not None:
            lines.append(self._line(self._beside, "e", lambda point: point.error_rate, self._before))
        return self._lines("Share of requests that failed", lines, self._say_share, levels)

    def _say_share(self, value: float | None) -> str:
        """Two decimals, and none of a whole percentage: `100.00 %` is wider than the axis has room for."""
        is_whole = value is not None and round(100 * value, 2).is_integer()
        return self._reader.share(value, 0 if is_whole else 2)

    def spend(self) -> Markup:
        lines = [ChartSeries("US dollars", tuple(point.usd for point in self._traffic.points), "a")]
        title = f"Spend per {self._per}"
        return Markup(bar_chart(title, self._labels, lines, self._reader.usd, events=self._events))

    def tokens(self) -> Markup:
        lines = [
            ChartSeries("input", tuple(float(point.input_tokens) for point in self._traffic.points), "a"),
            ChartSeries("output", tuple(float(point.output_tokens) for point in self._traffic.points), "b"),
        ]
        title = f"Tokens per {self._per}"
        return Markup(bar_chart(title, self._labels, lines, self._reader.compact, events=self._events))

    def first_token(self) -> Markup:
        levels = [
            ChartLevel(f"{slo.name}: {self._reader.duration(slo.threshold)}", slo.threshold)
            for slo in self._slos
            if slo.kind == "ttft" and slo.threshold is not None
        ]
        lines = [self._line("p95", "b", lambda point: point.ttft_p95_s)]
        if self._before is not None:
            lines.append(self._line(f"p95 {self._beside}", "e", lambda point: point.ttft_p95_s, self._before))
        return self._lines("Time to the first token", lines, self._reader.duration, levels)

    def satisfaction(self) -> Markup:
        levels = [
            ChartLevel(f"{slo.name}: {self._reader.share(slo.objective)}", slo.objective)
            for slo in self._slos
            if slo.kind == "satisfaction"
        ]
        rates = [rate_of(point.satisfied, point.rated) for point in self._traffic.points]
        line = ChartSeries(
            "satisfied",
            tuple(rate.value for rate in rates),
            "a",
            tuple(rate.low for rate in rates),
            tuple(rate.high for rate in rates),
        )
        return self._lines(
            "Positive ratings, with interval", [line], lambda value: self._reader.share(value, 0), levels
        )

    def _line(
        self, name: str, style: str, value: Callable[[TrafficSums], float | None], of: Traffic | None = None
    ) -> ChartSeries:
        points = [value(point) for point in (of or self._traffic).points]
        count = len(self._traffic.points)  # a week earlier may hold a step more or less
        return ChartSeries(name, tuple([*points, *([None] * count)][:count]), style)

    def _lines(
        self,
        title: str,
        lines: Sequence[ChartSeries],
        unit: Callable[[float], str],
        levels: Sequence[ChartLevel],
    ) -> Markup:
        return Markup(
            line_chart(title, self._labels, lines, unit, log=False, levels=levels[:MOST_LEVELS], events=self._events)
        )


class HeatCell(NamedTuple):
    """`shade` from 0 (least) to 5 (most)."""

    text: str
    shade: int
    title: str


class HeatRow(NamedTuple):
    name: str
    link: str
    cells: list[HeatCell]


def make_heat_rows(
    traffic: Traffic, dimension: str, names: Mapping[str, str], time: TimeRange, keep: Mapping[str, str], reader: Reader
) -> list[HeatRow]:
    """p95 of each group by time: darker is slower, of the slowest of all. At most a dozen columns."""
    groups = next((groups for name, groups in traffic.groups.items() if name == dimension), ())[:HEAT_ROWS]
    columns = _find_columns(traffic)

    def slowest(points: Sequence[TrafficSums]) -> float | None:
        return max((point.p95_s for point in points if point.p95_s is not None), default=None)

    values = [[slowest(group.points[place : place + columns.step]) for place in columns] for group in groups]
    most = max((value for row in values for value in row if value is not None), default=0.0)
    labels = reader.ticks([traffic.starts[place] for place in columns], traffic.step_s)
    rows = []
    for group, row in zip(groups, values, strict=True):
        name = names.get(group.name, group.name) or f"no {dimension}"
        cells = [
            HeatCell(
                reader.duration(value) if value is not None else "",
                0 if value is None or not most else max(1, math.ceil(value / most * SHADES)),
                f"{name}, {label}",
            )
            for value, label in zip(row, labels, strict=True)
        ]
        rows.append(HeatRow(name, time.query({**keep, dimension: group.name}) if group.name else "", cells))
    return rows


def label_heat(traffic: Traffic, reader: Reader) -> list[str]:
    """The heads of the columns of `make_heat_rows`."""
    return reader.ticks([traffic.starts[place] for place in _find_columns(traffic)], traffic.step_s)


def _find_columns(traffic: Traffic) -> range:
    """Where each column begins among the points."""
    count = len(traffic.starts)
    return range(0, count, max(1, math.ceil(count / HEAT_COLUMNS)))
