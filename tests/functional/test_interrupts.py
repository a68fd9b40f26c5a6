"""K9 of issue 15: an interrupt of whatever writes ends with 130, leaves no half-written file, and the next run goes on.

Commands are interrupted at several of their writes, by Ctrl-C for the whole process group or by SIGTERM.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, inside, run
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import find_deployment
from training_sets import question, write_rows

EVALUATE = """
import json, os
trial = json.load(open(os.environ["STEWARD_TRIAL"]))
json.dump({"scores": [0.5 for _ in open(trial["items"])], "metrics": {}}, open(trial["result"], "w"))
"""
COMMANDS = [
    ("SIGINT", "crypt encrypt a.jsonl x --key file:k"),
    ("SIGTERM", "crypt decrypt sealed x --key file:k"),
    ("SIGINT", "data run p.yaml --workers 2"),
    ("SIGTERM", "data convert a.jsonl --to openai --output o.jsonl"),
    ("SIGINT", "data classifier train l.jsonl --label label --good a --output g.npz"),
    ("SIGTERM", "dataset build d.yaml --out set2"),
    ("SIGINT", "dataset export set --to trl-sft --out rows"),
    ("SIGTERM", "train run train.yaml"),
    ("SIGTERM", "experiment run e.yaml"),
    ("SIGINT", "backup c.steward"),
    ("SIGTERM", "restore b.steward --home r --erasures none"),
    ("SIGINT", "privacy export person-1 p.zip"),
    ("SIGTERM", "eval attacks attacks"),
    ("SIGINT", "audit export log"),
]
TEMPORARY = re.compile(r"(^|/)\.[^/]+\.\d+(-\d+|\.tar)?$|(^|/)\.(making|backup)-|\.restore-")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("interrupts")
    write_rows(place / "a.jsonl", [question(n) for n in range(60)])
    write_rows(place / "l.jsonl", [{"text": question(n)["prompt"], "label": "ab"[n % 2]} for n in range(120)])
    texts = {
        "k": "ab" * 32,
        "e.py": EVALUATE,
        "d.yaml": "name: s\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n",
        "p.yaml": "input: {path: a.jsonl, text: prompt}\nstages: [{use: dedupe.exact}]\noutput: {path: out}\n",
        "train.yaml": "trainer: few-shot\nmethod: prompt\ndataset: set\nmin_free_gb: 0.1\n",
        "e.yaml": f"name: e\ntrain: train.yaml\ndataset: set\nevaluate: [{sys.executable}, e.py]\ntrials: 2\n"
        "space: {examples: {choices: [1, 3]}}\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    home = place / ".steward"
    (home / "run").mkdir(parents=True)
    with open_keys(find_deployment(home), 1.0):
        pass
    at = os.getcwd()
    os.chdir(place)
    try:
        for command in (
            "dataset build d.yaml --out set",
            "crypt encrypt a.jsonl sealed --key file:k",
            "backup b.steward",
        ):
            assert inside(*command.split()).returncode == 0
    finally:
        os.chdir(at)
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
    return whole, cut


@pytest.mark.parametrize(("signal", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_k9_an_interrupted_command_leaves_nothing_half_written(
    signal: str, command: str, folder: Path, tmp_path: Path
) -> None:
    whole, cut = interrupt(signal, folder, tmp_path, command)
    assert whole["code"] in (0, 1), whole["error"]
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
