"""A chat completion, whole or streamed, as the response that a client asked for.

Field names and events: OpenAI API reference, "Create a model response" and "Streaming events". Every field that the
schema of a response requires is there, null where there is nothing to say.
"""

from __future__ import annotations

import time
from typing import Any, Final

from steward.gateway.dialects.answer_deltas import AnswerDeltas, CallPiece
from steward.gateway.dialects.anthropic import format_event
from steward.gateway.dialects.chat import (
    TokenCounts,
    content_text,
    first_choice,
    reasoning_text,
    refusal_text,
    token_counts,
)
from steward.gateway.dialects.tool_calls import list_calls, spell_arguments
from steward.gateway.finish_reasons import name_finish
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_error

_ECHOED: Final = (
    "instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls",
    "reasoning", "text", "user", "metadata", "safety_identifier", "prompt_cache_key", "max_tool_calls", "truncation",
    "store", "previous_response_id",
)  # fmt: skip
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def translate_answer(chat: Json, asked: Json, request_id: str, at: float) -> Json:
    """The response that a whole chat completion amounts to. :raises Refused: 502 where it has no choice"""
    choice = first_choice(chat)
    message = choice.get("message") or {}
    output: list[Json] = []
    name = request_id.removeprefix("req_")
    if thought := reasoning_text(message):
        output.append(_reasoning_item(f"rs_{name}", thought))
    text = content_text(message)
    parts = [_text_part(text)] if text else []
    if refusal := refusal_text(message):
        parts.append({"type": "refusal", "refusal": refusal})
    calls = list_calls(message)
    if parts or not calls:
        output.append(_message_item(f"msg_{name}", parts or [_text_part("")]))
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        call_id, arguments = call.get("id") or f"call_{name}{number}", spell_arguments(function.get("arguments"))
        output.append(_call_item(f"fc_{name}{number}", call_id, function.get("name"), arguments))
    finish = name_finish(choice.get("finish_reason"))
    if finish in _INCOMPLETE and "status" in output[-1]:  # what was being written when the answer was cut off
        output[-1]["status"] = "incomplete"
    return _response(request_id, asked, chat, at, output, finish)


def _response(
    request_id: str, asked: Json, chat: Json, at: float, output: list[Json], finish: str | None = None
) -> Json:
    """`finish` is the chat completion's reason; None while the response is in progress."""
    incomplete = _INCOMPLETE.get(finish or "")
    status = "in_progress" if finish is None else "incomplete" if incomplete else "completed"
    response: Json = {
        "id": f"resp_{request_id.removeprefix('req_')}",
        "object": "response",
        "created_at": int(at),
        "completed_at": None if finish is None or incomplete else int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": chat.get("model") or asked.get("model"),
        "output": output,
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if finish is None else _usage(token_counts(chat.get("usage"))),
        "user": None,
    }
    response.update({field: asked[field] for field in _ECHOED if asked.get(field) is not None})
    return response


def _usage(counts: TokenCounts) -> Json:
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.completion,
    }


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message_item(name: str, parts: list[Json], status: str = "completed") -> Json:
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": parts}


def _reasoning_item(name: str, thought: str) -> Json:
    return {"id": name, "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": thought}]}


def _call_item(name: str, call_id: Any, function: Any, arguments: str, status: str = "completed") -> Json:
    return {
        "id": name,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": function,
        "arguments": arguments,
    }


class _OutputItem:
    """An output item that is being written: its kind, its place and its text so far."""

    def __init__(self, kind: str, index: int, name: str, number: int = 0) -> None:
        self.kind, self.index, self.name, self.number = kind, index, name, number
        self.text, self.status = "", "completed"
        self.call_id: Any = None
        self.function: Any = None

    def build_whole(self) -> Json:
        if self.kind == "reasoning":
            return _reasoning_item(self.name, self.text)
        if self.kind == "call":
            return _call_item(self.name, self.call_id, self.function, self.text, self.status)
        return _message_item(self.name, [self.part()], self.status)

    def build_start(self) -> Json:
        if self.kind == "reasoning":
            return {"id": self.name, "type": "reasoning", "summary": [], "content": []}
        if self.kind == "call":
            return _call_item(self.name, self.call_id, self.function, "", "in_progress")
        return _message_item(self.name, [], "in_progress")

    def part(self) -> Json:
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": self.text}
        return {"type": "refusal", "refusal": self.text} if self.kind == "refusal" else _text_part(self.text)


_EVENTS: Final = {
    "text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning": ("response.reasoning_text", "text"),
    "call": ("response.function_call_arguments", "arguments"),
}


