"""What becomes of an upstream's lines, whichever way they arrive and are taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from steward.core.errors import Unavailable
from steward.gateway.line_answer import BEGINNINGS, LineAnswer
from steward.gateway.sse import MAX_EVENT_BYTES

CHAT = "/v1/chat/completions"
CHUNK = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
LINE = json.dumps(CHUNK, separators=(",", ":")).encode()
EVENT = b"data: " + LINE + b"\n\n"
WHOLE = {"id": "c", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "length"}]}


class Pieces:
    """An answer that has arrived as far as `pieces` go: an exception breaks it off, None must be waited for."""

    def __init__(self, *pieces: bytes | Exception | None) -> None:
        self.status, self.headers = 200, dict[str, str]()
        self._pieces = list(pieces)
        self.told: list[str] = []
        self.listener: Callable[[bytes], bool] | None = None

    def take_arrived(self) -> bytes | None:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def read_piece(self) -> bytes:
        return self.take_arrived() or b""

    async def read(self) -> bytes:
        return b"".join(piece for piece in self._pieces if isinstance(piece, bytes))

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        self.listener = take

    def finish(self) -> None:
        self.told.append("finish")

    def close(self) -> None:
        self.told.append("close")


def read_all(*pieces: bytes, first: bytes = b"") -> list[bytes]:
    answer = LineAnswer(Pieces(*pieces), CHAT, first)

    async def go() -> list[bytes]:
        read = []
        while piece := await answer.read_piece():
            read.append(piece)
        return read

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((LINE + b"\n" + LINE + b"\n",), [EVENT * 2]),
        ((LINE + b"\n", LINE + b"\n"), [EVENT, EVENT]),
        ((LINE[:9], LINE[9:] + b"\r\n\n" + LINE), [EVENT, EVENT]),  # the last line has no end
        ((b"\n", LINE), [EVENT]),
        ((b"",), []),
        ((b"  \n",), []),
    ],
)
def test_each_line_is_an_event(pieces: tuple[bytes, ...], expected: list[bytes]) -> None:
    assert read_all(*pieces) == expected
    assert read_all(*pieces[1:], first=pieces[0]) == expected


def test_one_whole_answer_is_its_events_on_one_line_or_several() -> None:
    for text in (json.dumps(WHOLE), json.dumps(WHOLE, indent=1), json.dumps([WHOLE], indent=1)):
        (events,) = read_all(text.encode()[:20], text.encode()[20:])
        first, last = (json.loads(event[6:]) for event in events.decode().split("\n\n")[:2])
        assert first["choices"][0]["delta"] == {"content": "a"} and last["choices"][0]["finish_reason"] == "length"


def test_what_is_no_json_is_told_as_it_came() -> None:
    assert read_all(b"{oops\n", b"more") == [b"data: {oops more\n\n"]


def test_events_with_a_type_are_named() -> None:
    assert read_all(b'{"type":"ping"}\n') == [b'event: ping\ndata: {"type":"ping"}\n\n']


def test_a_value_beyond_all_bounds() -> None:
    with pytest.raises(ValueError, match="a line of over 4194304 bytes"):
        read_all(b"{" + b"x" * MAX_EVENT_BYTES)
    assert read_all(b"{" + b"x" * (MAX_EVENT_BYTES - 1))[0].startswith(b"data: {xxx")
    with pytest.raises(ValueError, match="a line of over"):
        read_all(b"{\n" * (MAX_EVENT_BYTES // 2), b"xx")


def test_what_has_arrived_and_what_has_not() -> None:
    answer = LineAnswer(Pieces(LINE[:5], None, LINE[5:] + b"\n", b""), CHAT)
    assert [answer.take_arrived() for _ in range(4)] == [None, EVENT, b"", b""]


def test_the_rest_passes_to_the_upstream() -> None:
    upstream = Pieces(b"b")
    answer = LineAnswer(upstream, CHAT, b"a")
    answer.finish()
    answer.close()
    assert upstream.told == ["finish", "close"] and asyncio.run(answer.read()) == b"ab"
    assert (answer.status, answer.headers) == (200, {}) and BEGINNINGS == (b"{", b"[")


class Listening:
    """A stream that listens, and keeps up for so many calls."""

    def __init__(self, *pieces: bytes | Exception | None, calls: int = 99) -> None:
        self.upstream = Pieces(*pieces)
        self.answer = LineAnswer(self.upstream, CHAT)
        self.heard: list[Any] = []
        self._calls = calls
        self.answer.listen(self.take)

    def take(self, piece: bytes) -> bool:
        if not piece:
            try:
                piece = self.answer.take_arrived() or b"end"
            except (Unavailable, ValueError) as error:
                self.heard.append(str(error))
                return False
        self.heard.append(piece)
        return len(self.heard) < self._calls

    def arrive(self, piece: bytes) -> bool:
        assert self.upstream.listener is not None
        return self.upstream.listener(piece)


def test_a_listener_hears_events_and_the_end() -> None:
    listening = Listening()
    assert listening.arrive(LINE[:5]) and listening.heard == []
    assert listening.arrive(LINE[5:] + b"\n") and listening.heard == [EVENT]
    assert listening.arrive(LINE) and listening.heard == [EVENT]
    listening.arrive(b"")
    assert listening.heard == [EVENT, EVENT, b"end"]
    listening.answer.listen(None)
    assert listening.upstream.listener is None


def test_a_listener_that_is_slow_reads_the_end_later() -> None:
    listening = Listening(calls=1)
    assert listening.arrive(LINE) and not listening.arrive(b"")
    assert listening.heard == [EVENT] and listening.answer.take_arrived() == b""


def test_a_listener_hears_why_it_broke_off() -> None:
    listening = Listening(Unavailable("gone"), Unavailable("gone"))
    assert not listening.arrive(b"") and listening.heard == ["gone"]
    listening = Listening()
    assert not listening.arrive(b"{" + b"x" * MAX_EVENT_BYTES)
    assert listening.heard == [f"a line of over {MAX_EVENT_BYTES} bytes"]


def test_headers_are_the_upstreams() -> None:
    upstream = Pieces()
    upstream.headers = {"x-request-id": "r"}
    headers: Mapping[str, str] = LineAnswer(upstream, CHAT).headers
    assert headers == {"x-request-id": "r"}
