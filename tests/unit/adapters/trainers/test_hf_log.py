"""Lines as transformers 5 prints them (Trainer.log, and tqdm's bar)."""

import math
import signal
import sys

import msgspec
import pytest

from steward.adapters.trainers.hf_log import find_checkpoint, keep_outputs, main, parse_line
from steward.core.training import parse_event
from steward.testing.trainers import make_job


def test_a_mapping_a_step_is_a_metric():
    event = parse_line("{'loss': '1.25', 'grad_norm': '0.5', 'learning_rate': '1e-05', 'epoch': '0.1'}", 7)
    assert (event.type, event.step, event.loss) == ("metric", 7, 1.25)
    assert event.metrics == {"grad_norm": 0.5, "learning_rate": 1e-05, "epoch": 0.1}
    assert parse_line("{'loss': 1.25}", 1).loss == 1.25
    assert math.isnan(parse_line("{'loss': 'nan'}", 1).loss)


def test_a_bar_is_progress_and_other_lines_are_nothing():
    event = parse_line(" 12%|#   | 3/25 [00:10<01:00,  2.7s/it]", 0)
    assert (event.step, event.steps) == (3, 25)
    assert parse_line("loading weights", 0) is None and parse_line("{'eval_loss': '1'}", 0) is None


def test_the_newest_checkpoint_and_what_is_left_beside_them(tmp_path):
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-x"):
        (tmp_path / "out" / name).mkdir(parents=True)
    (tmp_path / "out" / "adapter_config.json").write_text("{}")
    (tmp_path / "made").mkdir()
    assert find_checkpoint(tmp_path / "out").name == "checkpoint-10"
    keep_outputs(tmp_path / "out", tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["adapter_config.json"]
    assert find_checkpoint(tmp_path / "made") is None


PROGRAM = """
import pathlib, sys
out = pathlib.Path(sys.argv[1])
print("1/4 [00:01<00:03", end="\\r")
print("{'loss': '2.0'}", flush=True)
(out / "checkpoint-1").mkdir()
print("saved", flush=True)
print("and on", flush=True)
(out / "checkpoint-2").mkdir()
print("2/4 [00:02<00:02", flush=True)
(out / "adapter.bin").write_text("x")
raise SystemExit(int(sys.argv[2]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_what_a_program_prints_and_leaves_becomes_events_and_artefacts(tmp_path, monkeypatch, capfdbinary, code):
    job = make_job(tmp_path, "trl", "sft", "trl-sft", [])
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(job))
    monkeypatch.setenv("STEWARD_JOB", str(tmp_path / "job.json"))
    monkeypatch.setattr(sys, "argv", ["hf_log", sys.executable, "-c", PROGRAM, job.checkpoints, str(code)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main() == code
    finally:
        signal.signal(signal.SIGTERM, before)
    events = [parse_event(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    progress = [(one.step, one.steps) for one in events if one.type == "progress"]
    assert progress == [(1, 4), (2, 4)]
    assert [(one.step, one.loss) for one in events if one.type == "metric"] == [(1, 2.0)]
    saved = [one.path.rpartition("/")[2] for one in events if one.type == "checkpoint"]
    assert saved[-1] == "checkpoint-2" and len(saved) == len(set(saved))  # each once
    assert b"and on\n" in capfdbinary.readouterr().out
    kept = [path.name for path in (tmp_path / "artefacts").iterdir()]
    assert kept == (["adapter.bin"] if code == 0 else [])  # of a failed run nothing is an artefact
