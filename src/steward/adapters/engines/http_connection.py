"""One connection to an upstream: bytes out, a parsed answer in. Parsing is httptools' (llhttp)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import httptools

from steward.adapters.engines.http_answer import HIGH_WATER_BYTES, HttpAnswer
from steward.core.errors import Unavailable

MOST_HEAD_BYTES: Final = 256 * 1024


class ConnectionPool(Protocol):
    """Whoever keeps connections to use them again."""

    keeps: bool  # whether a connection may carry a second request
    shortest_s: float  # of all its timeouts

    def keep(self, connection: UpstreamConnection) -> None: ...

    def drop(self, connection: UpstreamConnection) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream, and the answer that is arriving on it.

    A single timer looks after all of its waits: it is set once and looks, when it rings, whether a wait is overdue. A
    timer for each wait would cost more than relaying what arrives.
    """

    on_body: Callable[[bytes], None]

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._parser: Any = None
        self.transport: Any = None
        self.answer: HttpAnswer | None = None
        self.used = False  # it has carried an answer before
        self.since = 0.0  # when it was last put aside, on the loop's clock
        self._bare_bytes = 0  # since the last byte of a body: of a head, of trailers, of what frames chunks
        self._headers: dict[str, str] = {}
        self._arrived: list[bytes] = []  # of the body, in what is being parsed
        self.on_body = self._arrived.append  # a chunk may be one byte long: they go on together
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.drop(self)
        if self._timer is not None:
            self._timer.cancel()
        if self.answer is not None:
            self.answer.break_off(exc)
            self.answer = None
        self.transport = self._parser = None

    def open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def begin(self, answer: HttpAnswer, head: bytes, body: bytes) -> None:
        """Send a request; `answer` is told what comes back."""
        self.answer, self._bare_bytes = answer, 0
        self._arrived.clear()
        self._parser = httptools.HttpResponseParser(self)
        if len(body) < HIGH_WATER_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:  # nothing was asked
            self.transport.abort()
            return
        answer.has_bytes = True
        valid = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            valid = False
        arrived = self._arrived
        if arrived and self.answer is not None:  # as `_hand_on`, which would be a call for every event
            self._bare_bytes = 0
            piece = arrived[0] if len(arrived) == 1 else b"".join(arrived)
            arrived.clear()
            answer.take(piece)
        elif self.answer is not None:
            self._bare_bytes += len(data)
        if not valid:
            self._fail("its answer is not valid HTTP/1.1")
            return
        if self._bare_bytes > MOST_HEAD_BYTES:
            self._fail(f"the headers or trailers of its answer are longer than {MOST_HEAD_BYTES:,} bytes")

    def _hand_on(self, answer: HttpAnswer) -> None:
        arrived = self._arrived
        piece = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        arrived.clear()
        answer.take(piece)

    def _fail(self, why: str) -> None:
        if self.answer is not None:
            self.answer.problem = Unavailable(why)
        self.abort()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # -- what the parser found ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._headers = {}
        if self.answer is None:
            self.abort()  # it says more than it was asked

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.answer is not None and status >= 200:  # below: "100 Continue" and such, the answer follows
            self.answer.start(status, self._headers)
            self._headers = {}  # of trailers, which nobody reads: nothing after the head changes the head

    def on_message_complete(self) -> None:
        answer = self.answer
        if answer is None or not answer.status:
            return
        if self._arrived:
            self._hand_on(answer)
        self.answer, self.used = None, True
        keep = self._parser.should_keep_alive() and not self.transport.get_write_buffer_size()
        answer.complete()
        if keep and self._pool.keeps:
            self.since = self.loop.time()
            self._pool.keep(self)
        else:
            self.transport.close()

    # -- waiting -----------------------------------------------------------------------------------

    def watch_until(self, due: float) -> None:
        """Look at the answer's waits at `due` (the loop's clock) or before."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(min(due, self.loop.time() + self._pool.shortest_s), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        due = None if self.answer is None else self.answer.find_deadline()
        if self.answer is None or due is None:
            return
        if self.loop.time() < due:
            self.watch_until(due)
        else:
            self.answer.time_out()
            self.abort()
