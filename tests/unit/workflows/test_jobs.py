"""The keeper's jobs: what runs, what is tried again, what waits for a lease."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from served_home import serve_home
from steward.core.errors import Unavailable
from steward.core.rights import SweptRows
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.traces_config import TracesPlan
from steward.workflows.jobs import Job, JobRunner, MonitoringRetention, list_jobs
from steward.workflows.rights.retention import SweptClass
from steward.workflows.serve.deployment import find_deployment


class Leases:
    """A store of leases that says what it was asked."""

    def __init__(self, free: bool = True, kept: bool = True) -> None:
        self.free, self.kept, self.asked = free, kept, list[tuple[str, str, str, float]]()

    def claim(self, name: str, holder: str, lease_s: float, period_s: float | None = None) -> bool:
        self.asked.append(("claim", name, holder, lease_s))
        return self.free

    def finish(self, name: str, holder: str, next_in_s: float) -> bool:
        self.asked.append(("finish", name, holder, next_in_s))
        return self.kept


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def runner(clock: Clock, leases: Leases, *jobs: Job) -> JobRunner:
    return JobRunner(jobs, leases, "me", clock)


def counted(calls: list[str], name: str) -> Callable[[], None]:
    return lambda: calls.append(name)


def test_jobs_run_by_their_periods() -> None:
    clock, calls = Clock(), list[str]()
    jobs = [Job(name=name, period_s=period, run=counted(calls, name)) for name, period in (("a", 1.0), ("b", 2.0))]
    kept = runner(clock, Leases(), *jobs)
    assert kept.run_due() == 1.0 and calls == ["a", "b"]
    clock.now = 101.0
    kept.run_due()
    assert calls == ["a", "b", "a"]


def test_a_job_may_pause_longer_than_its_period() -> None:
    clock, calls, pauses = Clock(), list[str](), [2.5, 0.1]
    kept = runner(clock, Leases(), Job(name="a", period_s=1.0, run=counted(calls, "a"), find_pause_s=lambda: pauses[0]))
    start = clock.now
    assert kept.run_due() == 2.5
    clock.now = start + 2.0
    assert kept.run_due() == 0.5 and calls == ["a"]
    clock.now = start + 2.5
    del pauses[0]
    assert kept.run_due() == 1.0 and calls == ["a", "a"]


def test_a_job_with_a_lease_runs_only_where_it_is_to_be_had() -> None:
    calls = list[str]()
    job = Job(name="a", period_s=60.0, run=counted(calls, "a"), lease_s=10.0)
    taken = Leases(free=False)
    runner(Clock(), taken, job).run_due()
    assert calls == [] and taken.asked == [("claim", "a", "me", 10.0)]
    free = Leases()
    runner(Clock(), free, job).run_due()
    assert calls == ["a"] and free.asked == [("claim", "a", "me", 10.0), ("finish", "a", "me", 60.0)]


def test_a_job_that_outlives_its_lease_is_named(caplog: pytest.LogCaptureFixture) -> None:
    runner(Clock(), Leases(kept=False), Job(name="a", period_s=1.0, run=lambda: None, lease_s=0.1)).run_due()
    assert "job a took longer than its lease of 0.1 s" in caplog.text


def test_a_failure_holds_up_no_other_job_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, calls, away = Clock(), list[str](), [True]

    def fail() -> None:
        if away[0]:
            raise Unavailable("the store does not answer")

    kept = runner(
        clock,
        Leases(),
        Job(name="bad", period_s=1.0, run=fail),
        Job(name="good", period_s=1.0, run=counted(calls, "good")),
    )
    for second in range(3):
        clock.now = 100.0 + second
        kept.run_due()
    away[0], clock.now = False, 103.0
    kept.run_due()
    assert calls == ["good"] * 4
    assert [record.message for record in caplog.records] == [
        "job bad failed and is tried again: the store does not answer",
        "job bad works again",
    ]


class Swept:
    """A store of one kind, which remembers what was to be forgotten."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, ...]] = []

    def delete_before(self, *until: float) -> SweptRows:
        self.asked.append(until)
        return SweptRows(deleted=7 - len(self.asked) if len(self.asked) < 4 else 0, held=1)


def test_what_monitoring_keeps_goes_when_the_plan_says_and_is_proved() -> None:
    day, proved = 86400, []
    store: Any = SimpleNamespace(**{name: Swept() for name in ("series", "gauges", "features", "traces")})
    plan = MonitoringPlan(
        keep_minutes_for_days=4, keep_hours_for_days=10, keep_days_for_days=20, traces=TracesPlan(keep_for_days=5)
    )
    MonitoringRetention(store, lambda: plan, lambda swept, at: proved.append((swept, at)), lambda: 100.5 * day).run()
    spans = [(60, 96 * day), (3600, 90 * day), (day, 80 * day)]
    assert store.series.asked == spans * 2 and store.gauges.asked == spans
    assert store.traces.asked == [(95.5 * day,)] * 2 and store.features.asked == [(65.5 * day,)] * 2
    assert proved == [
        (SweptClass(name="series", deleted=6 + 5 + 4, held=3, left=0), 100.5 * day),
        (SweptClass(name="features", deleted=6, held=1, left=5), 100.5 * day),
        (SweptClass(name="traces", deleted=6, held=1, left=5), 100.5 * day),
    ]


def test_how_often_each_job_runs_and_how_long_a_dead_keepers_lease_holds_it(tmp_path: Path) -> None:
    """As ARCHITECTURE.md says: the ledger five times a second, releases once, keys within half of one."""
    with serve_home(tmp_path) as home:
        deployment = find_deployment(home)
        store = deployment.open_store()
        times = {job.name: (job.period_s, job.lease_s) for job in list_jobs(deployment, store, deployment.roots)}
        store.close()
    assert times == {
        "drain": (0.2, None), "reseal": (2.0, None), "erased": (0.5, None), "root": (1.0, None), "keys": (0.5, None),
        "responses": (5.0, None), "audit": (5.0, None), "engines": (15.0, 60.0), "forget": (3600.0, 300.0),
        "retention": (60.0, 300.0), "erasures": (5.0, 300.0), "certificates": (3600.0, None), "intake": (5.0, None),
        "traces": (5.0, 60.0), "store": (10.0, None), "watch": (5.0, 60.0), "machine": (30.0, None),
        "publish-releases": (1.0, None), "adapters": (5.0, 600.0), "improve": (5.0, 120.0), "releases": (1.0, 120.0),
        "fairness": (10.0, 120.0), "rollups": (2.0, 120.0),
    }  # fmt: skip
