"""How the objectives of a deployment stand now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from steward.adapters.stores.sql import SqlStore
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, SeriesRow, start_of
from steward.monitoring.slo import BURN_WINDOWS_S, MEASURED, SloPlan, SloStatus, count_slo, judge_slo
from steward.workflows.serve.deployment import open_served_store
from steward.workflows.serve.plan import read_plan


def read_slo_status(home: Path, *, tenant: str | None = None, now: float | None = None) -> list[SloStatus]:
    """Every objective of the plan that is served, in its order; a tenant's are over its own requests.

    :raises Unavailable: nothing has been served, or the store does not answer
    """
    store = open_served_store(home)
    try:
        plans = read_plan(home / "run" / "plan.json").monitoring.slos
        return judge_objectives(store, plans, time.time() if now is None else now, tenant=tenant)
    finally:
        store.close()


def judge_objectives(
    store: SqlStore, plans: Sequence[SloPlan], at: float, *, tenant: str | None = None
) -> list[SloStatus]:
    """How each of `plans` stands at `at`. :raises Unavailable: the store does not answer"""
    if not plans:
        return []
    columns = {MEASURED[plan.kind] for plan in plans if plan.kind in MEASURED}
    pieces: dict[tuple[int, int, int], list[SeriesRow]] = {}

    def read(span_s: float, fine_s: int) -> list[SeriesRow]:
        rows: list[SeriesRow] = []
        for piece in split_span(at - span_s, at, fine_s):
            if piece not in pieces:
                pieces[piece] = store.series.read_rollup(*piece, tenant=tenant, histograms=columns) or []
            rows += pieces[piece]
        return rows

    open_alerts = store.alerts.list_alerts(open_only=True) if tenant is None else []
    firing = {alert.rule for alert in open_alerts}
    return [_judge(plan, read, firing) for plan in plans]


def split_span(since: float, until: float, fine_s: int) -> list[tuple[int, int, int]]:
    """Resolution, begin and end of the fewest series that hold a span: from the minute or hour (`fine_s`) in which it
    begins to the next whole hour and day, and days from there. What lasts still is in each of its series.

    >>> split_span(86400 + 3600 * 22, 86400 * 4 + 5, 3600)
    [(3600, 165600, 172800), (86400, 172800, 345606)]
    """
    pieces, start, end = [], start_of(since, fine_s), int(until) + 1
    for resolution_s, coarser_s in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
        if fine_s > resolution_s:
            continue
        stop = min(end, -(-start // coarser_s) * coarser_s)
        if stop > start:
            pieces.append((resolution_s, start, stop))
        start = stop
    return [*pieces, (DAY_S, start, end)] if start < end else pieces


def _judge(plan: SloPlan, read: Callable[[float, int], list[SeriesRow]], firing: set[str]) -> SloStatus:
    recent = {
        name: count_slo(plan, read(span_s, MINUTE_S if span_s <= 6 * HOUR_S else HOUR_S))
        for name, span_s in BURN_WINDOWS_S.items()
    }
    whole = count_slo(plan, read(86400.0 * plan.window_days, HOUR_S))
    return judge_slo(plan, whole, recent, not firing.isdisjoint({f"slo-{plan.name}", f"slo-{plan.name}-slow"}))
