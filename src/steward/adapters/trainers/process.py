"""What steward's own trainer processes share: the job, the events, and an end that tells why."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.files import open_private_descriptor
from steward.core.training import JOB_VARIABLE, TrainingEvent, TrainingJob


class EventWriter:
    """Appends events, each with its time; a line is written whole or not at all."""

    def __init__(self, job: TrainingJob, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = Path(job.events), clock

    def write(self, event: TrainingEvent) -> None:
        line = msgspec.json.encode(msgspec.structs.replace(event, at=self._clock())) + b"\n"
        descriptor = open_private_descriptor(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read_job() -> TrainingJob:
    """:raises InputError: this process was not started for a job"""
    path = os.environ.get(JOB_VARIABLE)
    if not path:
        raise InputError(f"no {JOB_VARIABLE}: this program is started by `steward train run`")
    return msgspec.json.decode(Path(path).read_bytes(), type=TrainingJob)


def read_lines(path: str) -> list[dict[str, Any]]:
    """The rows of a file; none where there is no file."""
    if not path or not Path(path).exists():
        return []
    return [msgspec.json.decode(line) for line in Path(path).read_bytes().splitlines()]


def convert_parameters(parameters: Mapping[str, Any], kind: type[Any], trainer: str) -> Any:
    """The parameters as the trainer's record. :raises InputError: an unknown one, or a value of another type"""
    known = kind.__struct_fields__
    for name in parameters:
        if name not in known:
            raise UnknownName(f"parameter (of trainer {trainer})", name, known)
    try:
        return msgspec.convert(dict(parameters), kind)
    except msgspec.ValidationError as error:
        raise InputError(f"trainer {trainer}: parameters: {str(error).replace('`', '')}") from None


def run_process(work: Callable[[TrainingJob, EventWriter], None]) -> None:
    """The edge of a trainer's process: what goes wrong becomes an event and an exit code; SIGTERM ends it."""
    signal.signal(signal.SIGTERM, _raise_exit)
    job = read_job()
    events = EventWriter(job)
    try:
        work(job, events)
    except StewardError as error:
        events.write(TrainingEvent(type="message", level="error", text=str(error)))
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from error
    except OSError as error:
        events.write(TrainingEvent(type="message", level="error", text=error.strerror or type(error).__name__))
        raise


def _raise_exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
