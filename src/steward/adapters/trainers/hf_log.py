"""Runs another trainer's program and turns what it prints into events: `python -m …hf_log PROGRAM WORDS`.

Transformers' trainer prints a mapping a step, such as {'loss': '1.23', 'epoch': '0.5'}; what LLaMA-Factory and Axolotl
run is that trainer. What the program prints goes on to the log.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import IO, Final

from steward.adapters.trainers.process import EventWriter, read_job
from steward.core.files import publish_file
from steward.core.training import TrainingEvent, TrainingJob

_LOSS: Final = re.compile(r"['\"]loss['\"]: ['\"]?([-+0-9.e]+|nan|inf)")
_NUMBER: Final = re.compile(r"['\"](\w+)['\"]: ['\"]?([-+]?[0-9][-+0-9.e]*)")
_PROGRESS: Final = re.compile(r"(\d+)/(\d+) \[[0-9:]+<")


def parse_line(line: str, step: int) -> TrainingEvent | None:
    """The event that a printed line tells of; `step` is the newest one known.

    >>> parse_line("{'loss': '0.5', 'grad_norm': '1.5'}", 3).loss
    0.5
    """
    if found := _LOSS.search(line):
        numbers = {name: float(value) for name, value in _NUMBER.findall(line) if name != "loss"}
        return TrainingEvent(type="metric", step=step, loss=float(found[1]), metrics=numbers)
    if found := _PROGRESS.search(line):
        return TrainingEvent(type="progress", step=int(found[1]), steps=int(found[2]))
    return None


def find_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint-N of a folder."""
    numbered = [
        (int(path.name.rpartition("-")[2]), path) for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()
    ]
    return max(numbered)[1] if numbered else None


def main() -> int:
    job = read_job()
    events = EventWriter(job)
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:

        def stop(number: int, frame: FrameType | None) -> None:
            process.terminate()

        signal.signal(signal.SIGTERM, stop)
        assert process.stdout is not None
        _follow(process.stdout, job, events)
    if process.returncode == 0:
        keep_outputs(Path(job.checkpoints), Path(job.artefacts))
    return process.returncode


def _follow(output: IO[bytes], job: TrainingJob, events: EventWriter) -> None:
    """Pass on what the program prints, with the events that it and its checkpoints tell of."""
    step, checkpoint = 0, None
    for line in output:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        for part in line.decode(errors="replace").split("\r"):
            if event := parse_line(part, step):
                step = event.step if event.step is not None else step
                events.write(event)
        newest = find_checkpoint(Path(job.checkpoints))
        if newest is not None and newest != checkpoint:
            checkpoint = newest
            events.write(TrainingEvent(type="checkpoint", step=step, path=str(newest)))


def keep_outputs(output: Path, artefacts: Path) -> None:
    """What the program left beside its checkpoints is what it made."""
    for path in sorted(output.iterdir()):
        if path.is_file():
            publish_file(path, artefacts / path.name)


if __name__ == "__main__":
    raise SystemExit(main())
