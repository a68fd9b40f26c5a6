"""A server on loopback in the test's own loop, and clients that behave badly during and after the handshake."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from certificates import Authority
from steward.core.timeouts import ClientTimeouts
from steward.core.tls import ReloadingContext, ServerTls, UpstreamTls, build_server_context, build_upstream_context
from steward.gateway.http import CERTIFICATE
from steward.processes import tls_server
from steward.processes.descriptors import DescriptorRoom
from steward.processes.http_protocol import make_protocol
from steward.processes.tls_server import TlsListener, TlsServer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
App = Callable[[Any, Any, Any], Awaitable[None]]
PART = b"x" * 65536


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Who asks, over what."""
    body = f"{scope['scheme']} {scope['client'][0]} {scope.get(CERTIFICATE)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def context_of(pair: tuple[Path, Path], **more: Any) -> ReloadingContext:
    return ReloadingContext(ServerTls(certificate=str(pair[0]), key=str(pair[1]), **more), build_server_context)


@asynccontextmanager
async def serving(
    app: App, context: ReloadingContext | None, send_s: float = 60.0, room: DescriptorRoom | None = None
) -> AsyncIterator[int]:
    """The port of a server with our connections."""
    http = make_protocol(ClientTimeouts(send_s=send_s), lambda error: None)
    http.room = room or http.room
    server = TlsServer(uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None), context, 20.0)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        await server.startup([listener])
        try:
            yield listener.getsockname()[1]
        finally:
            for each in server.servers:
                each.close()
                await each.wait_closed()
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0.02)


def client_context(authority: Authority, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    shown = {} if pair is None else {"certificate": str(pair[0]), "key": str(pair[1])}
    return build_upstream_context(UpstreamTls(ca=str(authority.ca), **shown))


async def connect(port: int, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def leave(*writers: asyncio.StreamWriter) -> None:
    """And let both ends notice."""
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0.02)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GET)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


def run(case: Awaitable[None]) -> None:
    async def inner() -> None:
        await case

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inner())


def test_without_a_context_it_speaks_plain_http() -> None:
    async def case() -> None:
        async with serving(tell, None) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await ask(reader, writer) == b"http 127.0.0.1 None"
            await leave(writer)

    run(case())


def test_over_tls_the_address_the_scheme_and_the_clients_name_are_known(authority: Authority) -> None:
    async def case() -> None:
        context = context_of(authority.server("a"), client_ca=str(authority.ca))
        async with serving(tell, context) as port:
            reader, writer = await connect(port, client_context(authority, authority.client("billing")))
            assert [await ask(reader, writer), await ask(reader, writer)] == [b"https 127.0.0.1 billing"] * 2
            await leave(writer)
            reader, writer = await connect(port, client_context(authority))
            assert await ask(reader, writer) == b"https 127.0.0.1 None"
            await leave(writer)

    run(case())


def test_a_new_certificate_is_served_while_an_old_connection_goes_on(authority: Authority) -> None:
    async def case() -> None:
        async with serving(tell, context_of(authority.server("a"))) as port:
            reader, writer = await connect(port, client_context(authority))
            before = writer.get_extra_info("peercert")["serialNumber"]
            authority.server("a")
            other_reader, other = await connect(port, client_context(authority))
            assert other.get_extra_info("peercert")["serialNumber"] != before
            assert await ask(reader, writer) == await ask(other_reader, other) == b"https 127.0.0.1 None"
            await leave(writer)
            await leave(other)

    run(case())


@asynccontextmanager
async def listening(authority: Authority, handshake_s: float, most: int) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        context = context_of(authority.server("a"))
        accepting = TlsListener(listener, asyncio.Protocol, context.find, handshake_s, most)
        yield listener.getsockname()[1]
        accepting.close()
        await accepting.wait_closed()


async def read_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_who_says_nothing_is_dropped_in_time(authority: Authority) -> None:
    async def case() -> None:
        async with listening(authority, handshake_s=0.05, most=10) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await read_end(reader) == b""
            await leave(writer)

    run(case())


def test_of_too_many_handshakes_the_oldest_is_ended_and_a_client_that_means_it_gets_in(authority: Authority) -> None:
    async def case() -> None:
        async with listening(authority, handshake_s=60.0, most=2) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            _, writer = await connect(port, client_context(authority))
            assert writer.get_extra_info("peercert") is not None
            assert await read_end(silent[0][0]) == b""
            await leave(writer, *(each for _, each in silent))

    run(case())


