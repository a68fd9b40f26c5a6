"""Anthropic's messages, whole and streamed, as chat completions (C8).

Field names and events: Anthropic API reference, "Create a Message" and "Streaming messages"; the types of OpenAI's SDK.
"""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from compatibility.anthropic_answers import EVENTS, MESSAGE, SPOKEN
from compatibility.events import parse_events
from steward.core.errors import Refused
from steward.gateway.dialects import find_translation
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.message_to_chat import ChatStream, translate_answer


def test_a_whole_answer_is_a_chat_completion_with_every_required_field() -> None:
    translation = find_translation("/v1/chat/completions", SPOKEN)
    assert translation is not None and translation.upstream == "/v1/messages"
    answer = translation.translate_answer(MESSAGE, {"model": "m"}, "req_1", 1.5)
    seen = ChatCompletion.model_validate(answer, strict=True)
    choice = seen.choices[0]
    assert choice.message.content == "Let me look." and choice.finish_reason == "tool_calls"
    assert answer["choices"][0]["message"]["reasoning_content"] == "hm"
    assert {"refusal"} <= answer["choices"][0]["message"].keys() and "logprobs" in answer["choices"][0]
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Paris"}  # type: ignore[union-attr,index]
    assert seen.usage is not None and (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (15, 7)
    assert seen.usage.prompt_tokens_details is not None and seen.usage.prompt_tokens_details.cached_tokens == 4


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"), ("new_reason", "stop")],
)
def test_reasons_to_stop(reason: str, finish: str) -> None:
    translation = find_translation("/v1/chat/completions", SPOKEN)
    assert translation is not None
    answer = translation.translate_answer({"content": [], "stop_reason": reason}, {}, "req_1", 0.0)
    assert answer["choices"][0]["finish_reason"] == finish


def test_a_stream_is_chunks_with_two_calls_and_the_usage_that_was_asked_for() -> None:
    translation = find_translation("/v1/chat/completions", SPOKEN)
    assert translation is not None
    asked = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    stream = translation.open_stream(asked, "req_1", 1.0, 3)
    parts = [part for event in EVENTS for part in stream.feed(event)] + stream.end(TokenCounts(1, 1))
    assert parts[-1] == b"data: [DONE]\n\n"
    chunks = [ChatCompletionChunk.model_validate(event, strict=True) for event in parse_events(parts)]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Look"
    arguments: dict[int, str] = {}
    for delta in deltas:
        for call in delta.tool_calls or ():
            assert call.function is not None
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    assert arguments == {0: '{"city":"Paris"}', 1: '{"city":"Rome"}'}
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert chunks[-1].usage is not None and (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
        10,
        7,
    )


def test_a_stream_without_usage_ends_with_the_estimate() -> None:
    translation = find_translation("/v1/chat/completions", SPOKEN)
    assert translation is not None
    stream = translation.open_stream({"stream_options": {"include_usage": True}}, "req_1", 1.0, 3)
    usage = parse_events(stream.end(TokenCounts(12, 5)))[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (12, 5, 17)


def test_a_whole_answer_to_the_last_field() -> None:
    translation = find_translation("/v1/chat/completions", SPOKEN)
    assert translation is not None
    assert translation.translate_answer(MESSAGE, {"model": "m"}, "req_1", 1.9) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "claude",
        "system_fingerprint": None,
        "service_tier": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Let me look.",
                    "refusal": None,
                    "reasoning_content": "hm",
                    "tool_calls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 15,  # 10 + 4 read from a cache + 1 written to it
            "completion_tokens": 7,
            "total_tokens": 22,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_an_answer_without_text_has_no_content() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": None}
    answer = translate_answer({"content": [call, {"type": "new"}]}, {"model": "m"}, "req_1", 0.0)
    message = answer["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    assert answer["model"] == "m" and answer["usage"]["total_tokens"] == 0
    assert translate_answer({"content": []}, {}, "req_1", 0.0)["choices"][0]["message"].keys() == {
        "role", "content", "refusal",
    }  # fmt: skip


@pytest.mark.parametrize("content", [None, "text", {}])
def test_an_answer_without_content_is_the_upstreams_failure(content: Any) -> None:
    with pytest.raises(Refused) as caught:
        translate_answer({"content": content}, {}, "req_1", 0.0)
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop_sequence", "stop"), ("pause_turn", "stop"), ("model_context_window_exceeded", "length"),
     ("tool_use", "tool_calls"), (None, "stop")],
)  # fmt: skip
def test_every_reason_to_stop(reason: Any, finish: str) -> None:
    answer = translate_answer({"content": [], "stop_reason": reason}, {}, "req_1", 0.0)
    assert answer["choices"][0]["finish_reason"] == finish


