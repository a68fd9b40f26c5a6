"""A streamed answer on its way from the upstream to the client, piece by piece.

One object rather than a generator in each handler: every piece of every stream goes through here, and four generators
inside each other took longer than the network did (docs/explanation/performance.md). `relay` is the call's, `filter`
the guards', `budget` the limits'.

Nothing that an upstream sends keeps others waiting: of very many events that arrive at once a part is passed on at a
time, and what is long for guards they read in a thread, which gives way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from steward.core.errors import TimedOut, Unavailable
from steward.core.extend import EngineAnswer, Offload
from steward.gateway.answer import EventFilter, TokenBudget
from steward.gateway.exchange import Exchange
from steward.gateway.first_event import HEARTBEAT, has_content
from steward.gateway.relay import Relay
from steward.gateway.sse import MOST_AT_ONCE, SHORT_BYTES
from steward.gateway.wire import upstream_error


def is_long(piece: bytes, events: list[bytes]) -> bool:
    """Whether others should have a turn between what arrived and what becomes of it; the first event began before."""
    return len(piece) > SHORT_BYTES or (bool(events) and len(events[0]) > SHORT_BYTES)


class Stream:
    """Iterates over what the client gets. `close` must follow, however it ends; it may be called again."""

    def __init__(
        self,
        exchange: Exchange,
        upstream: EngineAnswer,
        relay: Relay,
        events: list[bytes],
        heartbeat_s: float | None = None,
        offload: Offload | None = None,
    ) -> None:
        """`heartbeat_s`: no content has come yet, and the client gets a comment every so often until some does."""
        self.filter: EventFilter | None = None
        self.budget: TokenBudget | None = None
        self.ended = False  # nothing more would have come
        self.broke = False  # by a mistake of ours
        self._exchange, self._upstream, self._relay = exchange, upstream, relay
        self._offload = offload
        self._first: list[bytes] | None = events
        self._backlog: list[bytes] = []  # whole events that have arrived and wait for their turn
        self._heartbeat_s = heartbeat_s
        self._pending: tuple[bytes, int] | None = None  # events for which the reservation must grow, and by how much
        self._cut = False  # the upstream failed in the middle
        self._over = self._closed = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        """Whole events, one or more."""
        try:
            while self._pending is not None or not self._over:
                out, missing = await self._next_events()
                if missing <= 0 or (self.budget is not None and await self.budget.grow(missing)):
                    if out:
                        return out
                elif self.budget is not None:
                    self.close()
                    return self.budget.cut_off()
        except Exception:
            self.broke = True
            raise
        self.ended = self.ended or not self._closed
        self.close()
        raise StopAsyncIteration

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        """Pass on what arrives in the moment it arrives, without a task that wakes for each piece.

        `write` sends events and says whether the client keeps up. Returns where something must be waited for: a slow
        client, a reservation that must grow, the end. Then iterate further; nothing is lost.
        """
        waiting = asyncio.get_running_loop().create_future()
        broken: list[Exception] = []
        count_plain, budget = self._relay.count_plain, self.budget

        def take(piece: bytes) -> bool:
            """Write what has arrived; false where it is time to wait for something else."""
            try:
                out = piece if self.filter is None and count_plain(piece) else self._convert(piece)
                if out is None:
                    more = False
                elif out and budget is not None and (missing := budget.count_missing(out)) > 0:
                    self._pending, more = (out, missing), False
                else:
                    more = (not out or write(out)) and not (self._over or self._backlog)
            except Exception as error:
                self.broke = True
                if not waiting.done():
                    broken.append(error)
                    waiting.set_result(None)
                return False
            if not more and not waiting.done():  # it is, where its task was cancelled and has not heard of it yet
                waiting.set_result(None)
            return more

        if self._over or self._first is not None or self._heartbeat_s is not None or self._backlog:
            return
        try:
            self._upstream.listen(take)
            await waiting
        finally:
            self._upstream.listen(None)
        if broken:
            raise broken.pop()  # what is kept here would be held by its own traceback

    def _convert(self, piece: bytes) -> bytes | None:
        """What the client gets for what has arrived; None where others have their turn before."""
        try:
            piece = piece or self._upstream.take_arrived() or b""
            events = self._relay.scanner.feed(piece)
            if is_long(piece, events):
                self._backlog = events
                return None
            out = self._relay_events(events, not piece)
        except (Unavailable, ValueError) as error:
            out = self._fail(error)
        return self._apply_filter(out)

    async def _next_events(self) -> tuple[bytes, int]:
        """The next events, and the tokens that are not reserved for them."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            return pending
        try:
            if self._heartbeat_s is not None:
                return await self._await_beginning(self._heartbeat_s)
            out = await self._relay_next()
        except (Unavailable, ValueError) as error:
            out = self._fail(error)
        out = await self._filter_events(out)
        return out, self._count_missing(out)

    async def _relay_next(self) -> bytes:
        """What comes next, of what has arrived or of what will. :raises ValueError: an event beyond all bounds"""
        if self._backlog:
            await asyncio.sleep(0)
            return self._relay_events(self._backlog)
        first, self._first = self._first, None
        if first is not None:
            return self._relay_events(first)
        piece = await self._upstream.read_piece()
        events = self._relay.scanner.feed(piece)
        if is_long(piece, events):  # to find its events has taken its while
            await asyncio.sleep(0)
        return self._relay_events(events, not piece)

    async def _await_beginning(self, heartbeat_s: float) -> tuple[bytes, int]:
        """The first content, or what keeps the client waiting. :raises TimedOut: no event has come in all that time"""
        scanner = self._relay.scanner
        announced = self._exchange.events or scanner.upstream_id is not None
        if not announced and time.perf_counter() > self._exchange.begin_by:
            self._upstream.close()
            raise TimedOut("it sent no event of its answer in time")
        began, says_something = self._first is not None, False
        if began or self._backlog:
            out = await self._relay_next()
        else:
            try:
                async with asyncio.timeout(heartbeat_s):
                    piece = await self._upstream.read_piece()
            except TimeoutError:
                return HEARTBEAT, 0
            events = scanner.feed(piece)
            says_something = any(map(has_content, events))
            out = self._relay_events(events, not piece)
        out = await self._filter_events(out)
        if began:
            return out or HEARTBEAT, self._count_missing(out)
        if self._over or says_something or scanner.failed:
            self._heartbeat_s = None
            self._exchange.ttft_s = time.perf_counter() - self._exchange.started
        return out, self._count_missing(out)

    def _count_missing(self, out: bytes) -> int:
        return self.budget.count_missing(out) if out and self.budget is not None else 0

    def _relay_events(self, events: list[bytes], ended: bool = False) -> bytes:
        """What the client gets for the first of `events`; the others wait. `ended`: nothing more comes."""
        relay = self._relay
        self._backlog, events = events[MOST_AT_ONCE:], events[:MOST_AT_ONCE]
        out = relay.relay_events(events)
        if relay.over:
            self._over = True
        elif relay.scanner.done or ended:
            self._over = True
            out += relay.end()
            self._upstream.finish()
        if self._over:
            self._backlog = []
        return out

    def _fail(self, error: Exception) -> bytes:
        self._over = self._cut = self._exchange.failed = True
        self._backlog = []
        failure = upstream_error(f"the upstream failed in mid-stream: {error}", "upstream_error")
        return self._relay.error(failure)

    async def _filter_events(self, out: bytes) -> bytes:
        if self.filter is None or self._offload is None or len(out) <= SHORT_BYTES:
            return self._apply_filter(out)
        return await self._offload.run_beside(self._apply_filter, out)

    def _apply_filter(self, out: bytes) -> bytes:
        events = self.filter
        if events is None:
            return out
        out = events.feed(out)
        if self._over and not events.over:
            out += events.end()
        self._over = self._over or events.over
        return out

    def close(self) -> None:
        """Let the upstream go, and mark the attempt where the stream broke off."""
        self._over = True
        if self._closed:
            return
        self._closed = True
        if not self.ended or self._relay.over:
            self._upstream.close()
        exchange = self._exchange
        if self._cut or exchange.truncated or self._relay.scanner.failed:
            exchange.attempts[-1] = msgspec.structs.replace(exchange.attempts[-1], error="the stream broke off")
