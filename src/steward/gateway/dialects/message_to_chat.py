"""An Anthropic message, whole or streamed, as the chat completion that a client asked for.

Field names and events: Anthropic API reference, "Create a Message" and "Streaming Messages"; OpenAI API reference, "The
chat completion object". Every field that the schema of a chat completion requires is there.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.gateway.dialects.chat import TokenCounts, is_count
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_error

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
DONE: Final = b"data: [DONE]\n\n"


def translate_answer(message: Json, asked: Json, request_id: str, at: float) -> Json:
    """The chat completion that a whole message amounts to. :raises Refused: 502 where it has no content"""
    blocks = message.get("content")
    if not isinstance(blocks, list):
        raise upstream_error("the upstream's answer has no content", "upstream_malformed")
    texts = [block.get("text") or "" for block in blocks if block.get("type") == "text"]
    thoughts = [block["thinking"] for block in blocks if block.get("type") == "thinking"]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    answer: Json = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    if thoughts:
        answer["reasoning_content"] = "".join(thoughts)
    if calls:
        answer["tool_calls"] = calls
    choice = {"index": 0, "message": answer, "logprobs": None, "finish_reason": _finish(message.get("stop_reason"))}
    frame = _frame("chat.completion", message.get("model") or asked.get("model"), request_id, at)
    return {**frame, "choices": [choice], "usage": _counts(message.get("usage")).as_usage()}


def _call(block: Json) -> Json:
    arguments = msgspec.json.encode(block.get("input") or {}).decode()
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _finish(reason: Any) -> str:
    return FINISH_REASONS.get(str(reason), "stop")


def _frame(kind: str, model: Any, request_id: str, at: float) -> Json:
    return {
        "id": f"chatcmpl-{request_id.removeprefix('req_')}",
        "object": kind,
        "created": int(at),
        "model": model,
        "system_fingerprint": None,
        "service_tier": None,
    }


def _counts(usage: Any) -> TokenCounts:
    """What was read from a cache or written to it is part of the prompt here, and apart from it there."""
    counts = usage if isinstance(usage, dict) else {}
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    plain, read, written, output = (counts[name] if is_count(counts.get(name)) else 0 for name in names)
    return TokenCounts(plain + read + written, output, read, written=written)


class ChatStream:
    """Anthropic's events as chunks of a chat completion."""

    def __init__(self, asked: Json, request_id: str, at: float) -> None:
        self._asked, self._request_id, self._at = asked, request_id, at
        self._model: Any = asked.get("model")
        self._usage: Json = {}
        self._calls: dict[int, int] = {}  # number of the tool call, by the index of its block
        self._given: dict[int, Json] = {}  # arguments that came with the block's beginning
        self._finished = False

    def feed(self, event: Json) -> list[bytes]:
        """What the client gets for an event."""
        return [_event(chunk) for chunk in self.chunks(event)]

    def end(self, estimate: TokenCounts) -> list[bytes]:
        """The usage where the client asked for it, and the end; `estimate` stands where the upstream gave no usage."""
        events = [_event(chunk) for chunk in self.last_chunks(estimate)]
        return [*events, DONE]

    def chunks(self, event: Json) -> list[Json]:
        """The chunks that an event amounts to."""
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            message = event.get("message") or {}
            self._model = message.get("model") or self._model
            self._usage |= message.get("usage") or {}
            return [self._chunk({"role": "assistant", "content": "", "refusal": None})]
        if kind == "content_block_start":
            return self._begin_block(event["content_block"], index)
        if kind == "content_block_stop" and index in self._given:
            arguments = msgspec.json.encode(self._given.pop(index)).decode()
            return [self._chunk({"tool_calls": [{"index": self._calls[index], "function": {"arguments": arguments}}]})]
        if kind == "content_block_delta":
            return self._delta(event["delta"], index)
        if kind == "message_delta":
            self._usage |= {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
            if reason := (event.get("delta") or {}).get("stop_reason"):
                self._finished = True
                return [self._chunk({}, _finish(reason))]
        return []

    def _begin_block(self, block: Json, index: int) -> list[Json]:
        """Most blocks begin empty; some servers put all of one there."""
        kind = block.get("type")
        if kind == "tool_use":
            self._calls[index] = len(self._calls)
            if block.get("input"):
                self._given[index] = block["input"]
            function = {"name": block["name"], "arguments": ""}
            call = {"index": self._calls[index], "id": block["id"], "type": "function", "function": function}
            return [self._chunk({"tool_calls": [call]})]
        if kind == "text" and block.get("text"):
            return [self._chunk({"content": block["text"]})]
        if kind == "thinking" and block.get("thinking"):
            return [self._chunk({"reasoning_content": block["thinking"]})]
        return []

    def last_chunks(self, estimate: TokenCounts) -> list[Json]:
        """The end, where no event told why, and the chunk with the usage, where the client asked for one."""
        ending = [] if self._finished else [self._chunk({}, "tool_calls" if self._calls else "stop")]
        if not (self._asked.get("stream_options") or {}).get("include_usage"):
            return ending
        counts = _counts(self._usage) if is_count(self._usage.get("output_tokens")) else estimate
        frame = _frame("chat.completion.chunk", self._model, self._request_id, self._at)
        return [*ending, {**frame, "choices": [], "usage": counts.as_usage()}]

    def _delta(self, delta: Json, index: int) -> list[Json]:
        kind = delta.get("type")
        if kind == "text_delta":
            return [self._chunk({"content": delta["text"]})]
        if kind == "thinking_delta":
            return [self._chunk({"reasoning_content": delta["thinking"]})]
        if kind == "input_json_delta" and index in self._calls:
            self._given.pop(index, None)
            function = {"arguments": delta["partial_json"]}
            return [self._chunk({"tool_calls": [{"index": self._calls[index], "function": function}]})]
        return []

    def _chunk(self, delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**_frame("chat.completion.chunk", self._model, self._request_id, self._at), "choices": [choice]}


def _event(chunk: Json) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def open_stream(asked: Json, request_id: str, at: float, input_tokens: int) -> ChatStream:
    """What turns the events of one answer into chunks; it tells no usage before its end."""
    return ChatStream(asked, request_id, at)