def test_counts_that_are_none_are_nothing() -> None:
    usage = {"input_tokens": "9", "cache_read_input_tokens": -1, "output_tokens": 3}
    made = translate_answer({"content": [], "usage": usage}, {}, "req_1", 0.0)["usage"]
    assert (made["prompt_tokens"], made["completion_tokens"]) == (0, 3)


def test_a_stream_to_the_last_field() -> None:
    stream = ChatStream({"model": "m"}, "req_1", 1.9)
    deltas = [chunk["choices"][0] for event in EVENTS for chunk in stream.chunks(event)]
    function = {"type": "function", "function": {"name": "weather", "arguments": ""}}
    plain = [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "hm"},
        {"content": "Look"},
        {"tool_calls": [{"index": 0, "id": "t2", **function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Paris"}'}}]},
        {"tool_calls": [{"index": 1, "id": "t3", **function}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"city":"Rome"}'}}]},
    ]
    assert deltas == [
        *({"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in plain),
        {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"},
    ]
    first = stream.chunks(EVENTS[0])[0]
    assert first == {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "claude",
        "system_fingerprint": None, "service_tier": None, "choices": [deltas[0]],
    }  # fmt: skip
    assert stream.end(TokenCounts(1, 1)) == [b"data: [DONE]\n\n"]  # no usage: nobody asked for it


def test_events_that_say_nothing_are_no_chunks() -> None:
    stream = ChatStream({"model": "m"}, "req_1", 1.0)
    nothing: list[dict[str, Any]] = [
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": None}},
        {"type": "message_delta"},
        {"type": "message_stop"},
    ]
    assert [stream.feed(event) for event in nothing] == [[]] * 7
    assert stream.chunks({"type": "message_start"})[0]["model"] == "m"


def test_usage_of_a_stream_is_the_last_that_was_told() -> None:
    stream = ChatStream({"model": "m", "stream_options": {"include_usage": True}}, "req_1", 1.0)
    usage = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}
    stream.chunks({"type": "message_start", "message": {"usage": usage}})
    stream.chunks({"type": "message_delta", "usage": {"output_tokens": 7, "input_tokens": None}})
    ending, chunk = stream.last_chunks(TokenCounts(99, 99))
    assert ending["choices"][0]["finish_reason"] == "stop"  # no event told why
    assert chunk["choices"] == [] and chunk["object"] == "chat.completion.chunk"
    assert (chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"]) == (14, 7)


def test_what_a_block_begins_with_is_told() -> None:
    stream = ChatStream({"model": "m"}, "req_1", 1.0)
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "u", "name": "g", "input": {"x": 1}},
        {"type": "text", "text": ""},
    ]
    deltas = []
    for index, block in enumerate(blocks):
        events = [{"type": "content_block_start", "index": index, "content_block": block}]
        if index == 3:  # what follows goes before what it began with
            added = {"type": "input_json_delta", "partial_json": '{"y":2}'}
            events.append({"type": "content_block_delta", "index": index, "delta": added})
        events.append({"type": "content_block_stop", "index": index})
        deltas += [chunk["choices"][0]["delta"] for event in events for chunk in stream.chunks(event)]
    assert deltas[:2] == [{"reasoning_content": "hm"}, {"content": "a"}]
    calls = [call for delta in deltas[2:] for call in delta["tool_calls"]]
    assert [(call["index"], call["function"]["arguments"]) for call in calls] == [
        (0, ""), (0, '{"x":1}'), (1, ""), (1, '{"y":2}'),
    ]  # fmt: skip
    assert stream.last_chunks(TokenCounts())[0]["choices"][0]["finish_reason"] == "tool_calls"
