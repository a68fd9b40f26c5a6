"""What rows of series say for pages: totals, points of a chart, and shares by model, route and key. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import add, sub
from typing import Final, Literal

import msgspec

from steward.core.histogram import HistogramPart, MergedHistogram, find_quantile, read_part
from steward.core.series import DAY_S, HISTOGRAMS, HOUR_S, MINUTE_S, OTHER, SUMS, SeriesRow, SeriesTotal

Dimension = Literal["model", "route", "key"]

DIMENSIONS: Final[tuple[Dimension, ...]] = ("model", "route", "key")
ROLLED: Final[tuple[Dimension, ...]] = ("model", "route")  # those that rollups tell apart
MOST_GROUPS_SHOWN: Final = 50
_COUNTS: Final = ("requests", "judged", "failed", "input_tokens", "output_tokens", "rated", "satisfied")
_ADDED: Final = (*_COUNTS, "usd")
_PLACES: Final = tuple(SUMS.index(name) for name in _ADDED)
_TOTAL: Final = HISTOGRAMS.index("total_s")
_FIRST: Final = HISTOGRAMS.index("ttft_s")


class TrafficSums(msgspec.Struct, frozen=True, kw_only=True):
    """What a span of time held. `left`: requests that say nothing of the service, since their client left or was
    refused. Percentiles are of answered requests, those of the first token of streamed ones."""

    requests: int = 0
    judged: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    rated: int = 0
    satisfied: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    ttft_p95_s: float | None = None

    @property
    def left(self) -> int:
        return self.requests - self.judged

    @property
    def error_rate(self) -> float | None:
        return self.failed / self.judged if self.judged else None

    @property
    def satisfaction(self) -> float | None:
        return self.satisfied / self.rated if self.rated else None


class TrafficGroup(msgspec.Struct, frozen=True):
    """One model, route or key; `points` as those of the whole, where they were asked for."""

    name: str  # "": not known
    sums: TrafficSums
    points: tuple[TrafficSums, ...]


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """`starts` are where the points begin, in seconds since the epoch, `step_s` apart."""

    step_s: int
    starts: tuple[int, ...]
    total: TrafficSums
    points: tuple[TrafficSums, ...]
    groups: dict[Dimension, tuple[TrafficGroup, ...]]  # the most requests first
    counted: str = ""  # what was counted from the requests themselves, because no sums are kept of it: that is slow
    counted_since: float | None = None  # there were too many: those from here on alone


class _Adder:
    """Rows of one group and span, added up."""

    __slots__ = ("first", "sums", "total")

    def __init__(self) -> None:
        self.sums: Sequence[float] = [0.0] * len(_ADDED)
        self.total, self.first = MergedHistogram(), MergedHistogram()

    def add(self, sums: Sequence[float], total: HistogramPart, first: HistogramPart) -> None:
        self.sums = list(map(add, self.sums, sums))
        self.total.add(total)
        self.first.add(first)

    def add_all(self, other: _Adder) -> None:
        self.sums = list(map(add, self.sums, other.sums))
        self.total.add_all(other.total)
        self.first.add_all(other.first)

    def close(self) -> TrafficSums:
        total = self.total.read()
        return TrafficSums(
            **{name: round(value) for name, value in zip(_COUNTS, self.sums, strict=False)},
            usd=self.sums[-1],
            p50_s=find_quantile(total, 0.5),
            p95_s=find_quantile(total, 0.95),
            p99_s=find_quantile(total, 0.99),
            ttft_p95_s=find_quantile(self.first.read(), 0.95),
        )


class TrafficSpan:
    """What one step of a chart holds: as a whole, and by model and route. Nobody changes it once it is built, so that
    it can be kept."""

    __slots__ = ("_closed", "groups", "whole")

    def __init__(self) -> None:
        self.whole = _Adder()
        self.groups: dict[Dimension, dict[str, _Adder]] = {dimension: {} for dimension in ROLLED}
        self._closed: dict[tuple[Dimension | None, str], TrafficSums] = {}

    def add_row(self, row: SeriesRow) -> None:
        sums = [row.sums[place] for place in _PLACES]
        total, first = read_part(row.histograms[_TOTAL]), read_part(row.histograms[_FIRST])
        self.whole.add(sums, total, first)
        _find_adder(self.groups["model"], row.model).add(sums, total, 0)
        _find_adder(self.groups["route"], row.route).add(sums, total, 0)

    def close(self, dimension: Dimension | None = None, name: str = "") -> TrafficSums:
        """Sums of all, or of one group, worked out once."""
        adder = self.whole if dimension is None else self.groups[dimension].get(name)
        if adder is None:
            return _NOTHING
        known = self._closed.get((dimension, name))
        if known is None:
            known = self._closed[dimension, name] = adder.close()
        return known

    def count_groups(self) -> int:
        return sum(map(len, self.groups.values()))


_NOTHING: Final = TrafficSums()
_EMPTY: Final = TrafficSpan()


def _find_adder(adders: dict[str, _Adder], name: str) -> _Adder:
    adder = adders.get(name)
    if adder is None:
        adder = adders[name] = _Adder()
    return adder


def choose_row_resolution(step_s: int) -> int:
    """The longest spans that are kept of which a point of `step_s` is made.

    >>> choose_row_resolution(300), choose_row_resolution(7200), choose_row_resolution(86400)
    (60, 3600, 86400)
    """
    return DAY_S if step_s % DAY_S == 0 else HOUR_S if step_s % HOUR_S == 0 else MINUTE_S


def collect_spans(rows: Iterable[SeriesRow], since: int, step_s: int) -> dict[int, TrafficSpan]:
    """Rows by the step in which they begin, from `since` on; steps without rows are left out."""
    spans: dict[int, TrafficSpan] = defaultdict(TrafficSpan)
    for row in rows:
        if row.start >= since:
            spans[row.start - (row.start - since) % step_s].add_row(row)
    return dict(spans)


def build_traffic(
    spans: Mapping[int, TrafficSpan],
    since: int,
    until: float,
    step_s: int,
    dimensions: Sequence[Dimension] = (),
    detailed: Dimension | None = None,
) -> Traffic:
    """`spans` by where they begin: `since` and whole steps later; those after `until` do not count. Groups beyond the
    largest fifty are one, `other`. With a `detailed` dimension its groups have points."""
    starts = tuple(range(since, max(int(until), since + 1), step_s))
    steps = [spans.get(start, _EMPTY) for start in starts]
    whole = _Adder()
    for step in steps:
        whole.add_all(step.whole)
    return Traffic(
        step_s=step_s,
        starts=starts,
        total=whole.close(),
        points=tuple(step.close() for step in steps),
        groups={
            dimension: _close_groups(steps, whole, dimension, dimension == detailed)
            for dimension in dimensions
            if dimension in ROLLED
        },
    )


def add_keys(
    traffic: Traffic, largest: Sequence[SeriesTotal], rows: Iterable[SeriesRow], beyond: bool, detailed: bool
) -> Traffic:
    """With the keys as groups. `largest`: those that are shown, the most requests first, with what they add up to;
    `rows`: theirs, for percentiles, and for points where they are `detailed`; `beyond`: whether there are more."""
    wholes: dict[str, MergedHistogram] = {one.key: MergedHistogram() for one in largest}
    points: dict[tuple[str, int], _Adder] = {}
    since, step_s = traffic.starts[0], traffic.step_s
    for row in rows:
        part = _read_kept_part(row.histograms[_TOTAL])
        wholes[row.key].add(part)
        if detailed:
            start = row.start - (row.start - since) % step_s
            adder = points.setdefault((row.key, start), _Adder())
            adder.add([row.sums[place] for place in _PLACES], part, 0)
    groups, rest = [], [getattr(traffic.total, name) for name in _ADDED]
    for one in largest:
        sums = [getattr(one, name) for name in _ADDED]
        rest = list(map(sub, rest, sums))
        own = tuple(
            points[one.key, start].close() if (one.key, start) in points else _NOTHING for start in traffic.starts
        )
        groups.append(TrafficGroup(one.key, _close(sums, wholes[one.key]), own if detailed else ()))
    if beyond:
        groups.append(TrafficGroup(OTHER, _close([max(0.0, value) for value in rest], MergedHistogram()), ()))
    return msgspec.structs.replace(traffic, groups={**traffic.groups, "key": tuple(groups)})


_read_kept_part: Final = lru_cache(maxsize=8192)(
    read_part
)  # days of fifty keys are 4,500, and stay; nobody changes one


def _close(sums: Sequence[float], total: MergedHistogram) -> TrafficSums:
    adder = _Adder()
    adder.sums, adder.total = sums, total
    return adder.close()


def _close_groups(
    steps: Sequence[TrafficSpan], whole: _Adder, dimension: Dimension, detailed: bool
) -> tuple[TrafficGroup, ...]:
    """The largest first. Only what is shown is merged: that is what takes time where there are a thousand keys."""
    requests: Counter[str] = Counter()
    for step in steps:
        for name, adder in step.groups[dimension].items():
            requests[name] += round(adder.sums[0])
    largest = sorted(requests, key=lambda name: (name == OTHER, -requests[name], name))
    beyond = len(largest) > MOST_GROUPS_SHOWN
    shown = {name: _Adder() for name in largest[:MOST_GROUPS_SHOWN]}
    for step in steps:
        own = step.groups[dimension]
        for name in shown if len(shown) < len(own) else own:
            if name in shown and name in own:
                shown[name].add_all(own[name])
    groups = [
        TrafficGroup(name, adder.close(), tuple(step.close(dimension, name) for step in steps) if detailed else ())
        for name, adder in shown.items()
    ]
    if beyond:
        rest = _Adder()
        rest.sums = whole.sums
        for adder in shown.values():
            rest.sums = list(map(sub, rest.sums, adder.sums))
        groups.append(TrafficGroup(OTHER, rest.close(), ()))
    return tuple(groups)
