"""S15: what others wrote (answers, comments, names, settings) cannot steer the terminal of whoever reads it.

Which characters: `tests/unit/cli/test_terminal_text.py`.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from conftest import STEWARD, inside
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import find_deployment

FOREIGN = "a\x1b[2J\x1b]0;title\x07\x9b31mz\u202eq"
OURS = re.compile(rb"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]")  # colours, and the lines of progress
OBEYED = ("\x1b", "\x07", "\x9b", "\u202e")


def run_on_terminal(*arguments: str, cwd: Path) -> tuple[int, bytes]:
    """Exit code and what a terminal was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*STEWARD, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=cwd)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed (Linux: EIO)
        pass
    os.close(ours)
    return process.wait(60), shown


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    (folder / ".steward" / "run").mkdir(parents=True)
    with open_keys(find_deployment(folder / ".steward"), 1.0):
        pass
    (folder / "a.jsonl").write_text(json.dumps({"text": FOREIGN, FOREIGN: "x"}) + "\n")
    (folder / "p.yaml").write_text("input: {path: a.jsonl}\nstages: [{use: normalise}]\noutput: {path: out}\n")
    (folder / "wrong.yaml").write_text(json.dumps({"models": [{"name": "m", "backend": FOREIGN}], FOREIGN: 1}))
    assert inside("prompts", "add", "kind", "--system", FOREIGN, cwd=folder).returncode == 0
    assert inside("keys", "create", "--name", FOREIGN, "--team", FOREIGN, cwd=folder).returncode == 0
    assert inside("incident", "open", FOREIGN, cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "prompts show kind",
        "prompts show kind --json",
        "keys list",
        "incident list",
        "data profile a.jsonl",
        "data run p.yaml",
        "config check --config wrong.yaml",
        "audit tail",
    ],
)
def test_s15_what_others_wrote_is_neutralised(command: str, place: Path) -> None:
    code, shown = run_on_terminal(*command.split(), cwd=place)
    assert code in (0, 1, 2) and shown
    left = OURS.sub(b"", shown).decode()
    assert not [letter for letter in OBEYED if letter in left]


@pytest.mark.parametrize("command", ["prompts show", "trace", "model show", "metrics query", "approve"])
def test_s15_a_name_that_is_wrong_is_neutralised(command: str, place: Path) -> None:
    code, shown = run_on_terminal(*command.split(), FOREIGN, cwd=place)
    left = OURS.sub(b"", shown).decode()
    assert code in (2, 4) and not [letter for letter in OBEYED if letter in left]
