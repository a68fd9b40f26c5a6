"""The keeper's periodic jobs, and what runs them when they are due.

A job returns soon, since it holds up the others; what takes long is started as a process of its own. A job that must
run on one machine at a time has a lease in the store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from steward import __version__
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import StewardError
from steward.core.file_stamp import file_stamp
from steward.core.gpus import GpuStatus
from steward.core.rights import SweptRows
from steward.core.schedule import Schedule
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, start_of
from steward.core.stores import JobStore, LedgerStore
from steward.monitoring.config import MonitoringPlan
from steward.security.rootkey import RootKeys
from steward.workflows.audit_witness import HeadPublisher
from steward.workflows.conditions import list_looks
from steward.workflows.drain import PAUSE_S, LedgerDrain
from steward.workflows.engine_metrics import EngineScrape
from steward.workflows.erasures import ErasureFollower
from steward.workflows.fairness_schedule import FairnessSchedule
from steward.workflows.gpus import Sampler
from steward.workflows.improve import ImproveWatch, start_worker
from steward.workflows.key_cache import KeyPublisher
from steward.workflows.machine_gauges import MachineSampler
from steward.workflows.release_adapters import AdapterKeeper
from steward.workflows.release_watch import ReleasePublisher, ReleaseWatch
from steward.workflows.rights.file_retention import FileRetention
from steward.workflows.rights.replay import ErasureReplay
from steward.workflows.rights.retention import (
    FORGET_S,
    RETENTION_S,
    RetentionSweep,
    SweptClass,
    record_sweep,
    sweep_class,
)
from steward.workflows.rollups import RollupFill
from steward.workflows.root_keys import recover_rotation
from steward.workflows.sealing import LEDGER_FOLDERS
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.serve.engines import list_metrics_urls
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.spool import FeedbackSweep, make_intake
from steward.workflows.store_watch import StoreWatch
from steward.workflows.tls import renew_generated
from steward.workflows.traces import TraceExport
from steward.workflows.watch import AlertWatch, send_notice

log = logging.getLogger(__name__)

RESPONSES_S = 5.0
TRACES_S = 5.0
TRACES_LEASE_S = 60.0
STORE_S = 10.0  # between two looks at whether the store answers
MACHINE_S = 30.0  # between two looks at processes and GPUs
ENGINES_S = 15.0  # between two looks at engines' metrics
ENGINES_LEASE_S = 60.0
WATCH_S = 5.0  # between two looks at what has been added up
WATCH_LEASE_S = 60.0
ROOT_S = 1.0  # between two looks for a rotation of the root key that was cut off
ERASED_S = 0.5  # after which stored answers of an erased subject are gone from this machine
RESEAL_S = 2.0  # between parts of what older releases sealed
AUDIT_S = 5.0  # after which an act's signed head is in the store and with the witness
FORGET_LEASE_S = 300.0
ERASURES_S = 5.0  # after which what arrived late of an erased person is gone too
CERTIFICATES_S = 3600.0  # between two looks at when generated ones end
RELEASES_S = 1.0  # between two looks at what is in effect, and at the requests of releases
RELEASES_LEASE_S = 120.0
ROLLUPS_S = 2.0  # between two parts of what is made good of rollups
ADAPTERS_S = 5.0  # between two looks at which adapters servers have
ADAPTERS_LEASE_S = 600.0  # a server may read an adapter from a slow disk
IMPROVE_S = 5.0  # between two looks at whether a run is due, or has lost its process
FAIRNESS_S = 10.0  # between two looks at whether an audit is due
KEYS_S = 0.5  # how long another machine's change of keys may stay unseen; a worker's poll comes on top


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`run` is called every `period_s` seconds, here, or with a lease on one of all machines."""

    name: str
    period_s: float
    run: Callable[[], None]
    find_pause_s: Callable[[], float] | None = None  # asked after a run where the next one may come later than that
    lease_s: float | None = None  # longer than a run ever takes: another machine starts the job when it has expired


