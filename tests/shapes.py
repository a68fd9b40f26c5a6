"""Byte strings that are nearly what the gateway expects: valid requests, answers and streams with parts replaced."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "stream": True,
    "system": [{"type": "text", "text": "s"}],
    "metadata": {"user_id": "u"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "n", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": "c"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}]},
    ],
    "tools": [{"name": "n", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "n"},
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "i",
    "include": ["reasoning.encrypted_content"],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "r"}]},
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
    ],
    "tools": [{"type": "function", "name": "n", "parameters": {}}],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
    "reasoning": {"effort": "low"},
}
CALL = {"index": 0, "id": "c", "function": {"name": "n", "arguments": '{"a":"b"}'}}
ANSWER: dict[str, Any] = {
    "id": "x",
    "choices": [{"index": 0, "message": {"content": "a", "tool_calls": [CALL]}, "finish_reason": "stop"}],
    "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "input": {"a": 1}}],
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": []}]}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}},
}
CHUNK: dict[str, Any] = {
    "type": "response.output_text.delta",
    "index": 0,
    "output_index": 0,
    "delta": {"type": "text_delta", "text": "a"},
    "response": {"output": [{"content": [{"text": "a"}]}], "usage": {"input_tokens": 1}},
    "choices": [{"index": 0, "delta": {"content": "a", "tool_calls": [CALL]}, "finish_reason": None}],
    "usage": None,
}
KINDS = (
    "response.output_text.done response.completed response.output_item.added content_block_start content_block_delta "
    "content_block_stop message_start message_delta message_stop error"
)


@st.composite
def bent(draw: st.DrawFn, value: Any) -> Any:
    """`value` with some of its parts replaced by anything, or left out."""
    if draw(st.integers(0, 19)) == 0:
        return draw(JUNK)
    if isinstance(value, dict):
        return {key: draw(bent(item)) for key, item in value.items() if draw(st.integers(0, 19))}
    if isinstance(value, list):
        return [draw(bent(item)) for item in value]
    return value


@st.composite
def stream(draw: st.DrawFn) -> bytes:
    """Events of any dialect, of any line ending."""
    out = b""
    for _ in range(draw(st.integers(0, 6))):
        chunk = draw(bent(CHUNK))
        if isinstance(chunk, dict):
            kind = draw(st.sampled_from([*KINDS.split(), chunk.get("type")]))
            chunk = {**chunk, "type": kind}
        end = draw(st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\n"]))
        out += draw(st.sampled_from(["data: ", "data:", ": ", "event: x\ndata: "])).encode()
        out += json.dumps(chunk).encode() + end.encode()
    return out + draw(st.sampled_from([b"", b"data: [DONE]\n\n", b'data: {"choices":[{"finish_reason":"stop"}]}\n\n']))


def shaped(target: str) -> st.SearchStrategy[bytes]:
    """Inputs for a target of `fuzz.py`."""
    if target == "stream":
        return st.binary() | stream()
    values = (REQUEST, RESPONSES) if target == "request" else (ANSWER,)
    return st.binary() | st.one_of([bent(value) for value in values]).map(lambda value: json.dumps(value).encode())


def seeds(target: str) -> list[bytes]:
    """Valid inputs for a target of `fuzz.py`."""
    if target == "stream":
        events = [{**CHUNK, "type": kind} for kind in KINDS.split()]
        return [f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode() for event in events]
    return [json.dumps(value).encode() for value in ((REQUEST, RESPONSES) if target == "request" else (ANSWER,))]
