"""Reads one HTTP/1.1 answer out of (arrival time, bytes) pieces, after they arrived: nothing here delays a timestamp.

Ours rather than httptools: when the pieces are read is what matters (in batches, when an answer has ended), and an
event must keep the time of the piece that completed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

CAUSES: Final = (
    "ok",
    "unfinished",  # under way when the run was stopped
    "http",  # a status other than 2xx
    "refused",  # no connection
    "no_such_host",
    "tls",
    "timeout",  # not answered in timeout_s
    "stalled",  # no byte for stall_s
    "closed",  # before the answer began
    "closed_mid_answer",
    "error_event",  # an error in mid-stream
    "malformed",  # no HTTP, or no JSON
    "empty",  # a stream without any choice
    "no_connection",  # too many open files, no free port, no route
)
OK, UNFINISHED, HTTP = 0, 1, 2
MAX_HEAD_BYTES: Final = 65_536  # bytes of headers after which it is no HTTP


class StreamedDelta(msgspec.Struct):
    content: Any = None  # texts, where they are
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"")


class StreamedChoice(msgspec.Struct):
    delta: StreamedDelta | None = None
    message: StreamedDelta | None = None
    text: Any = None
    finish_reason: Any = None


class ReportedUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class StreamedEvent(msgspec.Struct):
    """What is read of a streamed event or of a whole answer, of all three endpoints."""

    choices: list[StreamedChoice] | None = None
    usage: ReportedUsage | None = None
    error: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")  # embeddings
    stamp: tuple[float, float] | None = None  # the echo server's clock: when a request came, when it was answered


_EVENT = msgspec.json.Decoder(StreamedEvent)


class ResponseParser:
    """What was read so far. Times are the pieces' own; None: it has not happened."""

    def __init__(self, keep_text: bool = False) -> None:
        self.status = 0
        self.streamed = False  # it is a stream of events
        self.cause = "ok"
        self.error_text = ""  # what the server wrote of its error
        self.first: float | None = None  # first event that carries text
        self.last: float | None = None  # last event of a choice
        self.text_times: list[float] = []
        self.characters = 0
        self.usage: ReportedUsage | None = None
        self.stamp: tuple[float, float] | None = None
        self.text: list[str] | None = [] if keep_text else None
        self.done = False  # [DONE] or a finish_reason was read
        self._mode = "head"
        self._pending = b""  # of a head, or of an event that is not whole
        self._size_line = b""  # of a chunk's size line that is not whole
        self._chunk_left = 0  # of a chunk, its line end included
        self._is_chunked = False
        self._in_trailers = False  # the last chunk was read
        self.ended = False  # and the empty line after it
        self.frame: EventFrame | None = None  # what an event that carries text is made of around its text

    def feed(self, times: Sequence[float], pieces: Sequence[bytes | int]) -> None:
        """The next pieces, in order. What cannot be read sets `cause`; it never raises.

        A number stands for a piece of which `text_of` has said, with `frame`, that so many bytes of text are in it.
        """
        for at, piece in zip(times, pieces, strict=True):
            text = piece if isinstance(piece, int) else self._match_frame(piece)
            if text:
                self.text_times.append(at)
                self.characters += text
                self.last = at
            elif self.cause != "malformed":
                self._parse_piece(at, piece)

    def _match_frame(self, piece: bytes) -> int:
        """Bytes of text of a piece like most, where the next piece may be one."""
        if self.frame is None or self._chunk_left or self._size_line or self._pending or self._in_trailers:
            return 0
        return count_text_bytes(piece, self.frame)

    def _parse_piece(self, at: float, piece: Any) -> None:
        if self._is_chunked and not (self._chunk_left or self._size_line or self._in_trailers):
            end = piece.find(b"\r\n")  # the common case: a piece that is one whole chunk
            try:
                if end > 0 and 0 < int(piece[:end], 16) == len(piece) - end - 4:
                    self._parse_body(at, piece[end + 2 : -2])
                    return
            except ValueError:
                pass
        body = piece
        if self._mode == "head":
            after = self._parse_head(piece)
            if after is None:
                return
            body = after
        for part in self._dechunk(body) if self._is_chunked else (body,):
            self._parse_body(at, part)

    def finish(self, at: float) -> None:
        """The answer has ended, its last byte at `at`: reads a whole answer, decides what a stream was."""
        if self._mode == "head":
            self.cause = "closed" if not self._pending else "malformed"
        elif self.cause != "ok":
            pass
        elif not self.streamed:
            self._parse_whole(at)
        elif self.status // 100 != 2:
            self._parse_failure(self._pending)
        elif self.last is None:
            self.cause = "empty"
        elif not self.done:
            self.cause = "closed_mid_answer"

    # -- framing ---------------------------------------------------------------------------------

    def _parse_head(self, piece: bytes) -> bytes | None:
        """What follows the head; None where it is not whole."""
        self._pending += piece
        while True:
            end = self._pending.find(b"\r\n\r\n")
            if end < 0:
                if len(self._pending) > MAX_HEAD_BYTES or not self._pending.startswith(b"HTTP/"[: len(self._pending)]):
                    self.cause = "malformed"
                return None
            found = read_head(self._pending[:end])
            if found is None:
                self.cause = "malformed"
                return None
            body, self._pending = self._pending[end + 4 :], b""
            if found.status >= 200:
                break
            self._pending = body  # 100 Continue and its kind
        self.status, self._is_chunked, self.streamed = found.status, found.chunked, found.events
        self._mode = "body"
        return body

    def _dechunk(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._chunk_left > 0:
                take = min(self._chunk_left, len(data) - at)
                wanted = min(take, max(0, self._chunk_left - 2))  # the last two are the chunk's line end
                if wanted:
                    yield data[at : at + wanted]
                self._chunk_left -= take
                at += take
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._size_line += data[at:]
                return
            line, self._size_line = (self._size_line + data[at:end]).strip(), b""
            at = end + 1
            if self._in_trailers:  # they say nothing that is measured; an empty line ends them
                self.ended = self.ended or not line
                continue
            try:
                size = int(line.split(b";", 1)[0] or b"x", 16)
            except ValueError:
                self.cause = "malformed"
                return
            self._in_trailers = size == 0
            self._chunk_left = size + 2 if size else 0

    # -- what the body says ------------------------------------------------------------------------

    def _parse_body(self, at: float, data: bytes) -> None:
        if not self.streamed or self.status // 100 != 2:
            self._pending += data
            return
        if self._pending:
            data = self._pending + data
            self._pending = b""
        if data.endswith(b"\n\n") and data.startswith(b"data: ") and data.find(b"\n\n") == len(data) - 2:
            self._parse_event(at, data[6:-2])
            return
        *events, self._pending = data.replace(b"\r\n", b"\n").split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data:"):
                    self._parse_event(at, line[5:].strip())
                elif line.startswith(b"event: error"):
                    self.cause = "error_event"

    def _parse_event(self, at: float, payload: bytes) -> None:
        if payload == b"[DONE]":
            self.done = True
            return
        try:
            event = _EVENT.decode(payload)
        except msgspec.MsgspecError:
            self.cause = "malformed"
            return
        if event.usage is not None:
            self.usage = event.usage
        if event.stamp is not None:
            self.stamp = event.stamp
        if event.choices:
            self.last = at
            if self._read_choices(event.choices):
                self.text_times.append(at)
                if self.first is None:
                    self.first = at
                if self.text is None and len(event.choices) == 1 and event.usage is None and event.error is None:
                    self.frame = find_frame(payload, event.choices[0])
        if event.error is not None:
            self.cause, self.error_text = "error_event", describe_error(event.error)

    def _read_choices(self, choices: list[StreamedChoice]) -> bool:
        """Whether an event carries text, reasoning or a tool call of any choice."""
        found = False
        for choice in choices:
            delta = choice.delta or choice.message
            text = choice.text
            if delta is not None:
                text = delta.content or delta.reasoning_content or delta.reasoning or delta.refusal
                if not text and len(delta.tool_calls) > 4:  # more than [] and null
                    self.characters += len(delta.tool_calls)
                    found = True
            if choice.finish_reason:
                self.done = True
            if text and isinstance(text, str):
                found = True
                self.characters += len(text)
                if self.text is not None:
                    self.text.append(text)
        return found

    def _parse_whole(self, at: float) -> None:
        if self.status // 100 != 2:
            self._parse_failure(self._pending)
            return
        try:
            event = _EVENT.decode(self._pending)
        except msgspec.MsgspecError:
            self.cause = "malformed"
            return
        self.usage = event.usage
        if event.error is not None:
            self.cause, self.error_text = "error_event", describe_error(event.error)
        elif not event.choices and not len(event.data):
            self.cause = "empty"
        else:
            self._read_choices(event.choices or [])
            self.last = at

    def _parse_failure(self, body: bytes) -> None:
        self.cause = "http"
        try:
            found = msgspec.json.decode(body)
            self.error_text = describe_error(found.get("error", found) if isinstance(found, dict) else found)
        except msgspec.MsgspecError:
            self.error_text = describe_error(body[:160].decode(errors="replace"))


EventFrame = tuple[bytes, bytes]


def find_frame(payload: bytes, choice: StreamedChoice) -> EventFrame | None:
    """A piece's bytes before and after its text, of pieces that are one chunk with one event; None where such bytes say
    more than that there is text.

    The events of a stream differ in their text only, mostly: recognising one costs a tenth of decoding it, and at a
    thousand streams a second decoding is an eighth of a core.
    """
    mark = b'"content":"'
    start = payload.find(mark) + len(mark)
    end = payload.find(b'"', start)
    if start < len(mark) or end <= start or payload.count(mark) != 1 or b"\\" in payload or choice.finish_reason:
        return None
    return b"data: " + payload[:start], payload[end:] + b"\n\n\r\n"


def count_text_bytes(piece: bytes, frame: EventFrame) -> int:
    """Bytes of text of a piece that is one whole chunk with one event like the frame's; 0 of any other."""
    before, after = frame
    size = len(piece)
    line = _LINES.get(size) or _chunk_size_line(size)
    if (
        piece.endswith(after)
        and piece.startswith(before, len(line))
        and piece.startswith(line)
        and piece.find(b"\n\n") == size - 4
    ):
        return max(0, size - len(line) - len(before) - len(after))
    return 0


_LINES: dict[int, bytes] = {}


def _chunk_size_line(size: int) -> bytes:
    """The first line of a piece of so many bytes that is one whole chunk."""
    digits = next(digits for digits in range(1, 17) if len(b"%x" % (size - 4 - digits)) <= digits)
    found = b"%x\r\n" % (size - 4 - digits)
    if size <= 65_536:
        _LINES[size] = found
    return found


class ResponseHead(msgspec.Struct, frozen=True):
    """What an answer's head says of how its body is framed."""

    status: int
    chunked: bool
    length: int | None  # None: until the connection closes, where it is not chunked either
    closes: bool
    events: bool  # text/event-stream


def read_head(head: bytes) -> ResponseHead | None:
    """Of the lines before the empty one; None where it is no HTTP/1."""
    lines = head.lower().split(b"\r\n")
    first = lines[0].split(b" ", 2)
    if len(first) < 2 or not first[0].startswith(b"http/1.") or not first[1].isdigit():
        return None
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    status = int(first[1])
    chunked = fields.get(b"transfer-encoding", b"").endswith(b"chunked")
    given = fields.get(b"content-length", b"")
    length = int(given) if given.isdigit() and not chunked else None
    if status in (204, 304) or status < 200:
        length = 0
    connection = fields.get(b"connection", b"")
    closes = b"close" in connection or (first[0] == b"http/1.0" and b"keep-alive" not in connection)
    return ResponseHead(
        status, chunked, length, closes, fields.get(b"content-type", b"").startswith(b"text/event-stream")
    )


def describe_error(error: Any) -> str:
    """A server's error in one line: its code or type and the beginning of its message.

    >>> describe_error({"message": "Too many requests", "code": "rate_limited"})
    'rate_limited: Too many requests'
    """
    if isinstance(error, dict):
        kind = error.get("code") or error.get("type")
        parts = [str(part) for part in (kind, error.get("message") or error.get("detail")) if part]
        return ": ".join(parts)[:160]
    return " ".join(str(error).split())[:160]
