"""C8: an Anthropic upstream asked by chat and Responses clients, whole, streamed and with tools."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from compatibility.events import parse_events
from steward.core.errors import Refused
from steward.gateway.dialects import find_translation
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.chat_to_messages import translate_request

SPOKEN = frozenset({"/v1/messages"})
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 1,
        "output_tokens": 7,
    },
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 10, "output_tokens": 1}}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Look"}},
    {"type": "content_block_stop", "index": 1},
    *(
        event
        for index, city in ((2, "Paris"), (3, "Rome"))
        for event in (
            {
                "type": "content_block_start",
                "index": index,
                "content_block": {"type": "tool_use", "id": f"t{index}", "name": "weather", "input": {}},
            },
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": "input_json_delta", "partial_json": f'{{"city":"{city}"}}'},
            },
            {"type": "content_block_stop", "index": index},
        )
    ),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
]


def translated(**body: Any) -> tuple[dict[str, Any], list[str]]:
    dropped: list[str] = []
    base = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return translate_request({**base, **body}, dropped), dropped


def test_roles_become_turns_and_the_system_prompt() -> None:
    message, _ = translated(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b", "name": "Ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "one"},
            {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "two"}]},
        ]
    )
    assert message["system"] == "Be kind.\n\nBe brief."
    user, assistant, results = message["messages"]
    assert user["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert [block["input"] for block in assistant["content"]] == [{"x": 1}, {}]
    assert results["role"] == "user" and [block["tool_use_id"] for block in results["content"]] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({}, "max_tokens", 8_192),
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", 6),
        ({"stop": "x"}, "stop_sequences", ["x"]),
        ({"stop": ["x", "y"]}, "stop_sequences", ["x", "y"]),
        ({"temperature": 1.7}, "temperature", 1.0),
        ({"temperature": 0.2}, "temperature", 0.2),
        ({"user": "u"}, "metadata", {"user_id": "u"}),
        ({"user": "u", "safety_identifier": "s"}, "metadata", {"user_id": "s"}),
        ({"reasoning_effort": "high", "max_tokens": 32_000}, "thinking", {"type": "enabled", "budget_tokens": 16_384}),
        ({"reasoning_effort": "high", "max_tokens": 2_000}, "thinking", {"type": "enabled", "budget_tokens": 1_999}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            "output_config",
            {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        ),
    ],
)
def test_fields_are_mapped(body: dict[str, Any], field: str, value: Any) -> None:
    assert translated(**body)[0][field] == value


def test_thinking_needs_room_and_takes_no_temperature() -> None:
    message, dropped = translated(reasoning_effort="low", max_tokens=1_024, temperature=0.5)
    assert "thinking" not in message and message["temperature"] == 0.5 and dropped == ["reasoning_effort"]
    assert "temperature" not in translated(reasoning_effort="low", temperature=0.5)[0]
    assert "thinking" not in translated(reasoning_effort="none")[0]


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_tools_and_their_choice(choice: Any, made: dict[str, Any]) -> None:
    message, _ = translated(tools=[TOOL], tool_choice=choice)
    assert message["tools"] == [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]
    assert message["tool_choice"] == made


def test_one_call_at_a_time() -> None:
    message, _ = translated(tools=[TOOL], parallel_tool_calls=False)
    assert message["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_pictures_and_files() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AA==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
    ]
    blocks = translated(messages=[{"role": "user", "content": parts}])[0]["messages"][0]["content"]
    assert [block["source"]["type"] for block in blocks] == ["base64", "url", "base64"]
    assert blocks[0]["source"]["media_type"] == "image/png" and blocks[2]["title"] == "a.pdf"
    with pytest.raises(Refused, match="data: URL"):
        translated(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:/x"}}]}])


@pytest.mark.parametrize(
    "body",
    [{"n": 2}, {"logprobs": True}, {"frequency_penalty": 0.5}, {"logit_bias": {"1": 2}}, {"modalities": ["audio"]},
     {"response_format": {"type": "json_object"}}, {"unheard_of": 1}, {"reasoning_effort": "wild"}],
)  # fmt: skip
def test_what_anthropic_cannot_do_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as error:
        translated(**body)
    assert error.value.code == "untranslatable_field" and next(iter(body)) in str(error.value.param)


def test_hints_are_dropped_and_named_where_they_may_be_missed() -> None:
    assert translated(seed=1, store=False, stream_options={"include_usage": True}, n=1, logprobs=False)[1] == ["seed"]


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


def test_responses_clients_reach_it_too() -> None:
    translation = find_translation("/v1/responses", SPOKEN)
    assert translation is not None and translation.upstream == "/v1/messages"
    asked = {"model": "m", "input": "hi", "instructions": "Be kind.", "max_output_tokens": 99, "store": True}
    dropped: list[str] = []
    message = translation.translate_request(asked, dropped)
    assert (message["system"], message["max_tokens"], dropped) == ("Be kind.", 99, ["store"])
    answer = translation.translate_answer(MESSAGE, asked, "req_1", 1.0)
    seen = Response.model_validate(answer)
    assert [item.type for item in seen.output] == ["reasoning", "message", "function_call"]
    stream = translation.open_stream(asked, "req_1", 1.0, 3)
    parts = [part for event in EVENTS for part in stream.feed(event)] + stream.end(TokenCounts(1, 1))
    last = parse_events(parts)[-1]
    assert last["type"] == "response.completed" and last["response"]["usage"]["total_tokens"] == 17
    assert [item["type"] for item in last["response"]["output"]] == [
        "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
