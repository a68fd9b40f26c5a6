"""The four timeouts apart, against servers that are slow in one way each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from steward.adapters.engines.http import HttpEngine, Timeouts
from steward.core.errors import TimedOut, Unavailable

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answered(serve: Serve, timeouts: Timeouts, reads_every_s: float = 0.0) -> list[bytes]:
    """The pieces of one answer from a server that behaves like `serve`."""

    async def go() -> list[bytes]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", timeouts=timeouts)
        pieces = []
        try:
            answer = await engine.call("/v1/chat/completions", b"{}")
            async for piece in answer.chunks():
                pieces.append(piece)
                await asyncio.sleep(reads_every_s)
            return pieces
        finally:
            await engine.close()
            server.close()

    return asyncio.run(go())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def head_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await reader.read()


async def one_piece(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"a")
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for _ in range(100):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def late_but_steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.4)
    writer.write(HEAD)
    await asyncio.sleep(0.4)
    for _ in range(4):
        writer.write(b"a")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("serve", "timeouts", "says"),
    [
        (silent, Timeouts(5, 0.2, 5, 5), "no first byte in time"),
        (head_only, Timeouts(5, 0.3, 5, 5), "no first byte of its answer in time"),
        (one_piece, Timeouts(5, 5, 0.2, 5), r"no next byte of its answer in time \(0.2 s\)"),
        (dripping, Timeouts(5, 5, 5, 0.3), "no end of its answer in time"),
    ],
)
def test_each_timeout_is_its_own(serve: Serve, timeouts: Timeouts, says: str) -> None:
    with pytest.raises(TimedOut, match=says):
        answered(serve, timeouts)


def test_a_first_byte_may_take_longer_than_the_pause_between_chunks() -> None:
    assert b"".join(answered(late_but_steady, Timeouts(5, 3, 0.3, 5))) == b"aaaa"


def test_a_slow_reader_is_no_slow_upstream() -> None:
    assert len(b"".join(answered(late_but_steady, Timeouts(5, 3, 0.3, 9), reads_every_s=0.5))) == 4


def test_connecting_has_its_own_timeout() -> None:
    """A listener whose backlog is full drops further SYNs (Linux), so that connecting hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)

        async def go() -> None:
            engine = HttpEngine(f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(0.2, 5, 5, 5))
            try:
                await engine.call("/v1/chat/completions", b"{}")
            finally:
                await engine.close()

        with pytest.raises(TimedOut, match="no connection in time"):
            asyncio.run(go())
        for client in waiting:
            client.close()


def test_nobody_there_is_no_timeout() -> None:
    async def go() -> None:
        engine = HttpEngine("http://127.0.0.1:9")
        try:
            await engine.call("/v1/chat/completions", b"{}")
        finally:
            await engine.close()

    with pytest.raises(Unavailable, match="no connection") as caught:
        asyncio.run(go())
    assert not isinstance(caught.value, TimedOut)
