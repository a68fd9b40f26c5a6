"""A run that another process watches: it begins, goes on by itself, and says why where it does not begin."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

import trainer_program
from steward.core.errors import InputError, Unavailable
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.train.detached import start_detached
from steward.workflows.train.folder import list_runs, read_state
from steward.workflows.train.run import cancel_run
from training_sets import build_set, question


@pytest.fixture
def config(tmp_path: Path) -> Path:
    build_set(tmp_path, DatasetHome(tmp_path / "home"), [question(n) for n in range(40)])
    file = tmp_path / "train.yaml"
    words = f"[{sys.executable}, {trainer_program.__file__}]"
    file.write_text(f"trainer: command\ndataset: set\nmin_free_gb: 0\ncommand: {words}\nparameters: {{mode: ''}}\n")
    return file


def wait_for(folder: Path, *states: str) -> str:
    deadline = time.monotonic() + 60
    while (state := read_state(folder).state) not in states and time.monotonic() < deadline:
        time.sleep(0.05)
    return state


def test_a_detached_run_goes_on_to_its_end_as_its_first_attempt(config: Path) -> None:
    run = start_detached(config, config.parent / "home")
    assert run.state in ("running", "succeeded")
    assert wait_for(Path(run.folder), "succeeded", "failed") == "succeeded"
    ended = read_state(Path(run.folder))
    assert (ended.attempts, ended.step, [one.name for one in ended.artefacts]) == (1, 10, ["model.gguf"])


def test_a_detached_run_is_cancelled_as_any_other(config: Path) -> None:
    config.write_text(config.read_text().replace("mode: ''", "mode: hang"))
    run = start_detached(config, config.parent / "home")
    assert cancel_run(run.id, config.parent / "home").state == "cancelled"


def test_a_process_that_does_not_begin_is_told_with_its_last_words(config: Path) -> None:
    words = (sys.executable, "-c", "print('no room'); raise SystemExit(1)")
    with pytest.raises(Unavailable, match="was not started: no room; try again: steward train run --resume tr_"):
        start_detached(config, config.parent / "home", command=words)
    (run,) = list_runs(config.parent / "home")
    assert run.state == "prepared"
    with pytest.raises(Unavailable, match="its process said nothing"):
        start_detached(config, config.parent / "home", command=(sys.executable, "-c", ""))


def test_what_cannot_start_is_said_at_once_and_leaves_nothing(config: Path) -> None:
    config.write_text(config.read_text().replace("trainer: command", "trainer: nobody"))
    with pytest.raises(InputError):
        start_detached(config, config.parent / "home")
    assert list_runs(config.parent / "home") == []
