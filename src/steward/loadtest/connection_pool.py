"""The open connections of one sending process: resolve the host, connect, hand out idle connections, close them all."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from steward.core.errors import Unavailable
from steward.loadtest.config import LoadConfig, request_url
from steward.loadtest.connection import ClientConnection
from steward.loadtest.request import build_tls_context
from steward.loadtest.sockets import HAS_EPOLL, SocketPoller, TransportReceiver

CONNECT_TIMEOUT_S: Final = 30
_AT_ONCE: Final = 64  # connections that are opened at the same time before the start
_SPARE_AT_ONCE: Final = 4  # and during the run, beside those that requests wait for


class ClientConnectionPool:
    """`on_done` and `defer` are handed to every connection; see `ClientConnection`."""

    def __init__(
        self,
        config: LoadConfig,
        on_done: Callable[[ClientConnection, str], None],
        defer: Callable[[Callable[[], None]], None],
    ) -> None:
        target = urlsplit(request_url(config.url, config.endpoint))
        self.host, self.port = target.hostname or "", target.port or (443 if target.scheme == "https" else 80)
        self._tls = build_tls_context(config) if target.scheme == "https" else None
        self._on_done, self._defer = on_done, defer
        self.opened = 0  # connections, in total
        self.connections: set[ClientConnection] = set()  # open ones, busy or idle
        self._idle: list[ClientConnection] = []
        self._spares = 0  # being opened
        self.poller: SocketPoller | None = None

    async def open(self, expected: int) -> None:
        """Resolve the host and open `expected` connections. :raises Unavailable: unknown host, or nobody answers"""
        self._loop = asyncio.get_running_loop()
        self.poller = SocketPoller(self._loop) if HAS_EPOLL and self._tls is None else None
        raise_file_limit()
        try:
            infos = await self._loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unavailable(f"{self.host}: no such host ({error.strerror}); check the URL") from error
        self._addresses = [str(info[4][0]) for info in infos]
        self._address = self._addresses[0]
        self.put(await self._connect_first())
        while (missing := min(expected - self.opened, _AT_ONCE)) > 0:
            results = await asyncio.gather(*(self.connect() for _ in range(missing)), return_exceptions=True)
            connected = [result for result in results if isinstance(result, ClientConnection)]
            for connection in connected:
                self.put(connection)
            if len(connected) < missing:
                return  # the server, or this machine, takes no more; the requests will show it

    def take(self) -> ClientConnection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                return connection
        return None

    def put(self, connection: ClientConnection) -> None:
        """Keep a connection for the next request, if it is still open."""
        if connection.transport is not None and not connection.transport.is_closing():
            self._idle.append(connection)

    async def connect(self) -> ClientConnection:
        """:raises OSError, TimeoutError, ssl.SSLError:"""
        connection = ClientConnection(self._on_done, self.connections.discard, self._defer)
        options: dict[str, Any] = {"ssl": self._tls, "server_hostname": self.host} if self._tls else {}
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if self.poller is not None:
                self.poller.add(connection, await self._connect_plain())
            else:
                await self._loop.create_connection(
                    lambda: TransportReceiver(connection), self._address, self.port, **options
                )
        self.opened += 1
        self.connections.add(connection)
        return connection

    def wants_spare(self) -> bool:
        return self._spares < _SPARE_AT_ONCE

    async def open_spare(self) -> None:
        """One connection more than is needed now, so that the next request does not have to wait for one."""
        self._spares += 1
        try:
            connection = await self.connect()
        except OSError:
            return  # the requests themselves will show it
        finally:
            self._spares -= 1
        self.put(connection)

    async def close(self) -> None:
        for connection in list(self.connections):
            connection.abandon("unfinished")
        for connection in self._idle:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
        if self.poller is not None:
            self.poller.close()

    async def _connect_plain(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await self._loop.sock_connect(plain, (self._address, self.port))
        except BaseException:
            plain.close()
            raise
        return plain

    async def _connect_first(self) -> ClientConnection:
        """Connect to the first address of the host that answers. :raises Unavailable: none does"""
        failed: Exception | None = None
        for address in self._addresses:
            self._address = address
            try:
                return await self.connect()
            except (OSError, TimeoutError) as error:
                failed = error
        reason = getattr(failed, "strerror", None) or str(failed) or type(failed).__name__
        if isinstance(failed, ssl.SSLError):
            raise Unavailable(
                f"{self.host}:{self.port}: TLS failed ({reason}); trust the certificate with --ca-file, or skip the "
                "check with --insecure"
            )
        raise Unavailable(f"{self.host}:{self.port}: no connection ({reason}); is the server running there?")


def raise_file_limit() -> None:
    """Allow as many open files as the system permits: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
