"""A worker that is interrupted ends its command and leaves the run to whoever comes next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Interrupted
from steward.core.improvements import ImprovementRun, ImprovementStep
from steward.workflows.improve import FOLDER, RunWorker

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
