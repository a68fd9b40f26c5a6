"""A chat completion, whole or streamed, as the Anthropic message that a client asked for.

A text's `citations` are an empty list rather than null: some clients take a list or nothing (AI SDK).

Field names and events: Anthropic API reference, "Create a Message" and "Streaming Messages". Every field that its
schema requires is there, null where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from steward.gateway.dialects.answer_deltas import AnswerDeltas, CallPiece
from steward.gateway.dialects.anthropic import format_event
from steward.gateway.dialects.chat import (
    TokenCounts,
    content_text,
    first_choice,
    parse_arguments,
    reasoning_text,
    refusal_text,
    token_counts,
)
from steward.gateway.dialects.tool_calls import list_calls
from steward.gateway.finish_reasons import name_finish
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_error

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def translate_answer(chat: Json, asked: Json, request_id: str, at: float) -> Json:
    """The message that a whole chat completion amounts to.

    :raises Refused: 502 where it has no choice, or tool-call arguments that are no JSON object
    """
    choice = first_choice(chat)
    message = choice.get("message") or {}
    cut_off = name_finish(choice.get("finish_reason")) == "length"
    content: list[Json] = []
    if thought := reasoning_text(message):
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    if text := content_text(message) + refusal_text(message):
        content.append({"type": "text", "text": text, "citations": []})
    calls = list_calls(message)
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        content.append(
            {
                "type": "tool_use",
                "id": call.get("id") or _call_id(request_id, number),
                "name": function.get("name"),
                "input": parse_arguments(function.get("arguments"), cut_off),
            }
        )
    start = _start(request_id, chat, asked)
    stop = _stop(choice, bool(calls), bool(refusal_text(message)))
    return {**start, "content": content, **stop, "usage": _usage(token_counts(chat.get("usage")))}


def _call_id(request_id: str, number: int) -> str:
    return f"toolu_{request_id.removeprefix('req_')}{number}"


def _start(request_id: str, chat: Json, asked: Json) -> Json:
    return {
        "id": f"msg_{request_id.removeprefix('req_')}",
        "type": "message",
        "role": "assistant",
        "model": chat.get("model") or asked.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "container": None,
        "usage": _usage(TokenCounts()),
    }


def _stop(choice: Json, called: bool, refused: bool) -> Json:
    """vLLM names the stop sequence that was met in the choice's own `stop_reason`."""
    reason, met = name_finish(choice.get("finish_reason")), choice.get("stop_reason")
    if reason == "stop" and isinstance(met, str):
        return {"stop_reason": "stop_sequence", "stop_sequence": met}
    if reason == "stop" and (called or refused):
        return {"stop_reason": "tool_use" if called else "refusal", "stop_sequence": None}
    return {"stop_reason": STOP_REASONS.get(reason, "end_turn"), "stop_sequence": None}


def _usage(counts: TokenCounts) -> Json:
    """Anthropic counts tokens read from a cache apart from `input_tokens`."""
    return {
        "input_tokens": max(0, counts.prompt - counts.cached - counts.written),
        "cache_creation": None,
        "cache_creation_input_tokens": counts.written,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion,
        "server_tool_use": None,
        "service_tier": "standard",
    }


class _Call:
    """A tool call that is being written."""

    def __init__(self, name: str, function: Any) -> None:
        self.name, self.function = name, function
        self.waiting: list[str] = []  # fragments that came while another call was open


class MessageStream:
    """A streamed chat completion as Anthropic's events.

    Content blocks follow one another. What comes of another call while one is open waits until that one is over, since
    an upstream may interleave calls and a block that was closed cannot be opened again.
    """

    def __init__(self, asked: Json, request_id: str, input_tokens: int) -> None:
        self._asked, self._request_id, self._input_tokens = asked, request_id, input_tokens
        self._started = False
        self._index = -1
        self._open: str | int | None = None  # "text", "thinking" or the number of the tool call
        self._deltas = AnswerDeltas()
        self._calls: dict[int, _Call] = {}
        self._closed: set[int] = set()
        self._refused = False
        self._finish: Json | None = None
        self._usage: Any = None

    def feed(self, chunk: Json) -> list[bytes]:
        """The events that a chunk amounts to. :raises Refused: 502, a chunk that no message can express"""
        events = [] if self._started else self._begin(chunk)
        self._usage = chunk.get("usage") or self._usage
        for delta in self._deltas.read(chunk):
            if delta.reasoning:
                events += self._add_text("thinking", {"type": "thinking_delta", "thinking": delta.reasoning})
            self._refused = self._refused or bool(delta.refusal)
            for text in (delta.text, delta.refusal):
                if text:
                    events += self._add_text("text", {"type": "text_delta", "text": text})
            for call in delta.calls:
                events += self._call(call)
            self._finish = delta.finish or self._finish
        return events

    def end(self, estimate: TokenCounts) -> list[bytes]:
        """The last events, once the chunks are over; `estimate` stands where the upstream gave no usage."""
        stop = _stop(self._finish or {}, bool(self._calls), self._refused)
        counts = token_counts(self._usage) if self._usage else estimate
        last = {"type": "message_delta", "delta": {**stop, "container": None}, "usage": _usage(counts)}
        return [*self._end_calls(), *self._close(), format_event(last), format_event({"type": "message_stop"})]

    def _begin(self, chunk: Json) -> list[bytes]:
        """The input is counted at the end by most upstreams; until then the estimate stands."""
        self._started = True
        message = _start(self._request_id, chunk, self._asked)
        message["usage"]["input_tokens"] = self._input_tokens
        return [format_event({"type": "message_start", "message": message})]

    def _add_text(self, kind: str, delta: Json) -> list[bytes]:
        block: Json = {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {"citations": []})}
        return [*self._end_calls(), *self._switch(kind, block), self._delta(delta)]

    def _call(self, call: CallPiece) -> Iterable[bytes]:
        number = call.number
        if number in self._closed:
            raise upstream_error("the upstream continued a tool call after other output", "upstream_error")
        known = self._calls.get(number)
        if known is None:
            known = self._calls[number] = _Call(call.id or _call_id(self._request_id, number), call.name)
        if call.arguments:
            known.waiting.append(call.arguments)
        if isinstance(self._open, int) and self._open != number:
            return []
        return self._write(number)

    def _write(self, number: int) -> list[bytes]:
        """Open the block of a call, and send what waits of it."""
        call = self._calls[number]
        events = self._switch(number, {"type": "tool_use", "id": call.name, "name": call.function, "input": {}})
        events += [self._delta({"type": "input_json_delta", "partial_json": text}) for text in call.waiting]
        call.waiting.clear()
        return events

    def _end_calls(self) -> list[bytes]:
        """Close the calls that are there, each after the other."""
        events: list[bytes] = []
        for number in [number for number in self._calls if number not in self._closed]:
            events += [*self._write(number), *self._close()]
            self._closed.add(number)
        return events

    def _switch(self, to: str | int, block: Json) -> list[bytes]:
        if self._open == to:
            return []
        events = self._close()
        self._open = to
        self._index += 1
        return [*events, format_event({"type": "content_block_start", "index": self._index, "content_block": block})]

    def _delta(self, delta: Json) -> bytes:
        return format_event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        self._open = None
        return [format_event({"type": "content_block_stop", "index": self._index})]


def open_stream(asked: Json, request_id: str, at: float, input_tokens: int) -> MessageStream:
    """What turns the chunks of one answer into a message's events; `input_tokens` is the estimate to begin with."""
    return MessageStream(asked, request_id, input_tokens)
