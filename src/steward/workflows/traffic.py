"""Traffic over a time, read from series: never from the requests themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, SeriesFilter, start_of
from steward.monitoring.traffic import Dimension, Traffic, build_traffic, choose_row_resolution

SHOWN: Final = ("total_s", "ttft_s")


def read_traffic(
    store: SqlStore,
    since: float,
    until: float,
    step_s: int,
    *,
    tenant: str | None,
    where: SeriesFilter = SeriesFilter(),
    dimensions: Sequence[Dimension] = (),
    detailed: Dimension | None = None,
    histograms: Collection[str] = SHOWN,
) -> Traffic:
    """Points of `step_s` from the whole step in which `since` lies; of hours or days where finer series are gone.

    :raises Unavailable: the store does not answer
    """
    resolution_s = choose_row_resolution(step_s)
    for finer, coarser in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
        if resolution_s == finer and _is_gone(store, finer, coarser, since, tenant):
            resolution_s = coarser
    step_s = max(step_s, resolution_s)
    start = start_of(since, step_s)
    rows = store.series.read(resolution_s, start, int(until) + 1, tenant=tenant, where=where, histograms=histograms)
    return build_traffic(rows, start, until, step_s, dimensions, detailed)


def _is_gone(store: SqlStore, finer: int, coarser: int, since: float, tenant: str | None) -> bool:
    """Whether spans of `finer` from `since` on are deleted, and longer ones are not."""
    first = store.series.first(finer, tenant=tenant)
    if first is not None and first <= since:
        return False
    longer = store.series.first(coarser, tenant=tenant)
    return longer is not None and (first is None or longer < start_of(first, coarser))
