"""Commands that write files, and a folder with what they read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from conftest import inside
from served_home import write_plan
from steward.workflows.keys import open_keys
from steward.workflows.reload import ConfigSource, build_candidate
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
    ("SIGINT", "evidence pack e.zip"),
    ("SIGTERM", "card system --out c.md"),
    ("SIGTERM", "model import set --name m"),
    ("SIGINT", "tls init"),
]


def prepare_place(place: Path) -> None:
    """Put there what `COMMANDS` read."""
    write_rows(place / "a.jsonl", [question(n) for n in range(60)])
    write_rows(place / "l.jsonl", [{"text": question(n)["prompt"], "label": "ab"[n % 2]} for n in range(120)])
    texts = {
        "k": "ab" * 32,
        "e.py": EVALUATE,
        "d.yaml": "name: s\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n",
        "p.yaml": "input: {path: a.jsonl, text: prompt}\nstages: [{use: dedupe.exact}]\noutput: {path: out}\n",
        "served": 'models: [{name: m, backend: openai, url: "http://127.0.0.1:9/v1"}]\n',
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
    source = ConfigSource(None, {"home": str(home)}, None, "1")
    plan = build_candidate(source, home, place / "served").plan
    write_plan(home, msgspec.structs.replace(plan, home=".steward"))  # of whichever copy a command runs in
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
