"""uvicorn's server with TLS handshakes of our own making: bounded in time and number, with certificates that change.

Ours because uvicorn fixes the context for the life of a server, waits a minute for each handshake and begins any number
of them. What is accepted here is handed to asyncio with the context of the moment; a connection keeps the one it began
with. Where more handshakes are under way than are allowed, the oldest is ended: a client that means it needs a few
round trips, one that holds connections open waits.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from steward.core.tls import ReloadingContext
from steward.processes.descriptors import DescriptorRoom

MOST_HANDSHAKES: Final = 500  # under way at the same time in one process
ACCEPTS: Final = 32  # connections that are accepted before others have their turn
PAUSE_S: Final = 0.2  # without accepting, where this process has run out of descriptors
SHUTDOWN_S: Final = 2.0  # for a client to take leave


class TlsListener:
    """Accepts on `listener` and does the handshakes. `find_context` is asked for each connection."""

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        find_context: Callable[[], ssl.SSLContext],
        handshake_s: float,
        most: int = MOST_HANDSHAKES,
        room: DescriptorRoom | None = None,
    ) -> None:
        self._listener, self._make_protocol, self._find_context = listener, make_protocol, find_context
        self._handshake_s, self._most = handshake_s, most
        self._room = room or DescriptorRoom()
        self._loop = asyncio.get_running_loop()
        self._handshakes: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left; asking again at once would only burn the processor
                self._room.tell_full()
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(PAUSE_S, self._listen)
                return
            if not self._room.admits(connection.fileno()):
                connection.close()  # before the handshake it can be told nothing
                continue
            connection.setblocking(False)
            if len(self._handshakes) >= self._most:
                next(iter(self._handshakes)).cancel()
            task = self._loop.create_task(self._shake_hands(connection))
            self._handshakes[task] = None
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)

    async def _shake_hands(self, connection: socket.socket) -> None:
        """A client that does not speak TLS, or no version of ours, is dropped: it can be told nothing."""
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                connection,
                ssl=self._find_context(),
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except (OSError, asyncio.CancelledError):
            connection.close()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._listener)
        for task in list(self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        while self._handshakes:
            await asyncio.sleep(0)


class TlsServer(uvicorn.Server):
    """`context` follows the files; without one, uvicorn's own server, which speaks plain HTTP."""

    def __init__(self, config: uvicorn.Config, context: ReloadingContext | None, handshake_s: float) -> None:
        super().__init__(config)
        self._context, self._handshake_s = context, handshake_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._context is None:
            await super().startup(sockets)
            return
        await super().startup([])
        made: Any = self.config.http_protocol_class
        servers: list[Any] = [
            TlsListener(listener, self._make_protocol, self._context.find, self._handshake_s, room=made.room)
            for listener in sockets or ()
        ]
        self.servers = servers

    def _make_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
