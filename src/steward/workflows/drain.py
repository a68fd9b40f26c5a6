"""Moves ledger segments into the store, exactly once, and closes the books of dead writers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Contradiction
from steward.core.files import try_lock
from steward.gateway.ledger import decode_frames, writer_of

BATCH_BYTES: Final = 1024 * 1024


class DrainReport(msgspec.Struct, frozen=True):
    """What one round did."""

    settled: int
    lost: int
    damaged: tuple[str, ...] = ()  # segments with a frame that cannot be read, and why


def drain_once(folder: Path, store: SqlStore, now: float) -> DrainReport:
    """Drain all segments in `folder`; a writer whose lock is free is dead, and what it left open is lost.

    A damaged segment holds up no other: what precedes the damage is taken in, the file is kept as `.damaged` once
    its writer is done with it.
    """
    settled = lost = 0
    damaged: list[str] = []
    writers = sorted({writer_of(path) for path in folder.glob("*.seg")} | {path.stem for path in folder.glob("*.lock")})
    offsets = store.ledger.offsets()
    for writer in writers:
        lock = try_lock(folder / f"{writer}.lock")  # before reading: a dead writer appends no more
        try:
            segments = sorted(folder.glob(f"{writer}-*.seg"))
            broken: list[Path] = []
            for segment in segments:
                try:
                    settled += drain_segment(segment, store, offsets.get(segment.name, 0))
                except Contradiction as error:
                    broken.append(segment)
                    damaged.append(f"{segment.name}: {error}")
            if lock is not None:
                lost += store.ledger.settle_lost(writer, now)
            for segment in segments if lock is not None else segments[:-1]:
                if segment in broken:
                    segment.rename(segment.with_suffix(".damaged"))  # for a person to look at
                else:
                    segment.unlink()
                store.ledger.delete_segment(segment.name)
            if lock is not None:
                (folder / f"{writer}.lock").unlink(missing_ok=True)
        finally:
            if lock is not None:
                os.close(lock)
    return DrainReport(settled, lost, tuple(damaged))


def drain_segment(segment: Path, store: SqlStore, offset: int) -> int:
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
            settled += store.ledger.drain(writer_of(segment), segment.name, offset, records)
            if used == len(buffer) < batch_bytes:  # what is written meanwhile waits for the next round
                return settled
