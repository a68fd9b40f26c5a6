"""The folder of a training run: HOME/training/ID, readable by its owner only.

job.json events.jsonl log.txt state.json rows/ checkpoints/ work/ (being made) artefacts/ (whole) lock
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.files import try_lock, write_file
from steward.core.training import TrainingEvent, TrainingJob, parse_event
from steward.improvement.training import TrainedArtefact, TrainingRun, check_artefact

FOLDER: Final = "training"
JOB, STATE, EVENTS, LOG, CANCEL, LOCK = "job.json", "state.json", "events.jsonl", "log.txt", "cancel", "lock"
WORK, ARTEFACTS, CHECKPOINTS, ROWS = "work", "artefacts", "checkpoints", "rows"
_HEAD_BYTES: Final = 64 << 20  # of a file: room for a safetensors header


class EventReader:
    """New events of a file, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._rest = path, 0, b""

    def skip(self) -> None:
        """Leave out what is there already."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> Iterator[TrainingEvent | None]:
        """None for a line that is no event."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            if line.strip():
                yield parse_event(line)


def write_state(folder: Path, run: TrainingRun) -> None:
    write_file(folder / STATE, msgspec.json.encode(run), durable=run.state != "running")


def read_state(folder: Path) -> TrainingRun:
    """`lost` where nobody watches a run that has not ended. :raises InputError: no run there"""
    try:
        run = msgspec.json.decode((folder / STATE).read_bytes(), type=TrainingRun)
    except OSError as error:
        raise InputError(f"{folder}: no training run ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{folder / STATE}: not a training run of this version ({error})") from None
    if run.state == "running" and not is_watched(folder):
        reason = f"steward ended while it trained; go on with: steward train run --resume {run.id}"
        return msgspec.structs.replace(run, state="lost", reason=reason)
    return run


def is_watched(folder: Path) -> bool:
    descriptor = try_lock(folder / LOCK)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def find_run(home: Path, run_id: str) -> Path:
    """The folder of a run, by its id or the beginning of it. :raises UnknownName: none, or several"""
    known = sorted(path.name for path in (home / FOLDER).glob("*") if (path / STATE).exists())
    matching = [name for name in known if name.startswith(run_id)]
    if run_id and len(matching) == 1:
        return home / FOLDER / matching[0]
    if len(matching) > 1 and run_id:
        raise InputError(f"{run_id!r} is the beginning of {len(matching)} runs: {', '.join(matching[:5])}")
    raise UnknownName("training run", run_id, known)


def list_runs(home: Path) -> list[TrainingRun]:
    """Newest first."""
    runs = [read_state(path.parent) for path in (home / FOLDER).glob(f"*/{STATE}")]
    return sorted(runs, key=lambda run: -run.started_at)


def read_job_file(folder: Path) -> TrainingJob:
    return msgspec.json.decode((folder / JOB).read_bytes(), type=TrainingJob)


def collect_artefacts(folder: Path) -> tuple[list[TrainedArtefact], str]:
    """The files that a trainer made, and what is wrong with them; nothing may be missing and none broken."""
    artefacts = []
    for path in sorted((folder / WORK).rglob("*")):
        if not path.is_file():
            continue
        name = str(path.relative_to(folder / WORK))
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256")
        if problem := check_artefact(name, path.stat().st_size, head):
            return [], f"the artefact {name} {problem}; it is left in {folder / WORK}"
        artefacts.append(TrainedArtefact(name, path.stat().st_size, digest.hexdigest()))
    return artefacts, "" if artefacts else "the trainer ended without an artefact"


def read_start_time(pid: int) -> str:
    """What tells a process from a later one with the same number; empty where it cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def end_group(pid: int, is_over: Callable[[], bool], grace_s: float = 10.0) -> None:
    """SIGTERM to a process group; SIGKILL to what is left when its leader has ended, or `grace_s` later."""
    _signal_group(pid, signal.SIGTERM)
    _wait(is_over, grace_s)
    _signal_group(pid, signal.SIGKILL)
    _wait(is_over, grace_s)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # all have ended; macOS says the latter of those not waited for
        return


def _wait(is_over: Callable[[], bool], most_s: float) -> None:
    deadline = time.monotonic() + most_s
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.02)
