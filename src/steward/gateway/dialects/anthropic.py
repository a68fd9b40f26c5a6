"""Anthropic's messages: errors, metering, and where the texts are.

Field names, events and error types: Anthropic API reference, "Create a Message", "Streaming messages" and "Errors".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.odd_usage import read_count
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import OPAQUE, Json, StreamTexts, TextFilter, replace_strings, replace_values
from steward.gateway.wire_fields import AnswerEnvelope, TokenUsage

_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_DELTAS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
_DELTA_TYPES: Final = {field: kind for kind, field in _DELTAS.items()}


class MessageUsage(msgspec.Struct):
    """Anthropic's `usage`: `input_tokens` are those that no cache read or write has counted."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation: Any = None  # {"ephemeral_5m_input_tokens": …, "ephemeral_1h_input_tokens": …}
    service_tier: Any = None


class _MessageEnvelope(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: MessageUsage | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _MessageEvent(msgspec.Struct):
    type: str = ""
    delta: _Delta | None = None
    message: _MessageEnvelope | None = None
    usage: MessageUsage | None = None


_decode_message = msgspec.json.Decoder(_MessageEnvelope)
_decode_event = msgspec.json.Decoder(_MessageEvent)


def error_type(status: int) -> str:
    """Anthropic's name for errors of an HTTP status.

    >>> error_type(429), error_type(422), error_type(502)
    ('rate_limit_error', 'invalid_request_error', 'api_error')
    """
    return _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def error_body(error: Refused, request_id: str) -> bytes:
    inner = {"type": error_type(error.status), "message": error.message}
    return msgspec.json.encode({"type": "error", "error": inner, "request_id": request_id})


def error_event(error: Refused, request_id: str) -> bytes:
    return b"event: error\ndata: " + error_body(error, request_id) + b"\n\n"


def envelope(body: bytes) -> AnswerEnvelope:
    try:
        answer = _decode_message.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return AnswerEnvelope()
    return AnswerEnvelope(answer.id, normalise_usage(answer.usage) if answer.usage else None, answer.model)


def normalise_usage(usage: MessageUsage) -> TokenUsage:
    """In OpenAI's terms: the prompt's tokens are all of them, read from a cache or not.

    >>> normalise_usage(MessageUsage(input_tokens=5, cache_read_input_tokens=90, output_tokens=7)).prompt_tokens
    95
    """
    written, hour = _sum_written(usage)
    parts = (usage.input_tokens, written, usage.cache_read_input_tokens)
    prompt, completion = sum(part or 0 for part in parts), usage.output_tokens or 0
    details = {
        "cached_tokens": usage.cache_read_input_tokens or 0,
        "cache_write_tokens": written,
        **({"cache_write_1h_tokens": hour} if hour else {}),
    }
    counts = TokenUsage(prompt, completion, prompt + completion, details)
    counts.service_tier = usage.service_tier
    return counts


def _sum_written(usage: MessageUsage) -> tuple[int, int]:
    """Tokens written to the cache, and those of them that it keeps for an hour."""
    kept = usage.cache_creation if isinstance(usage.cache_creation, dict) else {}
    minutes, hour = (max(0, read_count(kept.get(f"ephemeral_{name}_input_tokens")) or 0) for name in ("5m", "1h"))
    written = usage.cache_creation_input_tokens
    return minutes + hour if written is None else written, hour


def scanner() -> Scanner:
    return _MessageScanner()


class _MessageScanner(Scanner):
    """`message_start` counts the input, each `message_delta` the output so far, `message_stop` ends."""

    def __init__(self) -> None:
        super().__init__()
        self._usage = MessageUsage()

    def inspect(self, event: bytes) -> None:
        if event.find(b"content_block_delta", 0, 64) != -1:
            return
        try:
            seen = _decode_event.decode(event_data(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if seen.type == "message_start" and seen.message is not None:
            self.upstream_id, self.answered_by = seen.message.id, seen.message.model
            self._add(seen.message.usage)
        elif seen.type == "message_delta":
            self._add(seen.usage)
            self.shortened = seen.delta is not None and seen.delta.stop_reason == "max_tokens"
        elif seen.type == "message_stop":
            self.finishes, self.done = 1, True
        elif seen.type == "error":
            self.failed = True

    def _add(self, usage: MessageUsage | None) -> None:
        """The counts of events are cumulative; one that is missing has not changed."""
        if usage is None:
            return
        for name in MessageUsage.__struct_fields__:
            if getattr(usage, name) is not None:
                setattr(self._usage, name, getattr(usage, name))
        self.usage = normalise_usage(self._usage)

    def is_output(self, event: bytes) -> bool:
        return event.find(b"delta", 0, 80) >= 0


def filter_answer_texts(answer: Json, texts: TextFilter) -> None:
    blocks = answer.get("content")
    for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
        if isinstance(block, dict):
            _filter_block(block, index, texts)


def _filter_block(block: Json, index: int, texts: TextFilter) -> None:
    """A block as a whole; what is not known to be a name or a reference is text."""
    numbers = iter(range(1_000_000_000))

    def replace(text: str) -> str:
        return texts.text(index, f"{block.get('type')}.{next(numbers)}", text, True)

    if isinstance(block.get("input"), dict):
        block["input"] = replace_values(block["input"], replace)
    for key in [key for key in block if key not in OPAQUE and key != "input"]:
        block[key] = replace_strings(block[key], replace)


def open_text_stream(texts: TextFilter) -> StreamTexts:
    return _MessageTexts(texts)


class _MessageTexts:
    """Each content block is a choice of its own; what is held back goes out before the block's end."""

    def __init__(self, texts: TextFilter) -> None:
        self._texts = texts

    def feed(self, event: bytes) -> bytes:
        data = event_data(event)
        if not data:
            return event
        seen: Json = msgspec.json.decode(data, type=dict[str, Any])
        index = seen.get("index")
        if not isinstance(index, int):
            return event
        before = b""
        if seen.get("type") == "content_block_start" and isinstance(seen.get("content_block"), dict):
            _filter_block(seen["content_block"], index, self._texts)
        elif seen.get("type") == "content_block_delta" and isinstance(seen.get("delta"), dict):
            self._delta(seen["delta"], index)
        elif seen.get("type") == "content_block_stop":
            for field, held in self._texts.flush(index):
                before += format_event({**seen, "type": "content_block_delta", "delta": _delta(field, held)})
        return before + format_event(seen)

    def _delta(self, delta: Json, index: int) -> None:
        field = _DELTAS.get(str(delta.get("type")))
        if field is None:
            if isinstance(delta.get("citation"), dict):
                delta["citation"] = replace_strings(
                    delta["citation"], lambda text: self._texts.text(index, "citation", text, True)
                )
            return
        if isinstance(delta.get(field), str):
            through = self._texts.arguments if field == "partial_json" else self._texts.text
            delta[field] = through(index, field, delta[field])


def _delta(field: str, text: str) -> Json:
    return {"type": _DELTA_TYPES[field], field: text}


def format_event(event: Json) -> bytes:
    """A server-sent event named after its type."""
    return f"event: {event.get('type')}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
