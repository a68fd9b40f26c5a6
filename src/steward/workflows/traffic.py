"""Traffic over a time, read from series: never from the requests themselves."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, SeriesFilter, SeriesTotal, start_of
from steward.monitoring.traffic import (
    Dimension,
    Traffic,
    TrafficSpan,
    build_traffic,
    choose_row_resolution,
    collect_spans,
)

SHOWN: Final = ("total_s", "ttft_s")
OPEN_S: Final = 120.0  # after its end, a step may still be filled: its requests are read anew
CHECK_S: Final = 60.0  # how long a kept step is taken for unchanged before its sums are compared again
MOST_KEPT: Final = 250_000  # groups of steps that are kept: about 100 MB, where there are that many keys

_Place = tuple[str | None, SeriesFilter, int, int, int]  # tenant, filter, resolution, step and start


class _KeptSpan(msgspec.Struct):
    """A step, and the sums that its rows had when it was built; `checked_at` is when they were last the same."""

    span: TrafficSpan
    sums: tuple[SeriesTotal, ...]
    checked_at: float


class TrafficReader:
    """Reads traffic, and keeps the steps that have ended: merging their histograms again for each page takes most of
    its time. A late row changes the sums of its step, which are compared every minute, so that it is then built anew.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[_Place, _KeptSpan] = OrderedDict()
        self._groups = 0  # in what is kept
        self._keeping = threading.Lock()

    def read(
        self,
        store: SqlStore,
        now: float,
        since: float,
        until: float,
        step_s: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        dimensions: Sequence[Dimension] = (),
        detailed: Dimension | None = None,
    ) -> Traffic:
        """Points of `step_s` from the whole step in which `since` lies; of hours or days where finer series are gone.

        :raises Unavailable: the store does not answer
        """
        resolution_s = choose_row_resolution(step_s)
        for finer, coarser in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
            if resolution_s == finer and _is_gone(store, finer, coarser, since, tenant):
                resolution_s = coarser
        step_s = max(step_s, resolution_s)
        first = start_of(since, step_s)
        starts = range(first, max(int(until), first + 1), step_s)
        open_from = int(now - OPEN_S) // step_s * step_s  # the first step that has not ended for good
        if int(until) < starts[-1] + step_s:
            open_from = min(open_from, starts[-1])  # a step of which only a part is wanted is not kept
        closed = [start for start in starts if start < open_from]
        spans = self._find_closed(store, now, closed, resolution_s, step_s, tenant, where)
        rest = first + len(closed) * step_s
        if len(closed) < len(starts):
            spans |= _read_spans(store, resolution_s, step_s, rest, int(until) + 1, tenant, where)
        return build_traffic(spans, first, until, step_s, dimensions, detailed)

    def _find_closed(
        self,
        store: SqlStore,
        now: float,
        starts: Sequence[int],
        resolution_s: int,
        step_s: int,
        tenant: str | None,
        where: SeriesFilter,
    ) -> dict[int, TrafficSpan]:
        """Those that are kept and unchanged, and the others read anew in as few questions as there are runs of them."""
        if not starts:
            return {}
        places = {start: (tenant, where, resolution_s, step_s, start) for start in starts}
        with self._keeping:
            known = {start: self._kept[place] for start, place in places.items() if place in self._kept}
        old = [start for start in starts if start not in known or now - known[start].checked_at >= CHECK_S]
        if old:
            sums = _sum_steps(store, old[0], old[-1] + step_s, resolution_s, step_s, tenant, where.project)
            for start in old:
                if start in known and known[start].sums == sums.get(start, ()):
                    known[start].checked_at = now
            changed = [start for start in old if start not in known or known[start].checked_at != now]
            for begin, end in _join_runs(changed, step_s):
                built = _read_spans(store, resolution_s, step_s, begin, end, tenant, where)
                for start in range(begin, end, step_s):
                    span = built.get(start) or TrafficSpan()
                    known[start] = _KeptSpan(span, sums.get(start, ()), now)
        self._keep({places[start]: kept for start, kept in known.items()})
        return {start: kept.span for start, kept in known.items()}

    def _keep(self, used: dict[_Place, _KeptSpan]) -> None:
        with self._keeping:
            for place, kept in used.items():
                before = self._kept.pop(place, None)
                self._groups += kept.span.count_groups() - (before.span.count_groups() if before is not None else 0)
                self._kept[place] = kept
            while self._groups > self._most and self._kept:
                _, oldest = self._kept.popitem(last=False)
                self._groups -= oldest.span.count_groups()


def _read_spans(
    store: SqlStore, resolution_s: int, step_s: int, since: int, until: int, tenant: str | None, where: SeriesFilter
) -> dict[int, TrafficSpan]:
    rows = store.series.read(resolution_s, since, until, tenant=tenant, where=where, histograms=SHOWN)
    return collect_spans(rows, since, step_s)


def _sum_steps(
    store: SqlStore, since: int, until: int, resolution_s: int, step_s: int, tenant: str | None, project: str | None
) -> dict[int, tuple[SeriesTotal, ...]]:
    """What the rows of each step add up to, whatever the filter: the store does it without opening a histogram."""
    sums: dict[int, tuple[SeriesTotal, ...]] = {}
    for total in store.series.totals(resolution_s, since, until, ["start"], tenant=tenant, project=project):
        start = total.start - (total.start - since) % step_s
        sums[start] = (*sums.get(start, ()), total)
    return sums


def _join_runs(starts: Iterable[int], step_s: int) -> list[tuple[int, int]]:
    """
    >>> _join_runs([0, 60, 180], 60)
    [(0, 120), (180, 240)]
    """
    runs: list[tuple[int, int]] = []
    for start in starts:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], start + step_s)
        else:
            runs.append((start, start + step_s))
    return runs


def _is_gone(store: SqlStore, finer: int, coarser: int, since: float, tenant: str | None) -> bool:
    """Whether spans of `finer` from `since` on are deleted, and longer ones are not."""
    first = store.series.first(finer, tenant=tenant)
    if first is not None and first <= since:
        return False
    longer = store.series.first(coarser, tenant=tenant)
    return longer is not None and (first is None or longer < start_of(first, coarser))
