"""Compares live traffic with the saved plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from steward.capacity.headroom import DAY_S, HOUR_S, HeadroomStatus, HourlyTraffic, assess_headroom
from steward.capacity.plan import Plan
from steward.core.errors import Unavailable
from steward.core.series import HOUR_S as RESOLUTION_S
from steward.core.stores import SeriesStore
from steward.workflows.plan.home import read_plan
from steward.workflows.serve.deployment import make_deployment
from steward.workflows.serve.plan import read_plan as read_serving_plan

SEEN_DAYS: Final = 60


def watch_headroom(home: Path, clock: Callable[[], float] = time.time) -> HeadroomStatus:
    """The last 60 days of the store against the saved plan.

    :raises InputError: no plan is saved
    :raises Unavailable: nothing has been served yet, or the store does not answer
    """
    plan = read_plan(home)
    serving = home / "run" / "plan.json"
    if not serving.exists():
        raise Unavailable(f"{home}: no requests recorded yet; start the gateway with `steward up`")
    now = clock()
    since = (now - SEEN_DAYS * DAY_S) // HOUR_S * HOUR_S
    store = make_deployment(read_serving_plan(serving)).open_store()
    try:
        points = []
        while since < now:  # a day at a time, so that a busy store is not held in memory
            points += store.exchanges.series(since, HOUR_S, min(since + DAY_S, now), tenant=None)
            since += DAY_S
    finally:
        store.close()
    hours = [
        HourlyTraffic(
            point.at, point.requests, point.output_tokens, None if point.ttft_p50_s is None else 1e3 * point.ttft_p50_s
        )
        for point in points
    ]
    return assess_headroom(plan, hours, now)


def assess_series(plan: Plan, series: SeriesStore, now: float) -> HeadroomStatus:
    """The same from the sums of hours, which stay small however many requests there were; without latencies."""
    since = int((now - SEEN_DAYS * DAY_S) // HOUR_S * HOUR_S)
    totals = series.totals(RESOLUTION_S, since, int(now) + 1, ["start"], tenant=None)
    hours = [HourlyTraffic(float(one.start), int(one.requests), int(one.output_tokens)) for one in totals]
    return assess_headroom(plan, hours, now)
