"""Any OpenAI-compatible server, over TCP, TLS or a Unix socket: HTTP/1.1 with connections that are used again.

Ours because a general client costs more than the whole gateway around it: with aiohttp a quarter of a request's time
and half of a relayed event's were the client's (docs/decisions/0020-upstream-client.md). Parsing is httptools'
(llhttp), racing addresses is aiohappyeyeballs'. Bytes as they come: no redirects, cookies, proxies or decompression.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohappyeyeballs
import httptools

from steward.core.errors import TimedOut, Unavailable
from steward.core.secret import Secret
from steward.core.timeouts import Timeouts

KEEP_S: Final = 30.0  # that an unused connection is kept; most servers close theirs after 5 to 75 s
REST_S: Final = 0.25  # for the end of a body whose last event has been read; some servers never send it
MOST_HEAD_BYTES: Final = 256 * 1024
HIGH_WATER_BYTES: Final = 256 * 1024  # of a body that has arrived and is not taken: the upstream is made to wait
RACE_S: Final = 0.25  # before the next address is tried beside the first (RFC 8305, section 5)


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream, and the answer that is arriving on it.

    A single timer looks after all of its waits: it is set once and looks, when it rings, whether a wait is overdue. A
    timer for each wait would cost more than relaying what arrives.
    """

    on_body: Callable[[bytes], None]

    def __init__(self, engine: HttpEngine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._parser: Any = None
        self.transport: Any = None
        self.answer: HttpAnswer | None = None
        self.used = False  # it has carried an answer before
        self.since = 0.0  # when it was last put aside, on the loop's clock
        self._head_bytes = 0
        self._headers: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._engine.lost(self)
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
        self.answer, self._head_bytes = answer, 0
        self.on_body = answer.take  # nothing in between: it is called for every piece of every stream
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
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("its answer is not valid HTTP/1.1")
            return
        if not answer.status:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._fail(f"the headers of its answer are longer than {MOST_HEAD_BYTES:,} bytes")

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

    def on_message_complete(self) -> None:
        answer = self.answer
        if answer is None or not answer.status:
            return
        self.answer, self.used = None, True
        keep = self._parser.should_keep_alive() and not self.transport.get_write_buffer_size()
        answer.complete()
        if keep and self._engine.keeps:
            self.since = self._loop.time()
            self._engine.keep(self)
        else:
            self.transport.close()

    # -- waiting -----------------------------------------------------------------------------------

    def watch_until(self, due: float) -> None:
        """Look at the answer's waits at `due` (the loop's clock) or before."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(min(due, self._loop.time() + self._engine.shortest_s), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        due = None if self.answer is None else self.answer.due()
        if self.answer is None or due is None:
            return
        if self._loop.time() < due:
            self.watch_until(due)
        else:
            self.answer.time_out()
            self.abort()


class HttpAnswer:
    """An answer on its way. Before `status` is set nothing of it has arrived."""

    __slots__ = (
        "_bytes",
        "_connection",
        "_due",
        "_ends",
        "_first_due",
        "_latest",
        "_limits",
        "_listener",
        "_loop",
        "_over",
        "_paused",
        "_pieces",
        "_waiter",
        "_what",
        "has_bytes",
        "headers",
        "problem",
        "status",
    )

    def __init__(self, connection: UpstreamConnection, limits: Timeouts, started: float) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.problem: Unavailable | None = None
        self.has_bytes = False  # whether a byte of it has arrived
        self._connection, self._limits, self._loop = connection, limits, asyncio.get_running_loop()
        self._ends = started + limits.total_s
        self._first_due, self._what = started + limits.first_byte_s, "first"
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._over = self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._due: float | None = None  # when the wait that is on is too long; on the loop's clock
        self._listener: Callable[[bytes], bool] | None = None
        self._latest = 0.0  # when the listener was given something

    # -- for the gateway ---------------------------------------------------------------------------

    async def head(self) -> None:
        """Until status and headers have arrived."""
        while not self.status:
            if self._over:
                raise self.problem or _broken_connection()
            await self._wait(self._first_due)

    async def piece(self) -> bytes:
        """What has arrived of the body since the last call; b"" at its end.

        :raises TimedOut: nothing arrived in time :raises Unavailable: the connection broke before the end
        """
        while (found := self.arrived()) is None:
            first = self._what == "first"
            await self._wait(self._first_due if first else self._loop.time() + self._limits.idle_s)
        return found

    def arrived(self) -> bytes | None:
        """What `piece` would return at once; None where it would wait."""
        pieces = self._pieces
        if not pieces:
            if self._over and self.problem is not None:
                raise self.problem
            return b"" if self._over else None
        self._what, self._pieces, self._bytes = "next", [], 0
        if self._paused and not self._over:
            self._paused = False
            self._connection.transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        """The whole body."""
        first = await self.piece()
        if self._over and not self._pieces and self.problem is None:
            return first
        pieces = [first]
        while piece := await self.piece():
            pieces.append(piece)
        return b"".join(pieces)

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        """Hand on what arrives in place of waking who waits."""
        self._listener, self._latest = take, self._loop.time()
        while self._listener is not None and (piece := self._take_at_hand()) is not None:
            self._hand_on(piece)
        if (due := self.due()) is not None:
            self._connection.watch_until(due)

    def _take_at_hand(self) -> bytes | None:
        if self._pieces:
            return self.arrived()
        return b"" if self._over else None

    def _hand_on(self, piece: bytes) -> None:
        if self._listener is not None and not self._listener(piece):
            self._listener = None

    def finish(self) -> None:
        """All that matters has been read; the connection can be used again if the body's end comes soon."""
        if not self._over:
            self._pieces, self._what = [], "rest"
            if self._paused:
                self._paused = False
                self._connection.transport.resume_reading()
            self._due = self._loop.time() + REST_S
            self._connection.watch_until(self._due)

    def close(self) -> None:
        """Drop the connection, unless the answer has arrived whole."""
        if not self._over:
            self._due = None
            self._connection.abort()

    # -- for the connection ------------------------------------------------------------------------

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        self._wake()

    def take(self, data: bytes) -> None:
        if self._listener is not None:
            self._latest = self._loop.time()
            if not self._listener(data):
                self._listener = None
            return
        if self._what == "rest" or self._over:
            return
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()
        self._wake()

    def complete(self) -> None:
        self._over = True
        self._due = None
        if self._paused:
            self._connection.transport.resume_reading()
        self._wake()

    def break_off(self, error: Exception | None) -> None:
        """The connection is gone. It may be how a body ends that has neither a length nor chunks (RFC 9112, 6.3)."""
        self._over = True
        self._due = None
        framed = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()
        if self.problem is None and (framed or not self.status or error is not None):
            self.problem = _broken_connection(error)
        self._wake()

    def due(self) -> float | None:
        """When the wait that is on is too long; on the loop's clock. None where nobody waits."""
        if self._listener is None or self._over:
            return self._due
        return min(self._latest + self._limits.idle_s, self._ends)

    def time_out(self) -> None:
        due = self.due()
        if due is not None and due >= self._ends:
            self.problem = TimedOut("its answer did not end in time")
        elif not self.status:
            self.problem = TimedOut("it did not begin to answer in time")
        else:
            limit_s = self._limits.first_byte_s if self._what == "first" else self._limits.idle_s
            self.problem = TimedOut(f"it sent no {self._what} byte of its answer within {limit_s:.3g} s")

    async def _wait(self, due: float) -> None:
        self._due = min(due, self._ends)
        self._connection.watch_until(self._due)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            if not self._over:
                self._due = None

    def _wake(self) -> None:
        if self._listener is not None:
            self._hand_on(b"")
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class HttpEngine:
    """`url` is the server's base, ending in /v1; `socket_path` reaches it through a Unix socket instead of TCP.

    `anthropic`: the key and the version go where Anthropic's API looks for them.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None = None,
        socket_path: str | None = None,
        timeouts: Timeouts | None = None,
        anthropic: bool = False,
    ) -> None:
        place = urlsplit(url)
        self._path = place.path.rstrip("/").removesuffix("/v1")
        self._name = place.hostname or "localhost"
        self._tls = place.scheme == "https"
        self._port = place.port or (443 if self._tls else 80)
        self._socket_path = socket_path
        self._context: ssl.SSLContext | None = None
        self._timeouts = timeouts or Timeouts()
        self.shortest_s = max(0.01, min(self._timeouts.first_byte_s, self._timeouts.idle_s, self._timeouts.total_s))
        self.keeps = socket_path is None  # llama.cpp closes a connection after 100 requests, in the middle of one
        lines = [f"host: {place.netloc.rpartition('@')[2]}", "content-type: application/json"]
        if anthropic:
            lines.append("anthropic-version: 2023-06-01")
        self._version = "anthropic-version" if anthropic else ""
        if key is not None and anthropic:
            lines.append(f"x-api-key: {key.reveal()}")
        elif key is not None:
            lines.append(f"authorization: Bearer {key.reveal()}")
        elif place.username:
            said = f"{unquote(place.username)}:{unquote(place.password or '')}"
            lines.append(f"authorization: Basic {base64.b64encode(said.encode()).decode()}")
        if not self.keeps:
            lines.append("connection: close")
        self._lines = lines
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def call(self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        return await self._call("POST", endpoint, body, headers or {})

    async def alive(self) -> bool:
        """Whether the server answers its list of models with 200."""
        try:
            async with asyncio.timeout(2.0):
                answer = await self._call("GET", "/v1/models", b"", {})
                await answer.read()
            return answer.status == 200
        except (Unavailable, TimeoutError):
            return False

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the loop closes them

    # -- one request -------------------------------------------------------------------------------

    async def _call(self, method: str, endpoint: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """:raises Unavailable: no connection, or it broke :raises TimedOut: no connection, or no first byte in time"""
        head = self._head(method, endpoint, len(body), headers)
        started = asyncio.get_running_loop().time()
        connection = self._take() or await self._connect()
        used = connection.used
        answer = await self._ask(connection, head, body, started)
        stale = used and not answer.has_bytes and not isinstance(answer.problem, TimedOut)
        if answer.problem is not None and stale:  # the server had just closed it
            answer = await self._ask(await self._connect(), head, body, started)
        if answer.problem is not None:
            raise answer.problem
        return answer

    async def _ask(self, connection: UpstreamConnection, head: bytes, body: bytes, started: float) -> HttpAnswer:
        answer = HttpAnswer(connection, self._timeouts, started)
        connection.begin(answer, head, body)
        try:
            await answer.head()
        except Unavailable as error:
            answer.problem = error
        except BaseException:
            answer.close()
            raise
        return answer

    def _head(self, method: str, endpoint: str, length: int, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self._path}{endpoint} HTTP/1.1", *self._lines]
        for name, value in headers.items():
            if "\r" in value or "\n" in value:
                raise ValueError(f"a line end in the header {name}")
            if name == self._version:
                lines = [line for line in lines if not line.startswith(f"{name}:")]
            lines.append(f"{name}: {value}")
        lines.append(f"content-length: {length}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")

    # -- connections -------------------------------------------------------------------------------

    def _take(self) -> UpstreamConnection | None:
        """The connection that was used last, if it still is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.open():
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> None:
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_S, self._drop_unused)

    def lost(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _drop_unused(self) -> None:
        """Close what was not used for `KEEP_S`; the oldest stand first."""
        loop = asyncio.get_running_loop()
        self._sweep = None
        while self._idle and self._idle[0].since <= loop.time() - KEEP_S:
            self._idle.pop(0).abort()
        if self._idle:
            self._sweep = loop.call_at(min(one.since for one in self._idle) + KEEP_S, self._drop_unused)

    async def _connect(self) -> UpstreamConnection:
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                return await self._open()
        except TimeoutError as error:
            raise TimedOut("it did not accept a connection in time") from error
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(f"connection failed (its certificate is not valid: {error.verify_message})") from error
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"connection failed ({_reason(error)})") from error

    async def _open(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(self)
        if self._socket_path:
            await loop.create_unix_connection(lambda: connection, self._socket_path)
        else:
            found = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
            reached = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=RACE_S, interleave=1)
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls and self._context is None:
                self._context = ssl.create_default_context()
            name = self._name if self._tls else None
            await loop.create_connection(lambda: connection, sock=reached, ssl=self._context, server_hostname=name)
        self._all.add(connection)
        return connection


def _broken_connection(error: Exception | None = None) -> Unavailable:
    """Without addresses' credentials or content."""
    how = type(error).__name__ if error is not None else "closed before the end of its answer"
    return Unavailable(f"the connection broke ({how})")


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number and number > 0 and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(number)
    return getattr(error, "strerror", None) or type(error).__name__
