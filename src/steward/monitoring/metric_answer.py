"""Answers to questions about series: which resolution holds them, and what rows of it say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import UnknownName
from steward.core.gauges import GaugeRow
from steward.core.histogram import (
    RELATIVE_ERROR,
    Buckets,
    count_values,
    find_mean,
    find_quantile,
    merge,
    merge_into,
)
from steward.core.rates import wilson_interval
from steward.core.series import DAY_S, HISTOGRAMS, HOUR_S, MINUTE_S, RESOLUTIONS, SUMS, SeriesRow, start_of
from steward.monitoring.metric_query import MetricQuery

MINUTES_UP_TO_S: Final = 6 * HOUR_S  # spans up to this are answered from minutes: 360 points
HOURS_UP_TO_S: Final = 14 * DAY_S  # and up to this from hours: 336 points


class MetricPoint(msgspec.Struct, frozen=True):
    """One minute, hour or day."""

    at: int  # where it begins, in seconds since the epoch
    value: float | None  # None: nothing to say it from
    count: int  # requests, values or ratings that it is said from
    low: float | None = None  # of a share: its interval at 95 % (Wilson)
    high: float | None = None


class MetricGroup(msgspec.Struct, frozen=True):
    """The value over the whole span for one set of labels, and its points, oldest first and without a gap."""

    labels: dict[str, str]
    value: float | None
    count: int
    points: tuple[MetricPoint, ...]
    low: float | None = None  # of a share
    high: float | None = None


class MetricAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`steward metrics query --json`. The span begins with a whole minute, hour or day."""

    query: str
    unit: str
    since: int
    until: int
    resolution_s: int
    by: tuple[str, ...]
    relative_error: float | None  # of the values; None: they are exact
    groups: tuple[MetricGroup, ...]  # the most requests first


class _Total:
    """Rows of one group and span, added up."""

    def __init__(self) -> None:
        self.sums = [0.0] * len(SUMS)
        self.buckets: Buckets = {}

    def add(self, row: SeriesRow, histogram: int | None) -> None:
        for index, value in enumerate(row.sums):
            self.sums[index] += value
        if histogram is not None:
            merge_into(self.buckets, row.histograms[histogram])

    def merge(self, other: _Total) -> None:
        for index, value in enumerate(other.sums):
            self.sums[index] += value
        merge(self.buckets, other.buckets)

    def say(self, query: MetricQuery, span_s: float) -> tuple[float | None, int]:
        """The value, and how many requests, values or ratings it is said from."""
        metric = query.metric
        if metric.kind == "histogram":
            return _say_histogram(query, self.buckets)
        first = self.sums[SUMS.index(metric.columns[0])]
        if metric.kind == "share":
            of_all = self.sums[SUMS.index(metric.columns[1])]
            share = first / of_all if of_all else None
            return (1.0 - share if share is not None and metric.complement else share), round(of_all)
        total = sum(self.sums[SUMS.index(column)] for column in metric.columns)
        return total / span_s if query.statistic == "rate" or metric.kind == "level" else total, round(self.sums[0])


def _say_histogram(query: MetricQuery, buckets: Buckets) -> tuple[float | None, int]:
    count, share = count_values(buckets), query.percentile()
    match query.statistic:
        case "count":
            return float(count), count
        case "mean":
            return find_mean(buckets), count
        case "min" | "max":
            return find_quantile(buckets, float(query.statistic == "max")), count
    return find_quantile(buckets, share or 0.0), count


def choose_resolution(since: float, until: float, first: Mapping[int, int | None]) -> int:
    """The resolution that answers for [since, until): one of a few hundred points that still holds all of it.

    `first` is where the kept spans of each resolution begin. Finer ones are kept for a shorter time.
    """
    span_s = until - since
    chosen = MINUTE_S if span_s <= MINUTES_UP_TO_S else HOUR_S if span_s <= HOURS_UP_TO_S else DAY_S
    while chosen != DAY_S:
        coarser = RESOLUTIONS[RESOLUTIONS.index(chosen) + 1]
        begins, begins_coarser = first.get(chosen), first.get(coarser)
        lost = begins_coarser is not None and (begins is None or begins_coarser < start_of(begins, coarser))
        if not lost or (begins is not None and begins <= since):
            return chosen
        chosen = coarser
    return chosen


