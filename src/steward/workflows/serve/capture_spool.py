"""Where a worker writes captured exchanges: sealed, into segments of its own, and never at an answer's cost.

What cannot be written is counted (`steward_captures_total`) and forgotten. The files are a spool (`workflows.spool`) in
a folder of their own, opened when the first exchange is kept; the keeper moves them into the store exactly once.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.meters import CAPTURES, Labels
from steward.core.records import Tally
from steward.gateway.middleware.capture import SkipReason
from steward.security.rootkey import RootKeys
from steward.workflows.sealing import find_place
from steward.workflows.spool import SpoolWriter

log = logging.getLogger(__name__)

MEASURE_S: Final = 1.0  # how long the size of the spool is believed


class FolderCaptureSpool:
    """`gateway.middleware.capture.CaptureSpool` in the files of one worker."""

    def __init__(
        self,
        folder: Path,
        writer_id: str,
        roots: Callable[[], RootKeys],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = 0  # by the plan that is served
        self._folder, self._writer_id, self._roots, self._clock = folder, writer_id, roots, clock
        self._writer: SpoolWriter | None = None
        self._counts: Counter[Labels] = Counter()
        self._measured_at, self._size = -MEASURE_S, 0
        self._failing = False

    def keep(self, record: CapturedExchange, content: CapturedContent) -> None:
        if self._measure() >= self.max_bytes:
            self.count_skipped("spool_full", record.purpose)
            return
        text = msgspec.msgpack.encode(content)
        try:
            if self._writer is None:
                self._writer = SpoolWriter(self._folder, self._writer_id, self._roots, self._clock)
            sealed = self._writer.seal(find_place(record), text)
            self._writer.append(msgspec.structs.replace(record, sealed=sealed))
        except OSError as error:
            self.count_skipped("disk_full", record.purpose)
            if not self._failing:
                log.error("exchanges are not captured: %s", error.strerror)
            self._failing = True
            return
        self._failing = False
        self._size += len(text)
        self._count("kept", record.purpose)

    def count_skipped(self, reason: SkipReason, purpose: str) -> None:
        self._count(reason, purpose)

    def _count(self, result: str, purpose: str) -> None:
        self._counts[("purpose", purpose), ("result", result)] += 1

    def _measure(self) -> int:
        """Bytes of the spool's files, those of other workers too."""
        now = self._clock()
        if now - self._measured_at >= MEASURE_S:
            self._measured_at = now
            self._size = sum(_size(path) for path in self._folder.glob("*.seg")) if self._folder.is_dir() else 0
        return self._size

    def take_counts(self, now: float) -> Tally | None:
        """What was counted since; None: nothing. Give it back with `put_back` where it could not be written."""
        if not self._counts:
            return None
        counts, self._counts = self._counts, Counter()
        return Tally(at=now, meter=CAPTURES, counts=tuple(counts.items()))

    def put_back(self, tally: Tally) -> None:
        self._counts.update(dict(tally.counts))

    def sync(self) -> None:
        """Bring what was written to the disk; blocks."""
        if self._writer is not None:
            self._writer.sync()

    def rotate(self) -> None:
        """Begin a new segment, so that the keeper may delete the one before once it is drained."""
        if self._writer is not None:
            self._writer.rotate()

    async def renew(self) -> None:
        """As `SpoolWriter.renew`: an erasure reaches what was captured once its segment has ended."""
        if self._writer is not None:
            await self._writer.renew()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the keeper was faster
        return 0
