"""Runs of the improvement circle: proposed, begun, carried out step by step, and taken up again after a kill.

One run is open at a time. A process of its own carries it out, so that the keeper's other jobs do not wait: it writes a
heartbeat, and another one takes over a run whose heartbeat has stopped. A step is one command of the settings.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Interrupted, Unavailable, UnknownName
from steward.core.extend import AuditLog
from steward.core.files import make_private_folder
from steward.core.identity import Principal
from steward.core.improvements import ImprovementRun, ImprovementState, ImprovementStep, TriggerKind
from steward.core.reactions import COUNTS, DAY_S
from steward.core.record_ids import make_short_id
from steward.core.stores import ImprovementStore
from steward.improvement.triggers import (
    WINDOWS,
    ImprovePlan,
    QualityWindow,
    TriggerFacts,
    TriggerResult,
    choose_trigger,
)
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import HomeDeployment, find_deployment

FOLDER: Final = "improve"
HEARTBEAT_S: Final = 5.0
SILENT_S: Final = 60.0  # after which a run's process is taken to be gone
END_S: Final = 10.0  # for a command to end when it is told to
BASELINE_DAYS: Final = 28
MOST_RUNS: Final = 200
CANCEL_TRIES: Final = 5  # a heartbeat changes the record, too
Answer = TypeVar("Answer")
IMPROVER: Final = Principal(kind="service", id="improve", auth_method="local")


class ImproveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`steward improve status --json`: the policy's verdict now, what it rests on, and the runs, newest first."""

    mode: str
    trigger: TriggerResult
    facts: TriggerFacts
    runs: tuple[ImprovementRun, ...]


def describe_status(store: SqlStore, plan: ImprovePlan, now: float, *, tenant: str) -> ImproveStatus:
    """The verdict is the deployment's, the runs are the tenant's. :raises Unavailable: the store does not answer"""
    facts = collect_facts(store, now)
    return ImproveStatus(
        mode=plan.mode,
        trigger=choose_trigger(plan, facts),
        facts=facts,
        runs=tuple(store.improvements.list_runs(MOST_RUNS, tenant=tenant)),
    )


