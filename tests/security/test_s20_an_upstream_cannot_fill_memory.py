"""S20: what an upstream sends without end is cut off at a bound, and the client is told with a 502 that names it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from steward.adapters.engines.http import HttpEngine
from steward.adapters.engines.http_answer import MOST_WHOLE_BYTES
from steward.adapters.engines.http_connection import MOST_HEAD_BYTES
from steward.core.errors import TimedOut, Unavailable
from steward.core.records import Attempt
from steward.core.timeouts import Timeouts
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing
from steward.gateway.relay import Relay
from steward.gateway.stream import Stream
from steward.gateway.upstream_errors import read_upstream_error

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


def test_an_error_that_trickles_ends_in_the_time_of_a_whole_answer() -> None:
    """Its reader asked for a stream, which has no such limit."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED.replace(b"200 OK", b"400 Bad Request"))
        try:
            while True:
                writer.write(b"1\r\na\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def go() -> None:
        server = await asyncio.start_server(trickle, "127.0.0.1", 0)
        limits = Timeouts(idle_s=5.0, whole_s=0.3)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", timeouts=limits)
        try:
            answer = await engine.call("/v1/chat/completions", b"{}", None, True)
            with pytest.raises(TimedOut, match="did not end in time"):
                await answer.read()
        finally:
            await engine.close()
            server.close()

    asyncio.run(go())


class Commenting:
    """Sends comments and nothing else."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({})
    closed = False

    async def read_piece(self) -> bytes:
        await asyncio.sleep(0)
        return b": wait\n\n"

    def close(self) -> None:
        self.closed = True


def test_comments_alone_are_no_answer() -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, time.perf_counter())
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.0))
    exchange.begin_by = time.perf_counter() + 0.1
    upstream: Any = Commenting()

    async def read() -> bytes:
        outgoing = Outgoing("/v1/chat/completions", b"{}", None)
        stream = Stream(exchange, upstream, Relay(exchange, outgoing), [], 5.0)
        return b"".join([events async for events in stream])

    events = asyncio.run(read())
    assert b"it sent no event of its answer in time" in events and exchange.failed and upstream.closed


async def overriding_trailer() -> AsyncIterator[bytes]:
    yield CHUNKED + b"2\r\n{}\r\n"
    await asyncio.sleep(0.05)
    yield b"0\r\ncontent-type: text/event-stream\r\nretry-after: 9\r\n\r\n"


def test_a_trailer_changes_no_header() -> None:
    answer, headers, _ = read_from(overriding_trailer)
    assert answer == b"{}"
    assert headers == {"content-type": "application/json", "transfer-encoding": "chunked"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["<", "<script>", "<script ", "<head", "<title>", "<titlea>", "</script ", "<!-- "])
def test_an_error_page_that_closes_nothing_is_read_once(part: str) -> None:
    """64 KB of such a page held the worker's loop for 20 s and more, each tag's end being looked for to the page's."""
    page = "<html><p>out of order</p>" + part * (64 * 1024 // len(part))
    assert read_upstream_error(502, page.encode()).message.startswith("out of order")


def test_of_an_error_page_its_title_and_its_words_are_shown() -> None:
    page = (
        "<!doctype html><head><title>502 Bad Gateway</title><style>p { color: red }</style></head>"
        "<body><script>let a = 1</script ><p>The server &lt;b&gt; is down.</p></body>"
    )
    assert read_upstream_error(502, page.encode()).message == "502 Bad Gateway The server <b> is down."
