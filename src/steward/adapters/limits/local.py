"""Limits counted in files that all processes of one machine map into memory.

One file for each scope (`window_file.py`), read and written under its file lock, so that all workers share one exact
count and a killed one leaves nothing behind but a released lock. Scopes are locked in the order of their names. What a
killed process had reserved stays used until its minute, day or month has passed: its ledger rows settle so, too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from steward.adapters.limits.periods import seconds_to_day_end, seconds_to_month_end
from steward.adapters.limits.window_file import SECONDS, WINDOW_S, Processes, WindowFile, to_micro_usd
from steward.core.records import Decision, LimitSpec, Reservation, Scope

LockedScope = tuple[Scope, WindowFile]
MOST_OPEN: Final = 128  # files; each takes two descriptors, and a request has three scopes at most


class LocalLimiter:
    """The limiter of one machine. `folder` is the same for all processes that share it."""

    def __init__(self, folder: Path, most_open: int = MOST_OPEN) -> None:
        """`most_open`: files that this process keeps open; more scopes share them in turns."""
        self._folder, self._most_open = folder, most_open
        self._processes = Processes(folder)
        self._files: OrderedDict[str, WindowFile] = OrderedDict()  # the one that was used last stands last

    async def reserve(
        self, request_id: str, scopes: Sequence[Scope], tokens: int, usd: float, now: float
    ) -> tuple[Decision, Reservation | None]:
        ordered = tuple(sorted(scopes, key=_name)) if len(scopes) > 1 else tuple(scopes)
        locked = self._lock(ordered)
        try:
            for scope, table in locked:
                table.follow_clock(now)
                refused = find_refusal(scope, table, tokens, usd, now)
                if refused is not None:
                    return refused, None
            for scope, table in locked:
                _reserve_in(scope.limits, table, tokens, usd, now)
            decision = allow_decision(locked, now)
        finally:
            _unlock(locked)
        return decision, Reservation(request_id, ordered, now, tokens, usd)

    async def extend(self, held: Reservation, tokens: int, usd: float, now: float) -> bool:
        locked = self._lock(held.scopes)
        try:
            if not all(_has_room(scope.limits, table, tokens, usd, now) for scope, table in locked):
                return False
            for _, table in locked:
                table.add_tokens(held.at, tokens, now)
                table.add_money(held.at, usd, now)
        finally:
            _unlock(locked)
        held.tokens += tokens
        held.usd += usd
        return True

    async def settle(self, held: Reservation, tokens: int, usd: float, now: float) -> None:
        locked = self._lock(held.scopes)
        try:
            for scope, table in locked:
                if tokens != held.tokens:
                    table.add_tokens(held.at, tokens - held.tokens, now)
                if usd != held.usd:
                    table.add_money(held.at, usd - held.usd, now)
                if scope.limits.concurrent is not None:
                    table.add_running(-1)
        finally:
            _unlock(locked)

    async def cancel(self, held: Reservation, now: float) -> None:
        await self.settle(held, 0, 0.0, now)
        locked = self._lock(held.scopes)
        try:
            for scope, table in locked:
                if scope.limits.requests_per_minute is not None:
                    table.pull(held.at)
        finally:
            _unlock(locked)

    async def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._processes.close()

    def _lock(self, scopes: Sequence[Scope]) -> list[LockedScope]:
        """`scopes`, which are in the order of their names, each with its table, locked and fitted."""
        locked: list[LockedScope] = []
        try:
            for scope in scopes:
                table = self._open(scope.name)
                table.lock()
                locked.append((scope, table))
                table.ensure_capacity(scope.limits.requests_per_minute or 0)
        except BaseException:
            _unlock(locked)
            raise
        return locked

    def _open(self, name: str) -> WindowFile:
        file = self._files.get(name)
        if file is not None:
            if len(self._files) >= self._most_open:  # below that none is ever closed, and their order is no matter
                self._files.move_to_end(name)
            return file
        while len(self._files) >= self._most_open:  # nobody holds a lock between two requests: no method suspends
            self._files.popitem(last=False)[1].close()
        file = self._files[name] = WindowFile(self._folder / f"{quote(name, safe='')}.window", self._processes)
        return file


def _name(scope: Scope) -> str:
    return scope.name


def _unlock(locked: Sequence[LockedScope]) -> None:
    for _, table in reversed(locked):
        table.unlock()


def find_refusal(scope: Scope, table: WindowFile, tokens: int, usd: float, now: float) -> Decision | None:
    """Why a request may not start; None when it may."""
    limits = scope.limits
    if (limit := limits.requests_per_minute) is not None and (wait := table.start_of(limit) + WINDOW_S - now) > 0:
        return _deny(scope, "requests", limit, limit, wait)
    if (most := limits.tokens_per_minute) is not None:
        used = table.tokens(now)
        if used + tokens > most:
            return _deny(scope, "tokens", most, used, _measure_wait_s(table.by_second(now), used + tokens - most, now))
    if (places := limits.concurrent) is not None and table.count_running() >= places:
        table.forget_dead()
        if (busy := table.count_running()) >= places:
            return _deny(scope, "concurrent", places, busy, 1.0)
    if not limits.has_budget():
        return None
    of_day, of_month = table.read_spending(now)
    if (budget := limits.usd_per_day) is not None and to_micro_usd(of_day + usd) > to_micro_usd(budget):
        return _deny(scope, "usd_per_day", budget, of_day, seconds_to_day_end(now))
    if (budget := limits.usd_per_month) is not None and to_micro_usd(of_month + usd) > to_micro_usd(budget):
        return _deny(scope, "usd_per_month", budget, of_month, seconds_to_month_end(now))
    return None


def _deny(scope: Scope, what: str, limit: float, used: float, wait: float) -> Decision:
    limits = scope.limits
    return Decision(
        allowed=False, scope=scope.name, what=what, limit=limit, used=used, retry_after_s=wait,  # type: ignore[arg-type]
        limit_requests=limits.requests_per_minute, limit_tokens=limits.tokens_per_minute,
    )  # fmt: skip


def _measure_wait_s(by_second: dict[int, int], needed: int, now: float) -> float:
    """Seconds until at least `needed` tokens are free again; a minute where they never are enough."""
    for second in sorted(by_second):
        needed -= by_second[second]
        if needed <= 0:
            return second + SECONDS - now
    return WINDOW_S


def _has_room(limits: LimitSpec, table: WindowFile, tokens: int, usd: float, now: float) -> bool:
    if limits.tokens_per_minute is not None and table.tokens(now) + tokens > limits.tokens_per_minute:
        return False
    if not limits.has_budget():
        return True
    of_day, of_month = table.read_spending(now)
    return (limits.usd_per_day is None or to_micro_usd(of_day + usd) <= to_micro_usd(limits.usd_per_day)) and (
        limits.usd_per_month is None or to_micro_usd(of_month + usd) <= to_micro_usd(limits.usd_per_month)
    )


def _reserve_in(limits: LimitSpec, table: WindowFile, tokens: int, usd: float, now: float) -> None:
    if limits.requests_per_minute is not None:
        table.push(now)
    if limits.tokens_per_minute is not None:
        table.add_tokens(now, tokens, now)
    if limits.has_budget():
        table.add_money(now, usd, now)
    if limits.concurrent is not None and not table.add_running(1):
        table.forget_dead()
        table.add_running(1)


def allow_decision(locked: Sequence[LockedScope], now: float) -> Decision:
    """What a client whose request has been taken is told: the scope with the fewest left, for each kind apart."""
    requests: tuple[int, int, float] | None = None
    tokens: tuple[int, int, float] | None = None
    for scope, table in locked:
        if (limit := scope.limits.requests_per_minute) is not None:
            left = table.free(limit, now)
            if requests is None or left < requests[1]:
                requests = (limit, left, WINDOW_S if left < limit else 0.0)
        if (most := scope.limits.tokens_per_minute) is not None:
            used = table.tokens(now)
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
