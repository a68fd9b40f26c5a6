"""S20: what an upstream sends without end is cut off at a bound, and the client is told with a 502 that names it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from steward.adapters.engines.http import HttpEngine
from steward.adapters.engines.http_answer import MOST_WHOLE_BYTES
from steward.adapters.engines.http_connection import MOST_HEAD_BYTES
from steward.core.errors import Unavailable

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
Pieces = Callable[[], AsyncIterator[bytes]]


def read_from(pieces: Pieces) -> tuple[bytes | Unavailable, dict[str, str], int]:
    """What the engine reads from a server that sends `pieces`, its headers, and how many bytes were sent."""

    async def go() -> tuple[bytes | Unavailable, dict[str, str], int]:
        sent = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            try:
                await reader.readuntil(b"\r\n\r\n")
                async for piece in pieces():
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        headers: dict[str, str] = {}
        try:
            answer = await engine.call("/v1/chat/completions", b"{}")
            headers = dict(answer.headers)
            return await answer.read(), headers, sent
        except Unavailable as error:
            return error, headers, sent
        finally:
            await engine.close()
            server.close()

    return asyncio.run(go())


async def endless_body() -> AsyncIterator[bytes]:
    yield CHUNKED
    for _ in range(8 * MOST_WHOLE_BYTES // 65536):
        yield b"10000\r\n" + b"a" * 65536 + b"\r\n"


async def endless_trailers() -> AsyncIterator[bytes]:
    yield CHUNKED + b"2\r\n{}\r\n0\r\n"
    for number in range(4000):
        yield b"x-%d: %s\r\n" % (number, b"a" * 4000)


async def one_endless_trailer() -> AsyncIterator[bytes]:
    yield CHUNKED + b"2\r\n{}\r\n0\r\nx-trailer: "
    for _ in range(4000):
        yield b"a" * 4000


async def endless_chunk_extension() -> AsyncIterator[bytes]:
    yield CHUNKED + b"2;"
    for _ in range(4000):
        yield b"a" * 4000


@pytest.mark.parametrize(
    ("pieces", "bound"),
    [
        (endless_body, MOST_WHOLE_BYTES),
        (endless_trailers, MOST_HEAD_BYTES),
        (one_endless_trailer, MOST_HEAD_BYTES),
        (endless_chunk_extension, MOST_HEAD_BYTES),
    ],
)
def test_an_answer_without_end_is_cut_off(pieces: Pieces, bound: int) -> None:
    answer, _, sent = read_from(pieces)
    assert isinstance(answer, Unavailable) and "longer than" in str(answer)
    assert sent < bound + 8 * 1024 * 1024  # what the sockets' buffers hold beside


async def overriding_trailer() -> AsyncIterator[bytes]:
    yield CHUNKED + b"2\r\n{}\r\n"
    await asyncio.sleep(0.05)
    yield b"0\r\ncontent-type: text/event-stream\r\nretry-after: 9\r\n\r\n"


def test_a_trailer_changes_no_header() -> None:
    answer, headers, _ = read_from(overriding_trailer)
    assert answer == b"{}"
    assert headers == {"content-type": "application/json", "transfer-encoding": "chunked"}
