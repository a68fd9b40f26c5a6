"""One connection of steward's own servers without a socket: bytes go in as an attacker would send them, and time passes
when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from steward.core.errors import Refused
from steward.core.timeouts import ClientTimeouts
from steward.gateway.cors import CorsPolicy
from steward.processes.http_protocol import GuardedHttpProtocol, make_protocol

App = Callable[[Any, Any, Any], Awaitable[None]]
POST: Final = b"POST /x HTTP/1.1\r\nHost: a\r\n"
NO_PAGES: Final = CorsPolicy()
CHUNKED: Final = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed, self.backlog = b"", False, 0

    def write(self, data: Any) -> None:
        if not self.closed:
            self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        return None

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.9", 1) if name in ("peername", "sockname") else default


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time can be moved on."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class Connection:
    """One connection to `app`. Used inside `converse`."""

    def __init__(self, app: App, timeouts: ClientTimeouts, cors: CorsPolicy) -> None:
        self.refused: list[str | None] = []
        config = uvicorn.Config(
            app,
            interface="asgi3",
            ws="none",
            log_config=None,
            lifespan="off",
            http=make_protocol(timeouts, self._count, cors.headers),
        )
        config.load()
        made: Any = config.http_protocol_class
        self.protocol: GuardedHttpProtocol = made(config=config, server_state=ServerState(), app_state={})
        self.transport = FakeTransport()
        self.protocol.connection_made(self.transport)

    def _count(self, error: Refused) -> None:
        self.refused.append(error.code)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.data_received(piece)
            await self.settle()

    async def wait(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clock)
        loop.ahead_s += seconds
        await self.settle()

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    @property
    def statuses(self) -> list[int]:
        """Of the answers, in their order."""
        lines = self.transport.written.replace(b"a valid HTTP/1.1 request", b"").split(b"HTTP/1.1 ")[1:]
        return [int(line[:3]) for line in lines]


def converse(
    app: App,
    talk: Callable[[Connection], Awaitable[None]],
    timeouts: ClientTimeouts | None = None,
    cors: CorsPolicy = NO_PAGES,
) -> None:
    async def run() -> None:
        connection = Connection(app, timeouts or ClientTimeouts(), cors)
        try:
            await talk(connection)
        finally:
            connection.protocol.connection_lost(None)
            await connection.settle()

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(run())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the names and values of the head, in the order in which they came, and the body."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    head = b"; ".join(name + b"=" + value for name, value in scope["headers"])
    said = scope["path"].encode() + b" " + head + b" " + body
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]}
    )
    await send({"type": "http.response.body", "body": said})
