"""Requests as monitoring sees them: one JSON object a line, without a word of content.

A field that is missing, null or impossible (a negative duration, a score of 7) is not known; an unknown field is
ignored. A number may stand in quotes. `at` is seconds since the epoch, or an ISO 8601 date and time (UTC where it names
no zone).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.minutes import add_rating, add_request

BOM: Final = b"\xef\xbb\xbf"  # which some editors write
MOST_NUMBERS: Final = 16_384  # of an embedding
MAX_LINE_BYTES: Final = 1 << 20
MAX_VALUE: Final = 1e12  # a duration, count or amount above it is not one


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One request that has ended. Durations in milliseconds; `score` is in [-1, 1]; None: not known."""

    at: float
    route: str | None = None
    model: str | None = None
    key: str | None = None
    outcome: str | None = None
    status: int | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    usd: float | None = None
    score: float | None = None
    prompt_chars: float | None = None
    language: str | None = None
    finish_reason: str | None = None
    refused: bool | None = None
    tool_calls: float | None = None
    answer_chars: float | None = None
    topic: str | None = None
    embedding: tuple[float, ...] | None = None  # of the request's texts, or a projection of it
    embedder: str | None = None  # the model that made it

    def add_to(self, sums: list[float]) -> None:
        """Count it in the sums of its minute."""
        levels = (
            self.latency_ms,
            self.ttft_ms,
            self.input_tokens,
            self.output_tokens,
            self.prompt_chars,
            self.usd,
        )
        add_request(sums, self.outcome, self.status, levels, self.refused)
        if self.score is not None:
            add_rating(sums, self.score)


class _Line(msgspec.Struct):
    """As it stands in a file: any type in any field, so that one odd field costs that field and not the line."""

    at: float | str
    route: object = None
    model: object = None
    key: object = None
    outcome: object = None
    status: object = None
    ttft_ms: object = None
    latency_ms: object = None
    input_tokens: object = None
    output_tokens: object = None
    usd: object = None
    score: object = None
    prompt_chars: object = None
    language: object = None
    finish_reason: object = None
    refused: object = None
    tool_calls: object = None
    answer_chars: object = None
    topic: object = None
    embedding: object = None
    embedder: object = None


class ReadCount(msgspec.Struct):
    """What a file held."""

    events: int = 0
    unreadable: int = 0  # lines that are no event
    first_unreadable: int | None = None  # its line


_DECODER: Final = msgspec.json.Decoder(_Line)
_STRICT: Final = msgspec.json.Decoder(Event)  # most lines need no second look


def read_events(path: Path, count: ReadCount) -> Iterator[Event]:
    """Every event of a file in its order; `count` is filled on the way.

    :raises InputError: no such file, or no line of it is an event
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file with one JSON object a line") from error
    with file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(BOM) if number == 1 else line
            if not line or line.isspace():
                continue
            event = read_event(line)
            if event is None:
                count.unreadable += 1
                count.first_unreadable = count.first_unreadable or number
                continue
            count.events += 1
            yield event
    if count.unreadable and not count.events:
        raise InputError(
            f"{path}:{count.first_unreadable}: no event in {count.unreadable} lines; expected one JSON object a line "
            'such as {"at": 1764288000.0, "route": "assistant", "outcome": "ok", "latency_ms": 840}'
        )


def read_event(line: bytes) -> Event | None:
    """The event of one line; None: it is none, or has no time."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        event = _STRICT.decode(line)
    except msgspec.MsgspecError:
        return _read_leniently(line)
    return event if _is_possible(event) else _read_leniently(line)


def _is_possible(event: Event) -> bool:
    return (
        0.0 <= event.at < MAX_VALUE
        and event.route != ""
        and event.model != ""
        and (event.score is None or -1.0 <= event.score <= 1.0)
        and (event.latency_ms is None or 0.0 <= event.latency_ms < MAX_VALUE)
        and (event.ttft_ms is None or 0.0 <= event.ttft_ms < MAX_VALUE)
        and (event.usd is None or 0.0 <= event.usd < MAX_VALUE)
        and (event.input_tokens is None or 0.0 <= event.input_tokens < MAX_VALUE)
        and (event.output_tokens is None or 0.0 <= event.output_tokens < MAX_VALUE)
        and (event.prompt_chars is None or 0.0 <= event.prompt_chars < MAX_VALUE)
        and (event.tool_calls is None or 0.0 <= event.tool_calls < MAX_VALUE)
        and (event.answer_chars is None or 0.0 <= event.answer_chars < MAX_VALUE)
        and (event.embedding is None or _is_vector(event.embedding))
    )


def _read_leniently(line: bytes) -> Event | None:
    try:
        seen = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if (known := _read_not_numbers(line)) is None:
            return None
        seen = known
    at = _read_time(seen.at)
    if at is None:
        return None
    status = _number(seen.status)
    return Event(
        at=at,
        route=_text(seen.route),
        model=_text(seen.model),
        key=_text(seen.key),
        outcome=_text(seen.outcome),
        status=None if status is None else int(status),
        ttft_ms=_number(seen.ttft_ms),
        latency_ms=_number(seen.latency_ms),
        input_tokens=_number(seen.input_tokens),
        output_tokens=_number(seen.output_tokens),
        usd=_number(seen.usd),
        score=_number(seen.score, -1.0, 1.0),
        prompt_chars=_number(seen.prompt_chars),
        language=_text(seen.language),
        finish_reason=_text(seen.finish_reason),
        refused=seen.refused if isinstance(seen.refused, bool) else None,
        tool_calls=_number(seen.tool_calls),
        answer_chars=_number(seen.answer_chars),
        topic=_text(seen.topic),
        embedding=_vector(seen.embedding),
        embedder=_text(seen.embedder),
    )


def _read_not_numbers(line: bytes) -> _Line | None:
    """A line with NaN or Infinity, which Python writes and JSON does not know: such a field is not known."""
    if b"NaN" not in line and b"Infinity" not in line:
        return None
    try:
        return msgspec.convert(json.loads(line, parse_constant=lambda _: None), _Line)
    except (ValueError, RecursionError):  # of msgspec, too
        return None


def _read_time(at: float | str) -> float | None:
    if isinstance(at, str) and (seconds := _number(at)) is not None:
        return seconds
    if isinstance(at, str):
        try:
            time = datetime.fromisoformat(at)
        except ValueError:
            return None
        at = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return at if 0.0 <= at < MAX_VALUE else None


def _number(value: object, least: float = 0.0, most: float = MAX_VALUE) -> float | None:
    if isinstance(value, str):  # a number in quotes, as tables write it
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if least <= value <= most and value != MAX_VALUE else None


def _vector(value: object) -> tuple[float, ...] | None:
    if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, int | float) for one in value):
        return None
    return tuple(map(float, value)) if _is_vector(value) else None


def _is_vector(numbers: Sequence[float]) -> bool:
    return 0 < len(numbers) <= MOST_NUMBERS and all(abs(one) < MAX_VALUE for one in numbers)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
