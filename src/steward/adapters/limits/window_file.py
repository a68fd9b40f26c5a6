"""One scope's counts in a file that all processes of one machine map into memory, and the processes that share it.

The file holds a ring with the start times of the last requests (as many as the limit a minute: a request passes when
the oldest is 60 seconds old), tokens by the second they were reserved in, money of the day and the month, and for each
process how many requests it has running. A process holds a lock of its own for its life, so that the places of a dead
one are found and freed when they would make the difference.

Tokens count by whole seconds: a second's tokens are free again 61 seconds after it began, never early.
"""

from __future__ import annotations

import logging
import mmap
import os
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from steward.adapters.limits.periods import day_of, month_of
from steward.core.files import bind_lock, lock_descriptor, make_private_folder, open_private_descriptor

log = logging.getLogger(__name__)
WINDOW_S: Final = 60.0
SECONDS: Final = 61
CLOCK_TOLERANCE_S: Final = 5.0  # by which the times of two processes may differ, or of a clock that is kept right
_PROCESSES: Final = 64
# The head's places, all 64-bit integers: the ring's capacity, its next place, the day and its micro-USD, the month and
# its, the second in which the tokens were summed, and their sum.
_CAPACITY, _PLACE, _DAY, _OF_DAY, _MONTH, _OF_MONTH, _SUMMED, _SUM = range(8)
_PERIODS: Final = ((_DAY, _OF_DAY, day_of), (_MONTH, _OF_MONTH, month_of))
_TOKENS_AT: Final = 8 * 8  # for each place: the second, its tokens
_RUNNING_AT: Final = _TOKENS_AT + 16 * SECONDS  # for each place: the process's number, its running requests
_RING_AT: Final = _RUNNING_AT + 16 * _PROCESSES  # start times


def to_micro_usd(usd: float) -> int:
    return round(usd * 1e6)


