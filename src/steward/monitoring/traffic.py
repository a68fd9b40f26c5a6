"""What rows of series say for pages: totals, points of a chart, and shares by model, route and key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from steward.core.histogram import Buckets, decode_buckets, find_quantile, merge
from steward.core.series import DAY_S, HISTOGRAMS, HOUR_S, MINUTE_S, SUMS, SeriesRow

Dimension = Literal["model", "route", "key"]

DIMENSIONS: Final[tuple[Dimension, ...]] = ("model", "route", "key")
MOST_GROUPS_SHOWN: Final = 50
_COUNTS: Final = ("requests", "judged", "failed", "input_tokens", "output_tokens", "rated", "satisfied")
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
    """One model, route or key; `points` as those of the whole."""

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


class _Adder:
    """Rows of one group and span, added up."""

    def __init__(self) -> None:
        self.sums = [0.0] * len(SUMS)
        self.total: Buckets = {}
        self.first: Buckets = {}

    def add(self, row: SeriesRow) -> None:
        for index, value in enumerate(row.sums):
            self.sums[index] += value
        if row.histograms[_TOTAL]:
            merge(self.total, decode_buckets(row.histograms[_TOTAL]))
        if row.histograms[_FIRST]:
            merge(self.first, decode_buckets(row.histograms[_FIRST]))

    def merge(self, other: _Adder) -> None:
        for index, value in enumerate(other.sums):
            self.sums[index] += value
        merge(self.total, other.total)
        merge(self.first, other.first)

    def close(self) -> TrafficSums:
        counts = {name: round(value) for name, value in zip(SUMS, self.sums, strict=True) if name in _COUNTS}
        return TrafficSums(
            **counts,
            usd=self.sums[SUMS.index("usd")],
            p50_s=find_quantile(self.total, 0.5),
            p95_s=find_quantile(self.total, 0.95),
            p99_s=find_quantile(self.total, 0.99),
            ttft_p95_s=find_quantile(self.first, 0.95),
        )


def choose_row_resolution(step_s: int) -> int:
    """The longest spans that are kept of which a point of `step_s` is made.

    >>> choose_row_resolution(300), choose_row_resolution(7200), choose_row_resolution(86400)
    (60, 3600, 86400)
    """
    return DAY_S if step_s % DAY_S == 0 else HOUR_S if step_s % HOUR_S == 0 else MINUTE_S


def build_traffic(
    rows: Iterable[SeriesRow],
    since: int,
    until: float,
    step_s: int,
    dimensions: Sequence[Dimension] = (),
) -> Traffic:
    """`rows` begin at `since`, which lies on a whole step, or later. Groups beyond the largest fifty are left out."""
    starts = tuple(range(since, max(int(until), since + 1), step_s))
    cells: dict[tuple[int, str, str, str], _Adder] = {}
    for row in rows:
        place = (row.start - since) // step_s
        cells.setdefault((place, row.model, row.route, row.key), _Adder()).add(row)
    points = [_Adder() for _ in starts]
    total = _Adder()
    for (place, *_), adder in cells.items():
        if 0 <= place < len(points):
            points[place].merge(adder)
    for point in points:
        total.merge(point)
    groups = {dimension: _group(cells, DIMENSIONS.index(dimension) + 1, len(starts)) for dimension in dimensions}
    return Traffic(
        step_s=step_s,
        starts=starts,
        total=total.close(),
        points=tuple(point.close() for point in points),
        groups=groups,
    )


def _group(cells: dict[tuple[int, str, str, str], _Adder], field: int, count: int) -> tuple[TrafficGroup, ...]:
    totals: dict[str, _Adder] = {}
    for cell, adder in cells.items():
        if 0 <= cell[0] < count:
            totals.setdefault(str(cell[field]), _Adder()).merge(adder)
    largest = sorted(totals, key=lambda name: (-totals[name].sums[0], name))[:MOST_GROUPS_SHOWN]
    points = {name: [_Adder() for _ in range(count)] for name in largest}
    for cell, adder in cells.items():
        name = str(cell[field])
        if name in points and 0 <= cell[0] < count:
            points[name][cell[0]].merge(adder)
    return tuple(
        TrafficGroup(name, totals[name].close(), tuple(point.close() for point in points[name])) for name in largest
    )
