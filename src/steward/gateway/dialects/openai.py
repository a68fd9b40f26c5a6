"""OpenAI's chat completions, completions and embeddings: errors, metering, and where the texts are.

Field names: OpenAI API reference, "Create chat completion" and "Create completion"; reasoning fields: vLLM, SGLang
(`reasoning_content`) and OpenRouter (`reasoning`).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway import wire
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import Json, StreamTexts, TextFilter, escape_json
from steward.gateway.wire_fields import AnswerEnvelope

_CONTENT: Final = re.compile(rb'"content": ?"')
_PLAIN: Final = re.compile(rb'[^"\\\x00-\x1f]*')  # of a JSON string, without escapes
_NO_FRAME: Final = b"\n"  # no event begins with it
_PLAIN_DELTA: Final = frozenset(("content", "role"))
_PLAIN_CHOICE: Final = frozenset(("index", "delta", "finish_reason", "logprobs"))
_TEXT_FIELDS: Final = ("content", "refusal", "reasoning_content", "reasoning")


def error_body(error: Refused, request_id: str) -> bytes:
    return wire.error_body(error)


def error_event(error: Refused, request_id: str) -> bytes:
    return wire.error_event(error)


def scanner() -> Scanner:
    return Scanner()


def envelope(body: bytes) -> AnswerEnvelope:
    return wire.decode_answer(body)


def filter_answer_texts(answer: Json, texts: TextFilter) -> None:
    for position, choice in enumerate(_choices(answer)):
        index = _index(choice, position)
        _filter_choice(choice, index, texts, last=True)
        choice.pop("logprobs", None)  # they spell the tokens that a guard may have rewritten


def open_text_stream(texts: TextFilter) -> StreamTexts:
    return _ChunkTexts(texts)


class _ChunkTexts:
    """Most events of a stream differ from the one before in their text alone: what stands around it is remembered, and
    such an event is neither read nor written anew."""

    def __init__(self, texts: TextFilter) -> None:
        self._texts = texts
        self._head, self._tail, self._index = _NO_FRAME, b"", 0

    def feed(self, event: bytes) -> bytes:
        head, tail = self._head, self._tail
        if event.startswith(head) and event.endswith(tail) and len(event) >= len(head) + len(tail):
            plain = _PLAIN.fullmatch(event, len(head), len(event) - len(tail))
            if plain is not None and (text := _decode(plain[0])) is not None:
                passed = self._texts.text(self._index, "content", text)
                return event if passed == text else head + escape_json(passed).encode() + tail
        return self._feed_whole(event)

    def _feed_whole(self, event: bytes) -> bytes:
        data = event_data(event)
        if not data or data.startswith(b"[DONE]"):
            return event
        chunk: Json = msgspec.json.decode(data, type=dict[str, Any])
        self._learn_frame(event, chunk)
        for position, choice in enumerate(_choices(chunk)):
            index = _index(choice, position)
            _filter_choice(choice, index, self._texts, last=False)
            choice.pop("logprobs", None)
            if choice.get("finish_reason"):
                for field, held in self._texts.flush(index):
                    _append_held(choice, field, held)
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"

    def _learn_frame(self, event: bytes, chunk: Json) -> None:
        """Remember what stands around the text of an event that has one, and nothing else for a filter."""
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
            return
        choice = choices[0]
        delta, place = choice.get("delta"), _CONTENT.search(event)
        if place is None or not isinstance(delta, dict) or choice.get("finish_reason") or choice.get("logprobs"):
            return
        if not (delta.keys() <= _PLAIN_DELTA and choice.keys() <= _PLAIN_CHOICE):
            return
        text = _PLAIN.match(event, place.end())
        is_one = _CONTENT.search(event, place.end()) is None and event.count(b"\n") == len(b"\n\n")
        is_framed = event.startswith(b"data: {") and event.endswith(b"}\n\n") and event.find(b"\r") < 0
        if text is None or not is_one or not is_framed or not event.startswith(b'"', text.end()):
            return
        if _decode(text[0]) == delta.get("content"):
            self._head, self._tail, self._index = event[: place.end()], event[text.end() :], _index(choice, 0)


def _decode(text: bytes) -> str | None:
    """None: not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def _choices(answer: Json) -> list[Json]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _index(holder: Json, position: int) -> int:
    index = holder.get("index")
    return index if isinstance(index, int) else position


def _filter_choice(choice: Json, index: int, texts: TextFilter, last: bool) -> None:
    for part in ("message", "delta"):
        if isinstance(message := choice.get(part), dict):
            _filter_message(message, index, texts, last)
    if isinstance(choice.get("text"), str):
        choice["text"] = texts.text(index, "text", choice["text"], last)


def _filter_message(message: Json, index: int, texts: TextFilter, last: bool) -> None:
    for field in _TEXT_FIELDS:
        if field not in message:
            continue
        value = message[field]
        if isinstance(value, str):
            message[field] = texts.text(index, field, value, last)
        elif isinstance(value, list):  # content parts; some upstreams answer with them
            for position, part in enumerate(value):
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    part["text"] = texts.text(index, f"{field}.{position}", part["text"], True)
    if isinstance(calls := message.get("tool_calls"), list):
        for position, call in enumerate(calls):
            if isinstance(call, dict):
                _filter_call(call, f"tool_calls.{_index(call, position)}.arguments", index, texts, last)
    if isinstance(function := message.get("function_call"), dict):
        _filter_call({"function": function}, "function_call.arguments", index, texts, last)


def _filter_call(call: Json, field: str, index: int, texts: TextFilter, last: bool) -> None:
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        function["arguments"] = texts.arguments(index, field, function["arguments"], last)
    custom = call.get("custom")
    if isinstance(custom, dict) and isinstance(custom.get("input"), str):
        custom["input"] = texts.text(index, field, custom["input"], last)


def _append_held(choice: Json, field: str, text: str) -> None:
    """Add what was held back to a choice's last chunk."""
    if field == "text":
        choice["text"] = (choice.get("text") or "") + text
        return
    delta = choice.setdefault("delta", {})
    if field.startswith("tool_calls."):
        call = {"index": int(field.split(".")[1]), "function": {"arguments": text}}
        delta["tool_calls"] = [*(delta.get("tool_calls") or ()), call]
    elif field == "function_call.arguments":
        delta["function_call"] = {"arguments": text}
    else:
        delta[field] = (delta.get(field) or "") + text
