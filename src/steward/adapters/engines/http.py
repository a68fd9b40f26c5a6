"""Any OpenAI-compatible server, over TCP or a Unix socket, through aiohttp.

One pooled session for each model, TCP_NODELAY (aiohttp's default), no decompression, bytes as they come.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec

from steward.core.errors import Unavailable
from steward.core.secret import Secret


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds, each apart: connecting, first byte, between chunks, the whole."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0


class HttpAnswer:
    """An answer whose headers have arrived."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(_describe(error)) from error

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while piece := await content.readany():
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(_describe(error)) from error

    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


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
        try:
            async with asyncio.timeout(self._timeouts.first_byte_s):
                try:
                    response = await session.post(self._base + endpoint, data=body, headers=headers)
                except aiohttp.ServerDisconnectedError:  # a pooled connection that the server had just closed
                    response = await session.post(self._base + endpoint, data=body, headers=headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(_describe(error)) from error
        return HttpAnswer(response)

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
            timeout=aiohttp.ClientTimeout(
                total=limits.total_s, sock_connect=limits.connect_s, sock_read=max(limits.idle_s, limits.first_byte_s)
            ),
            skip_auto_headers=("user-agent", "accept-encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


def _describe(error: BaseException) -> str:
    """What happened, without addresses' credentials or content."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({error.os_error.strerror or type(error.os_error).__name__})"
    return f"the connection broke ({type(error).__name__})"
