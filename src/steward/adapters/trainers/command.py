"""The trainer `command`: any program of yours. It is the reference for what a trainer must do.

The program finds its job by STEWARD_JOB, appends events and writes artefacts; docs/how-to/train-a-model.md shows one.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from steward.core.errors import InputError
from steward.core.training import TrainerProcess, TrainingJob


class CommandTrainer:
    """Runs `command` as it stands; `parameters` are for the program to read."""

    shapes: ClassVar = {"sft": "trl-sft", "dpo": "trl-dpo", "kto": "trl-kto", "prompt": "trl-sft"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        if not job.command:
            raise InputError("trainer command: no `command`; expected the program and its words: [python, train.py]")
        if shutil.which(job.command[0]) is None and not Path(job.command[0]).is_file():
            raise InputError(f"trainer command: no program {job.command[0]!r} on the PATH; give its full path")
        return TrainerProcess(job.command)
