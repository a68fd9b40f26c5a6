"""What `steward improve` does with a home, and what it says of a run."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from steward.cli.improve import _describe_holder, _describe_step
from steward.cli.main import app
from steward.core.improvements import ImprovementRun, ImprovementStep
from steward.workflows.keys import open_keys
from steward.workflows.releases import open_desk
from steward.workflows.serve.deployment import find_deployment


@pytest.mark.parametrize(
    ("holder", "heartbeat_at", "said"),
    [
        ("here:7", 97.4, "imp_1 is carried out by here:7, heard of 3 s ago; its logs: '/a home/improve/imp_1'"),
        ("here:7", 300.0, "imp_1 is carried out by here:7, heard of 0 s ago; its logs: '/a home/improve/imp_1'"),
        ("", 97.4, "imp_1 waits for a process; its logs: '/a home/improve/imp_1'"),
    ],
)
def test_who_carries_a_run_out_and_where_its_logs_are(holder: str, heartbeat_at: float, said: str) -> None:
    run = ImprovementRun(
        id="imp_1", trigger="manual", why="", state="running", steps=(), started_at=1.0, started_by="me",
        holder=holder, heartbeat_at=heartbeat_at,
    )  # fmt: skip
    assert _describe_holder(run, Path("/a home"), 100.0) == said


def test_a_step_that_is_tried_again_says_so() -> None:
    assert [_describe_step(ImprovementStep(name="t", command=(), state="running", attempts=n)) for n in (1, 2)] == [
        "t running", "t running (2 tries)",
    ]  # fmt: skip


def make_home(folder: Path, improve: str = "") -> Path:
    (folder / "steward.yaml").write_text(improve)
    with open_keys(find_deployment(folder / ".steward"), 1.0):
        return folder / ".steward"


def improve(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["improve", *words, "--home", str(home)], env={"COLUMNS": "200"})


def improve_json(home: Path, *words: str) -> Any:
    return json.loads(improve(home, *words, "--json").stdout)


STEPS = "improve:\n  mode: propose\n  steps:\n    - {name: train, command: [sh, -c, 'exit %d']}\n"


@pytest.mark.parametrize(("code", "exit_code", "state"), [(0, 0, "finished"), (3, 1, "failed")])
def test_a_script_sees_by_the_exit_code_whether_the_steps_went_well(
    tmp_path: Path, code: int, exit_code: int, state: str
) -> None:
    home = make_home(tmp_path, STEPS % code)
    began = time.monotonic()
    ran = improve(home, "run")
    passed_s = time.monotonic() - began
    assert (ran.exit_code, f": {state}" in ran.stdout, "manual: by hand" in ran.stdout) == (exit_code, True, True)
    (row,) = [line for line in ran.stdout.splitlines() if line.startswith("train ")]
    shown = re.search(rf" {code} +([0-9.]+) s +sh -c exit {code}$", row.rstrip())
    assert shown and float(shown[1]) <= passed_s + 0.05  # it is rounded


def test_the_reason_that_somebody_gives_stands_with_the_run(tmp_path: Path) -> None:
    home = make_home(tmp_path, STEPS % 0)
    waiting = improve_json(home, "run", "--detach", "--reason", "new data")
    assert (waiting["state"], waiting["why"], waiting["steps"][0]["state"]) == ("running", "new data", "waiting")
    assert "one runs at a time; see: steward improve status" in str(improve(home, "run").exception)
    assert improve(home, "work", waiting["id"]).exit_code == 0
    assert improve_json(home, "status")["runs"][0]["state"] == "finished"


def test_a_proposal_is_what_run_begins(tmp_path: Path) -> None:
    home = make_home(tmp_path, STEPS % 0)
    proposed = ImprovementRun(
        id="imp_1", trigger="schedule", why="a week has passed", state="proposed", started_at=1.0, started_by="improve",
        steps=(ImprovementStep(name="train", command=("true",), log="train.log"),),
    )  # fmt: skip
    with open_desk(home) as desk:
        assert desk.store.improvements.start(proposed)
    ran = improve_json(home, "run")
    assert (ran["id"], ran["state"], ran["trigger"]) == ("imp_1", "finished", "schedule")


@pytest.mark.parametrize(("state", "is_named"), [("running", True), ("finished", False)])
def test_status_names_the_logs_of_what_runs_alone(tmp_path: Path, state: Any, is_named: bool) -> None:
    home = make_home(tmp_path, STEPS % 0)
    run = ImprovementRun(
        id="imp_1", trigger="manual", why="by hand", state=state, steps=(), started_at=1.0, started_by="me"
    )
    with open_desk(home) as desk:
        assert desk.store.improvements.start(run)
        if state == "finished":
            assert desk.store.improvements.change(msgspec.structs.replace(run, error="cut off", revision=2))
    shown = improve(home, "status").stdout
    assert ("imp_1 waits for a process" in shown) is is_named
    assert ("cut off" in shown, "by hand" in shown) == ((True, False) if state == "finished" else (False, True))


def test_enable_prints_what_is_missing_in_the_settings(tmp_path: Path) -> None:
    bare = make_home(tmp_path)
    told = improve_json(bare, "enable", "act")
    assert (told["file"], told["mode"], told["wanted"]) == (str(tmp_path / "steward.yaml"), "off", "act")
    assert told["yaml"].startswith("improve:\n  mode: act\n  steps:\n    - {name: build")
    assert improve(bare, "enable", "off").stdout.strip() == "improve.mode is off already."
    refused = improve(bare, "enable", "x" * 101)
    assert refused.exception is not None and f"mode '{'x' * 99}…': expected off, propose or act" in str(
        refused.exception
    )


def test_enable_leaves_steps_that_are_there(tmp_path: Path) -> None:
    home = make_home(tmp_path, STEPS % 0)
    assert improve_json(home, "enable", "act")["yaml"] == "improve:\n  mode: act"
    assert improve_json(home, "enable", "off")["yaml"] == "improve:\n  mode: off"
    assert improve_json(home, "enable")["yaml"] == ""  # propose serves
