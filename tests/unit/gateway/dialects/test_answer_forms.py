"""A whole answer as events, and events as a whole answer. Shapes: OpenAI's and Anthropic's API references."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.answer_forms import (
    CHAT,
    COMPLETIONS,
    MESSAGES,
    RESPONSES,
    is_whole_answer,
    join_events,
    spell_events,
)

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def join(endpoint: str, *events: Any) -> Any:
    return json.loads(join_events(endpoint, sse(*events)))


def chunk(delta: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}]}


@pytest.mark.parametrize(
    ("endpoint", "value", "is_whole"),
    [
        (CHAT, {"choices": [{"message": {}}]}, True),
        (CHAT, {"choices": [{"delta": {}}]}, False),
        (CHAT, {"choices": [{"delta": {}, "message": {}}]}, False),
        (CHAT, {"choices": []}, False),
        (CHAT, {"choices": "x"}, False),
        (CHAT, {"choices": [3]}, False),
        (CHAT, {"choices": [{"text": "a"}]}, False),
        (COMPLETIONS, {"choices": [{"text": "a"}]}, True),
        (COMPLETIONS, {"choices": [{"text": ""}]}, False),
        (CHAT, {"error": {}}, False),
        (CHAT, [1], False),
        (MESSAGES, {"type": "message"}, True),
        (MESSAGES, {"type": "message_start"}, False),
        (RESPONSES, {"object": "response"}, True),
        (RESPONSES, {"type": "response.created"}, False),
    ],
)
def test_what_is_a_whole_answer(endpoint: str, value: Any, is_whole: bool) -> None:
    assert is_whole_answer(endpoint, value) is is_whole


def test_a_chat_completion_as_chunks() -> None:
    message = {"role": "assistant", "content": "x", "tool_calls": [CALL, CALL]}
    usage = {"prompt_tokens": 1}
    choices = [
        {"index": 0, "message": message, "logprobs": {"content": []}, "finish_reason": "tool_calls"},
        {"message": None, "finish_reason": None},
    ]
    events = list(spell_events(CHAT, {"id": "c", "object": "chat.completion", "choices": choices, "usage": usage}))
    frame = {"id": "c", "object": "chat.completion.chunk"}
    calls = [{**CALL, "index": 0}, {**CALL, "index": 1}]
    first = {"index": 0, "delta": {**message, "tool_calls": calls}, "logprobs": {"content": []}, "finish_reason": None}
    assert events == [
        {**frame, "choices": [first]},
        {**frame, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"}]},
        {**frame, "choices": [{"index": 1, "delta": {}, "logprobs": None, "finish_reason": None}]},
        {**frame, "choices": [{"index": 1, "delta": {}, "logprobs": None, "finish_reason": "stop"}]},
        {**frame, "choices": [], "usage": usage},
    ]


def test_a_completion_as_chunks() -> None:
    answer = {"id": "c", "choices": [{"text": "x", "finish_reason": "length"}], "usage": {"prompt_tokens": 1}}
    assert list(spell_events(COMPLETIONS, answer)) == [
        {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "x", "finish_reason": "length"}]},
        {"id": "c", "object": "text_completion", "choices": [], "usage": {"prompt_tokens": 1}},
    ]


MESSAGE: dict[str, Any] = {
    "type": "message", "id": "m", "role": "assistant", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "x", "citations": None},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "redacted_thinking", "data": "d"},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip


def test_a_message_as_events() -> None:
    events = list(spell_events(MESSAGES, MESSAGE))
    begun = {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 0}}
    assert events[0] == {"type": "message_start", "message": begun}
    assert [event["type"] for event in events[1:5]] == [
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
    ]
    assert events[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
        {"type": "text_delta", "text": "x"},
        {"type": "input_json_delta", "partial_json": '{"x":1}'},
    ]
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2:] == [
        {"type": "message_delta", "delta": ending, "usage": MESSAGE["usage"]},
        {"type": "message_stop"},
    ]
    assert join(MESSAGES, *events) == MESSAGE


def test_citations_are_joined() -> None:
    events = list(spell_events(MESSAGES, {**MESSAGE, "content": [{"type": "text", "text": "x"}]}))
    events.insert(
        2, {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"a": 1}}}
    )
    assert join(MESSAGES, *events)["content"] == [{"type": "text", "text": "x", "citations": [{"a": 1}]}]


SAID = {"type": "output_text", "text": "x"}
RESPONSE: dict[str, Any] = {
    "object": "response", "id": "r", "status": "completed", "usage": {"input_tokens": 3},
    "output": [
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "id": "m", "content": [SAID, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws"},
    ],
}  # fmt: skip


def test_a_response_as_events() -> None:
    events = list(spell_events(RESPONSES, RESPONSE))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    begun = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    assert events[0] == {"type": "response.created", "sequence_number": 0, "response": begun}
    assert events[-1]["type"] == "response.completed" and events[-1]["response"] == RESPONSE
    deltas = [(event["type"], event["delta"], event["output_index"]) for event in events if "delta" in event]
    assert deltas == [
        ("response.reasoning_text.delta", "hm", 0),
        ("response.output_text.delta", "x", 1),
        ("response.refusal.delta", "no", 1),
        ("response.function_call_arguments.delta", "{}", 2),
    ]
    assert [e["item"] for e in events if e["type"] == "response.output_item.done"] == RESPONSE["output"]
    begun_items = [e["item"] for e in events if e["type"] == "response.output_item.added"]
    assert begun_items[1]["content"] == [] and begun_items[2]["arguments"] == ""
    assert join(RESPONSES, *events) == RESPONSE
    for status in ("incomplete", "failed"):
        assert list(spell_events(RESPONSES, {**RESPONSE, "status": status}))[-1]["type"] == f"response.{status}"


def test_chunks_as_a_chat_completion() -> None:
    logprobs = [{"content": [{"token": token}]} for token in "ab"]
    answer = join(
        CHAT,
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "up",
            "usage": None,
            **chunk({"role": "assistant", "content": "a"}, logprobs=logprobs[0]),
        },
        chunk({"content": "b", "reasoning_content": "h"}, logprobs=logprobs[1]),
        chunk({"reasoning_content": "m", "refusal": "no"}),
        chunk({"content": "z"}, "length", 1),
        chunk({}, "stop", stop_reason="END"),
        {"choices": [], "usage": {"prompt_tokens": 3}},
    )
    first, second = answer.pop("choices")
    assert answer == {"id": "c", "object": "chat.completion", "model": "up", "usage": {"prompt_tokens": 3}}
    message = {"role": "assistant", "content": "ab", "reasoning_content": "hm", "refusal": "no"}
    joined = {"content": [{"token": "a"}, {"token": "b"}]}
    assert first == {"index": 0, "message": message, "logprobs": joined, "finish_reason": "stop", "stop_reason": "END"}
    assert second["message"]["content"] == "z" and second["finish_reason"] == "length"


def test_calls_are_joined() -> None:
    def call(index: int, text: Any, **more: Any) -> dict[str, Any]:
        return chunk(
            {"tool_calls": [{"index": index, "function": {"arguments": text, **more.pop("function", {})}, **more}]}
        )

    answer = join(
        CHAT,
        call(0, "{", id="a", function={"name": "f"}),
        call(1, {"y": 1}, id="b", function={"name": "g"}),
        call(0, "}"),
        chunk({}, "tool_calls"),
    )
    assert answer["choices"][0]["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"y":1}'}},
    ]
    assert answer["choices"][0]["message"]["content"] is None


def test_texts_as_a_completion() -> None:
    events = [
        {"choices": [{"index": 0, "text": text, "finish_reason": finish}]}
        for text, finish in (("a", None), ("b", "stop"))
    ]
    answer = join(COMPLETIONS, *events)
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [{"index": 0, "text": "ab", "logprobs": None, "finish_reason": "stop"}]


def test_a_whole_message_in_a_stream_stands_alone_or_repeats() -> None:
    whole = {"choices": [{"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"}]}
    assert join(CHAT, whole)["choices"][0]["message"]["content"] == "ab"
    assert join(CHAT, chunk({"content": "ab"}), whole)["choices"][0]["message"]["content"] == "ab"


def test_lines_done_and_one_value() -> None:
    lines = b"\n".join(json.dumps(event).encode() for event in (chunk({"content": "a"}), chunk({}, "stop")))
    assert json.loads(join_events(CHAT, lines))["choices"][0]["message"]["content"] == "a"
    assert json.loads(join_events(CHAT, lines.replace(b"\n", b"\n\n") + b"\n"))["choices"][0]["finish_reason"] == "stop"
    assert join_events(CHAT, b' {"any":\n1}') == b' {"any":\n1}'
    whole = b'{"choices":[{"message":{"content":"a"}}]}'
    assert join_events(CHAT, whole) == whole
    only_event = json.dumps(chunk({"content": "a"}, "stop")).encode()
    assert json.loads(join_events(CHAT, only_event))["choices"][0]["message"]["content"] == "a"
    assert json.loads(join_events(CHAT, sse(chunk({}, "stop")) + b"data: [DONE]\n\n"))["choices"]


@pytest.mark.parametrize("error", [{"error": {"message": "m"}}, {"type": "error", "error": {"message": "m"}}])
def test_an_error_is_the_answer(error: Any) -> None:
    assert join(CHAT, chunk({"content": "a"}), error) == error


@pytest.mark.parametrize(
    ("endpoint", "body", "code"),
    [
        (CHAT, sse(chunk({"content": "a"})), "stream_truncated"),
        (CHAT, b"", "stream_truncated"),
        (CHAT, sse(chunk({}, "stop"), chunk({}, None, 1)), "stream_truncated"),
        (MESSAGES, sse({"type": "message_start", "message": {}}), "stream_truncated"),
        (RESPONSES, sse({"type": "response.created"}), "stream_truncated"),
        (CHAT, b"data: {oops\n\n", "upstream_malformed"),
        (CHAT, b"data: [1]\n\n", "upstream_malformed"),
        (CHAT, sse({"choices": [3]}), "upstream_malformed"),
        (MESSAGES, sse({"type": "content_block_delta", "index": 0, "delta": {}}), "upstream_malformed"),
    ],
)
def test_what_is_no_whole_stream_is_the_upstreams_failure(endpoint: str, body: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        join_events(endpoint, body)
    assert (caught.value.status, caught.value.code) == (502, code)
