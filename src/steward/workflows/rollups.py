"""Makes rollups good once, in the background: of homes from before there were any, and of what older releases took in.

Everything is compared, the newest first, and what is not equal is made anew. A keeper does so once after its start;
cut off at any place, the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, RESOLUTIONS, start_of

ROWS: Final = 2_000  # of series that are made anew in one transaction, for which requests wait to be taken in
WORK_S: Final = 0.5  # of a run, so that the keeper's other jobs are not late
_PARTS_S: Final = {MINUTE_S: HOUR_S, HOUR_S: DAY_S, DAY_S: 30 * DAY_S}  # that are compared at once


class RollupFill:
    """A job of the keeper: call `run` until `done`."""

    def __init__(
        self,
        store: SqlStore,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._clock, self._stopwatch = store, clock, stopwatch
        self._steps: Iterator[None] | None = None
        self.done = False

    def run(self) -> None:
        """For about half a second. :raises Unavailable: the store does not answer; the next run begins anew"""
        until = self._stopwatch() + WORK_S
        steps, self._steps = self._steps or self._walk(), None
        while not self.done and self._stopwatch() < until:
            self.done = next(steps, _END) is _END
        self._steps = steps

    def find_pause_s(self) -> float:
        """No run comes after the last one: its lease alone would be two transactions."""
        return inf if self.done else 0.0

    def _walk(self) -> Iterator[None]:
        for resolution_s in reversed(RESOLUTIONS):  # days are few, and longest looked at
            yield from self._compare(resolution_s)
        yield from self._fill_versions()

    def _compare(self, resolution_s: int) -> Iterator[None]:
        first, part_s = self._store.series.first(resolution_s, tenant=None), _PARTS_S[resolution_s]
        begin = start_of(self._clock(), part_s)
        while first is not None:
            batch, rows = [], 0
            differences = self._store.rollups.find_differences(resolution_s, begin, begin + part_s)
            for start, count in sorted(differences.items(), reverse=True):
                batch.append(start)
                rows += count
                if rows >= ROWS:
                    self._store.rollups.rebuild(resolution_s, batch)
                    batch, rows = [], 0
                    yield
            if batch:
                self._store.rollups.rebuild(resolution_s, batch)
            if begin <= first:
                break
            self._store.rollups.mark_complete(resolution_s, begin)
            begin -= part_s
            yield
        self._store.rollups.mark_complete(resolution_s, 0)
        yield

    def _fill_versions(self) -> Iterator[None]:
        """From the newest day that is not complete."""
        first, minutes = (self._store.series.first(one, tenant=None) for one in (DAY_S, MINUTE_S))
        since = self._store.rollups.complete_since(None)
        day = min(since, start_of(self._clock(), DAY_S) + DAY_S) - DAY_S
        while first is not None and day >= first and since:
            for hour in range(day + DAY_S - HOUR_S, day - HOUR_S, -HOUR_S):
                self._store.rollups.rebuild_versions(hour, minutes is not None and hour >= minutes - HOUR_S)
                yield
            self._store.rollups.rebuild_version_day(day)
            self._store.rollups.mark_complete(None, day)
            day -= DAY_S
            yield
        self._store.rollups.mark_complete(None, 0)


_END: Final = object()