def collect_facts(store: SqlStore, now: float) -> TriggerFacts:
    """What the policy decides on. :raises Unavailable: the store does not answer"""
    runs = store.improvements.list_runs(MOST_RUNS, tenant=None)
    last = next((run for run in runs if run.state != "proposed"), None)
    today = int(now // DAY_S)
    days: dict[int, list[int]] = {}
    for row in store.reactions.read(0.0, tenant=None):
        counted = dict(zip(COUNTS, row.counts, strict=True))
        day = days.setdefault(row.key.day // DAY_S, [0, 0])
        day[0] += counted["rated"]
        day[1] += counted["satisfied"]
    windows = [QualityWindow(*days.get(today - back, (0, 0))) for back in range(WINDOWS, 0, -1)]
    earlier = [counts for day, counts in days.items() if today - WINDOWS - BASELINE_DAYS <= day < today - WINDOWS]
    total = sum(counts[0] for counts in days.values())
    rows = 0 if last is None else last.rows
    return TriggerFacts(
        now=now,
        last_at=None if last is None else last.started_at,
        new_rows=max(0, total - rows),
        last_rows=rows,
        windows=tuple(windows),
        before=QualityWindow(sum(counts[0] for counts in earlier), sum(counts[1] for counts in earlier)),
    )


def begin_run(
    store: SqlStore,
    audit: AuditLog,
    plan: ImprovePlan,
    kind: TriggerKind,
    why: str,
    now: float,
    *,
    actor: Principal,
    state: ImprovementState = "running",
) -> ImprovementRun:
    """A new run, or a proposal of one.

    :raises InputError: no step in the settings, or another run is open
    """
    if not plan.steps:
        raise InputError(
            "improve.steps has no command; add one to steward.yaml, such as [steward, train, run, train.yaml]"
        )
    facts = collect_facts(store, now)
    steps = tuple(
        ImprovementStep(
            name=step.name, command=step.command, retries=step.retries, timeout_s=step.timeout_s, log=f"{step.name}.log"
        )
        for step in plan.steps
    )
    run = ImprovementRun(
        id=make_short_id("imp"),
        tenant=actor.tenant,
        trigger=kind,
        why=why,
        state=state,
        steps=steps,
        started_at=now,
        started_by=actor.actor,
        heartbeat_at=now,
        rows=facts.new_rows + facts.last_rows,
    )
    audit.record(make_act(actor, f"improve.{'propose' if state == 'proposed' else 'run'}", "improve", after=run.id))
    if not store.improvements.start(run):
        other = next(one for one in store.improvements.list_runs(MOST_RUNS, tenant=None) if one.is_open)
        if other.tenant != actor.tenant:
            raise InputError("a run of another tenant is open; one runs at a time, so wait until it has ended")
        how = "begin it: steward improve run" if other.state == "proposed" else "see: steward improve status"
        raise InputError(f"{other.id} is {other.state} already; one runs at a time; {how}")
    return run


def accept_run(store: SqlStore, audit: AuditLog, now: float, *, actor: Principal) -> ImprovementRun | None:
    """Begin the run that is proposed; None: none is."""
    runs = store.improvements.list_runs(MOST_RUNS, tenant=actor.tenant)
    run = next((one for one in runs if one.state == "proposed"), None)
    if run is None:
        return None
    audit.record(make_act(actor, "improve.run", "improve", before="proposed", after=run.id))
    begun = msgspec.structs.replace(
        run, state="running", started_at=now, heartbeat_at=now, started_by=actor.actor, revision=run.revision + 1
    )
    _change(store.improvements, begun)
    return begun


def cancel_run(store: SqlStore, audit: AuditLog, run_id: str, now: float, *, actor: Principal) -> ImprovementRun:
    """End a run; its process notices within seconds, and a heartbeat of it at this moment does not keep it alive.

    :raises UnknownName: the tenant has no such open run
    """
    run = _find_open(store, run_id, actor)
    audit.record(make_act(actor, "improve.cancel", "improve", before=run.state, after=run.id))
    for tries_left in reversed(range(CANCEL_TRIES)):
        ended = msgspec.structs.replace(
            run, state="cancelled", ended_at=now, error=f"cancelled by {actor.actor}", revision=run.revision + 1
        )
        if store.improvements.change(ended):
            break
        if not tries_left:
            raise _changed_meanwhile(run)
        run = _find_open(store, run_id, actor)
    return ended


def _find_open(store: SqlStore, run_id: str, actor: Principal) -> ImprovementRun:
    """:raises UnknownName: the actor's tenant has none of this id"""
    runs = [one for one in store.improvements.list_runs(MOST_RUNS, tenant=actor.tenant) if one.is_open]
    run = next((one for one in runs if one.id == run_id), None)
    if run is None:
        raise UnknownName("open run", run_id, [one.id for one in runs])
    return run


def _change(runs: ImprovementStore, run: ImprovementRun) -> None:
    if not runs.change(run):
        raise _changed_meanwhile(run)


def _changed_meanwhile(run: ImprovementRun) -> InputError:
    return InputError(f"{run.id} was changed by somebody else meanwhile; see: steward improve status")


def is_silent(run: ImprovementRun, now: float) -> bool:
    """Whether nobody tells that the run goes on. A heartbeat of a time that is yet to come is of a clock set back."""
    return abs(now - run.heartbeat_at) >= SILENT_S


class RunWorker:
    """Carries out one run, from its first step that is not done. Another holder that has a heartbeat is left alone."""

    def __init__(
        self,
        home: Path,
        store: SqlStore,
        holder: str,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steady`: what a step's time limit is measured by, and when to tell that it runs."""
        self._store, self._holder, self._clock, self._wait = store, holder, clock, wait
        self._steady = steady
        self._home, self._base = home, home.parent

    def work(self, run_id: str) -> ImprovementRun:
        """:raises InputError: somebody else carries it out, or it is not open
        :raises Interrupted: its command was ended, and whoever comes next begins with that step
        """
        run = self._read(run_id)
        if run.state != "running":
            raise InputError(f"{run.id} is {run.state}; only one that is running can be carried out")
        if run.holder and run.holder != self._holder and not is_silent(run, self._clock()):
            raise InputError(f"{run.id} is carried out by {run.holder}")
        run = self._put(run, holder=self._holder)
        folder = self._home / FOLDER / run.id
        make_private_folder(folder)
        try:
            return self._run_steps(run, folder)
        except KeyboardInterrupt:
            self._let_go(run.id)
            raise Interrupted(
                f"interrupted; the steps that are done are kept. Go on with: steward improve work {run.id}, or end the "
                f"run with: steward improve cancel {run.id}. A keeper that runs goes on by itself"
            ) from None

    def _let_go(self, run_id: str) -> None:
        """A step that was interrupted is to be begun anew, by anybody."""
        run = self._read(run_id)
        if run.state == "running":
            steps = [
                one if one.state != "running" else msgspec.structs.replace(one, state="waiting") for one in run.steps
            ]
            self._put(run, steps=tuple(steps), holder="")

    def _run_steps(self, run: ImprovementRun, folder: Path) -> ImprovementRun:
        for number, step in enumerate(run.steps):
            while run.steps[number].state not in ("done", "skipped"):
                run = self._run_step(run, number, folder)
                if run.state != "running":
                    return run
                ended = run.steps[number]
                if ended.state == "failed" and ended.attempts > step.retries:
                    why = f"{ended.name} failed with exit code {ended.exit_code}; its log: {folder / ended.log}"
                    return self._put(run, state="failed", error=why, ended_at=self._clock())
        return self._put(run, state="finished", ended_at=self._clock())

    def _run_step(self, run: ImprovementRun, number: int, folder: Path) -> ImprovementRun:
        step = run.steps[number]
        began = msgspec.structs.replace(
            step, state="running", started_at=self._clock(), ended_at=None, exit_code=None, attempts=step.attempts + 1
        )
        run = self._put(run, steps=_with_step(run, number, began))
        program, *rest = (part.replace("{run}", str(folder)) for part in step.command)
        command = [_find_program(program), *rest]
        with (folder / step.log).open("ab") as log:
            try:
                process = subprocess.Popen(
                    command, cwd=self._base, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env={**os.environ, "STEWARD_HOME": str(self._home), "STEWARD_RUN": str(folder)},
                )  # fmt: skip
            except OSError as error:
                log.write(f"{command[0]}: {error.strerror}\n".encode())
                failed = msgspec.structs.replace(began, state="failed", exit_code=127, ended_at=self._clock())
                return self._put(run, steps=_with_step(run, number, failed))
            try:
                run, code = self._watch(run, process, step.timeout_s)
            except BaseException:
                _end(process)
                raise
        ended = msgspec.structs.replace(
            began, state="done" if code == 0 else "failed", exit_code=code, ended_at=self._clock()
        )
        return run if run.state != "running" else self._put(run, steps=_with_step(run, number, ended))

    def _watch(
        self, run: ImprovementRun, process: subprocess.Popen[bytes], timeout_s: float
    ) -> tuple[ImprovementRun, int]:
        """Wait for a command, tell that somebody does, and end it when the run was cancelled or it takes too long."""
        limit, told = self._steady() + timeout_s, self._steady()
        while (code := process.poll()) is None:
            self._wait(0.1)
            now = self._steady()
            if now > limit:
                _end(process)
                return run, 124
            if now - told >= HEARTBEAT_S:
                told = now
                current = self._read(run.id)
                if current.state != "running":
                    _end(process)
                    return current, 130
                run = self._put(current)
        return run, code

    def _insist(self, ask: Callable[[], Answer]) -> Answer:
        """Ask a store that is away again, until somebody else may take the run over: hours of training depend on it.

        :raises Unavailable: it was away for so long
        """
        until = self._steady() + SILENT_S - HEARTBEAT_S
        while True:
            try:
                return ask()
            except Unavailable:
                if self._steady() >= until:
                    raise
            self._wait(1.0)

    def _read(self, run_id: str) -> ImprovementRun:
        runs = self._insist(lambda: self._store.improvements.list_runs(MOST_RUNS, tenant=None))
        run = next((one for one in runs if one.id == run_id), None)
        if run is None:
            raise UnknownName("run", run_id, [one.id for one in runs])
        return run

    def _put(self, run: ImprovementRun, **changes: object) -> ImprovementRun:
        """:raises InputError: somebody changed it, such as a cancellation"""
        changed = msgspec.structs.replace(run, **{"heartbeat_at": self._clock(), **changes}, revision=run.revision + 1)
        if not self._insist(lambda: self._store.improvements.change(changed)):
            current = self._read(run.id)
            if current.state == "running" and current != changed:  # it has kept this, and its answer was lost
                raise InputError(f"{run.id} is carried out by {current.holder} now")
            return current
        return changed


def _with_step(run: ImprovementRun, number: int, step: ImprovementStep) -> tuple[ImprovementStep, ...]:
    return (*run.steps[:number], step, *run.steps[number + 1 :])


def _find_program(name: str) -> str:
    """`steward` is the one that runs."""
    own = Path(sys.executable).with_name("steward")
    return str(own) if name == "steward" and own.exists() else name


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
            return


class ImproveWatch:
    """The keeper's job: proposes or begins runs by the policy, and starts a process for a run that has none."""

    def __init__(
        self,
        deployment: HomeDeployment,
        store: SqlStore,
        start: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._store, self._start, self._clock = deployment.home, store, start, clock
        self._started: set[str] = set()

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        now = self._clock()
        opened = [one for one in self._store.improvements.list_runs(MOST_RUNS, tenant=None) if one.is_open]
        for run in opened:
            if run.state == "running" and (is_silent(run, now) or (not run.holder and run.id not in self._started)):
                self._started.add(run.id)
                self._start(run.id)
        deployment = find_deployment(self._home)
        plan = deployment.improve
        if opened or plan.mode == "off":
            return
        result = choose_trigger(plan, collect_facts(self._store, now))
        if result.kind is not None:
            state: ImprovementState = "running" if plan.mode == "act" else "proposed"
            audit = deployment.open_audit_log()
            begin_run(self._store, audit, plan, result.kind, result.why, now, actor=IMPROVER, state=state)


def start_worker(home: Path, run_id: str) -> None:
    """A process of its own that carries the run out and outlives the keeper."""
    command = [sys.executable, "-m", "steward", "improve", "work", run_id, "--home", str(home)]
    folder = home / FOLDER / run_id
    make_private_folder(folder)
    with (folder / "worker.log").open("ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
