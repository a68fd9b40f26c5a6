"""Limits counted in files that all processes of one machine map into memory.

One file for each scope, read and written under its file lock, so that all workers share one exact count and a
killed one leaves nothing behind but a released lock. Scopes are locked in the order of their names.

A file holds a ring with the start times of the last requests (as many as the limit a minute: a request passes
when the oldest is 60 seconds old), tokens by the second they were reserved in, money of the day and the month,
and for each process how many requests it has running. A process holds a lock of its own for its life, so that the
places of a dead one are found and freed when they would make the difference.

Tokens count by whole seconds: a second's tokens are free again 61 seconds after it began, never early. What a
killed process had reserved stays used until its minute, day or month has passed: its ledger rows settle so, too.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from steward.core.records import Decision, LimitSpec, Reservation, Scope

WINDOW_S: Final = 60.0
_SECONDS: Final = 61
_PROCESSES: Final = 64
_HEAD: Final = struct.Struct("<QQqqqq")  # ring's capacity, next place, day, its micro-USD, month, its micro-USD
_TOKENS: Final = struct.Struct(f"<{2 * _SECONDS}q")  # for each place: the second, its tokens
_TOKEN_PAIR: Final = struct.Struct("<qq")
_RUNNING: Final = struct.Struct(f"<{2 * _PROCESSES}q")  # for each place: the process's number, its running requests
_TIME: Final = struct.Struct("<d")
_AT_TOKENS: Final = _HEAD.size
_AT_RUNNING: Final = _AT_TOKENS + _TOKENS.size
_AT_RING: Final = _AT_RUNNING + _RUNNING.size


def day_of(now: float) -> int:
    """Days since the epoch, UTC."""
    return int(now // 86400)


def month_of(now: float) -> int:
    """Months since year 0, UTC."""
    at = time.gmtime(now)
    return at.tm_year * 12 + at.tm_mon - 1


def until_day_ends(now: float) -> float:
    return 86400 - now % 86400


def until_month_ends(now: float) -> float:
    """Seconds to the first of the next month, UTC."""
    at = time.gmtime(now)
    days = (31, 29 if _leap(at.tm_year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[at.tm_mon - 1]
    return (days - at.tm_mday + 1) * 86400.0 - now % 86400


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _micro(usd: float) -> int:
    return round(usd * 1e6)


class Processes:
    """Numbers of the processes that share a folder; each holds the lock of its own while it lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.number = int.from_bytes(os.urandom(7), "big") | 1
        self._fd = os.open(self._file(self.number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def _file(self, number: int) -> Path:
        return self._folder / f"process-{number:014x}.lock"

    def alive(self, number: int) -> bool:
        """Whether the process still holds its lock; the file of a dead one is removed."""
        if number == self.number:
            return True
        try:
            fd = os.open(self._file(number), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._file(number).unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)

    def close(self) -> None:
        self._file(self.number).unlink(missing_ok=True)
        os.close(self._fd)


class Table:
    """One scope's file. All methods but `locked` and `close` are called under its lock."""

    def __init__(self, file: Path, processes: Processes) -> None:
        self._processes = processes
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._map: mmap.mmap | None = None
        self._capacity = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def fit(self, capacity: int) -> None:
        """Map the file with room for the start times of at least `capacity` requests.

        It only ever grows: another process may have it mapped, with another limit.
        """
        found = os.fstat(self._fd).st_size
        there = _HEAD.unpack(os.pread(self._fd, _HEAD.size, 0))[0] if found and self._map is None else self._there()
        wanted = max(capacity, there)
        if self._map is not None and wanted == there == self._capacity:
            return
        kept = self._kept(there) if 0 < there < wanted else []
        size = _AT_RING + wanted * _TIME.size
        if found < size:
            os.ftruncate(self._fd, size)
        if self._map is not None:
            self._map.close()
        self._map = mmap.mmap(self._fd, size)
        self._capacity = wanted
        if there < wanted:
            for index, at in enumerate(kept):
                _TIME.pack_into(self._map, _AT_RING + index * _TIME.size, at)
            _HEAD.pack_into(self._map, 0, wanted, len(kept) % wanted, *_HEAD.unpack_from(self._map)[2:])

    def _there(self) -> int:
        if self._map is None:
            return 0
        capacity: int = _HEAD.unpack_from(self._map)[0]
        return capacity

    def _kept(self, capacity: int) -> list[float]:
        """All start times in a ring of `capacity`, oldest first, free places too."""
        data = os.pread(self._fd, _AT_RING + capacity * _TIME.size, 0)
        place = _HEAD.unpack_from(data)[1]
        times = [_TIME.unpack_from(data, _AT_RING + index * _TIME.size)[0] for index in range(capacity)]
        return times[place:] + times[:place]

    # -- requests ------------------------------------------------------------------------------------

    def _slot(self, place: int) -> int:
        return _AT_RING + (place % self._capacity) * _TIME.size

    def start_of(self, back: int) -> float:
        """When the request `back` places before the next one started; 0 where that place is free."""
        assert self._map is not None
        at: float = _TIME.unpack_from(self._map, self._slot(_HEAD.unpack_from(self._map)[1] - back))[0]
        return at

    def push(self, now: float) -> None:
        assert self._map is not None
        head = list(_HEAD.unpack_from(self._map))
        _TIME.pack_into(self._map, self._slot(head[1]), now)
        head[1] = (head[1] + 1) % self._capacity
        _HEAD.pack_into(self._map, 0, *head)

    def pull(self, at: float) -> None:
        """Take the request that started at `at` out again: newer ones move back, the freed place is next."""
        assert self._map is not None
        head = list(_HEAD.unpack_from(self._map))

        def slot(back: int) -> int:
            return self._slot(head[1] - 1 - back)

        back = 0
        while (there := _TIME.unpack_from(self._map, slot(back))[0]) != at:
            back += 1
            if back == self._capacity or there < at - 1:
                return
        for step in range(back, 0, -1):
            self._map[slot(step) : slot(step) + _TIME.size] = self._map[slot(step - 1) : slot(step - 1) + _TIME.size]
        _TIME.pack_into(self._map, slot(0), 0.0)
        head[1] = (head[1] - 1) % self._capacity
        _HEAD.pack_into(self._map, 0, *head)

    def free(self, limit: int, now: float) -> int:
        """How many of `limit` requests may start now, by bisection: the ring is sorted."""
        low, high = 0, limit
        while low < high:
            middle = (low + high) // 2
            if self.start_of(limit - middle) + WINDOW_S > now:
                high = middle
            else:
                low = middle + 1
        return low

    # -- tokens --------------------------------------------------------------------------------------

    def tokens(self, now: float) -> tuple[int, dict[int, int]]:
        """Tokens that count now, and those of each second."""
        assert self._map is not None
        values = _TOKENS.unpack_from(self._map, _AT_TOKENS)
        first = int(now) - _SECONDS + 1
        by_second = {values[at]: values[at + 1] for at in range(0, 2 * _SECONDS, 2) if values[at] >= first}
        return sum(by_second.values()), by_second

    def add_tokens(self, at: float, tokens: int, now: float) -> None:
        """Add (or take back) tokens in the second of `at`, unless that second counts no more."""
        assert self._map is not None
        second = int(at)
        if second < int(now) - _SECONDS + 1:
            return
        slot = _AT_TOKENS + (second % _SECONDS) * _TOKEN_PAIR.size
        there, count = _TOKEN_PAIR.unpack_from(self._map, slot)
        if there > second:
            return
        _TOKEN_PAIR.pack_into(self._map, slot, second, (count if there == second else 0) + tokens)

    # -- money ---------------------------------------------------------------------------------------

    def spent(self, now: float) -> tuple[float, float]:
        """US dollars of this day and this month."""
        assert self._map is not None
        _, _, day, of_day, month, of_month = _HEAD.unpack_from(self._map)
        return (of_day / 1e6 if day == day_of(now) else 0.0, of_month / 1e6 if month == month_of(now) else 0.0)

    def add_money(self, at: float, usd: float, now: float) -> None:
        """Add (or take back) money in the day and month of `at`, each unless it has passed."""
        assert self._map is not None
        capacity, place, day, of_day, month, of_month = _HEAD.unpack_from(self._map)
        day_now, month_now, amount = day_of(now), month_of(now), _micro(usd)
        if day != day_now:
            day, of_day = day_now, 0
        if month != month_now:
            month, of_month = month_now, 0
        of_day += amount if day_of(at) == day else 0
        of_month += amount if month_of(at) == month else 0
        _HEAD.pack_into(self._map, 0, capacity, place, day, of_day, month, of_month)

    # -- running requests ----------------------------------------------------------------------------

    def running(self) -> int:
        assert self._map is not None
        counts: tuple[int, ...] = _RUNNING.unpack_from(self._map, _AT_RUNNING)[1::2]
        return sum(counts)

    def forget_dead(self) -> None:
        """Free the places of processes that are no more."""
        assert self._map is not None
        values = list(_RUNNING.unpack_from(self._map, _AT_RUNNING))
        for at in range(0, len(values), 2):
            if values[at] and not self._processes.alive(values[at]):
                values[at] = values[at + 1] = 0
        _RUNNING.pack_into(self._map, _AT_RUNNING, *values)

    def add_running(self, count: int) -> bool:
        """Add to this process's running requests; false where 64 living processes have all places."""
        assert self._map is not None
        values = _RUNNING.unpack_from(self._map, _AT_RUNNING)
        own = self._processes.number
        numbers = values[0::2]
        if own in numbers:
            at = 2 * numbers.index(own)
        elif 0 in numbers:
            at = 2 * numbers.index(0)
        else:
            return False
        count = max(0, values[at + 1] + count) if values[at] == own else max(0, count)
        _TOKEN_PAIR.pack_into(self._map, _AT_RUNNING + at * 8, own, count)
        return True

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        os.close(self._fd)


class LocalLimiter:
    """The limiter of one machine. `folder` is the same for all processes that share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes = Processes(folder)
        self._tables: dict[str, Table] = {}

    async def reserve(
        self, request_id: str, scopes: Sequence[Scope], tokens: int, usd: float, now: float
    ) -> tuple[Decision, Reservation | None]:
        ordered = tuple(sorted(scopes, key=lambda scope: scope.name))
        tables = [self._table(scope.name) for scope in ordered]
        with ExitStack() as stack:
            for scope, table in zip(ordered, tables, strict=True):
                stack.enter_context(table.locked())
                table.fit(scope.limits.requests_per_minute or 0)
            for scope, table in zip(ordered, tables, strict=True):
                refused = refusal(scope, table, tokens, usd, now)
                if refused is not None:
                    return refused, None
            for scope, table in zip(ordered, tables, strict=True):
                _take(scope.limits, table, tokens, usd, now)
            decision = told(ordered, tables, now)
        return decision, Reservation(request_id, ordered, now, tokens, usd)

    async def extend(self, held: Reservation, tokens: int, usd: float, now: float) -> bool:
        tables = [self._table(scope.name) for scope in held.scopes]
        with ExitStack() as stack:
            for scope, table in zip(held.scopes, tables, strict=True):
                stack.enter_context(table.locked())
                table.fit(scope.limits.requests_per_minute or 0)
            if not all(
                _has_room(scope.limits, table, tokens, usd, now)
                for scope, table in zip(held.scopes, tables, strict=True)
            ):
                return False
            for table in tables:
                table.add_tokens(held.at, tokens, now)
                table.add_money(held.at, usd, now)
        held.tokens += tokens
        held.usd += usd
        return True

    async def settle(self, held: Reservation, tokens: int, usd: float, now: float) -> None:
        for scope in held.scopes:
            table = self._table(scope.name)
            with table.locked():
                table.fit(scope.limits.requests_per_minute or 0)
                if tokens != held.tokens:
                    table.add_tokens(held.at, tokens - held.tokens, now)
                if usd != held.usd:
                    table.add_money(held.at, usd - held.usd, now)
                if scope.limits.concurrent is not None:
                    table.add_running(-1)

    async def cancel(self, held: Reservation, now: float) -> None:
        await self.settle(held, 0, 0.0, now)
        for scope in held.scopes:
            if scope.limits.requests_per_minute is not None:
                table = self._table(scope.name)
                with table.locked():
                    table.fit(scope.limits.requests_per_minute)
                    table.pull(held.at)

    async def close(self) -> None:
        for table in self._tables.values():
            table.close()
        self._tables.clear()
        self._processes.close()

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = Table(self._folder / f"{quote(name, safe='')}.limits", self._processes)
        return table


def refusal(scope: Scope, table: Table, tokens: int, usd: float, now: float) -> Decision | None:
    """Why a request may not start; None when it may."""
    limits = scope.limits

    def no(what: str, limit: float, used: float, wait: float) -> Decision:
        return Decision(
            allowed=False, scope=scope.name, what=what, limit=limit, used=used, retry_after_s=wait,  # type: ignore[arg-type]
            limit_requests=limits.requests_per_minute, limit_tokens=limits.tokens_per_minute,
        )  # fmt: skip

    if (limit := limits.requests_per_minute) is not None and (wait := table.start_of(limit) + WINDOW_S - now) > 0:
        return no("requests", limit, limit, wait)
    if (most := limits.tokens_per_minute) is not None:
        used, by_second = table.tokens(now)
        if used + tokens > most:
            return no("tokens", most, used, _until_free(by_second, used + tokens - most, now))
    if (places := limits.concurrent) is not None and table.running() >= places:
        table.forget_dead()
        if (busy := table.running()) >= places:
            return no("concurrent", places, busy, 1.0)
    of_day, of_month = table.spent(now)
    if (budget := limits.usd_per_day) is not None and _micro(of_day + usd) > _micro(budget):
        return no("usd_per_day", budget, of_day, until_day_ends(now))
    if (budget := limits.usd_per_month) is not None and _micro(of_month + usd) > _micro(budget):
        return no("usd_per_month", budget, of_month, until_month_ends(now))
    return None


def _until_free(by_second: dict[int, int], needed: int, now: float) -> float:
    """Seconds until at least `needed` tokens are free again; a minute where they never are enough."""
    for second in sorted(by_second):
        needed -= by_second[second]
        if needed <= 0:
            return second + _SECONDS - now
    return WINDOW_S


def _has_room(limits: LimitSpec, table: Table, tokens: int, usd: float, now: float) -> bool:
    if limits.tokens_per_minute is not None and table.tokens(now)[0] + tokens > limits.tokens_per_minute:
        return False
    of_day, of_month = table.spent(now)
    return (limits.usd_per_day is None or _micro(of_day + usd) <= _micro(limits.usd_per_day)) and (
        limits.usd_per_month is None or _micro(of_month + usd) <= _micro(limits.usd_per_month)
    )


def _take(limits: LimitSpec, table: Table, tokens: int, usd: float, now: float) -> None:
    if limits.requests_per_minute is not None:
        table.push(now)
    if limits.tokens_per_minute is not None:
        table.add_tokens(now, tokens, now)
    if limits.has_budget():
        table.add_money(now, usd, now)
    if limits.concurrent is not None and not table.add_running(1):
        table.forget_dead()
        table.add_running(1)


def told(scopes: Sequence[Scope], tables: Sequence[Table], now: float) -> Decision:
    """What a client whose request has been taken is told: the scope with the fewest left, for each kind apart."""
    requests: tuple[int, int, float] | None = None
    tokens: tuple[int, int, float] | None = None
    for scope, table in zip(scopes, tables, strict=True):
        if (limit := scope.limits.requests_per_minute) is not None:
            left = table.free(limit, now)
            if requests is None or left < requests[1]:
                requests = (limit, left, WINDOW_S if left < limit else 0.0)
        if (most := scope.limits.tokens_per_minute) is not None:
            used, _ = table.tokens(now)
            if tokens is None or most - used < tokens[1]:
                tokens = (most, max(0, most - used), WINDOW_S if used else 0.0)
    limit_requests, remaining_requests, reset_requests_s = requests or (None, 0, 0.0)
    limit_tokens, remaining_tokens, reset_tokens_s = tokens or (None, 0, 0.0)
    return Decision(
        allowed=True,
        limit_requests=limit_requests,
        remaining_requests=remaining_requests,
        reset_requests_s=reset_requests_s,
        limit_tokens=limit_tokens,
        remaining_tokens=remaining_tokens,
        reset_tokens_s=reset_tokens_s,
    )
