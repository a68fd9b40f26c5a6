"""The keeper's jobs: what runs, what is tried again, what waits for a lease."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from served_home import serve_home
from steward.core.errors import Unavailable
from steward.core.series import SeriesRow
from steward.monitoring.config import MonitoringPlan
from steward.workflows.jobs import Job, JobRunner, SeriesRetention, list_jobs
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


class SeriesOf:
    """Remembers what was to be forgotten."""

    def __init__(self) -> None:
        self.forgotten: dict[int, int] = {}

    def read(self, resolution_s: int, since: int, until: int, *, tenant: str | None) -> list[SeriesRow]:
        return []

    def first(self, resolution_s: int, *, tenant: str | None) -> int | None:
        return None

    def delete_before(self, resolution_s: int, start: int) -> int:
        self.forgotten[resolution_s] = start
        return 0


def test_series_of_each_resolution_are_kept_as_long_as_the_plan_says() -> None:
    series, day = SeriesOf(), 86400
    plan = MonitoringPlan(keep_minutes_for_days=4, keep_hours_for_days=10, keep_days_for_days=20)
    SeriesRetention(series, lambda: plan, lambda: 100.5 * day).run()
    assert series.forgotten == {60: 96 * day, 3600: 90 * day, day: 80 * day}


def test_how_often_each_job_runs_and_how_long_a_dead_keepers_lease_holds_it(tmp_path: Path) -> None:
    """As ARCHITECTURE.md says: the ledger five times a second, releases once, keys within half of one."""
    with serve_home(tmp_path) as home:
        deployment = find_deployment(home)
        store = deployment.open_store()
        times = {job.name: (job.period_s, job.lease_s) for job in list_jobs(deployment, store, deployment.roots)}
        store.close()
    assert times == {
        "drain": (0.2, None), "reseal": (2.0, None), "erased": (0.5, None), "root": (1.0, None), "keys": (0.5, None),
        "responses": (5.0, None), "audit": (5.0, None), "engines": (15.0, 60.0), "forget": (600.0, 300.0),
        "retention": (60.0, 300.0), "erasures": (5.0, 300.0), "certificates": (3600.0, None), "intake": (5.0, None),
        "traces": (5.0, 60.0), "store": (10.0, None), "watch": (5.0, 60.0), "machine": (30.0, None),
        "publish-releases": (1.0, None), "adapters": (5.0, 600.0), "improve": (5.0, 120.0), "releases": (1.0, 120.0),
        "fairness": (10.0, 120.0),
    }  # fmt: skip
