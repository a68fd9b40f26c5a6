"""Parse one HTTP/1.1 response from pieces (arrival time, bytes) after they have arrived, so that no timestamp waits.

Ours rather than httptools, because of when pieces are parsed (in batches, after the response has ended), and because an
event must keep the arrival time of the piece that completed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from steward.core.excerpts import cut_reason

CAUSES: Final = (
    "ok",
    "unfinished",  # still in flight when the run ended
    "http",  # a status outside 2xx
    "refused",  # no connection
    "no_such_host",
    "tls",
    "timeout",  # not answered within timeout_s
    "stalled",  # no byte for stall_s
    "closed",  # before the response began
    "closed_mid_answer",
    "error_event",  # an error in mid-stream
    "malformed",  # not HTTP, or not JSON
    "empty",  # a stream without a choice
    "no_connection",  # too many open files, no free port, no route
)
OK, UNFINISHED, HTTP = 0, 1, 2
MAX_HEAD_BYTES: Final = 65_536


class StreamedDelta(msgspec.Struct):
    content: Any = None
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
    """The fields that matter of a streamed event or of a whole response, for all three endpoints."""

    choices: list[StreamedChoice] | None = None
    usage: ReportedUsage | None = None
    error: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")  # embeddings
    stamp: tuple[float, float] | None = None  # the echo server's clock: request received, first token written


_EVENT = msgspec.json.Decoder(StreamedEvent)


class ResponseParser:
    """A response as far as it is parsed. Times are those of the pieces; None: it has not happened."""

    def __init__(self, keep_text: bool = False) -> None:
        self.status = 0
        self.streamed = False  # as text/event-stream
        self.cause = "ok"
        self.error_text = ""  # the server's own error message
        self.first: float | None = None  # first event with text, reasoning or a tool call
        self.first_output: float | None = None  # first event with one of these other than reasoning
        self.last: float | None = None  # last event of a choice
        self.text_times: list[float] = []  # of all events with text
        self.characters = 0
        self.first_characters = 0  # of those that arrived at `first`
        self.usage: ReportedUsage | None = None
        self.stamp: tuple[float, float] | None = None
        self.text: list[str] | None = [] if keep_text else None
        self.done = False  # [DONE] or a finish_reason was read
        self._mode = "head"
        self._pending = b""  # of an incomplete head or event
        self._size_line = b""  # incomplete size line of a chunk
        self._chunk_left = 0  # bytes of the current chunk, including its line end
        self._is_chunked = False
        self._in_trailers = False  # after the last chunk
        self.ended = False  # the empty line after the trailers was parsed
        self.frame: EventFrame | None = None  # the bytes around the text of the events of this stream

    def feed(self, times: Sequence[float], pieces: Sequence[bytes | int]) -> None:
        """Parse the next pieces, in order. Never raises: what cannot be parsed sets `cause`.

        A number stands for a piece that matched `frame`, and is the number of bytes of its text.
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
        """Bytes of text of a piece that matches the frame; 0 if it does not, or if it does not begin an event."""
        if self.frame is None or self._chunk_left or self._size_line or self._pending or self._in_trailers:
            return 0
        return count_text_bytes(piece, self.frame)

    def _parse_piece(self, at: float, piece: Any) -> None:
        if self._is_chunked and not (self._chunk_left or self._size_line or self._in_trailers):
            end = piece.find(b"\r\n")  # the common case: the piece is exactly one chunk
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
        """The response has ended, its last byte at `at`: parse a whole response, and decide how a stream ended."""
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
        """The bytes after the head; None if the head is incomplete."""
        self._pending += piece
        while True:
            end = self._pending.find(b"\r\n\r\n")
            if end < 0:
                if len(self._pending) > MAX_HEAD_BYTES or not self._pending.startswith(b"HTTP/"[: len(self._pending)]):
                    self.cause = "malformed"
                return None
            head = read_head(self._pending[:end])
            if head is None:
                self.cause = "malformed"
                return None
            body, self._pending = self._pending[end + 4 :], b""
            if head.status >= 200:
                break
            self._pending = body  # informational, such as 100 Continue
        self.status, self._is_chunked, self.streamed = head.status, head.chunked, head.events
        self._mode = "body"
        return body

    def _dechunk(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._chunk_left > 0:
                take = min(self._chunk_left, len(data) - at)
                wanted = min(take, max(0, self._chunk_left - 2))  # the last two bytes are the chunk's line end
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
            if self._in_trailers:  # ignored; an empty line ends them
                self.ended = self.ended or not line
                continue
            try:
                size = int(line.split(b";", 1)[0] or b"x", 16)
            except ValueError:
                self.cause = "malformed"
                return
            self._in_trailers = size == 0
            self._chunk_left = size + 2 if size else 0

    # -- body --------------------------------------------------------------------------------------

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
            before = self.characters
            if self._read_choices(at, event.choices):
                self.text_times.append(at)
                if self.first is None:
                    self.first = at
                if at == self.first:
                    self.first_characters += self.characters - before
                if self.text is None and len(event.choices) == 1 and event.usage is None and event.error is None:
                    self.frame = find_frame(payload, event.choices[0])
        if event.error is not None:
            self.cause, self.error_text = "error_event", describe_error(event.error)

    def _read_choices(self, at: float, choices: list[StreamedChoice]) -> bool:
        """Whether an event carries text, reasoning or a tool call.

        Sets `first_output` if any of it is not reasoning.
        """
        has_output = False
        for choice in choices:
            delta = choice.delta or choice.message
            output, reasoning = choice.text, None
            if delta is not None:
                output, reasoning = delta.content or delta.refusal, delta.reasoning_content or delta.reasoning
                if not (output or reasoning) and len(delta.tool_calls) > 4:  # more than [] or null
                    self.characters += len(delta.tool_calls)
                    has_output = True
                    self._note_output(at)
            if choice.finish_reason:
                self.done = True
            text = output or reasoning
            if text and isinstance(text, str):
                has_output = True
                self.characters += len(text)
                if output:
                    self._note_output(at)
                if self.text is not None:
                    self.text.append(text)
        return has_output

    def _note_output(self, at: float) -> None:
        if self.first_output is None:
            self.first_output = at

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
            self._read_choices(at, event.choices or [])
            self.last = at

    def _parse_failure(self, body: bytes) -> None:
        self.cause = "http"
        try:
            failure = msgspec.json.decode(body)
            self.error_text = describe_error(failure.get("error", failure) if isinstance(failure, dict) else failure)
        except msgspec.MsgspecError:
            self.error_text = describe_error(body.decode(errors="replace"))


EventFrame = tuple[bytes, bytes]


def find_frame(payload: bytes, choice: StreamedChoice) -> EventFrame | None:
    """The bytes of a piece before and after its text, for pieces that are one chunk with one event; None if the event
    says more than its text.

    Most events of a stream differ only in their text. Matching one costs a tenth of decoding it, and at a thousand
    streams per second decoding takes an eighth of a core.
    """
    mark = b'"content":"'
    start = payload.find(mark) + len(mark)
    end = payload.find(b'"', start)
    if start < len(mark) or end <= start or payload.count(mark) != 1 or b"\\" in payload or choice.finish_reason:
        return None
    return b"data: " + payload[:start], payload[end:] + b"\n\n\r\n"


def count_text_bytes(piece: bytes, frame: EventFrame) -> int:
    """Bytes of text of a piece that is exactly one chunk with one event that matches the frame; else 0."""
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
    """The size line of a piece of `size` bytes that is exactly one chunk."""
    digits = next(digits for digits in range(1, 17) if len(b"%x" % (size - 4 - digits)) <= digits)
    line = b"%x\r\n" % (size - 4 - digits)
    if size <= 65_536:
        _LINES[size] = line
    return line


class ResponseHead(msgspec.Struct, frozen=True):
    """What the head of a response says about the framing of its body."""

    status: int
    chunked: bool
    length: int | None  # None, and not chunked: the body ends with the connection
    closes: bool
    events: bool  # text/event-stream


def read_head(head: bytes) -> ResponseHead | None:
    """Parse the lines before the empty line; None if this is not HTTP/1."""
    lines = head.lower().split(b"\r\n")
    first = lines[0].split(b" ", 2)
    if len(first) < 2 or not first[0].startswith(b"http/1.") or not first[1].isdigit():
        return None
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    status = int(first[1])
    chunked = fields.get(b"transfer-encoding", b"").endswith(b"chunked")
    stated = fields.get(b"content-length", b"")
    length = int(stated) if stated.isdigit() and not chunked else None
    if status in (204, 304) or status < 200:
        length = 0
    connection = fields.get(b"connection", b"")
    closes = b"close" in connection or (first[0] == b"http/1.0" and b"keep-alive" not in connection)
    return ResponseHead(
        status, chunked, length, closes, fields.get(b"content-type", b"").startswith(b"text/event-stream")
    )


def describe_error(error: Any) -> str:
    """A server's error in one line of at most 200 characters: its code or type, and its message.

    >>> describe_error({"message": "Too many requests", "code": "rate_limited"})
    'rate_limited: Too many requests'
    """
    if isinstance(error, dict):
        kind = error.get("code") or error.get("type")
        parts = [str(part) for part in (kind, error.get("message") or error.get("detail")) if part]
        return cut_reason(": ".join(parts))
    return cut_reason(error)
