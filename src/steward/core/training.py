"""What a trainer is told and what it tells: a job in, events and artefacts out, both as JSON in files.

A trainer's process finds its job by the environment variable STEWARD_JOB. It appends events to the job's `events`, one
JSON object a line, writes what it makes into `artefacts`, and ends with exit code 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

JOB_VARIABLE: Final = "STEWARD_JOB"
TrainingMethod = Literal["sft", "dpo", "kto", "prompt"]
EventType = Literal["progress", "metric", "checkpoint", "rendered", "cost", "message"]


class TrainingJob(msgspec.Struct, frozen=True, kw_only=True):
    """job.json. Paths are absolute."""

    format: int = 1
    id: str
    trainer: str
    method: TrainingMethod
    base: str  # a folder, a GGUF file, or a name that the trainer knows
    dataset: str  # digest of the training set; empty: rows of a file
    train: str  # file of rows
    select: str  # file of rows for choosing among candidates; may be empty
    shape: str  # of both files
    parameters: dict[str, Any] = {}
    seed: int = 0
    artefacts: str  # folder for what is made
    checkpoints: str  # folder for what a later attempt goes on from
    events: str  # file
    resume_from: str | None = None  # a path that a `checkpoint` event named
    command: tuple[str, ...] = ()  # of the trainer `command`, or what starts the others on several machines


class TrainerProcess(msgspec.Struct, frozen=True):
    """How to start a trainer: its words and variables beside STEWARD_JOB."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    needs: str = ""  # a module that the trainer's environment must have


class RenderedText(msgspec.Struct, frozen=True):
    """Tokens in a row that are all trained on, or all not."""

    text: str
    trained: bool


class TrainingEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of events. `rendered`: rows as the model sees them, with what is learned marked."""

    type: EventType
    at: float | None = None
    step: int | None = None
    steps: int | None = None  # of how many
    loss: float | None = None
    metrics: dict[str, float] = {}
    path: str = ""  # of a checkpoint
    rows: tuple[tuple[RenderedText, ...], ...] = ()
    has_end: bool | None = None  # the end of turn is among the trained tokens of every row
    usd: float | None = None  # spent since the last such event
    level: Literal["info", "warning", "error"] = "info"
    text: str = ""


def parse_event(line: bytes) -> TrainingEvent | None:
    """None where the line is no event. NaN and Infinity, which Python writes into JSON, are read as such.

    >>> parse_event(b'{"type": "metric", "step": 3, "loss": NaN}').loss
    nan
    """
    try:
        return msgspec.convert(json.loads(line), TrainingEvent)
    except (ValueError, msgspec.ValidationError, RecursionError):
        return None
