"""What the ledger's files hold that the store does not have yet: how much, and for how long it has waited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import Contradiction, Exhausted, Unavailable
from steward.gateway.ledger import decode_frames
from steward.monitoring.conditions import LedgerBacklog

_FIRST_BYTES: Final = 64 * 1024  # of what waits, read for its first record's time


class Waiting(msgspec.Struct, frozen=True):
    """All files together."""

    bytes: int
    age_s: float  # of the oldest record; 0 where none waits

    def describe(self) -> str:
        """
        >>> Waiting(3 * 2**20, 90.0).describe()
        '3.0 MiB of records wait in files, the oldest for 90 s'
        """
        return f"{self.bytes / 2**20:.1f} MiB of records wait in files, the oldest for {self.age_s:.0f} s"


def read_backlog(folders: Sequence[Path], offsets: Mapping[str, int], now: float) -> list[LedgerBacklog]:
    """What each ledger file holds beyond its offset in `offsets`."""
    files = []
    for segment in (path for folder in folders for path in folder.glob("*.seg")):
        offset = offsets.get(segment.name, 0)
        try:
            status = segment.stat()
            first = _read_first(segment, offset) if status.st_size > offset else None
        except FileNotFoundError:  # it has just been taken in
            continue
        age_s = max(0.0, now - (status.st_mtime if first is None else first))
        files.append(LedgerBacklog(status.st_size - offset, age_s))
    return files


def add_up(files: Iterable[LedgerBacklog]) -> Waiting:
    waiting = [file for file in files if file.bytes > 0]
    return Waiting(sum(file.bytes for file in waiting), max((file.age_s for file in waiting), default=0.0))


def _read_first(segment: Path, offset: int) -> float | None:
    """The time of the first record at `offset`: a file that is written to all the time is always new by its own time.
    None: it is not whole yet, or damaged.
    """
    with segment.open("rb") as file:
        file.seek(offset)
        buffer = file.read(_FIRST_BYTES)
    try:
        records, _ = decode_frames(buffer)
    except Contradiction:
        return None
    return records[0].at if records else None


class BacklogReader:
    """Tells what waits also while the store does not answer: by what it had taken when it last did."""

    def __init__(self, folders: Sequence[Path], read_offsets: Callable[[], dict[str, int]]) -> None:
        self._folders, self._read_offsets = folders, read_offsets
        self._offsets: dict[str, int] | None = None

    def read(self, now: float) -> Waiting | None:
        """None: the store has not answered since this process began."""
        try:
            self._offsets = self._read_offsets()
        except (Unavailable, Exhausted):
            if self._offsets is None:
                return None
        return add_up(read_backlog(self._folders, self._offsets, now))
