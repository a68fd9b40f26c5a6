"""`steward experiment` as users type it: trials that train, a page, and the winner's parameters in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from conftest import inside, run
from training_sets import question, write_rows

EVALUATE = """
import json, os
trial = json.load(open(os.environ["STEWARD_TRIAL"]))
made = len(json.load(open(trial["artefacts"] + "/examples.json"))) // 2
items = open(trial["items"]).read().splitlines()
scores = [min(1.0, 0.1 * made) for _ in items]
json.dump({"scores": scores, "metrics": {"examples": made}}, open(trial["result"], "w"))
"""


def test_trials_train_and_the_winner_is_applied(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [question(n) for n in range(60)])
    (tmp_path / "d.yaml").write_text("name: s\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n")
    assert run("dataset", "build", "d.yaml", "--out", "set", "--home", "home", cwd=tmp_path).returncode == 0
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    (tmp_path / "train.yaml").write_text("trainer: few-shot\nmethod: prompt\ndataset: set\nmin_free_gb: 0.1\n")
    (tmp_path / "e.yaml").write_text(
        f"name: e\ntrain: train.yaml\ndataset: set\nevaluate: [{sys.executable}, evaluate.py]\ntrials: 3\n"
        "space: {examples: {choices: [1, 3, 5]}}\nfirst: {examples: 1}\nconstraints: {examples: {max: 4}}\n"
    )
    ran = run("experiment", "run", "e.yaml", "--home", "home", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["state"] == "finished" and report["second_score"]["items"] > 0
    shown = inside("experiment", "report", report["id"], "--home", "home", "--html", "e.html", cwd=tmp_path)
    assert "Second score, on items that no trial saw" in shown.stdout and "First score" in shown.stdout
    assert "examples" in (tmp_path / "e.html").read_text()
    applied = inside("experiment", "apply", report["id"], "--out", "best.yaml", "--home", "home", cwd=tmp_path)
    assert applied.returncode == 0 and "trainer: few-shot" in (tmp_path / "best.yaml").read_text()
    again = inside("train", "run", "best.yaml", "--home", "home", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["state"] == "succeeded"
    listed = json.loads(inside("experiment", "status", "--home", "home", "--json", cwd=tmp_path).stdout)
    assert [one["id"] for one in listed] == [report["id"]]
    nobody = (tmp_path / "e.yaml").read_text().replace("max: 4", "max: 0")
    (tmp_path / "e.yaml").write_text(nobody)
    assert inside("experiment", "run", "e.yaml", "--home", "home", cwd=tmp_path).returncode == 3
