"""A streamed answer on its way from the upstream to the client, piece by piece.

One object rather than a generator in each handler: every piece of every stream goes through here, and four generators
inside each other took longer than the network did (docs/explanation/performance.md). The handlers put in what they
have to say of the events: `relay` is the call's, `guarded` the guards', `budget` the admission's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from steward.core.errors import Unavailable
from steward.core.extend import EngineAnswer
from steward.gateway.exchange import Exchange
from steward.gateway.relay import Relay
from steward.gateway.wire import upstream_failed


class Filter(Protocol):
    """Changes whole events; after an error of its own it is over, and nothing may follow."""

    over: bool

    def feed(self, events: bytes) -> bytes: ...

    def end(self) -> bytes:
        """What is still to come when nothing follows."""
        ...


class Budget(Protocol):
    """Knows what the stream may still run up."""

    def missing(self, events: bytes) -> int:
        """Tokens that are not reserved, with `events`."""
        ...

    async def grow(self, tokens: int) -> bool:
        """Reserve more; false where nothing more can be had."""
        ...

    def cut_off(self) -> bytes:
        """What the client is told instead of `events`."""
        ...


class Stream:
    """Iterates over what the client gets. `close` must follow, however it ends; it may be called again."""

    def __init__(self, exchange: Exchange, upstream: EngineAnswer, relay: Relay, events: list[bytes]) -> None:
        self.guarded: Filter | None = None
        self.budget: Budget | None = None
        self.at_close: list[Callable[[], None]] = []  # called once, the last one first
        self.ended = False  # nothing more would have come
        self.broke = False  # by a mistake of ours
        self._exchange, self._upstream, self._relay = exchange, upstream, relay
        self._first: list[bytes] | None = events
        self._cut = False  # the upstream failed in the middle
        self._over = self._closed = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        """Whole events, one or more."""
        try:
            while not self._over:
                out = await self._next()
                if not out:
                    continue
                budget = self.budget
                if budget is None or (missing := budget.missing(out)) <= 0 or await budget.grow(missing):
                    return out
                self.close()
                return budget.cut_off()
        except Exception:
            self.broke = True
            raise
        self.ended = self.ended or not self._closed
        self.close()
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        relay = self._relay
        try:
            if self._first is None:
                piece = await self._upstream.piece()
                out = relay.feed(piece) if piece else b""
            else:
                piece, out, self._first = b"first", relay.pass_on(self._first), None
            if relay.over:
                self._over = True
            elif relay.scanner.done or not piece:
                self._over = True
                out += relay.end()
                self._upstream.finish()
        except (Unavailable, ValueError) as error:
            self._over = self._cut = self._exchange.failed = True
            out = relay.error(upstream_failed(f"the upstream failed in mid-stream: {error}", "upstream_error"))
        return out if self.guarded is None else self._through(self.guarded, out)

    def _through(self, guarded: Filter, out: bytes) -> bytes:
        out = guarded.feed(out)
        if self._over and not guarded.over:
            out += guarded.end()
        self._over = self._over or guarded.over
        return out

    def close(self) -> None:
        """Let the upstream go, and tell those who wait for the end."""
        self._over = True
        if self._closed:
            return
        self._closed = True
        if not self.ended or self._relay.over:
            self._upstream.close()
        exchange = self._exchange
        if self._cut or exchange.truncated or self._relay.scanner.failed:
            exchange.attempts[-1] = msgspec.structs.replace(exchange.attempts[-1], error="the stream broke off")
        while self.at_close:
            self.at_close.pop()()
