"""A streamed answer that is not the stream of a chat: spoken sound as bytes, or events of a transcript.

Nothing of it is changed. Of events the report of what was used is read; a stream of sound that breaks off ends the
connection, since sound has no way to tell of an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from steward.core.errors import Unavailable
from steward.core.extend import EngineAnswer
from steward.gateway.answer import EventFilter, TokenBudget
from steward.gateway.exchange import Exchange
from steward.gateway.passthrough import AnswerReport, PassthroughRequest, read_report
from steward.gateway.sse import MOST_AT_ONCE, SHORT_BYTES, Scanner, event_data
from steward.gateway.wire import error_event, upstream_error


class PassthroughStream:
    """Iterates over what the client gets. `close` must follow, however it ends; it may be called again."""

    def __init__(
        self, exchange: Exchange, request: PassthroughRequest, upstream: EngineAnswer, first: bytes, events: bool
    ) -> None:
        self.filter: EventFilter | None = None
        self.budget: TokenBudget | None = None  # what it costs was reserved before
        self.ended = False
        self.broke = False
        self._exchange, self._request, self._upstream = exchange, request, upstream
        self._first: bytes | None = first
        self._scanner = Scanner() if events else None
        self._over = self._closed = False

    def __aiter__(self) -> PassthroughStream:
        return self

    async def __anext__(self) -> bytes:
        """:raises Unavailable: sound that broke off"""
        if self._over:
            raise StopAsyncIteration
        piece, self._first = self._first, None
        try:
            piece = await self._upstream.read_piece() if piece is None else piece
            await self._read(piece)
        except (Unavailable, ValueError) as error:
            self._break_off()
            if self._scanner is None:
                self.broke = True
                raise
            self.ended = True
            return error_event(upstream_error(f"the upstream failed in mid-stream: {error}", "upstream_error"))
        if not piece:
            self._over = self.ended = True
            self.close()
            raise StopAsyncIteration
        return piece

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        """Nothing is passed on beside the iteration: sound comes in few and large pieces."""

    async def _read(self, piece: bytes) -> None:
        """Take the report from events, with a turn for others now and then.

        :raises ValueError: an event beyond all bounds
        """
        self._request.answer_bytes += len(piece)
        if self._scanner is None:
            return
        events = self._scanner.feed(piece) if piece else self._scanner.end()
        for number, event in enumerate(events):
            if number % MOST_AT_ONCE == MOST_AT_ONCE - 1 or len(event) > SHORT_BYTES:
                await asyncio.sleep(0)
            if (report := read_report(event_data(event))) is not None:
                self._request.report = merge_reports(self._request.report, report)

    def _break_off(self) -> None:
        self._over = self._exchange.failed = True
        attempts = self._exchange.attempts
        attempts[-1] = msgspec.structs.replace(attempts[-1], error="the stream broke off")
        self._upstream.close()

    def close(self) -> None:
        """Let the upstream go."""
        self._over = True
        if not self._closed:
            self._closed = True
            if not self.ended:
                self._upstream.close()


def merge_reports(before: AnswerReport | None, new: AnswerReport) -> AnswerReport:
    """What is known after a further event: each field as it was told last."""
    if before is None:
        return new
    changes = {name: value for name in AnswerReport.__struct_fields__ if (value := getattr(new, name)) is not None}
    return msgspec.structs.replace(before, **changes)