class ResponseStream:
    """A streamed chat completion as the events of a response. Calls may be interleaved; they end with the stream."""

    def __init__(self, asked: Json, request_id: str, at: float) -> None:
        self._asked, self._request_id, self._at = asked, request_id, at
        self._chat: Json = {}
        self._items: list[_OutputItem] = []
        self._ended = 0  # items whose end was told
        self._sequence = -1
        self._finish: str | None = None
        self._deltas = AnswerDeltas()

    def feed(self, chunk: Json) -> list[bytes]:
        """The events that a chunk amounts to."""
        events: list[bytes] = []
        if self._sequence < 0:
            self._chat = {"model": chunk.get("model")}
            begun = self._response([])
            events = [self._event(f"response.{kind}", response=begun) for kind in ("created", "in_progress")]
        if chunk.get("usage"):
            self._chat["usage"] = chunk["usage"]
        for delta in self._deltas.read(chunk):
            for kind, text in (("reasoning", delta.reasoning), ("text", delta.text), ("refusal", delta.refusal)):
                if text:
                    events += self._add_text(kind, text)
            for call in delta.calls:
                events += self._call(call)
            if delta.finish is not None:
                self._finish = name_finish(delta.finish["finish_reason"])
        return events

    def end(self, estimate: TokenCounts) -> list[bytes]:
        """The last events, once the chunks are over; `estimate` stands where the upstream gave no usage."""
        self._chat.setdefault("usage", estimate.as_usage())
        events = [] if self._items else self._begin(_OutputItem("text", 0, self._name("msg")))
        if self._finish in _INCOMPLETE:  # what was being written when the answer was cut off
            self._items[-1].status = "incomplete"
        events += self._end_items()
        response = self._response([item.build_whole() for item in self._items], self._finish or "stop")
        return [*events, self._event(f"response.{response['status']}", response=response)]

    def _response(self, output: list[Json], finish: str | None = None) -> Json:
        return _response(self._request_id, self._asked, self._chat, self._at, output, finish)

    def _name(self, prefix: str) -> str:
        return f"{prefix}_{self._request_id.removeprefix('req_')}{len(self._items)}"

    def _add_text(self, kind: str, text: str) -> list[bytes]:
        events: list[bytes] = []
        if not self._items or self._items[-1].kind != kind:
            events = self._end_items()
            prefix = "rs" if kind == "reasoning" else "msg"
            events += self._begin(_OutputItem(kind, len(self._items), self._name(prefix)))
        return [*events, self._delta(self._items[-1], text)]

    def _call(self, call: CallPiece) -> list[bytes]:
        events: list[bytes] = []
        item = next((item for item in self._items if item.kind == "call" and item.number == call.number), None)
        if item is None:
            if self._items and self._items[-1].kind != "call":
                events = self._end_items()
            item = _OutputItem("call", len(self._items), self._name("fc"), call.number)
            item.call_id, item.function = call.id or self._name("call"), call.name
            events += self._begin(item)
        if item.index < self._ended:
            raise upstream_error("the upstream continued a tool call after other output", "upstream_error")
        if call.arguments:
            events.append(self._delta(item, call.arguments))
        return events

    def _begin(self, item: _OutputItem) -> list[bytes]:
        self._items.append(item)
        events = [self._event("response.output_item.added", output_index=item.index, item=item.build_start())]
        if item.kind != "call":
            events.append(self._event("response.content_part.added", **self._item_place(item), part=item.part()))
        return events

    def _delta(self, item: _OutputItem, text: str) -> bytes:
        item.text += text
        more: Json = {"logprobs": []} if item.kind == "text" else {}
        return self._event(f"{_EVENTS[item.kind][0]}.delta", **self._item_place(item), delta=text, **more)

    def _end_items(self) -> list[bytes]:
        events = []
        for item in self._items[self._ended :]:
            kind, field = _EVENTS[item.kind]
            more: Json = {"logprobs": []} if item.kind == "text" else {"name": item.function} if item.function else {}
            events.append(self._event(f"{kind}.done", **self._item_place(item), **{field: item.text}, **more))
            if item.kind != "call":
                events.append(self._event("response.content_part.done", **self._item_place(item), part=item.part()))
            events.append(self._event("response.output_item.done", output_index=item.index, item=item.build_whole()))
        self._ended = len(self._items)
        return events

    def _item_place(self, item: _OutputItem) -> Json:
        place: Json = {"item_id": item.name, "output_index": item.index}
        return place if item.kind == "call" else {**place, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._sequence += 1
        return format_event({"type": kind, "sequence_number": self._sequence, **fields})


def open_stream(asked: Json, request_id: str, at: float, input_tokens: int) -> ResponseStream:
    """What turns the chunks of one answer into a response's events; it tells no usage before its end."""
    return ResponseStream(asked, request_id, at)
