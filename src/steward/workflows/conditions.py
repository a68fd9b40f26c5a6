"""Gathers what the watch looks at beside requests: disk, ledger files, keys, certificates, budgets and models."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.capacity.gpu_health import assess_gpus
from steward.capacity.headroom import HourlyTraffic, assess_headroom
from steward.capacity.plan import Plan
from steward.core.errors import InputError
from steward.core.gpus import GpuStatus
from steward.core.keys import KeyRecord
from steward.core.series import DAY_S, HOUR_S, start_of
from steward.core.stores import GaugeStore, SeriesStore
from steward.core.threads import open_thread
from steward.monitoring.conditions import (
    Condition,
    Spending,
    judge_backlog,
    judge_budgets,
    judge_certificates,
    judge_disk,
    judge_engines,
    judge_gpu_memory,
    judge_gpus,
    judge_keys,
    judge_memory,
    judge_models,
    judge_plan,
)
from steward.monitoring.engine_metrics import list_missing
from steward.monitoring.slo import SloPlan
from steward.workflows.backlog import read_backlog
from steward.workflows.drift import DriftLook
from steward.workflows.maintenance import check_maintenance
from steward.workflows.plan.home import read_plan as read_capacity_plan
from steward.workflows.serve.engines import check_models
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.tls import read_certificate_ends

SLOW_S: Final = 3600.0  # between two looks at what takes days
PLAN_DAYS: Final = 60  # of traffic that a plan is held against
LOOK_S: Final = 60.0  # between two looks at what changes slowly
MODELS_S: Final = 30.0
LOOKS: Final = 2  # without an answer until a model counts as down

Look = Callable[[], list[Condition]]


class Seldom:
    """Looks again after `period_s`; until then what was seen holds."""

    def __init__(self, look: Look, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._period_s, self._clock = look, period_s, clock
        self._next = float("-inf")
        self._seen: list[Condition] = []

    def __call__(self) -> list[Condition]:
        if self._clock() >= self._next:
            self._seen = self._look()
            self._next = self._clock() + self._period_s
        return self._seen


class ModelLook:
    """Asks all models in a thread, every `MODELS_S`; nobody waits for their answers."""

    def __init__(self, find_plan: Callable[[], ServePlan | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._find_plan, self._clock = find_plan, clock
        self._thread = open_thread("models")
        self._asked: Future[dict[str, bool]] | None = None
        self._looks: list[dict[str, bool]] = []
        self._next = float("-inf")

    def __call__(self) -> list[Condition]:
        if self._asked is not None and self._asked.done():
            answered, self._asked = self._asked, None
            if answered.exception() is None:
                self._looks = [*self._looks, answered.result()][-LOOKS:]
        if self._asked is None and self._clock() >= self._next and (plan := self._find_plan()) is not None:
            self._next = self._clock() + MODELS_S
            self._asked = self._thread.submit(_ask_models, plan)
        return judge_models(self._looks) if len(self._looks) == LOOKS else []


def _ask_models(plan: ServePlan) -> dict[str, bool]:
    return asyncio.run(check_models(plan))


def list_looks(
    home: Path,
    folders: Sequence[Path],
    store: SqlStore,
    clock: Callable[[], float] = time.time,
    read_gpus: Callable[[], GpuStatus] = GpuStatus,
) -> list[Look]:
    """All of them, for the keeper of `home`; `folders` hold its ledger files."""

    def find_plan() -> ServePlan | None:
        file = home / "run" / "plan.json"
        return read_plan(file) if file.exists() else None

    def find_slos() -> tuple[SloPlan, ...]:
        plan = find_plan()
        return plan.monitoring.slos if plan is not None else ()

    return [
        lambda: check_disk(home),
        lambda: judge_backlog(read_backlog(folders, store.ledger.offsets(), clock())),
        Seldom(lambda: judge_keys(store.keys.list_keys(tenant=None), clock()), LOOK_S),
        Seldom(lambda: judge_certificates(read_certificates(find_plan()), clock()), LOOK_S),
        Seldom(lambda: judge_budgets(read_spendings(store.keys.list_keys(tenant=None), store.series, clock())), LOOK_S),
        ModelLook(find_plan),
        DriftLook(store.features, store.alerts, find_slos, clock),
        Seldom(lambda: check_engines(store.gauges, clock()), LOOK_S),
        Seldom(lambda: check_gpus(read_gpus(), read_saved_plan(home)), LOOK_S),
        Seldom(lambda: check_headroom(read_saved_plan(home), store.series, clock()), SLOW_S),
        Seldom(lambda: check_maintenance(store, find_plan(), clock()), SLOW_S),
        Seldom(lambda: judge_memory(read_memory(store.gauges, clock())), SLOW_S),
    ]


def check_engines(gauges: GaugeStore, now: float) -> list[Condition]:
    """Whether engines tell what they told."""
    states = gauges.read_states()
    silent = {state.model: (now - state.since, state.error or state.state) for state in states if state.state != "ok"}
    return judge_engines(silent, {state.model: list_missing(state) for state in states if state.state == "ok"})


def read_saved_plan(home: Path) -> Plan | None:
    """The capacity plan in force; None: none is saved, or it cannot be read, which `steward plan watch` says."""
    try:
        return read_capacity_plan(home)
    except InputError:
        return None


def check_gpus(status: GpuStatus, plan: Plan | None) -> list[Condition]:
    """Whether this machine's GPUs are healthy, and hold what the plan gives them."""
    reading = status.reading
    issues = assess_gpus(reading).issues if reading is not None else ()
    said = {
        severity: [f"GPU {issue.index}: {issue.text}" for issue in issues if issue.severity == severity]
        for severity in ("ill", "slowed")
    }
    used = {
        gpu.index: gpu.memory_used_bytes / 2**30
        for gpu in (reading.gpus if reading is not None else ())
        if gpu.memory_used_bytes is not None
    }
    planned = plan.chosen.memory.usable_gib if plan is not None and plan.chosen is not None else None
    return [*judge_gpus(said["ill"], said["slowed"], status.error), *judge_gpu_memory(used, planned)]


