"""K9 of issue 15: an interrupt of whatever writes ends with 130, leaves no half-written file, and the next run goes on.

Commands are interrupted at several of their writes, by Ctrl-C for the whole process group or by SIGTERM.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, leave_out_waiting, run
from writing_commands import COMMANDS, prepare_place

TEMPORARY = re.compile(r"(^|/)\.[^/]+\.\d+(-\d+|\.tar)?$|(^|/)\.(making|backup)-|\.restore-")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("interrupts")
    prepare_place(place)
    return place


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The runs of each command: first the one that was left alone, then those that were interrupted.

    All commands of a signal are forked from one process, which loads what they share once.
    """
    found: dict[str, list[dict[str, Any]]] = {command: [] for _, command in COMMANDS}
    for signal in ("SIGINT", "SIGTERM"):
        commands = [command for which, command in COMMANDS if which == signal]
        place = str(tmp_path_factory.mktemp(signal))
        program = [sys.executable, str(ROOT / "tests" / "interrupted_command.py"), signal, str(folder), place]
        ran = subprocess.run([*program, *commands], capture_output=True, text=True, timeout=1200, check=True)
        for one in map(json.loads, ran.stdout.splitlines()):
            found[one["command"]].append({**one, "error": leave_out_waiting(one["error"])})
    return found


@pytest.mark.timeout(1800)  # the first one waits for all: half a minute, on a busy machine minutes
@pytest.mark.parametrize("command", [command for _, command in COMMANDS])
def test_k9_an_interrupted_command_leaves_nothing_half_written(
    command: str, runs: dict[str, list[dict[str, Any]]]
) -> None:
    whole, *cut = runs[command]
    assert whole["code"] in (0, 1, 3), whole["error"]  # 3: a card with parts that nobody has written
    assert cut
    for one in cut:
        assert one["code"] == 130 and "Traceback" not in one["error"], one["error"]
        assert one["error"].lstrip().startswith("steward: interrupted"), one["error"]
        if "data run" not in command:  # which goes on where it stopped, and keeps what it has
            assert not [name for name in one["files"] if TEMPORARY.search(name)]
        if ".yaml" not in command:
            left = {name for name in one["files"] if not name.startswith((".steward/", "keys/"))}
            if "was not checked" in one["error"]:
                left = {name for name in left if not name.startswith("r/")}
            assert left <= set(whole["files"])


def test_k9_an_interrupted_data_run_goes_on_and_clears_what_was_torn(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "place")
    rows = tmp_path / "place" / "out" / "rows"
    assert run("data", "run", "p.yaml", cwd=tmp_path / "place").returncode == 0
    whole = {path.name: path.read_bytes() for path in rows.iterdir()}
    (rows / ".part-00000.parquet.12-3").write_bytes(b"torn")
    (rows.parent / "summary.json").unlink()
    assert run("data", "run", "p.yaml", cwd=tmp_path / "place").returncode == 0
    assert {path.name: path.read_bytes() for path in rows.iterdir()} == whole
