"""OpenAI's responses: errors, metering, and where the texts are.

Field names and events: OpenAI API reference, "Create a model response" and "Streaming events".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway import wire
from steward.gateway.dialects.anthropic import format_event
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import OPAQUE, Json, StreamTexts, TextFilter, replace_strings
from steward.gateway.wire_fields import AnswerEnvelope, TokenUsage

_OPAQUE: Final = OPAQUE | {"object", "result", "item_id", "queries", "server_label"}
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")


class ResponseUsage(msgspec.Struct):
    """Responses' `usage`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: Any = None
    output_tokens_details: Any = None


class _ResponseEnvelope(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: ResponseUsage | None = None
    service_tier: Any = None


class _ResponseEvent(msgspec.Struct):
    type: str = ""
    response: _ResponseEnvelope | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_response = msgspec.json.Decoder(_ResponseEnvelope)
_decode_event = msgspec.json.Decoder(_ResponseEvent)


def error_body(error: Refused, request_id: str) -> bytes:
    return wire.error_body(error)


def error_event(error: Refused, request_id: str) -> bytes:
    """Both spellings: the reference's flat fields, and the `error` object on which the SDK raises."""
    inner = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    flat = {"code": error.code, "message": error.message, "param": error.param, "sequence_number": 0}
    return format_event({"type": "error", **flat, "error": inner})


def envelope(body: bytes) -> AnswerEnvelope:
    try:
        answer = _decode_response.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return AnswerEnvelope()
    usage = normalise_usage(answer.usage) if answer.usage else None
    if usage is not None:
        usage.service_tier = answer.service_tier
    return AnswerEnvelope(answer.id, usage, answer.model)


def normalise_usage(usage: ResponseUsage) -> TokenUsage:
    """In the terms of chat completions."""
    return TokenUsage(
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.input_tokens_details,
        usage.output_tokens_details,
    )


def scanner() -> Scanner:
    return _ResponseScanner()


class _ResponseScanner(Scanner):
    """One of four events ends a stream, and carries the whole response with its usage."""

    def inspect(self, event: bytes) -> None:
        if event.find(b".delta", 0, 80) >= 0:
            return
        try:
            seen = _decode_event.decode(event_data(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if seen.response is not None:
            self.upstream_id = seen.response.id or self.upstream_id
            self.answered_by = seen.response.model or self.answered_by
            self.usage = normalise_usage(seen.response.usage) if seen.response.usage else self.usage
            if self.usage is not None:
                self.usage.service_tier = seen.response.service_tier
        if seen.type in _ENDS:
            self.finishes, self.done = 1, True
            self.shortened = seen.type == "response.incomplete"
        self.failed = self.failed or seen.type in ("error", "response.failed") or seen.error is not msgspec.UNSET

    def is_output(self, event: bytes) -> bool:
        return event.find(b"delta", 0, 80) >= 0


def filter_answer_texts(answer: Json, texts: TextFilter) -> None:
    output = answer.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            _ItemTexts(texts, index).item(item)


class _ItemTexts:
    """Passes whole items and parts on, or puts in what has already been sent of them as a stream."""

    def __init__(self, texts: TextFilter, index: int, sent: dict[str, str] | None = None) -> None:
        self._texts, self._index = texts, index
        self._sent: dict[str, str] = {} if sent is None else sent

    def item(self, item: Json) -> None:
        for key in ("content", "summary"):
            parts = item.get(key)
            for number, part in enumerate(parts if isinstance(parts, list) else ()):
                if isinstance(part, dict):
                    self.part(part, key, number)
        for key in [key for key in item if key not in _OPAQUE and key not in ("content", "summary")]:
            if isinstance(item[key], str) and key in ("arguments", "input", "code"):
                item[key] = self.filter_whole(key, item[key])
            else:
                item[key] = replace_strings(item[key], self._filter_other, _OPAQUE)

    def part(self, part: Json, key: str, number: int) -> None:
        for field in ("text", "refusal"):
            if isinstance(part.get(field), str):
                part[field] = self.filter_whole(f"{key}.{number}", part[field])
        if part.get("logprobs"):
            part["logprobs"] = []
        if isinstance(part.get("annotations"), list):
            part["annotations"] = replace_strings(part["annotations"], self._filter_other, _OPAQUE)

    def filter_whole(self, field: str, text: str) -> str:
        if field not in self._sent:
            through = self._texts.arguments if field == "arguments" else self._texts.text
            self._sent[field] = through(self._index, field, text, True)
        return self._sent[field]

    def _filter_other(self, text: str) -> str:
        return self._texts.text(self._index, "other", text, True)


def open_text_stream(texts: TextFilter) -> StreamTexts:
    return _ResponseTexts(texts)


class _ResponseTexts:
    """Each output item is a choice. The whole texts that later events repeat become what was sent of them."""

    def __init__(self, texts: TextFilter) -> None:
        self._texts = texts
        self._sent: dict[int, dict[str, str]] = {}
        self._added = 0  # events of our own, by which later sequence numbers move

    def feed(self, event: bytes) -> bytes:
        data = event_data(event)
        if not data or data.startswith(b"[DONE]"):
            return event
        seen: Json = msgspec.json.decode(data, type=dict[str, Any])
        kind, index = str(seen.get("type")), seen.get("output_index")
        before = b""
        if isinstance(seen.get("response"), dict):
            output = seen["response"].get("output")
            for number, item in enumerate(output if isinstance(output, list) else ()):
                if isinstance(item, dict):
                    self._item_texts(number).item(item)
        elif isinstance(index, int):
            if kind.endswith(".delta") and isinstance(seen.get("delta"), str):
                self._delta(seen, index)
            elif kind.endswith(".done"):
                before = self._end_item(seen, index)
            elif kind.endswith(".added"):
                self._filter_added(seen)
        return before + self._number_event(seen)

    def _item_texts(self, index: int) -> _ItemTexts:
        return _ItemTexts(self._texts, index, self._sent.setdefault(index, {}))

    def _delta(self, seen: Json, index: int) -> None:
        field = _field_name(seen)
        through = self._texts.arguments if field == "arguments" else self._texts.text
        seen["delta"] = through(index, field, seen["delta"])
        if seen.get("logprobs"):
            seen["logprobs"] = []
        sent = self._sent.setdefault(index, {})
        sent[field] = sent.get(field, "") + seen["delta"]

    def _end_item(self, seen: Json, index: int) -> bytes:
        """Send what is held back of the item, then its whole text as it was sent."""
        before = b""
        sent = self._sent.setdefault(index, {})
        for field, held in self._texts.flush(index):
            sent[field] = sent.get(field, "") + held
            keys = ("output_index", "item_id", "content_index", "summary_index", "sequence_number")
            kind = str(seen["type"]).removesuffix(".done") + ".delta"
            more = {"type": kind, **{key: seen[key] for key in keys if key in seen}, "delta": held}
            if kind == "response.output_text.delta":
                more["logprobs"] = []
            before += self._number_event(more)
            self._added += 1
        field = _field_name(seen)
        for key in ("text", "refusal", "arguments", "input", "code"):
            if isinstance(seen.get(key), str):
                seen[key] = self._item_texts(index).filter_whole(field, seen[key])
        if seen.get("logprobs"):
            seen["logprobs"] = []
        if isinstance(seen.get("part"), dict):
            self._item_texts(index).part(seen["part"], *_place(seen))
        if isinstance(seen.get("item"), dict):
            self._item_texts(index).item(seen["item"])
        return before

    def _filter_added(self, seen: Json) -> None:
        """What is added is empty and comes as deltas; text that is there already is shown as a text of its own."""
        for key in ("item", "part"):
            if isinstance(seen.get(key), dict):
                seen[key] = replace_strings(
                    seen[key], lambda text: self._texts.text(-1, "added", text, True) if text else text, _OPAQUE
                )

    def _number_event(self, event: Json) -> bytes:
        if isinstance(event.get("sequence_number"), int):
            event["sequence_number"] += self._added
        return format_event(event)


def _place(seen: Json) -> tuple[str, int]:
    if isinstance(seen.get("summary_index"), int):
        return "summary", seen["summary_index"]
    index = seen.get("content_index")
    return "content", index if isinstance(index, int) else 0


def _field_name(seen: Json) -> str:
    """The field of an item that an event is about, named alike for deltas and whole items."""
    kind = str(seen.get("type"))
    if "arguments" in kind:
        return "arguments"
    if "custom_tool_call_input" in kind:
        return "input"
    if "code_interpreter" in kind:
        return "code"
    key, number = _place(seen)
    return f"{key}.{number}"
