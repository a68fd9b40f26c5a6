"""Runs of the circle: what they rest on, who begins and ends them, and what a worker does with their steps."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Interrupted, Unavailable, UnknownName
from steward.core.identity import Principal, operator
from steward.core.improvements import ImprovementRun, ImprovementStep
from steward.core.reactions import COUNTS, DAY_S, ReactionKey, ReactionRow
from steward.improvement.triggers import ImprovePlan, QualityWindow, StepPlan
from steward.workflows.audit import list_acts
from steward.workflows.improve import (
    FOLDER,
    SILENT_S,
    ImproveWatch,
    RunWorker,
    accept_run,
    begin_run,
    cancel_run,
    collect_facts,
)
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import HomeDeployment, find_deployment

SLEEP = (sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")


def test_k9_an_interrupted_run_is_let_go_and_its_command_ended(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    done = ImprovementStep(name="build", command=("true",), state="done")
    step = ImprovementStep(name="train", command=SLEEP, log="train.log")
    given = ImprovementRun(
        id="imp_1", trigger="manual", why="by hand", state="running", steps=(done, step), started_at=0.0, started_by="o"
    )
    assert store.improvements.start(given)
    log = tmp_path / FOLDER / "imp_1" / "train.log"

    def interrupt_once_it_runs(seconds: float) -> None:
        if log.read_text().endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="Go on with: steward improve work imp_1, or end the run"):
        RunWorker(tmp_path, store, "here:1", wait=interrupt_once_it_runs).work("imp_1")
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
    (left,) = store.improvements.list_runs(1, tenant=None)
    store.close()
    assert (left.state, left.holder, [one.state for one in left.steps]) == ("running", "", ["done", "waiting"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    opened.migrate()
    yield opened
    opened.close()


def start(store: SqlStore, *steps: ImprovementStep, **fields: Any) -> ImprovementRun:
    run = ImprovementRun(
        **{"id": "imp_1", "trigger": "manual", "why": "by hand", "state": "running", "steps": steps, "started_at": 0.0,
           "started_by": "o", **fields}
    )  # fmt: skip
    assert store.improvements.start(run)
    return run


def make_step(name: str, *command: str, **fields: Any) -> ImprovementStep:
    return ImprovementStep(name=name, command=command, log=f"{name}.log", **fields)


def work(home: Path, store: SqlStore, holder: str = "here:1", now: float = 100.0) -> ImprovementRun:
    return RunWorker(home, store, holder, lambda: now).work("imp_1")


def test_steps_run_one_after_another_beside_the_home(tmp_path: Path, store: SqlStore) -> None:
    home = tmp_path / "home"
    script = 'echo "$STEWARD_HOME $STEWARD_RUN $1"; pwd'
    start(store, make_step("one", "sh", "-c", script, "x", "{run}"), make_step("two", "true"))
    ended = work(home, store)
    folder = home / FOLDER / "imp_1"
    assert (folder / "one.log").read_text() == f"{home} {folder} {folder}\n{tmp_path}\n"
    assert (ended.state, ended.ended_at, [one.state for one in ended.steps]) == ("finished", 100.0, ["done", "done"])
    assert [(one.exit_code, one.attempts, one.started_at) for one in ended.steps] == [(0, 1, 100.0)] * 2
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_program_that_is_not_there_fails_as_a_shell_says_it(tmp_path: Path, store: SqlStore) -> None:
    """POSIX, Shell Command Language, 2.8.2: 127, a command that is not found."""
    start(store, make_step("train", "no-such-program"))
    ended = work(tmp_path, store)
    log = tmp_path / FOLDER / "imp_1" / "train.log"
    assert (ended.state, ended.error) == ("failed", f"train failed with exit code 127; its log: {log}")
    assert log.read_text() == "no-such-program: No such file or directory\n"


@pytest.mark.parametrize("retries", [0, 2])
def test_a_step_that_fails_is_tried_again_as_often_as_it_says(tmp_path: Path, store: SqlStore, retries: int) -> None:
    start(store, make_step("train", "sh", "-c", "echo try; exit 7", retries=retries), make_step("never", "true"))
    ended = work(tmp_path, store)
    train, never = ended.steps
    assert (train.attempts, train.exit_code, train.state) == (retries + 1, 7, "failed")
    assert (never.state, never.attempts, ended.ended_at) == ("waiting", 0, 100.0)
    assert (tmp_path / FOLDER / "imp_1" / "train.log").read_text() == "try\n" * (retries + 1)


def test_a_step_that_takes_too_long_ends_with_124(tmp_path: Path, store: SqlStore) -> None:
    """As timeout(1) of the GNU coreutils says it."""
    start(store, make_step("train", *SLEEP, timeout_s=10.0))
    now = [100.0]

    def wait(seconds: float) -> None:
        now[0] += 5.0

    ended = RunWorker(tmp_path, store, "here:1", lambda: 7.0, wait, lambda: now[0]).work("imp_1")
    assert (ended.state, ended.steps[0].exit_code) == ("failed", 124)
    assert now[0] == 115.0  # the first moment beyond ten seconds


@pytest.mark.parametrize(("away_s", "state"), [(55.0, "finished"), (56.0, "running")])
def test_a_store_that_is_away_for_less_than_a_minute_ends_no_step(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch, away_s: float, state: str
) -> None:
    """It goes away when the step has ended; of the last change that it kept, the answer is lost."""
    start(store, make_step("train", "true"))
    now, change = [0.0], store.improvements.change

    def change_late(run: ImprovementRun) -> bool:
        if run.steps[0].state == "done" and now[0] < away_s:
            if now[0] == away_s - 1.0:
                assert change(run)
            raise Unavailable("away")
        return change(run)

    def wait(seconds: float) -> None:
        now[0] += int(seconds)

    monkeypatch.setattr(store.improvements, "change", change_late)
    worker = RunWorker(tmp_path, store, "here:1", lambda: 7.0, wait, lambda: now[0])
    if state == "running":
        with pytest.raises(Unavailable):
            worker.work("imp_1")
    else:
        assert worker.work("imp_1").steps[0].attempts == 1
    (left,) = store.improvements.list_runs(1, tenant=None)
    assert left.state == state


def test_a_run_that_was_cancelled_ends_its_command(tmp_path: Path, store: SqlStore) -> None:
    start(store, make_step("train", *SLEEP))
    now = [100.0]

    def wait(seconds: float) -> None:
        now[0] += 1.0
        if now[0] == 103.0:
            (run,) = store.improvements.list_runs(1, tenant=None)
            ended = msgspec.structs.replace(run, state="cancelled", ended_at=now[0], revision=run.revision + 1)
            assert store.improvements.change(ended)

    ended = RunWorker(tmp_path, store, "here:1", lambda: now[0], wait, lambda: now[0]).work("imp_1")
    assert ended.state == "cancelled" and now[0] >= 103.0


@pytest.mark.parametrize(
    ("heartbeat_at", "left_alone"),
    [(100.0 - SILENT_S + 0.1, True), (100.0 - SILENT_S, False), (159.9, True), (160.0, False)],
)  # in the future: the clock was set back since
def test_another_holder_is_left_alone_while_its_heart_beats(
    tmp_path: Path, store: SqlStore, heartbeat_at: float, left_alone: bool
) -> None:
    start(store, make_step("train", "true"), holder="there:2", heartbeat_at=heartbeat_at)
    if left_alone:
        with pytest.raises(InputError, match="imp_1 is carried out by there:2"):
            work(tmp_path, store)
        assert work(tmp_path, store, "there:2").state == "finished"
    else:
        assert work(tmp_path, store).state == "finished"


def test_only_a_run_that_runs_is_carried_out(tmp_path: Path, store: SqlStore) -> None:
    start(store, make_step("train", "true"), state="proposed")
    with pytest.raises(InputError, match="imp_1 is proposed; only one that is running can be carried out"):
        work(tmp_path, store)


def test_steps_that_are_done_are_not_done_again(tmp_path: Path, store: SqlStore) -> None:
    steps = (make_step("done", "false", state="done"), make_step("skipped", "false", state="skipped"))
    start(store, *steps, make_step("train", "true"))
    assert work(tmp_path, store).state == "finished"


DAYS = {99: (9, 9), 98: (3, 2), 97: (1, 1), 96: (4, 1), 69: (8, 8), 68: (100, 0)}


def test_the_days_before_the_last_are_what_quality_is_compared_with() -> None:
    """Today is day 100, of which more may come. Three windows are days 97 to 99; the 28 before them, 69 to 96."""

    def row(day: int, rated: int, satisfied: int) -> ReactionRow:
        counts = [0] * len(COUNTS)
        counts[COUNTS.index("rated")], counts[COUNTS.index("satisfied")] = rated, satisfied
        return ReactionRow(ReactionKey("t", day * DAY_S, "m", "r", "", 0), tuple(counts))

    rows = [row(day, *counts) for day, counts in DAYS.items()] + [row(98, 1, 1), row(100, 50, 0)]
    runs = [
        SimpleNamespace(state="proposed", rows=1000, started_at=9.0),
        SimpleNamespace(state="failed", rows=6, started_at=5.0),
    ]
    store = SimpleNamespace(
        reactions=SimpleNamespace(read=lambda since, tenant: rows),
        improvements=SimpleNamespace(list_runs=lambda most, tenant: runs),
    )
    facts = collect_facts(cast(SqlStore, store), 100.5 * DAY_S)
    assert facts.windows == (QualityWindow(1, 1), QualityWindow(4, 3), QualityWindow(9, 9))
    assert facts.before == QualityWindow(12, 9)
    assert (facts.last_at, facts.last_rows, facts.new_rows) == (5.0, 6, 170)
    runs.clear()
    fresh = collect_facts(cast(SqlStore, store), 100.5 * DAY_S)
    assert (fresh.last_at, fresh.last_rows, fresh.new_rows) == (None, 0, 176)


PLAN, ME = ImprovePlan(steps=(StepPlan(name="train", command=("true",)),), mode="act"), operator(7)


def make_home(folder: Path, settings: str = "") -> HomeDeployment:
    (folder / "steward.yaml").write_text(settings)
    with open_keys(find_deployment(folder / ".steward"), 1.0):
        return find_deployment(folder / ".steward")


def test_one_run_is_open_at_a_time(tmp_path: Path) -> None:
    deployment = make_home(tmp_path)
    store, audit = deployment.open_store(), deployment.open_audit_log()
    with pytest.raises(InputError, match=r"improve\.steps has no command"):
        begin_run(store, audit, ImprovePlan(), "manual", "", 9.0, actor=ME)
    first = begin_run(store, audit, PLAN, "manual", "by hand", 9.0, actor=ME, state="proposed")
    assert (first.state, first.started_at, first.steps[0].log, first.rows) == ("proposed", 9.0, "train.log", 0)
    with pytest.raises(InputError, match=f"{first.id} is proposed already; .*; begin it: steward improve run"):
        begin_run(store, audit, PLAN, "manual", "", 10.0, actor=ME)
    begun = accept_run(store, audit, 11.0, actor=ME)
    assert begun is not None and (begun.id, begun.state, begun.started_at) == (first.id, "running", 11.0)
    assert accept_run(store, audit, 12.0, actor=ME) is None
    with pytest.raises(InputError, match=f"{first.id} is running already; .*; see: steward improve status"):
        begin_run(store, audit, PLAN, "manual", "", 13.0, actor=ME)
    with pytest.raises(InputError, match="a run of another tenant is open"):
        begin_run(store, audit, PLAN, "manual", "", 13.0, actor=Principal(kind="person", id="a", tenant="acme"))
    with pytest.raises(UnknownName, match="imp_0"):
        cancel_run(store, audit, "imp_0", 14.0, actor=ME)
    ended = cancel_run(store, audit, first.id, 14.0, actor=ME)
    assert (ended.state, ended.ended_at, ended.error) == ("cancelled", 14.0, f"cancelled by {ME.actor}")
    assert store.improvements.list_runs(9, tenant=None) == [ended]
    with pytest.raises(UnknownName):
        cancel_run(store, audit, first.id, 15.0, actor=ME)
    store.close()
    acts = [act.action for act in list_acts(deployment.home, 99) if act.action.startswith("improve")]
    assert sorted(acts) == sorted(["improve.propose", *["improve.run"] * 4, "improve.cancel"])


def test_somebody_elses_change_is_not_written_over(tmp_path: Path) -> None:
    deployment = make_home(tmp_path)
    store = SimpleNamespace(
        improvements=SimpleNamespace(
            list_runs=lambda most, tenant: [
                ImprovementRun(
                    id="imp_1", trigger="manual", why="", state="proposed", steps=(), started_at=1.0, started_by="o"
                )
            ],
            change=lambda run: False,
        )
    )
    for change in (
        lambda: accept_run(cast(SqlStore, store), deployment.open_audit_log(), 2.0, actor=ME),
        lambda: cancel_run(cast(SqlStore, store), deployment.open_audit_log(), "imp_1", 2.0, actor=ME),
    ):
        with pytest.raises(InputError, match="imp_1 was changed by somebody else meanwhile"):
            change()


def test_a_heartbeat_at_that_moment_does_not_keep_a_run_alive(tmp_path: Path) -> None:
    deployment, revisions = make_home(tmp_path), iter([4, 5])
    open_run = ImprovementRun(
        id="imp_1", trigger="manual", why="", state="running", steps=(), started_at=1.0, started_by="o"
    )
    improvements = SimpleNamespace(
        list_runs=lambda most, tenant: [msgspec.structs.replace(open_run, revision=next(revisions))],
        change=lambda run: run.revision == 6,
    )
    store = cast(SqlStore, SimpleNamespace(improvements=improvements))
    ended = cancel_run(store, deployment.open_audit_log(), "imp_1", 2.0, actor=ME)
    assert (ended.state, ended.revision, ended.ended_at) == ("cancelled", 6, 2.0)


SETTINGS = "improve:\n  mode: %s\n  every_days: 7\n  steps:\n    - {name: train, command: ['true']}\n"


@pytest.mark.parametrize(("mode", "states"), [("off", []), ("propose", ["proposed"]), ("act", ["running"])])
def test_the_policy_proposes_or_begins_as_it_is_told_to(tmp_path: Path, mode: str, states: list[str]) -> None:
    deployment = make_home(tmp_path, SETTINGS % f"'{mode}'")
    store, started = deployment.open_store(), list[str]()
    watch = ImproveWatch(deployment, store, started.append, lambda: 1000.0)
    watch.run()
    runs = store.improvements.list_runs(9, tenant=None)
    assert [run.state for run in runs] == states and started == []
    for _ in range(2):
        watch.run()  # what is proposed waits, what has begun is carried out, and nothing else is begun
    assert store.improvements.list_runs(9, tenant=None) == runs
    assert started == [run.id for run in runs if run.state == "running"]
    store.close()


@pytest.mark.parametrize(
    ("holder", "heartbeat_at", "starts"),
    [("here:1", 100.0 - SILENT_S + 0.1, 0), ("here:1", 100.0 - SILENT_S, 2), ("", 100.0, 1), ("", 0.0, 2)],
)
def test_a_run_whose_process_is_silent_gets_another(
    tmp_path: Path, store: SqlStore, holder: str, heartbeat_at: float, starts: int
) -> None:
    """One that nobody has taken up yet is started once: its process is on its way, until a minute has passed."""
    start(store, make_step("train", "true"), holder=holder, heartbeat_at=heartbeat_at)
    started: list[str] = []
    (tmp_path / "x").mkdir()
    watch = ImproveWatch(make_home(tmp_path / "x"), store, started.append, lambda: 100.0)
    watch.run()
    watch.run()
    assert started == ["imp_1"] * starts
