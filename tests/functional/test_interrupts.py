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


def interrupt(signal: str, folder: Path, copies: Path, command: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The run that was left alone, and those that were interrupted."""
    program = [
        sys.executable,
        str(ROOT / "tests" / "interrupted_command.py"),
        signal,
        str(folder),
        str(copies),
        command,
    ]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=300, check=True)
    whole, *cut = map(json.loads, ran.stdout.splitlines())
    for one in cut:
        one["error"] = leave_out_waiting(one["error"])
    return whole, cut


@pytest.mark.parametrize(("signal", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_k9_an_interrupted_command_leaves_nothing_half_written(
    signal: str, command: str, folder: Path, tmp_path: Path
) -> None:
    whole, cut = interrupt(signal, folder, tmp_path, command)
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
