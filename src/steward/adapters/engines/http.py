"""Any OpenAI-compatible server, over TCP, TLS or a Unix socket: HTTP/1.1 with connections that are used again.

Ours because a general client costs more than the whole gateway around it: with aiohttp a quarter of a request's time
and half of a relayed event's were the client's (docs/decisions/0020-upstream-client.md). Racing
addresses is aiohappyeyeballs'. Bytes as they come: no redirects, cookies, proxies or decompression.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Coroutine, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import aiohappyeyeballs

from steward.adapters.engines.address import parse_address
from steward.adapters.engines.http_answer import HttpAnswer, copy_problem
from steward.adapters.engines.http_connection import UpstreamConnection
from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, TimedOut, Unavailable, find_exhausted
from steward.core.secret import Secret
from steward.core.timeouts import Timeouts
from steward.core.tls import ReloadingContext, UpstreamTls, build_upstream_context

KEEP_S: Final = 30.0  # that an unused connection is kept; most servers close theirs after 5 to 75 s
NO_LIST: Final = frozenset({404, 405, 501})  # statuses of a server without a list of models
REFUSED_EMPTY: Final = frozenset({400, 413, 415, 422})  # of one that has read an empty request
BEGIN_LATE: Final = frozenset({"/v1/audio/speech"})  # endpoints whose streams most servers begin when all is made
RACE_S: Final = 0.25  # before the next address is tried beside the first (RFC 8305, section 5)


def _split_url(url: str) -> SplitResult:
    """:raises InputError: no http or https, no host, or a port that is no number"""
    place = urlsplit(refuse_credentials(url, "give the key by reference, or as a header"))
    try:
        known = not url or (place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0)
    except ValueError:  # the port
        known = False
    if not known:
        raise InputError(f"URL {url!r}: expected http://HOST:PORT or https://…, such as http://127.0.0.1:8080/v1")
    return place


class HttpEngine:
    """`url` is the server's base; `socket_path` reaches it through a Unix socket instead of TCP.

    `anthropic`: the key and the version go where Anthropic's API looks for them. `headers` (names in lower case) go
    with every request, in the place of those that would be sent otherwise. `tls` names files of its own for HTTPS.
    """

    def __init__(
        self,
        url: str,
        key: Secret | None = None,
        socket_path: str | None = None,
        timeouts: Timeouts | None = None,
        anthropic: bool = False,
        headers: Mapping[str, Secret] | None = None,
        tls: UpstreamTls | None = None,
    ) -> None:
        place = _split_url(url)
        self._address = parse_address(url, anthropic)
        self._first_endpoint = "/v1/messages" if anthropic else "/v1/chat/completions"
        self._has_no_list = False  # of models, and takes requests all the same
        self._name = place.hostname or "localhost"
        self._tls = place.scheme == "https"
        self._port = place.port or (443 if self._tls else 80)
        self._socket_path = socket_path
        self._files = tls or UpstreamTls()
        self._context: ReloadingContext | None = None
        self._timeouts = timeouts or Timeouts()
        self.shortest_s = max(0.01, min(self._timeouts.first_byte_s, self._timeouts.idle_s, self._timeouts.whole_s))
        self.keeps = socket_path is None  # llama.cpp closes a connection after 100 requests, in the middle of one
        lines = [f"host: {place.netloc}", "content-type: application/json"]
        if anthropic:
            lines.append("anthropic-version: 2023-06-01")
        self._replaceable = ("content-type", "anthropic-version") if anthropic else ("content-type",)  # per request
        if key is not None and anthropic:
            lines.append(f"x-api-key: {key.reveal()}")
        elif key is not None:
            lines.append(f"authorization: Bearer {key.reveal()}")
        if not self.keeps:
            lines.append("connection: close")
        for name, value in (headers or {}).items():
            lines = [line for line in lines if not line.startswith(f"{name}:")]
            lines.append(f"{name}: {value.reveal()}")
        self._lines = lines
        self._starts: dict[tuple[str, str], bytes] = {}  # heads by method and endpoint
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> Coroutine[Any, Any, HttpAnswer]:
        return self._call("POST", endpoint, body, headers or {}, streamed)

    async def is_alive(self) -> bool:
        """Whether the server answers its list of models with 200; where it has none, whether it answers at all."""
        try:
            async with asyncio.timeout(2.0):
                status = await self._ask_status("GET", "/v1/models", b"")
                if status in NO_LIST and not self._has_no_list:  # or the base is wrong, which an empty request tells
                    asked = await self._ask_status("POST", self._first_endpoint, b"{}")
                    self._has_no_list = asked in REFUSED_EMPTY
                return status == 200 or (status in NO_LIST and self._has_no_list)
        except (Unavailable, TimeoutError):
            return False

    async def _ask_status(self, method: str, endpoint: str, body: bytes) -> int:
        answer = await self._call(method, endpoint, body, {})
        await answer.read()
        return answer.status

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)  # the loop closes them

    # -- one request -------------------------------------------------------------------------------

    async def _call(
        self, method: str, endpoint: str, body: bytes, headers: Mapping[str, str], streamed: bool = False
    ) -> HttpAnswer:
        """:raises Unavailable: no connection, or it broke :raises TimedOut: no connection, or no first byte in time"""
        head = self._head(method, endpoint, len(body), headers)
        connection = self._take()
        loop = connection.loop if connection is not None else asyncio.get_running_loop()  # which asks the system
        started = loop.time()
        if connection is None:
            connection = await self._connect()
        used, late = connection.used, streamed and endpoint in BEGIN_LATE
        answer = HttpAnswer(connection, self._timeouts, started, streamed, late)
        connection.begin(answer, head, body)
        await answer.begin()
        if answer.problem is None:
            return answer
        if not used or answer.has_bytes or isinstance(answer.problem, TimedOut):
            raise copy_problem(answer.problem)
        connection = await self._connect()  # the server had just closed the other
        answer = HttpAnswer(connection, self._timeouts, started, streamed, late)
        connection.begin(answer, head, body)
        await answer.begin()
        if answer.problem is not None:
            raise copy_problem(answer.problem)
        return answer

    def _head(self, method: str, endpoint: str, length: int, headers: Mapping[str, str]) -> bytes:
        if not headers:  # as nearly always
            start = self._starts.get((method, endpoint)) or self._remember_start(method, endpoint)
            return b"%bcontent-length: %d\r\n\r\n" % (start, length)
        lines = [f"{method} {self._address.target(endpoint)} HTTP/1.1", *self._lines]
        for name, value in headers.items():
            if "\r" in value or "\n" in value:
                raise ValueError(f"a line end in the header {name}")
            if name in self._replaceable:
                lines = [line for line in lines if not line.startswith(f"{name}:")]
            lines.append(f"{name}: {value}")
        lines.append(f"content-length: {length}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _remember_start(self, method: str, endpoint: str) -> bytes:
        """The head of a request without headers of its own, up to its length. Endpoints are those of a table."""
        lines = [f"{method} {self._address.target(endpoint)} HTTP/1.1", *self._lines, ""]
        start = self._starts[method, endpoint] = "\r\n".join(lines).encode("latin-1", "replace")
        return start

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

    def drop(self, connection: UpstreamConnection) -> None:
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
        except OSError as error:
            raise find_exhausted(error) or Unavailable(f"connection failed ({_describe_failure(error)})") from error
        except UnicodeError as error:
            raise Unavailable(f"connection failed ({_describe_failure(error)})") from error

    async def _open(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(self)
        if self._socket_path:
            await loop.create_unix_connection(lambda: connection, self._socket_path)
        else:
            addresses = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
            reached = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=RACE_S, interleave=1)
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls and self._context is None:
                self._context = ReloadingContext(self._files, build_upstream_context)
            context = self._context.find() if self._context is not None else None
            name = self._name if self._tls else None
            await loop.create_connection(lambda: connection, sock=reached, ssl=context, server_hostname=name)
        self._all.add(connection)
        return connection


def _describe_failure(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number and number > 0 and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(number)
    return getattr(error, "strerror", None) or type(error).__name__
