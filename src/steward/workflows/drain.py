"""Moves ledger segments into the store, exactly once, and closes the books of dead writers."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from steward.core.errors import Contradiction, Exhausted, Unavailable
from steward.core.files import make_private_folder, try_lock
from steward.core.records import LedgerRecord
from steward.core.stores import LedgerStore
from steward.gateway.ledger import decode_frames, parse_writer

log = logging.getLogger(__name__)

BATCH_BYTES: Final = 2 * 1024 * 1024  # some 4,000 requests: what a transaction costs by itself is then a tenth of it
PAUSE_S: Final = 0.2  # between two rounds
BUSY_PAUSE_S: Final = 0.5  # after a round of BUSY_ROWS: a transaction costs 4 ms of the processor by itself
BUSY_ROWS: Final = 400
ROTATE: Final = "rotate"  # in `home/run`: workers begin new segments whenever it changes


class Intake(Protocol):
    """What becomes of records on their way into the store, and what is done once a writer's are all there."""

    def convert(self, segment: Path, records: Sequence[LedgerRecord]) -> Sequence[LedgerRecord]: ...

    def finish(self, folder: Path, writer: str) -> None: ...


class AsTheyAre:
    """An `Intake` that changes nothing."""

    def convert(self, segment: Path, records: Sequence[LedgerRecord]) -> Sequence[LedgerRecord]:
        return records

    def finish(self, folder: Path, writer: str) -> None: ...


AS_THEY_ARE: Final = AsTheyAre()


class DrainReport(msgspec.Struct, frozen=True):
    """What one round did."""

    settled: int
    lost: int
    damaged: tuple[str, ...] = ()  # segments with a frame that cannot be read, and why


def drain_once(folder: Path, ledger: LedgerStore, now: float, intake: Intake = AS_THEY_ARE) -> DrainReport:
    """Drain all segments in `folder`; a writer whose lock is free is dead, and what it left open is lost.

    A damaged segment holds up no other: what precedes the damage is taken in, the file is kept as `.damaged` once
    its writer is done with it.
    """
    settled = lost = 0
    damaged: list[str] = []
    there = list(folder.glob("*.seg"))
    writers = sorted({*map(parse_writer, there), *(path.stem for path in folder.glob("*.lock"))})
    offsets = (
        ledger.offsets() if any(path.stat().st_size for path in there) else {}
    )  # nothing of an empty one is drained
    for writer in writers:
        lock = try_lock(folder / f"{writer}.lock")  # before reading: a dead writer appends no more
        try:
            segments = sorted(folder.glob(f"{writer}-*.seg"))
            broken: list[Path] = []
            for segment in segments:
                try:
                    settled += drain_segment(segment, ledger, offsets.get(segment.name, 0), intake)
                except Contradiction as error:
                    broken.append(segment)
                    damaged.append(f"{segment.name}: {error}")
            if lock is not None:
                lost += ledger.settle_lost(writer, now)
            for segment in segments if lock is not None else segments[:-1]:
                if segment in broken:
                    segment.rename(segment.with_suffix(".damaged"))  # for a person to look at
                else:
                    segment.unlink()
                ledger.delete_segment(segment.name)
            if lock is not None:
                intake.finish(folder, writer)
                (folder / f"{writer}.lock").unlink(missing_ok=True)
        finally:
            if lock is not None:
                os.close(lock)
    return DrainReport(settled, lost, tuple(damaged))


def drain_segment(segment: Path, ledger: LedgerStore, offset: int, intake: Intake = AS_THEY_ARE) -> int:
    """Drain what is new in one segment now; returns the number of requests settled.

    :raises Contradiction: a frame that cannot be read; all before it is in the store
    """
    settled = 0
    batch_bytes = BATCH_BYTES
    with segment.open("rb") as file:
        while True:
            file.seek(offset)
            buffer = file.read(batch_bytes)
            records, used = decode_frames(buffer)
            if not used:
                if len(buffer) < batch_bytes:
                    return settled
                batch_bytes *= 2  # a frame larger than the batch
                continue
            offset += used
            settled += ledger.drain(parse_writer(segment), segment.name, offset, intake.convert(segment, records))
            if used == len(buffer) < batch_bytes:  # what is written meanwhile waits for the next round
                return settled


class LedgerDrain:
    """The keeper's job of draining: names damage and losses in the log, each once."""

    def __init__(
        self,
        folders: Sequence[Path],
        ledger: LedgerStore,
        intake: Intake,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folders, self._ledger, self._clock, self._intake = folders, ledger, clock, intake
        self._named: set[str] = set()
        self._refusal: Unavailable | Exhausted | None = None
        self._settled = 0  # in the last round
        for folder in folders:
            make_private_folder(folder)

    def run(self) -> None:
        """:raises Unavailable, Exhausted: the store does not answer, or is full; the files keep everything"""
        try:
            reports = [drain_once(folder, self._ledger, self._clock(), self._intake) for folder in self._folders]
        except (Unavailable, Exhausted) as error:
            self._refusal = error
            raise
        self._refusal = None
        self._settled = sum(report.settled for report in reports)
        for damage in {item for report in reports for item in report.damaged} - self._named:
            self._named.add(damage)
            log.error("damaged ledger segment %s; what precedes it is settled, the file is kept", damage)
        if lost := sum(report.lost for report in reports):
            log.warning("settled %d requests of a dead worker at their reservation", lost)

    def find_pause_s(self) -> float:
        """Seconds from the beginning of the last round to the next one: more where many rows share what one costs."""
        return BUSY_PAUSE_S if self._settled >= BUSY_ROWS else PAUSE_S

    def check(self) -> None:
        """:raises Unavailable, Exhausted: the last run could not bring its records into the store"""
        if self._refusal is not None:
            raise self._refusal
