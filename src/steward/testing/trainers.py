"""The contract of a trainer, for whoever adds one: call `check_trainer` from a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from steward.core.extend import Trainer
from steward.core.training import JOB_VARIABLE, TrainingEvent, TrainingJob, TrainingMethod, parse_event


class TrainerReport(msgspec.Struct, frozen=True):
    """What a trainer did with a job."""

    code: int
    events: tuple[TrainingEvent, ...]
    artefacts: tuple[str, ...]
    log: str


def make_job(
    folder: Path, trainer: str, method: TrainingMethod, shape: str, rows: Sequence[Mapping[str, Any]], **fields: Any
) -> TrainingJob:
    """A job over `rows`, already in the shape, in an empty folder."""
    for name in ("artefacts", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("train.jsonl", "select.jsonl"):
        (folder / name).write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return TrainingJob(
        id="tr_contract", trainer=trainer, method=method, dataset="sha256:00", shape=shape,
        train=str(folder / "train.jsonl"), select=str(folder / "select.jsonl"), artefacts=str(folder / "artefacts"),
        checkpoints=str(folder / "checkpoints"), events=str(folder / "events.jsonl"), **{"base": "", **fields},
    )  # fmt: skip


def start_trainer(trainer: Trainer, job: TrainingJob) -> subprocess.Popen[bytes]:
    """The process, as `steward train run` starts it."""
    folder = Path(job.events).parent
    process = trainer.prepare(job, sys.executable)
    (folder / "job.json").write_bytes(msgspec.json.encode(job))
    environment = {**os.environ, **process.environment, JOB_VARIABLE: str(folder / "job.json")}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            process.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def run_trainer(trainer: Trainer, job: TrainingJob, timeout_s: float = 120.0) -> TrainerReport:
    """Start it and wait for its end. :raises AssertionError: it did not end in time, or wrote what is no event"""
    process = start_trainer(trainer, job)
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError(f"the trainer did not end within {timeout_s:g} s") from None
    return read_report(job, code)


def read_report(job: TrainingJob, code: int) -> TrainerReport:
    folder, path = Path(job.events).parent, Path(job.events)
    lines = path.read_bytes().splitlines() if path.exists() else []
    events = [parse_event(line) for line in lines]
    assert None not in events, f"line {events.index(None) + 1} of {path.name} is no event"
    made = sorted(str(one.relative_to(job.artefacts)) for one in Path(job.artefacts).rglob("*") if one.is_file())
    log = (folder / "log.txt").read_text(errors="replace")
    return TrainerReport(code, tuple(one for one in events if one is not None), tuple(made), log)


def check_trainer(trainer: Trainer, job: TrainingJob, timeout_s: float = 120.0) -> TrainerReport:
    """What each trainer must do with a job that can be done: end with 0, tell of steps in order, and make something."""
    assert job.method in trainer.shapes, f"{job.method} is not among {list(trainer.shapes)}"
    report = run_trainer(trainer, job, timeout_s)
    assert report.code == 0, report.log[-2000:]
    assert report.events, "no event was written"
    steps = [event.step for event in report.events if event.step is not None]
    assert steps == sorted(steps), f"steps go back: {steps}"
    known = [event.steps for event in report.events if event.steps is not None and event.step is not None]
    assert all(step <= most for step, most in zip(steps, known, strict=False)), "a step is beyond the last one"
    assert report.artefacts, "nothing was made"
    assert all((Path(job.artefacts) / name).stat().st_size for name in report.artefacts), "an artefact is empty"
    return report


def check_ends_when_told(trainer: Trainer, job: TrainingJob, within_s: float = 20.0) -> None:
    """SIGTERM ends it soon, and not with 0."""
    process = start_trainer(trainer, job)
    deadline = time.monotonic() + within_s
    while not Path(job.events).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        code = process.wait(within_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError(f"the trainer did not end within {within_s:g} s of SIGTERM") from None
    assert code != 0, "a trainer that was told to end says that it succeeded"
