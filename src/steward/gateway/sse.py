"""Reads a server-sent event stream without changing it.

Decides where events end and which of them matter to metering: `usage`, `error`, `finish_reason`,
`[DONE]`. Events that matter to nobody are never parsed. Framing: WHATWG HTML, section 9.2.6
(lines end in LF, CRLF or CR; an empty line ends an event).

Here and wherever each request or event comes through, bytes are looked for with `find`: `in` first tries what it looks
for as a number, and raises and drops an error each time, a fourth of an event's instructions.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import Final

import msgspec

from steward.gateway.finish_reasons import SHORTENED
from steward.gateway.odd_usage import find_choice_usage, merge_usage, read_chunk
from steward.gateway.wire import chunk_decoder, name_version
from steward.gateway.wire_fields import TokenUsage

# Two line ends in a row. A CR at the end of what has arrived may be half of a CRLF, so it waits.
_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r(?!\Z))")
_FAILED: Final = re.compile(rb'"finish_reason"\s*:\s*"error"')  # OpenRouter
_FINISHED: Final = re.compile(rb'"finish_reason"\s*:\s*"')
_USAGE: Final = re.compile(rb'"usage"\s*:\s*[{\["\d]')
_ERROR: Final = re.compile(rb'"error"\s*:\s*[{"]')
TOOL_CALLS: Final = b'"tool_calls"'
_CONTENT: Final = b'"content":"'
_ODD_CONTENT: Final = re.compile(rb'"content"\s*:\s*[\[{]')  # which clients cannot join
_TEXT: Final = re.compile(rb'[^"\\\x00-\x1f]*')  # of a JSON string, without escapes
_LESSONS: Final = 4  # events of a stream from which its frame is learned
_NO_FRAME: Final = b"\n"  # no plain event begins with it
SHORT_BYTES: Final = 16 * 1024  # of what arrives, or of one event, that is passed on in the moment it arrives
MOST_AT_ONCE: Final = 500  # events between two turns of others; at 20 µs each where they are translated and guarded
_PARTED_BY: Final = b",{[\n\r"
MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
LONG_EVENT_BYTES, MAX_EVENT_PARTS = 64 * 1024, 50_000  # values and lines of an event that is long


def check_size(event: bytes) -> bytes:
    """`event`, if it can be read at once without keeping others waiting; :raises ValueError: it cannot"""
    if len(event) < LONG_EVENT_BYTES:
        return event
    if len(event) > MAX_EVENT_BYTES:
        raise ValueError(f"an event of over {MAX_EVENT_BYTES} bytes")
    if len(event) - len(event.translate(None, _PARTED_BY)) > MAX_EVENT_PARTS:
        raise ValueError(f"an event of over {MAX_EVENT_PARTS} values or lines")
    return event


def event_data(event: bytes) -> bytes:
    """The event's data lines joined by LF; empty for comments."""
    lines = (line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(lines)


def is_comment(event: bytes) -> bool:
    """Whether an event holds comments and nothing else.

    >>> is_comment(b": wait\\n\\n"), is_comment(b": wait\\nevent: x\\n\\n"), is_comment(b"\\n")
    (True, False, False)
    """
    return event.startswith(b":") and all(line.startswith(b":") for line in event.splitlines() if line)


def is_whole_event(event: bytes) -> bool:
    """Whether an event can be what its sender meant: JSON objects and `[DONE]` as data, comments, bare fields.

    A look at both ends of the data, not a parse: it finds cut-off and foreign data at the price of two comparisons.
    """
    if event.startswith(b"data: {") and event.endswith((b"}\n\n", b"}\r\n\r\n")):
        return True
    data = event_data(event).strip()
    return not data or (data.startswith(b"{") and data.endswith(b"}")) or data.startswith(b"[DONE]")


class Scanner:
    """Splits a stream into whole events and remembers what metering must know of OpenAI's chat and completion streams.

    Other dialects override `inspect`.

    >>> scanner = Scanner()
    >>> scanner.feed(b'data: {"choices":[]}\\n\\nda')
    [b'data: {"choices":[]}\\n\\n']
    """

    def __init__(self) -> None:
        self._rest = b""
        self._long = bytearray()  # in its place, where a long event has begun
        self.usage: TokenUsage | None = None
        self.upstream_id: str | None = None
        self.answered_by: str | None = None  # the model's name and fingerprint, as the upstream spells them
        self._service_tier: object = None
        self.failed = False
        self.finishes = 0  # choices that said why they ended
        self.shortened = False  # one of them ended at a maximum
        self.done = False
        self.only_usage = False  # the event looked at last carries usage and no choice
        self._head, self._tail = _NO_FRAME, b""  # what stands around the text of a plain event of this stream
        self._lessons = _LESSONS

    @property
    def finished(self) -> bool:
        return self.finishes > 0

    @property
    def rest(self) -> bytes:
        """Bytes after the last whole event."""
        return bytes(self._long) or self._rest

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completes, each with its ending.

        :raises ValueError: an event larger than `MAX_EVENT_BYTES`, or a long one with very many values
        """
        if len(self._rest) >= LONG_EVENT_BYTES:
            return self._feed_long(piece)
        if self.upstream_id is None and not self._rest:
            piece = piece.removeprefix(BOM_UTF8)  # which an event stream may begin with (WHATWG HTML, 9.2.5)
        buffer = self._rest + piece if self._rest else piece
        if (
            buffer[-3:-1] != b"\n\n" and buffer.endswith(b"\n\n") and buffer.find(b"\r") < 0
        ):  # nearly always; a tenth of the search's time
            self._rest = b""
            events = [event + b"\n\n" for event in buffer[:-2].split(b"\n\n")]
            return events if len(buffer) < LONG_EVENT_BYTES else [check_size(event) for event in events]
        events, start = list[bytes](), 0
        for match in _END.finditer(buffer, max(0, len(self._rest) - 3)):
            events.append(check_size(buffer[start : match.end()]))
            start = match.end()
        self._rest = buffer[start:]
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of over {MAX_EVENT_BYTES} bytes")
        return events

    def _feed_long(self, piece: bytes) -> list[bytes]:
        """As `feed` where a long event has begun: it may grow by a byte at a time, and is not copied for each."""
        long = self._long
        if not long:
            long += self._rest
        searched = max(0, len(long) - 3)
        long += piece
        end = _END.search(long, searched)
        if end is None:
            if len(long) > MAX_EVENT_BYTES:
                raise ValueError(f"an event of over {MAX_EVENT_BYTES} bytes")
            return []
        event, rest = check_size(bytes(long[: end.end()])), bytes(long[end.end() :])
        self._rest = b""
        long.clear()
        return [event, *self.feed(rest)]

    def is_plain(self, piece: bytes) -> bool:
        """Whether `piece` is one whole event of output, and holds nothing that metering or a repair must know.

        A few looks for bytes, in place of what `feed` and `inspect` do for the same answer. Most events of a stream
        differ from the one before in their text alone, so its frame is remembered: one look in place of eight.
        """
        head, tail = self._head, self._tail
        if piece.startswith(head) and piece.endswith(tail) and len(piece) >= len(head) + len(tail):
            plain = _TEXT.fullmatch(piece, len(head), len(piece) - len(tail)) is not None
            if plain and not self._rest and not self.done:
                return True
        plain = (
            piece.startswith(b"data: {")
            and piece.endswith(b"}\n\n")
            and piece.count(b"\n") == 2
            and piece.find(b"\r") < 0
            and not self._rest
            and self.upstream_id is not None
            and not self.done
            and not _FINISHED.search(piece)
            and not (piece.find(b'"usage"') >= 0 and _USAGE.search(piece))
            and not (piece.find(b'"error"') >= 0 and _ERROR.search(piece))
            and piece.find(TOOL_CALLS) < 0
            and piece.find(b'"message"') < 0
            and (piece.find(_CONTENT) >= 0 or _ODD_CONTENT.search(piece) is None)
        )
        if plain and self._lessons:
            self._learn_frame(piece)
        return plain

    def _learn_frame(self, plain: bytes) -> None:
        """Remember what stands around the text; some upstreams change that too, so this is tried a few times only."""
        self._lessons -= 1
        head, content, rest = plain.partition(_CONTENT)
        text = _TEXT.match(rest)
        if content and text is not None and rest.startswith(b'"', text.end()):
            self._head, self._tail = head + content, rest[text.end() :]

    def end(self) -> list[bytes]:
        """What is left when the stream ends: an event whose empty line never came is taken as whole."""
        rest = self.rest.strip(b"\r\n")
        self._rest = b""
        self._long.clear()
        return [rest + b"\n\n"] if rest else []

    def inspect(self, event: bytes) -> None:
        """Take from `event` what metering must know."""
        self.only_usage = False
        if finishes := len(_FINISHED.findall(event)):
            self.finishes += finishes
            self.shortened = self.shortened or SHORTENED.search(event) is not None
            self.failed = self.failed or _FAILED.search(event) is not None
        if self.upstream_id is None or _USAGE.search(event) or _ERROR.search(event):
            self._parse(event_data(event))
        elif event.find(b"[DONE]") >= 0 and event_data(event).startswith(b"[DONE]"):
            self.done = True

    def is_output(self, event: bytes) -> bool:
        """Whether the event looked at last carries output: about one token of it."""
        return not self.only_usage and not self.done

    def _parse(self, data: bytes) -> None:
        if data.startswith(b"[DONE]"):
            self.done = True
            return
        try:
            chunk = chunk_decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            odd = read_chunk(data)
            if odd is None:
                return
            chunk = odd
        self.upstream_id = chunk.id or self.upstream_id
        self.answered_by = name_version(chunk.model, chunk.system_fingerprint) or self.answered_by
        self._service_tier = chunk.service_tier or self._service_tier
        if chunk.usage is not None:
            self.usage = merge_usage(self.usage, chunk.usage)
            self.only_usage = not chunk.choices
        elif chunk.x_groq is not None and chunk.x_groq.usage is not None:
            self.usage = chunk.x_groq.usage
        elif data.find(b'"usage"') >= 0:
            self.usage = find_choice_usage(chunk.choices) or self.usage
        if self.usage is not None:
            self.usage.service_tier = self._service_tier
        if chunk.error is not msgspec.UNSET and bytes(chunk.error) != b"null":
            self.failed = True