def list_jobs(deployment: HomeDeployment, store: SqlStore, roots: Callable[[], RootKeys]) -> list[Job]:
    """Every job of the keeper."""
    folders = [Path(deployment.home) / name for name in LEDGER_FOLDERS]
    current = CurrentMonitoring(deployment)
    gpus = Sampler(interval_s=MACHINE_S)
    gpus.start()

    def find_urls() -> dict[str, str]:
        return list_metrics_urls(find_plan(Path(deployment.home)))

    watch = _Watch(deployment, store, current, gpus.status)
    export = TraceExport(store.traces, store.meters, current, __version__)
    improve = ImproveWatch(deployment, store, lambda run_id: start_worker(deployment.home, run_id))
    releases = ReleaseWatch(deployment, store, deployment.open_audit_log())
    adapters = AdapterKeeper(store.releases, lambda: find_plan(Path(deployment.home)))
    publisher = KeyPublisher(deployment.home, store.keys, store.access, store.secrets, roots)
    intake = make_intake(store, roots)
    drain = LedgerDrain(folders, store.ledger, intake)
    fill = RollupFill(store)

    def check_store() -> None:
        """Where requests are served, a store that can be read and takes none of them is as good as gone."""
        store.check_writes()
        drain.check()

    return [
        Job(name="drain", period_s=PAUSE_S, run=drain.run, find_pause_s=drain.find_pause_s),
        Job(name="reseal", period_s=RESEAL_S, run=FeedbackSweep(folders[1], store.feedback, intake).run),
        Job(name="erased", period_s=ERASED_S, run=ErasureFollower(deployment.home, store.subject_keys).run),
        Job(name="root", period_s=ROOT_S, run=lambda: finish_rotation(deployment, store)),
        Job(name="keys", period_s=KEYS_S, run=publisher.publish),
        Job(name="responses", period_s=RESPONSES_S, run=FileRetention(deployment, store, roots).run),
        Job(name="audit", period_s=AUDIT_S, run=HeadPublisher(deployment.home, store, deployment.witness).run),
        Job(name="engines", period_s=ENGINES_S, run=EngineScrape(store.gauges, find_urls).run, lease_s=ENGINES_LEASE_S),
        Job(
            name="forget",
            period_s=FORGET_S,
            run=MonitoringRetention(store, current, partial(record_sweep, deployment, store)).run,
            lease_s=FORGET_LEASE_S,
        ),
        Job(name="retention", period_s=RETENTION_S, run=RetentionSweep(deployment, store).run, lease_s=FORGET_LEASE_S),
        Job(name="erasures", period_s=ERASURES_S, run=ErasureReplay(store).run, lease_s=FORGET_LEASE_S),
        Job(name="certificates", period_s=CERTIFICATES_S, run=lambda: renew_certificates(deployment.home)),
        Job(name="rollups", period_s=ROLLUPS_S, run=fill.run, find_pause_s=fill.find_pause_s, lease_s=RELEASES_LEASE_S),
        Job(name="intake", period_s=TRACES_S, run=lambda: configure_intake(store.ledger, current())),
        Job(name="traces", period_s=TRACES_S, run=export.run, lease_s=TRACES_LEASE_S),
        Job(name="store", period_s=STORE_S, run=StoreWatch(check_store, current, send_notice).run),
        Job(name="watch", period_s=WATCH_S, run=watch.run, lease_s=WATCH_LEASE_S),
        Job(name="machine", period_s=MACHINE_S, run=MachineSampler(store.gauges, gpus.status).run),
        Job(name="publish-releases", period_s=RELEASES_S, run=ReleasePublisher(deployment.home, store).run),
        Job(name="adapters", period_s=ADAPTERS_S, run=adapters.run, lease_s=ADAPTERS_LEASE_S),
        Job(name="improve", period_s=IMPROVE_S, run=improve.run, lease_s=RELEASES_LEASE_S),
        Job(name="fairness", period_s=FAIRNESS_S, run=FairnessSchedule(deployment.home).run, lease_s=RELEASES_LEASE_S),
        Job(name="releases", period_s=RELEASES_S, run=releases.run, lease_s=RELEASES_LEASE_S),
    ]


def find_plan(home: Path) -> ServePlan | None:
    """What is served now; None: nothing yet."""
    file = home / "run" / "plan.json"
    return read_plan(file) if file.exists() else None


def finish_rotation(deployment: HomeDeployment, store: SqlStore) -> None:
    recover_rotation(deployment.home, deployment.root, store.secrets)


def configure_intake(ledger: LedgerStore, plan: MonitoringPlan) -> None:
    """What of the plan concerns rows that are taken in from now on."""
    ledger.keep_traces(plan.traces.policy)
    ledger.limit_ratings(plan.ratings_per_person)