def answer_query(
    query: MetricQuery,
    rows: Sequence[SeriesRow],
    resolution_s: int,
    since: int,
    until: float,
    key_names: Mapping[str, str],
) -> MetricAnswer:
    """What `rows` of one resolution in [since, until) say; `key_names` by id.

    :raises UnknownName: a name that a condition asks for, and that no row has
    """
    chosen = _choose_rows(query, rows, key_names)
    histogram = HISTOGRAMS.index(query.metric.columns[0]) if query.metric.kind == "histogram" else None
    points: dict[tuple[str, ...], dict[int, _Total]] = {}
    for row in chosen:
        labels = tuple(_read_label(row, field, key_names) for field in query.by)
        points.setdefault(labels, {}).setdefault(row.start, _Total()).add(row, histogram)
    starts = range(since, max(int(until), since + 1), resolution_s)
    groups = []
    for labels, of_labels in points.items():
        total = _Total()
        for point in of_labels.values():
            total.merge(point)
        value, count = total.say(query, max(until - since, 1.0))
        series = [_make_point(query, start, of_labels.get(start), resolution_s) for start in starts]
        low, high = _find_interval(query, value, count)
        named: dict[str, str] = dict(zip(query.by, labels, strict=True))
        groups.append(MetricGroup(named, value, count, tuple(series), low, high))
    exact = histogram is None or query.statistic == "count"
    return MetricAnswer(
        query=query.describe(),
        unit=_find_unit(query),
        since=since,
        until=int(until),
        resolution_s=resolution_s,
        by=query.by,
        relative_error=None if exact else RELATIVE_ERROR,
        groups=tuple(sorted(groups, key=lambda group: (-group.count, tuple(group.labels.values())))),
    )


def answer_gauges(
    query: MetricQuery, rows: Sequence[GaugeRow], resolution_s: int, since: int, until: float
) -> MetricAnswer:
    """What gauge rows of one metric and resolution in [since, until) say; `count` is of samples.

    :raises UnknownName: a name that a condition asks for, and that no row has
    """
    for field, name in query.where:
        known = {row.subject for row in rows}
        if rows and name not in known:
            raise UnknownName(field, name, known, "nothing measured in this time")
        rows = [row for row in rows if row.subject == name]
    subjects = sorted({row.subject for row in rows}) if query.by else [""]
    starts = range(since, max(int(until), since + 1), resolution_s)
    groups = []
    for subject in subjects if rows else ():
        own = [row for row in rows if not query.by or row.subject == subject]
        by_start: dict[int, list[GaugeRow]] = {}
        for row in own:
            by_start.setdefault(row.start, []).append(row)
        points = [MetricPoint(at, *_say_gauge(query, by_start.get(at, ()), resolution_s)) for at in starts]
        labels: dict[str, str] = {query.by[0]: subject} if query.by else {}
        groups.append(MetricGroup(labels, *_say_gauge(query, own, max(until - since, 1.0)), tuple(points)))
    unit = query.metric.unit
    return MetricAnswer(
        query=query.describe(),
        unit=f"{unit}/s" if query.statistic == "rate" else unit,
        since=since,
        until=int(until),
        resolution_s=resolution_s,
        by=query.by,
        relative_error=None,
        groups=tuple(groups),
    )


def _say_gauge(query: MetricQuery, rows: Sequence[GaugeRow], span_s: float) -> tuple[float | None, int]:
    count, total = sum(row.count for row in rows), sum(row.total for row in rows)
    if not count:
        return None, 0
    match query.statistic:
        case "min":
            return min(row.least for row in rows), count
        case "max":
            return max(row.most for row in rows), count
        case "last":
            return max(rows, key=lambda row: row.start).last, count
        case "sum":
            return total, count
        case "rate":
            return total / span_s, count
    return total / count, count


def list_records(answer: MetricAnswer) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """A record for each point of each group, and the names of their fields."""
    records = [
        {"at": point.at, **group.labels, "value": point.value, "count": point.count}
        | ({"low": point.low, "high": point.high} if has_intervals(answer) else {})
        for group in answer.groups
        for point in group.points
    ]
    return records, ("at", *answer.by, "value", "count", *(("low", "high") if has_intervals(answer) else ()))


def has_intervals(answer: MetricAnswer) -> bool:
    """Whether its values are shares of counts."""
    return any(group.low is not None for group in answer.groups)


def _make_point(query: MetricQuery, start: int, total: _Total | None, resolution_s: int) -> MetricPoint:
    value, count = (total or _Total()).say(query, resolution_s)
    return MetricPoint(start, value, count, *_find_interval(query, value, count))


def _find_interval(query: MetricQuery, value: float | None, count: int) -> tuple[float | None, float | None]:
    if query.metric.kind != "share" or value is None:
        return None, None
    return wilson_interval(min(max(value, 0.0), 1.0), count)


def _find_unit(query: MetricQuery) -> str:
    unit = query.metric.unit
    return f"{unit}/s" if query.statistic == "rate" else "requests" if query.statistic == "count" else unit


def _read_label(row: SeriesRow, field: str, key_names: Mapping[str, str]) -> str:
    if field == "key":
        return key_names.get(row.key, row.key)
    return (row.model if field == "model" else row.route) or "none"


def _choose_rows(query: MetricQuery, rows: Sequence[SeriesRow], key_names: Mapping[str, str]) -> Iterable[SeriesRow]:
    """The rows that meet all conditions; a key may be named by its id, too."""
    for field, name in query.where:
        known = {_read_label(row, field, key_names) for row in rows}
        if field == "key":
            known |= {row.key for row in rows}
        if rows and name not in known:
            raise UnknownName(
                field, name, {_read_label(row, field, key_names) for row in rows}, "no request in this time"
            )
        rows = [
            row for row in rows if _read_label(row, field, key_names) == name or (field == "key" and row.key == name)
        ]
    return rows
