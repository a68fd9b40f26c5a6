"""OpenAI's chat completions, completions and embeddings: errors, metering, and where the texts are.

Field names: OpenAI API reference, "Create chat completion" and "Create completion"; reasoning fields: vLLM, SGLang
(`reasoning_content`) and OpenRouter (`reasoning`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway import wire
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import Json, StreamTexts, TextFilter
from steward.gateway.wire_fields import AnswerEnvelope

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
    def __init__(self, texts: TextFilter) -> None:
        self._texts = texts

    def feed(self, event: bytes) -> bytes:
        data = event_data(event)
        if not data or data.startswith(b"[DONE]"):
            return event
        chunk: Json = msgspec.json.decode(data, type=dict[str, Any])
        for position, choice in enumerate(_choices(chunk)):
            index = _index(choice, position)
            _filter_choice(choice, index, self._texts, last=False)
            choice.pop("logprobs", None)
            if choice.get("finish_reason"):
                for field, held in self._texts.flush(index):
                    _append_held(choice, field, held)
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _choices(answer: Json) -> list[Json]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _index(holder: Json, position: int) -> int:
    index = holder.get("index")
    return index if isinstance(index, int) else position


def _filter_choice(choice: Json, index: int, texts: TextFilter, last: bool) -> None:
    for part in ("message", "delta"):
        if isinstance(choice.get(part), dict):
            _filter_message(choice[part], index, texts, last)
    if isinstance(choice.get("text"), str):
        choice["text"] = texts.text(index, "text", choice["text"], last)


def _filter_message(message: Json, index: int, texts: TextFilter, last: bool) -> None:
    for field in _TEXT_FIELDS:
        value = message.get(field)
        if isinstance(value, str):
            message[field] = texts.text(index, field, value, last)
        elif isinstance(value, list):  # content parts; some upstreams answer with them
            for position, part in enumerate(value):
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    part["text"] = texts.text(index, f"{field}.{position}", part["text"], True)
    calls = message.get("tool_calls")
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            _filter_call(call, f"tool_calls.{_index(call, position)}.arguments", index, texts, last)
    if isinstance(message.get("function_call"), dict):
        _filter_call({"function": message["function_call"]}, "function_call.arguments", index, texts, last)


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