class CurrentMonitoring:
    """What the plan that is served now says of monitoring; call it for each use."""

    def __init__(self, deployment: HomeDeployment) -> None:
        self._file, self._plan = Path(deployment.home) / "run" / "plan.json", deployment.monitoring
        self._seen = (0, 0)

    def __call__(self) -> MonitoringPlan:
        seen = file_stamp(str(self._file))
        if seen != self._seen:
            self._seen = seen
            if self._file.exists():
                self._plan = read_plan(self._file).monitoring
        return self._plan


class MonitoringRetention:
    """Forgets series of each resolution, gauges, features and traces that are no longer kept; `record` proves it."""

    def __init__(
        self,
        store: SqlStore,
        current: Callable[[], MonitoringPlan],
        record: Callable[[SweptClass, float], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._current, self._record, self._clock = store, current, record, clock

    def run(self) -> None:
        """:raises Unavailable: the store does not answer, or the audit log cannot be written"""
        plan, now = self._current(), self._clock()
        starts = {
            resolution_s: start_of(now - days * DAY_S, DAY_S)
            for resolution_s, days in (
                (MINUTE_S, plan.keep_minutes_for_days),
                (HOUR_S, plan.keep_hours_for_days),
                (DAY_S, plan.keep_days_for_days),
            )
        }
        for resolution_s, start in starts.items():
            self._store.gauges.delete_before(resolution_s, start)
        for name, run in (
            ("series", lambda: self._sweep_series(starts)),
            ("features", lambda: self._store.features.delete_before(now - plan.drift.keep_for_days * DAY_S)),
            ("traces", lambda: self._store.traces.delete_before(now - plan.traces.keep_for_days * DAY_S)),
        ):
            self._record(sweep_class(name, run), now)

    def _sweep_series(self, starts: dict[int, int]) -> SweptRows:
        swept = [self._store.series.delete_before(*one) for one in starts.items()]
        return SweptRows(deleted=sum(one.deleted for one in swept), held=sum(one.held for one in swept))


def renew_certificates(home: Path) -> None:
    """The generated ones of the ports that the plan now serves."""
    plan = home / "run" / "plan.json"
    if plan.exists():
        served = read_plan(plan)
        renew_generated(home, (served.tls, served.console_tls))


class _Watch:
    """The watch as the plan now says; another plan begins another one."""

    def __init__(
        self,
        deployment: HomeDeployment,
        store: SqlStore,
        current: CurrentMonitoring,
        read_gpus: Callable[[], GpuStatus],
    ) -> None:
        folders = [Path(deployment.home) / name for name in LEDGER_FOLDERS]
        self._store, self._current = store, current
        self._looks = list_looks(Path(deployment.home), folders, store, read_gpus=read_gpus)
        self._plan = current()
        self._watch = self._make()

    def run(self) -> None:
        plan = self._current()
        if plan != self._plan:
            self._watch.close()
            self._plan = plan
            self._watch = self._make()
        self._watch.run()

    def _make(self) -> AlertWatch:
        return AlertWatch(
            self._store.minutes,
            self._store.alerts,
            self._plan,
            self._looks,
            series=self._store.series,
        )


class JobRunner:
    """Runs jobs when they are due. One that fails is tried again when it is due again, and holds up no other."""

    def __init__(
        self, jobs: Sequence[Job], leases: JobStore, holder: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._leases, self._holder, self._clock = leases, holder, clock
        self._schedule = Schedule({job.name: job.period_s for job in jobs})
        self._failures: dict[str, str] = {}

    def run_due(self) -> float:
        """Run what is due; returns how many seconds there are until the next one is."""
        now = self._clock()
        for name in self._schedule.take_due(now):
            self.run(name)
            if (find_pause_s := self._jobs[name].find_pause_s) is not None:
                self._schedule.postpone(name, now + find_pause_s())
        return self._schedule.wait_s(self._clock())

    def run(self, name: str) -> None:
        """Run one job now, if its lease is to be had; a failure that steward names goes to the log once."""
        job = self._jobs[name]
        try:
            if job.lease_s is None:
                job.run()
            elif self._leases.claim(name, self._holder, job.lease_s, job.period_s):
                job.run()
                if not self._leases.finish(name, self._holder, job.period_s):
                    log.warning("job %s took longer than its lease of %g s", name, job.lease_s)
        except StewardError as error:
            if self._failures.get(name) != str(error):
                log.warning("job %s failed and is tried again: %s", name, error)
            self._failures[name] = str(error)
        else:
            if self._failures.pop(name, None):
                log.warning("job %s works again", name)
