"""Traffic over a time, read from series; from the requests themselves only where no series has what a filter asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from operator import add
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.series import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    MOST_GROUPS,
    OTHER,
    TOTALS,
    SeriesFilter,
    SeriesRow,
    SeriesTotal,
    VersionDimension,
    VersionTotal,
    start_of,
)
from steward.monitoring.traffic import (
    MOST_GROUPS_SHOWN,
    Dimension,
    Traffic,
    TrafficSpan,
    add_keys,
    build_traffic,
    choose_row_resolution,
    collect_spans,
)

SHOWN: Final = ("total_s", "ttft_s")  # histograms
OPEN_S: Final = 120.0  # after its end, a step may still be filled: its requests are read anew
CHECK_S: Final = 60.0  # how long a kept step is taken for unchanged before its sums are compared again
MOST_KEPT: Final = 250_000  # groups of steps that are kept: about 100 MB, where there are that many keys

MOST_COUNTED: Final = 100_000  # requests that are looked through where no sums are kept: about a second

_Place = tuple["_Question", int]  # and where the step begins


class _KeptSpan(msgspec.Struct):
    """A step, and the sums that its rows had when it was built; `checked_at` is when they were last the same."""

    span: TrafficSpan
    sums: tuple[SeriesTotal, ...]
    checked_at: float


class _Question(msgspec.Struct, frozen=True):
    """Whose requests are asked for, by which filter, and of how fine rows and long steps an answer is made."""

    tenant: str | None
    where: SeriesFilter
    resolution_s: int
    step_s: int

    def read_rows(self, store: SqlStore, since: int, until: int) -> list[SeriesRow]:
        asked: dict[str, Any] = {"tenant": self.tenant, "where": self.where, "histograms": SHOWN}
        if self.where.key is not None:
            return store.series.read(self.resolution_s, since, until, **asked)
        return store.series.read_rollup(self.resolution_s, since, until, **asked) or []

    def read_spans(self, store: SqlStore, since: int, until: int) -> dict[int, TrafficSpan]:
        return collect_spans(self.read_rows(store, since, until), since, self.step_s)

    def sum_steps(self, store: SqlStore, since: int, until: int) -> dict[int, tuple[SeriesTotal, ...]]:
        """What the rows of each step add up to: the store does it without opening a histogram."""
        sums: dict[int, tuple[SeriesTotal, ...]] = {}
        for total in store.series.totals(
            self.resolution_s, since, until, ["start"], tenant=self.tenant, where=self.where
        ):
            start = total.start - (total.start - since) % self.step_s
            sums[start] = (*sums.get(start, ()), total)
        return sums

    def find_unkept(self, store: SqlStore, since: int, until: int) -> str:
        """What no sums are kept of; empty: they are."""
        where = self.where
        if where.key is not None and not where.has_version():
            many = store.series.has_other_keys(self.resolution_s, since, until, tenant=self.tenant)
            return f"one of more than {MOST_GROUPS:,} keys of a day" if many else ""
        if store.series.read_rollup(self.resolution_s, since, since, tenant=self.tenant, where=where) is not None:
            return ""
        if where.find_dimension() is not None:
            return "versions of so long ago"
        return "a version together with a key, a project or another version"


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
        keys: Sequence[str] | None = None,
    ) -> Traffic:
        """Points of `step_s` from the whole step in which `since` lies; of hours or days where finer series are gone.
        `keys`: those that are groups; without, the ones with the most requests.

        :raises Unavailable: the store does not answer
        """
        resolution_s = choose_row_resolution(step_s)
        for finer, coarser in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
            if resolution_s == finer and _is_gone(store, finer, coarser, since, tenant):
                resolution_s = coarser
        question = _Question(tenant, where, resolution_s, max(step_s, resolution_s))
        first = start_of(since, question.step_s)
        if unkept := question.find_unkept(store, first, int(until) + 1):
            return _count(store, question, first, until, dimensions, detailed, unkept)
        spans = self._find_spans(store, now, question, first, until)
        traffic = build_traffic(spans, first, until, question.step_s, dimensions, detailed)
        if "key" not in dimensions or where.has_version():
            return traffic
        return _add_keys(store, now, question, traffic, until, detailed == "key", keys)

    def list_versions(
        self,
        store: SqlStore,
        now: float,
        since: float,
        until: float,
        step_s: int,
        tenant: str | None,
        where: SeriesFilter,
    ) -> tuple[VersionTotal, ...]:
        """Versions in the time that `read` would answer for, those of one kind in the order of their names."""
        resolution_s = choose_row_resolution(step_s)
        pieces = split_exactly(start_of(since, step_s), int(until) + 1, resolution_s, until >= now - MINUTE_S)
        found: dict[tuple[VersionDimension, str], list[SeriesTotal]] = {}
        for piece in pieces:
            for one in store.series.version_totals(*piece, tenant=tenant, where=where):
                found.setdefault((one.dimension, one.value), []).append(one.sums)
        return tuple(
            VersionTotal(dimension, value, add_totals(sums)[0]) for (dimension, value), sums in sorted(found.items())
        )

    def _find_spans(
        self, store: SqlStore, now: float, question: _Question, first: int, until: float
    ) -> dict[int, TrafficSpan]:
        step_s = question.step_s
        starts: Sequence[int] = range(first, int(until), step_s) or (first,)
        # the first step that has not ended for good, or of which only a part is wanted: it is not kept
        open_from = start_of(min(now - OPEN_S, until), step_s)
        closed = [start for start in starts if start < open_from]
        spans = self._find_closed(store, now, closed, question)
        if still_open := starts[len(closed) :]:
            spans |= question.read_spans(store, still_open[0], int(until) + 1)
        return spans

    def _find_closed(
        self, store: SqlStore, now: float, starts: Sequence[int], question: _Question
    ) -> dict[int, TrafficSpan]:
        """Those that are kept and unchanged, and the others read anew in as few questions as there are runs of them."""
        if not starts:
            return {}
        step_s = question.step_s
        places = {start: (question, start) for start in starts}
        with self._keeping:
            known = {start: self._kept[place] for start, place in places.items() if place in self._kept}
        old = [start for start in starts if start not in known or now - known[start].checked_at >= CHECK_S]
        if old:
            sums = question.sum_steps(store, old[0], old[-1] + step_s)
            for start in old:
                if start in known and known[start].sums == sums.get(start, ()):
                    known[start].checked_at = now
            changed = [start for start in old if start not in known or known[start].checked_at != now]
            for begin, end in _join_runs(changed, step_s):
                built = question.read_spans(store, begin, end)
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


def _add_keys(
    store: SqlStore,
    now: float,
    question: _Question,
    traffic: Traffic,
    until: float,
    detailed: bool,
    keys: Sequence[str] | None,
) -> Traffic:
    """Which keys are largest is told by sums alone; of histograms only theirs are read."""
    asked: dict[str, Any] = {"tenant": question.tenant, "where": question.where}
    pieces = split_exactly(traffic.starts[0], int(until) + 1, question.resolution_s, until >= now - MINUTE_S)
    sums = add_totals([total for piece in pieces for total in store.series.totals(*piece, ["key"], **asked)])
    ordered = sorted((one for one in sums if one.key != OTHER), key=lambda one: (-one.requests, one.key))
    if keys is not None:
        return add_keys(traffic, [one for one in ordered if one.key in set(keys)], (), False, False)
    shown = ordered[:MOST_GROUPS_SHOWN]
    if detailed:
        pieces = [(question.resolution_s, traffic.starts[0], int(until) + 1)]
    names = [one.key for one in shown]
    rows = (row for piece in pieces for row in store.series.read(*piece, **asked, histograms=SHOWN[:1], keys_of=names))
    return add_keys(traffic, shown, rows, len(sums) > len(shown), detailed)


def _count(
    store: SqlStore,
    question: _Question,
    first: int,
    until: float,
    dimensions: Sequence[Dimension],
    detailed: Dimension | None,
    unkept: str,
) -> Traffic:
    """From the requests themselves."""
    rows, since = store.series.count_requests(
        question.resolution_s, first, int(until) + 1, MOST_COUNTED, tenant=question.tenant, where=question.where
    )
    traffic = build_traffic(
        collect_spans(rows, first, question.step_s), first, until, question.step_s, dimensions, detailed
    )
    if "key" in dimensions:
        sums = add_totals([make_total(row.key, row.sums) for row in rows])
        shown = sorted(sums, key=lambda one: (-one.requests, one.key))[:MOST_GROUPS_SHOWN]
        names = {one.key for one in shown}
        own = [row for row in rows if row.key in names]
        traffic = add_keys(traffic, shown, own, len(sums) > len(shown), detailed == "key")
    return msgspec.structs.replace(traffic, counted=unkept, counted_since=since)


def add_totals(totals: Iterable[SeriesTotal]) -> list[SeriesTotal]:
    """One for each key."""
    sums: dict[str, list[float]] = {}
    for total in totals:
        values = [getattr(total, name) for name in TOTALS]
        before = sums.get(total.key)
        sums[total.key] = values if before is None else list(map(add, before, values))
    return [make_total(key, values) for key, values in sums.items()]


def make_total(key: str, values: Sequence[float]) -> SeriesTotal:
    """`values` in the order of `TOTALS`; what follows is left out."""
    sums: dict[str, Any] = dict(zip(TOTALS, values, strict=False))
    return SeriesTotal(key=key, **sums)


def split_exactly(since: int, until: int, resolution_s: int, lasting: bool) -> list[tuple[int, int, int]]:
    """Resolution, begin and end of the fewest spans that hold the rows of `resolution_s` from `since` on and before
    `until`. `lasting`: nothing lies after `until`, so that a longer span that goes on is taken as it is.

    >>> split_exactly(82800, 180000, 3600, False)
    [(3600, 82800, 86400), (86400, 86400, 172800), (3600, 172800, 180000)]
    >>> split_exactly(82800, 180000, 3600, True)
    [(3600, 82800, 86400), (86400, 86400, 180000)]
    """
    for coarser_s in (DAY_S, HOUR_S):
        begin, end = -(-since // coarser_s) * coarser_s, until if lasting else until // coarser_s * coarser_s
        if coarser_s > resolution_s and begin < end:
            before = split_exactly(since, begin, resolution_s, False)
            return [*before, (coarser_s, begin, end), *split_exactly(end, until, resolution_s, False)]
    return [(resolution_s, since, until)] if since < until else []


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
