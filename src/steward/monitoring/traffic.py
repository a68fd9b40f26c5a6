"""What rows of series say for pages: totals, points of a chart, and shares by model, route and key. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Final, Literal

import msgspec

from steward.core.histogram import HistogramPart, MergedHistogram, find_quantile, read_part
from steward.core.series import DAY_S, HISTOGRAMS, HOUR_S, MINUTE_S, OTHER, SUMS, SeriesRow

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


class _Adder:
    """Rows of one group and span, added up."""

    def __init__(self) -> None:
        self.sums = [0.0] * len(SUMS)
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
        counts = {name: round(value) for name, value in zip(SUMS, self.sums, strict=True) if name in _COUNTS}
        return TrafficSums(
            **counts,
            usd=self.sums[SUMS.index("usd")],
            p50_s=find_quantile(total, 0.5),
            p95_s=find_quantile(total, 0.95),
            p99_s=find_quantile(total, 0.99),
            ttft_p95_s=find_quantile(self.first.read(), 0.95),
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
    detailed: Dimension | None = None,
) -> Traffic:
    """`rows` begin at `since`, which lies on a whole step, or later. Groups beyond the largest fifty are one, `other`.
    With a `detailed` dimension its groups have points, and all groups percentiles of the whole answer. Merging
    histograms is what takes time here, so each is packed once and then added."""
    starts = tuple(range(since, max(int(until), since + 1), step_s))
    points = [_Adder() for _ in starts]
    cells: dict[tuple[str, str, str], _Adder] = {}
    details: dict[str, dict[int, _Adder]] = {}
    for row in rows:
        place = (row.start - since) // step_s
        if not 0 <= place < len(points):
            continue
        total, first = read_part(row.histograms[_TOTAL]), read_part(row.histograms[_FIRST])
        points[place].add(row.sums, total, first)
        if dimensions:
            cell = cells.setdefault((row.model, row.route, row.key), _Adder())
            cell.add(row.sums, total if detailed is not None else 0, 0)
        if detailed is not None:
            own = details.setdefault(getattr(row, detailed), {})
            own.setdefault(place, _Adder()).add(row.sums, total, 0)
    whole = _Adder()
    for point in points:
        whole.add_all(point)
    return Traffic(
        step_s=step_s,
        starts=starts,
        total=whole.close(),
        points=tuple(point.close() for point in points),
        groups={
            dimension: _close_groups(_group(cells, dimension), details if dimension == detailed else {}, len(starts))
            for dimension in dimensions
        },
    )


def _group(cells: Mapping[tuple[str, str, str], _Adder], dimension: Dimension) -> dict[str, _Adder]:
    field = DIMENSIONS.index(dimension)
    adders: dict[str, _Adder] = {}
    for names, cell in cells.items():
        adders.setdefault(names[field], _Adder()).add_all(cell)
    return adders


def _close_groups(
    adders: dict[str, _Adder], details: dict[str, dict[int, _Adder]], count: int
) -> tuple[TrafficGroup, ...]:
    largest = sorted(adders, key=lambda name: (name == OTHER, -adders[name].sums[0], name))
    if len(largest) > MOST_GROUPS_SHOWN:
        rest = _Adder()
        for name in largest[MOST_GROUPS_SHOWN:]:
            rest.add(adders[name].sums, {}, {})  # without percentiles: merging a thousand histograms takes long
        largest = [*largest[:MOST_GROUPS_SHOWN], OTHER]
        adders, details = {**adders, OTHER: rest}, {name: own for name, own in details.items() if name != OTHER}
    nothing = _Adder()
    return tuple(
        TrafficGroup(
            name,
            adders[name].close(),
            tuple(details[name].get(place, nothing).close() for place in range(count)) if name in details else (),
        )
        for name in largest
    )
