"""Sound passes as it comes; what breaks off is told where it can be, and is never taken for whole."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from steward.core.errors import Unavailable
from steward.core.records import Attempt
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.settle import stream_outcome
from steward.gateway.passthrough import PASSTHROUGH, AnswerReport, count_answer, read_request
from steward.gateway.passthrough_stream import PassthroughStream, merge_reports

DELTA = b'data: {"type":"transcript.text.delta","delta":"a"}\n\n'
DONE = b'data: {"type":"transcript.text.done","text":"ab","usage":{"input_tokens":3,"output_tokens":4}}\n\n'


class Pieces:
    """An upstream's answer, piece by piece; an exception among them breaks it."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)
        self.closed = False

    async def read_piece(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


def opened(pieces: Pieces, first: bytes, events: bool = False) -> PassthroughStream:
    exchange = Exchange("req_1", "/v1/audio/speech", {}, b"", 0.0, 0.0)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    request = read_request(PASSTHROUGH["/v1/audio/speech"], b'{"model":"m","input":"hi"}', "application/json")
    exchange.passthrough = request
    stream = PassthroughStream(exchange, request, pieces, first, events)  # type: ignore[arg-type]
    return stream


async def collect(stream: PassthroughStream) -> list[bytes]:
    return [piece async for piece in stream]


def test_sound_passes_piece_by_piece() -> None:
    pieces = Pieces(b"b", b"c")
    stream = opened(pieces, b"a")
    assert asyncio.run(collect(stream)) == [b"a", b"b", b"c"]
    assert stream.ended and not pieces.closed
    assert stream_outcome(stream._exchange, stream) == "ok"


def test_sound_that_breaks_off_ends_the_connection() -> None:
    pieces = Pieces(Unavailable("broke"))
    stream = opened(pieces, b"a")
    with pytest.raises(Unavailable):
        asyncio.run(collect(stream))
    assert pieces.closed and stream_outcome(stream._exchange, stream) == "upstream_error"
    assert stream._exchange.attempts[-1].error == "the stream broke off"


def test_events_that_break_off_end_in_an_error() -> None:
    stream = opened(Pieces(Unavailable("broke")), DELTA, events=True)
    events = asyncio.run(collect(stream))
    assert events[0] == DELTA and b"failed in mid-stream" in events[1] and len(events) == 2
    assert stream_outcome(stream._exchange, stream) == "upstream_error"


def test_events_tell_what_was_used() -> None:
    stream = opened(Pieces(DONE[:20], DONE[20:]), DELTA, events=True)
    asyncio.run(collect(stream))
    assert stream._request.answer_bytes == len(DELTA) + len(DONE)
    told = count_answer(stream._request)
    assert (told.tokens_told, told.counts.input, told.counts.output) == (True, 3, 4)


def test_a_client_that_goes_closes_the_upstream() -> None:
    async def leave() -> bool:
        pieces = Pieces(b"b")
        stream = opened(pieces, b"a")
        await anext(stream)
        stream.close()
        stream.close()
        return pieces.closed and stream_outcome(stream._exchange, stream) == "client_closed"

    assert asyncio.run(leave())


def test_reports_are_known_as_they_were_told_last() -> None:
    first = AnswerReport(id="a", text="x")
    assert merge_reports(None, first) is first
    merged = merge_reports(first, AnswerReport(text="y", duration=2))
    assert (merged.id, merged.text, merged.duration) == ("a", "y", 2)


@pytest.mark.parametrize(
    ("count", "length", "turns"),
    [(1, 100, 0), (499, 100, 0), (500, 100, 1), (1000, 100, 2), (1, 16_384, 0), (1, 16_385, 1), (3, 16_385, 3)],
)
def test_others_have_a_turn_after_500_events_and_at_each_long_one(
    count: int, length: int, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    async def read() -> None:
        stream = opened(Pieces(), b"", events=True)
        monkeypatch.setattr("steward.gateway.passthrough_stream.asyncio", SimpleNamespace(sleep=sleep))
        await stream._read((b"data: " + b"1" * (length - 8) + b"\n\n") * count)

    asyncio.run(read())
    assert taken == [0] * turns