def check_headroom(plan: Plan | None, series: SeriesStore, now: float) -> list[Condition]:
    """Whether traffic fits the plan."""
    if plan is None:
        return []
    hours = series.totals(HOUR_S, start_of(now - PLAN_DAYS * DAY_S, HOUR_S), int(now), ["start"], tenant=None)
    traffic = [HourlyTraffic(float(one.start), round(one.requests), round(one.output_tokens)) for one in hours]
    status = assess_headroom(plan, traffic, now)
    return judge_plan(status.state, status.why)


def read_memory(gauges: GaugeStore, now: float) -> dict[str, list[float]]:
    """The least bytes that each process held in the whole hours of the last two days."""
    hours: dict[str, list[float]] = {}
    for row in gauges.read(HOUR_S, start_of(now - 2 * DAY_S, HOUR_S), start_of(now, HOUR_S), "process_memory"):
        hours.setdefault(row.subject, []).append(row.least)
    return hours


def check_disk(home: Path) -> list[Condition]:
    """Whether the disk that holds the home is filling."""
    usage = shutil.disk_usage(home)
    return judge_disk(usage.total - usage.free, usage.total, str(home))


def read_certificates(plan: ServePlan | None) -> dict[str, float]:
    """When the certificates of both ports end, by file; those that steward renews itself are left out."""
    return {} if plan is None else read_certificate_ends(plan.tls, plan.console_tls)


def read_spendings(records: Sequence[KeyRecord], series: SeriesStore, now: float) -> list[Spending]:
    """What keys with a budget have spent today and this month, in UTC; keys that follow one another count together."""
    limited = [
        record
        for record in records
        if record.revoked_at is None and record.replaced_by is None and (record.usd_per_day or record.usd_per_month)
    ]
    if not limited:
        return []
    today = start_of(now, DAY_S)
    month = int(datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp())
    owners = {record.id: record.lineage or record.id for record in records}
    spent: dict[tuple[str, str], float] = {}
    for period, since in (("month", month), ("day", today)):
        for total in series.totals(DAY_S, since, today + DAY_S, ["key"], tenant=None):
            owner = owners.get(total.key, total.key)
            spent[owner, period] = spent.get((owner, period), 0.0) + total.usd
    return [
        Spending(record.name, period, spent.get((record.lineage or record.id, period), 0.0), budget)
        for record in limited
        for period, budget in (("day", record.usd_per_day), ("month", record.usd_per_month))
        if budget is not None
    ]