class Processes:
    """Numbers of the processes that share a folder; each holds the lock of its own while it lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_private_folder(folder)
        self.number = int.from_bytes(os.urandom(7), "big") | 1
        self._fd = open_private_descriptor(self._file(self.number), os.O_RDWR)
        lock_descriptor(self._fd)

    def _file(self, number: int) -> Path:
        return self._folder / f"process-{number:014x}.lock"

    def is_alive(self, number: int) -> bool:
        """Whether the process still holds its lock; the file of a dead one is removed."""
        if number == self.number:
            return True
        try:
            fd = os.open(self._file(number), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            if not lock_descriptor(fd, wait=False):
                return True
            self._file(number).unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)

    def close(self) -> None:
        self._file(self.number).unlink(missing_ok=True)
        os.close(self._fd)


class WindowFile:
    """One scope's file. All methods but `lock`, `unlock` and `close` are called under its lock."""

    def __init__(self, file: Path, processes: Processes) -> None:
        self._processes, self._file = processes, file
        self._fd = open_private_descriptor(file, os.O_RDWR)
        self.lock, self.unlock = bind_lock(self._fd)
        self._map: mmap.mmap | None = None
        self._head: memoryview[int] = memoryview(b"")
        self._tokens: memoryview[int] = memoryview(b"")
        self._running: memoryview[int] = memoryview(b"")
        self._ring: memoryview[float] = memoryview(b"").cast("d")
        self._capacity = 0

    def ensure_capacity(self, capacity: int) -> None:
        """Map the file with room for the start times of at least `capacity` requests.

        It only ever grows: another process may have it mapped, with another limit.
        """
        if self._map is not None and capacity <= self._capacity == self._head[_CAPACITY]:
            return
        there = self._head[_CAPACITY] if self._map is not None else self._read_capacity()
        wanted = max(capacity, there)
        kept = self._read_ring(there) if 0 < there < wanted else []
        size = _RING_AT + wanted * 8
        if os.fstat(self._fd).st_size < size:
            os.posix_fallocate(self._fd, 0, size)  # a full disk must fail here: a mapped page without room is SIGBUS
        self._unmap()
        self._map = mmap.mmap(self._fd, size)
        self._map.madvise(mmap.MADV_RANDOM)  # else each touch makes 64 KiB of it resident
        whole = memoryview(self._map)
        self._head = whole[:_TOKENS_AT].cast("q")
        self._tokens = whole[_TOKENS_AT:_RUNNING_AT].cast("q")
        self._running = whole[_RUNNING_AT:_RING_AT].cast("q")
        self._ring = whole[_RING_AT:].cast("d")
        self._capacity = wanted
        if there < wanted:
            for index, at in enumerate(kept):
                self._ring[index] = at
            self._head[_CAPACITY], self._head[_PLACE] = wanted, len(kept) % wanted

    def _read_capacity(self) -> int:
        """The ring's capacity, of a file that is not mapped yet; 0 where it is new, or damaged: then it begins anew."""
        head, size = os.pread(self._fd, 16, 0), os.fstat(self._fd).st_size
        if not head:
            return 0
        if len(head) == 16:
            capacity, place = memoryview(head).cast("q")
            if 0 <= place < max(capacity, 1) and _RING_AT + 8 * capacity <= size:
                return capacity
        log.warning("%s is damaged: what it counted is lost, and counts begin at 0", self._file)
        os.pwrite(self._fd, bytes(size), 0)  # another process may have it mapped, so that it does not become shorter
        return 0

    def _read_ring(self, capacity: int) -> list[Any]:
        """All start times in a ring of `capacity`, oldest first, free places too."""
        data = memoryview(os.pread(self._fd, _RING_AT + capacity * 8, 0))
        place = data[:_TOKENS_AT].cast("q")[_PLACE]
        times = data[_RING_AT:].cast("d").tolist()
        return times[place:] + times[:place]

    def _unmap(self) -> None:
        for view in (self._head, self._tokens, self._running, self._ring):
            view.release()
        if self._map is not None:
            self._map.close()

    def follow_clock(self, now: float) -> None:
        """What was counted at a time that is yet to come counts no more: the clock has been set back, and whoever had
        used up a minute would wait for longer than one.
        """
        latest = now + CLOCK_TOLERANCE_S
        head, capacity = self._head, self._capacity
        if capacity and self._ring[(head[_PLACE] - 1) % capacity] > latest:
            self._ring[:] = memoryview(bytes(8 * self._capacity)).cast("d")
        if head[_SUMMED] > latest:
            self._tokens[:] = memoryview(bytes(16 * SECONDS)).cast("q")
            head[_SUM], head[_SUMMED] = 0, int(now)

    # -- requests ------------------------------------------------------------------------------------

    def start_of(self, back: int) -> float:
        """When the request `back` places before the next one started; 0 where that place is free."""
        return self._ring[(self._head[_PLACE] - back) % self._capacity]

    def push(self, now: float) -> None:
        place = self._head[_PLACE]
        self._head[_PLACE] = (place + 1) % self._capacity  # first: a kill in between forgets one that is dead
        self._ring[place] = now

    def pull(self, at: float) -> None:
        """Take the request that started at `at` out again: newer ones move back, the freed place is next."""
        ring, newest, capacity = self._ring, self._head[_PLACE] - 1, self._capacity
        back = 0
        while (there := ring[(newest - back) % capacity]) != at:
            back += 1
            if back == capacity or there < at - 1:
                return
        for step in range(back, 0, -1):
            ring[(newest - step) % capacity] = ring[(newest - step + 1) % capacity]
        ring[newest % capacity] = 0.0
        self._head[_PLACE] = newest % capacity

    def free(self, limit: int, now: float) -> int:
        """How many of `limit` requests may start now, by bisection: the ring is sorted from `first` on."""
        ring, capacity, since = self._ring, self._capacity, now - WINDOW_S
        first = (self._head[_PLACE] - limit) % capacity
        ahead = min(limit, capacity - first)  # the others stand at the ring's beginning
        over = bisect_right(ring, since, first, first + ahead) - first
        return over if over < ahead else ahead + bisect_right(ring, since, 0, limit - ahead)

    # -- tokens --------------------------------------------------------------------------------------

    def tokens(self, now: float) -> int:
        """Tokens that count now. Their sum is kept for the rest of the second, then made anew from its parts."""
        head, second = self._head, int(now)
        if head[_SUMMED] != second:
            head[_SUM], head[_SUMMED] = sum(self.by_second(now).values()), second
        return head[_SUM]

    def by_second(self, now: float) -> dict[int, int]:
        """Tokens that count now, by the second in which they were reserved."""
        values, first = self._tokens.tolist(), int(now) - SECONDS + 1
        return {values[at]: values[at + 1] for at in range(0, 2 * SECONDS, 2) if values[at] >= first}

    def add_tokens(self, at: float, tokens: int, now: float) -> None:
        """Add (or take back) tokens in the second of `at`, unless that second counts no more."""
        second = int(at)
        if second < int(now) - SECONDS + 1:
            return
        values, place = self._tokens, 2 * (second % SECONDS)
        if values[place] > second:
            return
        if values[place] != second:
            values[place + 1], values[place] = 0, second
        values[place + 1] += tokens
        self._head[_SUM] += tokens

    # -- money ---------------------------------------------------------------------------------------

    def read_spending(self, now: float) -> tuple[float, float]:
        """US dollars of this day and this month."""
        self._follow_periods(now)
        return self._head[_OF_DAY] / 1e6, self._head[_OF_MONTH] / 1e6

    def add_money(self, at: float, usd: float, now: float) -> None:
        """Add (or take back) money in the day and month of `at`, each unless it has passed."""
        self._follow_periods(now)
        head, amount = self._head, to_micro_usd(usd)
        for kind, sum_of, period in _PERIODS:
            if period(at) >= head[kind]:
                head[sum_of] = max(0, head[sum_of] + amount)

    def _follow_periods(self, now: float) -> None:
        """Begin the day and the month that `now` is in. Where a clock has been set back to an earlier one, what was
        spent since counts in that: to a budget nothing is given anew, and nobody waits for longer than its end.
        """
        head = self._head
        for kind, sum_of, period in _PERIODS:
            current = period(now)
            if head[kind] < current:
                head[sum_of] = 0
            head[kind] = current

    # -- running requests ----------------------------------------------------------------------------

    def count_running(self) -> int:
        return sum(self._running.tolist()[1::2])

    def forget_dead(self) -> None:
        """Free the places of processes that are no more."""
        values = self._running
        for at in range(0, len(values), 2):
            if values[at] and not self._processes.is_alive(values[at]):
                values[at + 1] = values[at] = 0

    def add_running(self, count: int) -> bool:
        """Add to this process's running requests; false where 64 living processes have all places."""
        values, own = self._running, self._processes.number
        numbers = values.tolist()[0::2]
        if own in numbers:
            at = 2 * numbers.index(own)
        elif 0 in numbers:
            at = 2 * numbers.index(0)
            values[at + 1], values[at] = 0, own
        else:
            return False
        values[at + 1] = max(0, values[at + 1] + count)
        return True

    def close(self) -> None:
        self._unmap()
        os.close(self._fd)
