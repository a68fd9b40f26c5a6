"""How the objectives of a deployment stand now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from steward.adapters.stores.sql import SqlStore
from steward.core.series import HOUR_S, MINUTE_S, SeriesRow, start_of
from steward.monitoring.slo import BURN_WINDOWS_S, SloPlan, SloStatus, count_slo, judge_slo
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
    oldest = start_of(at - 86400 * max(plan.window_days for plan in plans), HOUR_S)
    hours = store.series.read(HOUR_S, oldest, int(at) + 1, tenant=tenant)
    minutes = store.series.read(MINUTE_S, start_of(at - 6 * HOUR_S, MINUTE_S), int(at) + 1, tenant=tenant)
    open_alerts = store.alerts.list_alerts(1000, open_only=True) if tenant is None else []
    firing = {alert.rule for alert in open_alerts}
    return [_judge(plan, hours, minutes, at, firing) for plan in plans]


def _judge(plan: SloPlan, hours: list[SeriesRow], minutes: list[SeriesRow], at: float, firing: set[str]) -> SloStatus:
    recent = {}
    for name, span_s in BURN_WINDOWS_S.items():
        rows = minutes if span_s <= 6 * HOUR_S else hours
        resolution_s = MINUTE_S if span_s <= 6 * HOUR_S else HOUR_S
        recent[name] = count_slo(plan, _since(rows, at - span_s, resolution_s))
    whole = count_slo(plan, _since(hours, at - 86400 * plan.window_days, HOUR_S))
    return judge_slo(plan, whole, recent, not firing.isdisjoint({f"slo-{plan.name}", f"slo-{plan.name}-slow"}))


def _since(rows: list[SeriesRow], at: float, resolution_s: int) -> list[SeriesRow]:
    first = start_of(at, resolution_s)
    return [row for row in rows if row.start >= first]