@pytest.mark.parametrize("noise", [GET, b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x80\x2e\x01\x00\x02" + b"\0" * 50])
def test_what_is_not_tls_is_dropped(authority: Authority, noise: bytes) -> None:
    async def case() -> None:
        async with serving(tell, context_of(authority.server("a"))) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            assert b"HTTP" not in await read_end(reader)
            await leave(writer)
            reader, writer = await connect(port, client_context(authority))  # and others are served
            assert await ask(reader, writer) == b"https 127.0.0.1 None"
            await leave(writer)

    run(case())


def test_a_client_that_goes_during_the_handshake_leaves_nothing_behind(authority: Authority) -> None:
    async def case() -> None:
        async with serving(tell, context_of(authority.server("a"))) as port:
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"\x16\x03\x01")
                await leave(writer)
            reader, writer = await connect(port, client_context(authority))
            assert await ask(reader, writer) == b"https 127.0.0.1 None"
            await leave(writer)

    run(case())


def test_who_reads_nothing_stops_the_stream_and_is_ended(authority: Authority) -> None:
    async def case() -> None:
        sent, ended = 0, asyncio.Event()

        async def wait_for_end(receive: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async def stream(scope: Any, receive: Any, send: Any) -> None:
            nonlocal sent
            end = asyncio.ensure_future(wait_for_end(receive))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not end.done():
                await send({"type": "http.response.body", "body": PART, "more_body": True})
                sent += 1
                await asyncio.sleep(0)  # `send` waits for nothing once the client is gone
            ended.set()

        async with serving(stream, context_of(authority.server("a")), send_s=0.3) as port:
            client = await asyncio.to_thread(stop_reading, port, client_context(authority))
            await asyncio.wait_for(ended.wait(), 30)
            assert sent < 1_000  # 64 MB are more than the buffers of two sockets hold
            client.close()

    run(case())


def stop_reading(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A client that asks and takes no byte of the answer."""
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    client.sendall(GET)
    return client


def test_a_body_that_nobody_takes_stops_the_client(authority: Authority) -> None:
    async def case() -> None:
        go_on = asyncio.Event()

        async def wait(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()

        async with serving(wait, context_of(authority.server("a"))) as port:
            _, writer = await connect(port, client_context(authority))
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            taken = 0
            try:
                while taken < 1_000:
                    writer.write(PART)
                    await asyncio.wait_for(writer.drain(), 1.0)
                    taken += 1
            except TimeoutError:
                pass
            assert taken < 1_000
            go_on.set()
            await leave(writer)

    run(case())


def test_what_unfinished_handshakes_may_hold_is_bounded() -> None:
    """500 at a time in a process, 32 accepted before others have their turn, two seconds to take leave."""
    assert (tls_server.MOST_HANDSHAKES, tls_server.ACCEPTS, tls_server.SHUTDOWN_S) == (500, 32, 2.0)


def test_without_room_a_connection_is_told_so_and_with_tls_ended_before_its_handshake(authority: Authority) -> None:
    """A limit of one descriptor leaves no number that a connection could have."""
    full = DescriptorRoom(lambda: 1)

    async def case() -> None:
        async with serving(tell, None, room=full) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = await asyncio.wait_for(reader.read(), 20)
            assert answer.startswith(b"HTTP/1.1 503 ") and b'"out_of_resources"' in answer
            assert b"\r\nretry-after: 5\r\n" in answer
            await leave(writer)
        async with serving(tell, context_of(authority.server("a")), room=full) as port:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(port, client_context(authority))

    run(case())


def test_without_a_descriptor_left_nothing_is_accepted_for_a_fifth_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[object] = []

    class Full:
        """A listener of a process that has run out of descriptors, and a loop that only notes."""

        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        def add_reader(self, listener: object, callback: object) -> None:
            events.append("listen")

        def remove_reader(self, listener: object) -> None:
            events.append("stop")

        def call_later(self, delay: float, callback: Callable[[], None]) -> None:
            events.append(delay)
            callback()

    full: Any = Full()
    monkeypatch.setattr("steward.processes.tls_server.asyncio.get_running_loop", lambda: full)
    TlsListener(full, asyncio.Protocol, lambda: ssl.create_default_context(), 20.0)._accept()
    assert events == ["listen", "stop", 0.2, "listen"]
