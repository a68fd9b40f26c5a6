"""Real training of the shipped model: SFT with LoRA that is killed and goes on, DPO, KTO, and what is served then."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, inside, run
from steward import starter
from training_sets import write_rows

if importlib.util.find_spec("trl") is None:  # found, not imported: that takes half a second of each worker
    pytest.skip("the extra `train` is not installed", allow_module_level=True)
GIFTS = Path(starter.path()).parent / "sets" / "gift_train.jsonl"
SETTINGS = "name: gifts\nfloor: {rows: 10, subjects: 5}\nduplicates: {near: null}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training set of gift cards with pairs, and a home."""
    folder = tmp_path_factory.mktemp("train")
    rows = [json.loads(line) for line in GIFTS.read_text().splitlines()[:120]]
    chats = [
        {
            "prompt": [{"role": "user", "content": row["user"]}],
            "chosen": [{"role": "assistant", "content": row["references"][0]}],
            "rejected": [{"role": "assistant", "content": f"I do not sell gift cards, number {n}."}],
        }
        for n, row in enumerate(rows)
    ]
    write_rows(folder / "gifts.jsonl", chats)
    (folder / "d.yaml").write_text(SETTINGS + "sources: [{path: gifts.jsonl}]\n")
    built = run("dataset", "build", "d.yaml", "--out", "set", "--home", "home", cwd=folder)
    assert built.returncode == 0, built.stderr
    return folder


def configure(place: Path, method: str, **parameters: Any) -> str:
    given = {"batch_size": 4, "max_length": 128, "learning_rate": 0.001, **parameters}
    head = f"trainer: trl\nmethod: {method}\ndataset: set\nbase: starter\nmin_free_gb: 0.1\n"
    (place / f"{method}.yaml").write_text(f"{head}parameters: {json.dumps(given)}\n")
    return f"{method}.yaml"


def train(place: Path, *arguments: str) -> dict[str, Any]:
    result = run("train", "run", *arguments, "--home", "home", "--json", cwd=place)
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_sft_learns_shows_what_is_trained_and_goes_on_after_a_kill(place: Path) -> None:
    file = configure(place, "sft", max_steps=24, save_steps=4, lora_rank=8)
    words = [sys.executable, "-m", "steward", "train", "run", file, "--home", "home", "--json"]
    process = subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    state: dict[str, Any] = {}
    while time.monotonic() < deadline and not state.get("checkpoint"):
        for path in (place / "home" / "training").glob("*/state.json"):
            state = json.loads(path.read_text())
        time.sleep(0.05)
    os.kill(state["pid"], signal.SIGKILL)  # the trainer, in the middle
    first = json.loads(process.communicate(timeout=60)[0])
    assert first["state"] == "failed" and "killed by signal 9" in first["reason"] and first["step"] < 24
    record = train(place, "--resume", first["id"])
    assert record["state"] == "succeeded", record["reason"]
    assert record["step"] == 24 and record["attempts"] == 2 and record["has_end"] is True
    events = [json.loads(line) for line in (Path(record["folder"]) / "events.jsonl").read_text().splitlines()]
    steps = [event["step"] for event in events if event["type"] == "progress"]
    again = steps[steps.index(first["step"]) + 1] if first["step"] in steps else steps[-1]
    assert again <= first["step"] + 1 and steps.count(1) == 1  # it did not begin anew
    losses = [loss for _, loss in record["curve"]]
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    rendered = record["rendered"][0]
    assert [part["trained"] for part in rendered] == [False, True]
    assert rendered[1]["text"].rstrip().endswith("<|im_end|>") and "user" in rendered[0]["text"]
    [artefact] = record["artefacts"]
    assert artefact["name"] == "model.gguf"
    shown = run("train", "show", record["id"], "--home", "home", "--html", "run.html", cwd=place)
    assert "⟦" in shown.stdout and "loss curve" in shown.stdout and "Loss by step" in (place / "run.html").read_text()


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_pairs_and_labels_are_trained_on(place: Path, method: str) -> None:
    record = train(place, configure(place, method, max_steps=3, lora_rank=0))
    assert record["state"] == "succeeded", record["error"]
    assert record["step"] == 3 and record["loss"] is not None and record["artefacts"][0]["name"] == "model.gguf"


def test_rows_that_are_cut_before_their_end_are_not_trained_on(place: Path) -> None:
    record = train(place, configure(place, "sft", max_steps=3, max_length=24, lora_rank=0))
    assert record["state"] == "stopped" and record["has_end"] is False
    assert "the end of turn is not among the trained tokens" in record["reason"] and record["artefacts"] == []


def test_a_model_that_cannot_fit_is_refused_before_it_starts(place: Path) -> None:
    file = configure(place, "sft", batch_size=10_000_000, lora_rank=0)
    result = run("train", "run", file, "--home", "home", cwd=place)
    assert result.returncode == 2 and "training needs about" in result.stderr


@pytest.mark.xdist_group("shapes")
@pytest.mark.timeout(900)  # twice torch's imports beside the training
def test_shapes_of_the_starter_are_compared_at_the_same_budget(tmp_path: Path) -> None:
    """examples/architectures with fewer trials: new models, of which the smaller ones take more steps."""
    for file in (ROOT / "examples" / "architectures").iterdir():
        text = file.read_text().replace("budget_tflop: 0.5", "budget_tflop: 0.02").replace("trials: 8", "trials: 2")
        text = text.replace("first: {layers: 4, width: 128", "first: {layers: 2, width: 64")
        (tmp_path / file.name).write_text(text.replace("[python,", f"[{sys.executable},"))
    rows = [json.loads(line) for line in GIFTS.read_text().splitlines()[:120]]
    answers = [
        {"prompt": row["user"], "completion": row["references"][0], "subject": f"s{n}"} for n, row in enumerate(rows)
    ]
    write_rows(tmp_path / "answers.jsonl", answers)
    built = inside("dataset", "build", "dataset.yaml", "--out", "set", "--home", "home", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    ran = inside("experiment", "run", "experiment.yaml", "--home", "home", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert [trial["state"] for trial in report["trials"]] == ["complete"] * 2 and report["winner"] is not None
    assert report["trials"][0]["parameters"] == {"layers": 2, "width": 64, "heads": 4}
    sizes_and_steps = []
    for trial in report["trials"]:
        shown = inside("train", "show", trial["run"], "--home", "home", "--json", cwd=tmp_path)
        sizes_and_steps.append((trial["metrics"]["parameters"], json.loads(shown.stdout)["step"]))
    assert len({size for size, _ in sizes_and_steps}) > 1
    assert [steps for _, steps in sorted(sizes_and_steps)] == sorted(
        (steps for _, steps in sizes_and_steps), reverse=True
    )
    spent = [size * taken for size, taken in sizes_and_steps]
    assert max(spent) < 1.2 * min(spent), "but for a part of a step, all spend the same"
    page = inside("experiment", "report", report["id"], "--home", "home", "--html", "e.html", cwd=tmp_path)
    assert page.returncode == 0 and "width" in (tmp_path / "e.html").read_text()
