"""An upstream's stream that is not made of events: JSON values a line, or one whole answer, as events.

Decides by what has come whether a line is an event or an answer; JSON that is written over several lines waits for its
end. Reads on the way, so that what arrives is passed on in the moment it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from steward.core.errors import Unavailable
from steward.core.extend import EngineAnswer
from steward.gateway.dialects.answer_forms import is_whole_answer, spell_events
from steward.gateway.sse import MAX_EVENT_BYTES

BEGINNINGS: Final = (b"{", b"[")  # of a body that is JSON and no events


class LineAnswer:
    """`upstream` with its lines as events of the endpoint's dialect. `first`: what has been read of it."""

    def __init__(self, upstream: EngineAnswer, endpoint: str, first: bytes = b"") -> None:
        self.status: int = upstream.status
        self.headers: Mapping[str, str] = upstream.headers
        self._upstream, self._endpoint, self._first = upstream, endpoint, first
        self._rest = bytearray()  # of a line
        self._long = bytearray()  # a value over several lines, which ends with the answer
        self._problem: ValueError | None = None
        self._ended = False

    async def read(self) -> bytes:
        return self._first + await self._upstream.read()

    async def read_piece(self) -> bytes:
        """:raises Unavailable: as the upstream's :raises ValueError: a value beyond all bounds"""
        while not self._ended:
            if events := self._convert(self._take_first() or await self._upstream.read_piece()):
                return events
        return b""

    def take_arrived(self) -> bytes | None:
        """:raises Unavailable: as the upstream's :raises ValueError: a value beyond all bounds"""
        if self._problem is not None:
            raise ValueError(str(self._problem))  # not the one that is kept: its traceback holds this
        while not self._ended:
            piece = self._take_first() or self._upstream.take_arrived()
            if piece is None:
                return None
            if events := self._convert(piece):
                return events
        return b""

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        if take is None:
            self._upstream.listen(None)
            return

        def convert(piece: bytes) -> bool:
            try:
                events = self._convert(piece or self._upstream.take_arrived() or b"")
            except Unavailable:
                return take(b"")  # which asks for the cause
            except ValueError as error:
                self._problem = error
                return take(b"")
            return (not events or take(events)) and (not self._ended or take(b""))

        self._upstream.listen(convert)

    def finish(self) -> None:
        self._upstream.finish()

    def close(self) -> None:
        self._upstream.close()

    def _take_first(self) -> bytes:
        first, self._first = self._first, b""
        return first

    def _convert(self, piece: bytes) -> bytes:
        """The events that `piece` completes; an empty piece is the end, and completes what is left.

        :raises ValueError: a value beyond all bounds
        """
        self._rest += piece
        lines: list[bytes] = []
        if not piece:
            self._ended = True
            lines, self._rest = [bytes(self._rest)], bytearray()
        elif b"\n" in piece:  # a line may grow by a byte at a time, and is not copied for each
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
        out: list[bytes] = []
        for line in lines:
            value = None if self._long else _decode(line)
            if value is not None:
                out.append(self._spell(value))
            elif self._long or line.strip():
                self._long += line + b"\n"
        if len(self._rest) + len(self._long) > MAX_EVENT_BYTES + self._ended:  # its last line has got an end
            raise ValueError(f"a line of over {MAX_EVENT_BYTES} bytes")
        if self._ended and self._long:
            value = _decode(bytes(self._long))
            text = bytes(self._long).strip().replace(b"\n", b" ")
            out.append(b"data: " + text + b"\n\n" if value is None else self._spell(value))
            self._long.clear()
        return b"".join(out)

    def _spell(self, value: Any) -> bytes:
        value = value[0] if isinstance(value, list) and len(value) == 1 else value  # an error of Gemini's
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return b"".join(map(self._spell, value))
        if is_whole_answer(self._endpoint, value):
            return b"".join(_format(event) for event in spell_events(self._endpoint, value))
        return _format(value)


def _decode(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _format(event: Any) -> bytes:
    kind = event.get("type") if isinstance(event, dict) else None
    named = f"event: {kind}\n".encode() if isinstance(kind, str) else b""
    return named + b"data: " + msgspec.json.encode(event) + b"\n\n"
