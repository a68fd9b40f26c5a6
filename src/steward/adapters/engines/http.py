"""Any OpenAI-compatible server, over TCP or a Unix socket, through aiohttp.

One pooled session for each model, TCP_NODELAY (aiohttp's default), no decompression, bytes as they come.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp
import msgspec

from steward.core.errors import TimedOut, Unavailable
from steward.core.secret import Secret


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds, each apart: connecting, first byte, between chunks, the whole."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0


class HttpAnswer:
    """An answer whose headers have arrived. `first_s` is what is left of the time for its first byte."""

    def __init__(self, response: aiohttp.ClientResponse, first_s: float, idle_s: float) -> None:
        self._response = response
        self._first_s, self._idle_s = first_s, idle_s
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        content, limit_s, what = self._response.content, self._first_s, "first"
        stall = _Stall(self._response.close)
        try:
            while True:
                if not content.is_eof():
                    stall.arm(limit_s)
                piece = await content.readany()
                stall.disarm()
                if not piece:
                    return
                yield piece
                limit_s, what = self._idle_s, "next"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if stall.fired:
                raise TimedOut(f"no {what} byte of its answer in time ({limit_s:.3g} s)") from error
            raise _failure(error, "no end of its answer in time") from error
        finally:
            stall.end()

    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _Stall:
    """Ends an answer when a wait for its next piece takes too long.

    Ours because a timer for each piece costs more than relaying it: this one is set once and looks, when it
    rings, whether a wait is still on. Only waiting for the upstream counts, not a client that reads slowly.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._close = end
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.fired = False

    def arm(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._ring)

    def disarm(self) -> None:
        self._due = None

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._ring)
        else:
            self.fired = True
            self._close()


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
        self._base = url.rstrip("/").removesuffix("/v1")
        self._socket_path = socket_path
        self._timeouts = timeouts or Timeouts()
        self._headers = {"content-type": "application/json"}
        if anthropic:
            self._headers["anthropic-version"] = "2023-06-01"
        if key is not None and anthropic:
            self._headers["x-api-key"] = key.reveal()
        elif key is not None:
            self._headers["authorization"] = f"Bearer {key.reveal()}"
        self._session: aiohttp.ClientSession | None = None

    async def call(self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        session = self._session or self._open()
        address = self._base + endpoint
        limits, started = self._timeouts, time.monotonic()
        try:
            async with asyncio.timeout(limits.first_byte_s):
                try:
                    response = await session.post(address, data=body, headers=headers, allow_redirects=False)
                except aiohttp.ServerDisconnectedError:  # a pooled connection that the server had just closed
                    response = await session.post(address, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
            late = "no connection in time" if connecting else "no first byte in time"
            raise _failure(error, late) from error
        return HttpAnswer(response, max(0.001, started + limits.first_byte_s - time.monotonic()), limits.idle_s)

    async def alive(self) -> bool:
        """Whether the server answers its list of models with 200."""
        session = self._session or self._open()
        try:
            async with asyncio.timeout(2.0):
                response = await session.get(f"{self._base}/v1/models")
                await response.read()
            return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Made on first use, inside the running loop."""
        limits = self._timeouts
        connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(path=self._socket_path, limit=0, force_close=True)  # llama.cpp ends it after 100
            if self._socket_path
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ttl_dns_cache=30, family=socket.AF_UNSPEC)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=limits.total_s, connect=limits.connect_s),  # names and TLS included
            skip_auto_headers=("user-agent", "accept-encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


def _failure(error: BaseException, late: str) -> Unavailable:
    """What happened, without addresses' credentials or content."""
    if isinstance(error, TimeoutError):
        return TimedOut(late)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable(f"no connection ({error.os_error.strerror or type(error.os_error).__name__})")
    return Unavailable(f"the connection broke ({type(error).__name__})")
