"""C17: streams end on idleness and not on their length; whole answers wait as long as they may take altogether."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from steward.adapters.engines.http import HttpEngine
from steward.core.errors import TimedOut
from steward.core.timeouts import Timeouts

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def served(act: Act, timeouts: Timeouts, streamed: bool, endpoint: str = "/v1/chat/completions") -> bytes:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await act(writer)
        except ConnectionError:
            pass  # the engine has given up
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeouts=timeouts)
        try:
            reply = await engine.call(endpoint, b"", streamed=streamed)
            parts = []
            while piece := await reply.read_piece():
                parts.append(piece)
            return b"".join(parts)
        finally:
            await engine.close()
            server.close()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Ten events, in all longer than the limit of a whole answer."""
    writer.write(HEAD)
    for _ in range(10):
        writer.write(b"9\r\ndata: a\n\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def stall(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"9\r\ndata: a\n\n\r\n")
    await writer.drain()
    await asyncio.sleep(2)


async def think(writer: asyncio.StreamWriter) -> None:
    """A whole answer that takes longer than the first byte of a stream may."""
    await asyncio.sleep(0.6)
    writer.write(WHOLE)
    await writer.drain()


def test_a_stream_that_moves_may_go_on_beyond_the_limit_of_whole_answers() -> None:
    limits = Timeouts(connect_s=5, first_byte_s=5, idle_s=30, whole_s=0.3)
    assert asyncio.run(served(drip, limits, streamed=True)) == b"data: a\n\n" * 10


def test_a_stream_that_stands_still_is_ended() -> None:
    limits = Timeouts(connect_s=5, first_byte_s=5, idle_s=0.2, whole_s=600)
    with pytest.raises(TimedOut, match="no next byte"):
        asyncio.run(served(stall, limits, streamed=True))


def test_a_whole_answer_may_take_as_long_to_begin_as_altogether() -> None:
    limits = Timeouts(connect_s=5, first_byte_s=0.2, idle_s=5, whole_s=30)
    assert asyncio.run(served(think, limits, streamed=False)) == b"{}"
    with pytest.raises(TimedOut, match="did not begin"):
        asyncio.run(served(think, limits, streamed=True))


def test_a_whole_answer_has_a_limit() -> None:
    limits = Timeouts(connect_s=5, first_byte_s=5, idle_s=5, whole_s=0.2)
    with pytest.raises(TimedOut, match=r"did not (end|begin)"):
        asyncio.run(served(think, limits, streamed=False))


async def blink(writer: asyncio.StreamWriter) -> None:
    """A whole answer after blanks that keep its connection alive, as DeepSeek's API sends them under load."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\n\n")
    await writer.drain()
    await asyncio.sleep(0.6)
    writer.write(b"{}")
    await writer.drain()


def test_a_whole_answer_may_pause_after_its_first_byte() -> None:
    limits = Timeouts(connect_s=5, first_byte_s=0.2, idle_s=0.2, whole_s=30)
    assert asyncio.run(served(blink, limits, streamed=False)) == b"\n\n{}"
    with pytest.raises(TimedOut, match="did not end in time"):
        asyncio.run(served(blink, Timeouts(connect_s=5, first_byte_s=5, idle_s=30, whole_s=0.3), streamed=False))


def test_speech_may_take_as_long_to_begin_as_a_whole_answer() -> None:
    """Most servers synthesise all of a text before they send the first byte of it."""
    limits = Timeouts(connect_s=5, first_byte_s=0.2, idle_s=5, whole_s=30)
    assert asyncio.run(served(think, limits, True, "/v1/audio/speech")) == b"{}"
    with pytest.raises(TimedOut):
        asyncio.run(served(think, limits, True))
