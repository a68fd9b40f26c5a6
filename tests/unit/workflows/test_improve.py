"""A worker that is interrupted ends its command and leaves the run to whoever comes next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Interrupted, Unavailable
from steward.core.improvements import ImprovementRun, ImprovementStep
from steward.workflows.improve import FOLDER, SILENT_S, RunWorker

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
