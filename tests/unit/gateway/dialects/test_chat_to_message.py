"""Chat completions as Anthropic's messages (C9, C10, C11, C18, C19): cut-off calls, lists of parts, required fields.

Field names and events: Anthropic API reference, "Create a Message" and "Streaming messages".
"""

import json
from typing import Any

import pytest
from anthropic.types import Message

from compatibility.events import call, chunk, parse_events
from compatibility.parallel_calls import SHAPES
from steward.core.errors import Refused
from steward.gateway.dialects import chat_to_message, chat_to_response
from steward.gateway.dialects.chat import TokenCounts, salvage_object
from steward.gateway.dialects.chat_to_message import MessageStream

PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
    {"type": "text", "text": "Yes"},
    {"type": "text", "text": "."},
]

CHAT: dict[str, Any] = {
    "model": "m",
    "choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
}
MESSAGE_FIELDS = {
    "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "container", "usage",
}  # fmt: skip
USAGE_FIELDS = {
    "input_tokens", "output_tokens", "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens",
    "server_tool_use", "service_tier",
}  # fmt: skip


def answer(message: dict[str, Any], finish: str) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}]}


def cut_off(arguments: str) -> dict[str, Any]:
    return {"content": "So:", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": arguments}}]}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"city": "Par', {"city": "Par"}),
        ('{"city": "Paris", "days": [1, 2', {"city": "Paris", "days": [1, 2]}),
        ('{"city": "Paris", "da', {"city": "Paris"}),
        ('{"city": "Paris", "days":', {"city": "Paris"}),
        ('{"a": {"b": "c\\"d', {"a": {"b": 'c"d'}}),
        ("{", {}),
        ("", {}),
        ("[1, 2", {}),
        ("not json", {}),
    ],
)
def test_c10_what_there_is_of_a_call_is_passed_on(arguments: str, given: dict[str, Any]) -> None:
    assert salvage_object(arguments) == given
    message = chat_to_message.translate_answer(answer(cut_off(arguments), "length"), {}, "req_1", 0.0)
    assert message["stop_reason"] == "max_tokens" and message["content"][1]["input"] == given


def test_c10_arguments_that_are_broken_without_a_limit_are_the_upstream_s_failure() -> None:
    with pytest.raises(Refused, match="not valid JSON"):
        chat_to_message.translate_answer(answer(cut_off('{"a'), "tool_calls"), {}, "req_1", 0.0)


def test_c11_parts_are_text_and_thinking_in_whole_answers() -> None:
    message = chat_to_message.translate_answer(answer({"content": PARTS}, "stop"), {}, "req_1", 0.0)
    assert [(block["type"], block.get("text") or block.get("thinking")) for block in message["content"]] == [
        ("thinking", "hm"),
        ("text", "Yes."),
    ]
    response = chat_to_response.translate_answer(answer({"content": PARTS}, "stop"), {}, "req_1", 0.0)
    assert response["output"][0]["content"][0]["text"] == "hm"
    assert response["output"][1]["content"][0]["text"] == "Yes."


def test_c11_parts_are_text_and_thinking_in_streams() -> None:
    message = chat_to_message.MessageStream({"model": "m"}, "req_1", 3)
    response = chat_to_response.ResponseStream({"model": "m"}, "req_1", 0.0)
    said: list[bytes] = []
    for part in PARTS:
        said += message.feed(chunk({"content": [part]}))
        response.feed(chunk({"content": [part]}))
    deltas = [event["delta"] for event in parse_events(said) if event["type"] == "content_block_delta"]
    assert "".join(delta.get("thinking", "") for delta in deltas) == "hm"
    assert "".join(delta.get("text", "") for delta in deltas) == "Yes."
    output = parse_events(response.end(TokenCounts()))[-1]["response"]["output"]
    assert [item["content"][0]["text"] for item in output] == ["hm", "Yes."]


def test_c19_a_message_has_every_required_field() -> None:
    message = chat_to_message.translate_answer(CHAT, {"model": "m"}, "req_1", 0.0)
    assert message.keys() >= MESSAGE_FIELDS and message["usage"].keys() >= USAGE_FIELDS
    assert message["content"][0] == {"type": "text", "text": "Yes.", "citations": []}
    assert Message.model_validate(message, strict=True).usage.input_tokens == 5


def test_c18_a_streamed_message_begins_with_the_estimate_and_ends_with_the_count() -> None:
    stream = chat_to_message.MessageStream({"model": "m"}, "req_1", 37)
    begun = parse_events(stream.feed(chunk({"content": "Yes."})))[0]
    assert begun["message"]["usage"]["input_tokens"] == 37
    stream.feed({"choices": [], "usage": CHAT["usage"]})
    last = parse_events(stream.end(TokenCounts(37, 1)))[-2]
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (5, 2)
    assert last["delta"].keys() == {"stop_reason", "stop_sequence", "container"}


@SHAPES
def test_a_message_has_two_blocks(fragments: list[Any]) -> None:
    stream = MessageStream({"model": "m"}, "req_1", 3)
    parts = [part for calls in fragments for part in stream.feed(chunk({"tool_calls": calls}))]
    events = parse_events([*parts, *stream.feed(chunk(finish="tool_calls")), *stream.end(TokenCounts())])
    starts = {event["index"]: event["content_block"] for event in events if event["type"] == "content_block_start"}
    given: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_delta":
            given[event["index"]] = given.get(event["index"], "") + event["delta"]["partial_json"]
    assert [(block["id"], block["name"]) for block in starts.values()] == [("id1", "f"), ("id2", "g")]
    assert [json.loads(text) for text in given.values()] == [{"a": 1}, {"b": 2}]
    kinds = [event["type"] for event in events if event["type"].startswith("content_block")]
    assert kinds.count("content_block_stop") == 2
    assert kinds.index("content_block_stop") < kinds.index("content_block_start", 1)  # one after the other


def test_a_call_that_goes_on_after_text_is_an_error_in_a_message() -> None:
    stream = MessageStream({"model": "m"}, "req_1", 3)
    stream.feed(chunk({"tool_calls": [call(0, "f", "{", "a")]}))
    stream.feed(chunk({"content": "well"}))
    with pytest.raises(Refused, match="continued a tool call"):
        list(stream.feed(chunk({"tool_calls": [call(0, None, "}")]})))


def events_of(*chunks: dict[str, Any], asked: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """All events of a stream, its estimate being 3 tokens in and 5 out."""
    stream = MessageStream(asked or {"model": "m"}, "req_1", 3)
    return parse_events([*(part for one in chunks for part in stream.feed(one)), *stream.end(TokenCounts(3, 5))])


def test_a_whole_answer_to_the_last_field() -> None:
    message = {
        "content": "Look.",
        "reasoning_content": "hm",
        "refusal": "No.",
        "tool_calls": [
            {"id": "t1", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"function": {"name": "g"}},
        ],
    }
    usage = {
        "prompt_tokens": 9, "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    }  # fmt: skip
    chat = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    assert chat_to_message.translate_answer(chat, {"model": "asked"}, "req_1", 0.0) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "asked",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Look.No.", "citations": []},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_11", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "container": None,
        "usage": {
            "input_tokens": 2,  # 9 of which 4 were read from a cache and 3 written to it
            "cache_creation": None,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
            "output_tokens": 2,
            "server_tool_use": None,
            "service_tier": "standard",
        },
    }


def test_more_tokens_from_a_cache_than_in_all_are_no_negative_input() -> None:
    usage = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    message = chat_to_message.translate_answer({**answer({}, "stop"), "usage": usage}, {}, "req_1", 0.0)
    assert message["usage"]["input_tokens"] == 0


@pytest.mark.parametrize(
    ("choice", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, "end_turn", None),
        ({"finish_reason": "stop", "stop_reason": "END"}, "stop_sequence", "END"),  # vLLM
        ({"finish_reason": "stop", "stop_reason": 128001}, "end_turn", None),  # vLLM: a stop token
        ({"finish_reason": "length", "stop_reason": "END"}, "max_tokens", None),
        ({"finish_reason": "tool_calls"}, "tool_use", None),
        ({"finish_reason": "function_call"}, "tool_use", None),
        ({"finish_reason": "content_filter"}, "refusal", None),
        ({"finish_reason": "new"}, "end_turn", None),
        ({"finish_reason": None}, "end_turn", None),
        ({"finish_reason": "stop", "message": {"refusal": "No."}}, "refusal", None),
        (
            {"finish_reason": "stop", "message": {"tool_calls": [{"id": "t", "function": {"name": "f"}}]}},
            "tool_use",
            None,
        ),
        ({"finish_reason": "length", "message": {"refusal": "No."}}, "max_tokens", None),
    ],
)
def test_reasons_to_stop(choice: dict[str, Any], reason: str, sequence: str | None) -> None:
    message = chat_to_message.translate_answer({"choices": [choice]}, {}, "req_1", 0.0)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    last = events_of({"choices": [{**choice, "delta": choice.get("message")}]})[-2]
    assert (last["delta"]["stop_reason"], last["delta"]["stop_sequence"]) == (reason, sequence)


def test_a_stream_to_the_last_event() -> None:
    events = events_of(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "h"}),
        chunk({"reasoning_content": "m"}),
        chunk({"content": "Lo"}),
        chunk({"content": "ok."}),
        chunk({"refusal": " No."}),
        chunk({"tool_calls": [call(0, "f", '{"a"', "t1")]}),
        chunk({"tool_calls": [call(1, "g", "{}")]}),
        chunk({"tool_calls": [call(0, None, ":1}")]}),
        chunk(finish="tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
    )
    start = {"type": "content_block_start"}
    delta = {"type": "content_block_delta"}
    stop = {"type": "content_block_stop"}
    assert events[0]["type"] == "message_start" and events[0]["message"]["usage"]["input_tokens"] == 3
    assert events[0]["message"]["content"] == [] and events[0]["message"]["stop_reason"] is None
    assert events[1:-2] == [
        {**start, "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        {**delta, "index": 0, "delta": {"type": "thinking_delta", "thinking": "h"}},
        {**delta, "index": 0, "delta": {"type": "thinking_delta", "thinking": "m"}},
        {**stop, "index": 0},
        {**start, "index": 1, "content_block": {"type": "text", "text": "", "citations": []}},
        {**delta, "index": 1, "delta": {"type": "text_delta", "text": "Lo"}},
        {**delta, "index": 1, "delta": {"type": "text_delta", "text": "ok."}},
        {**delta, "index": 1, "delta": {"type": "text_delta", "text": " No."}},
        {**stop, "index": 1},
        {**start, "index": 2, "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}}},
        {**delta, "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        {**delta, "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
        {**stop, "index": 2},
        {**start, "index": 3, "content_block": {"type": "tool_use", "id": "toolu_11", "name": "g", "input": {}}},
        {**delta, "index": 3, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {**stop, "index": 3},
    ]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None, "container": None}
    assert (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"]) == (9, 2)
    assert events[-1] == {"type": "message_stop"}


def test_a_refusal_that_was_streamed_is_the_reason_to_stop() -> None:
    assert events_of(chunk({"refusal": "No."}), chunk({"content": "x"}, finish="stop"))[-2]["delta"]["stop_reason"] == (
        "refusal"
    )
    assert events_of(chunk({"content": "x"}, finish="stop"))[-2]["delta"]["stop_reason"] == "end_turn"


def test_a_stream_without_output_has_no_block() -> None:
    kinds = [event["type"] for event in events_of(chunk(), {"choices": None})]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_the_last_usage_counts_and_null_changes_nothing() -> None:
    events = events_of(chunk(usage={"prompt_tokens": 8, "completion_tokens": 1}), chunk(usage=None))
    assert (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"]) == (8, 1)
    assert events_of(chunk())[-2]["usage"]["output_tokens"] == 5


def test_a_call_is_told_as_it_comes() -> None:
    stream = MessageStream({"model": "m"}, "req_1", 3)
    stream.feed(chunk())
    kinds = [event["type"] for event in parse_events(stream.feed(chunk({"tool_calls": [call(0, "f", "{", "t1")]})))]
    assert kinds == ["content_block_start", "content_block_delta"]
    assert [event["type"] for event in parse_events(stream.feed(chunk({"tool_calls": [call(0, None, "}")]})))] == [
        "content_block_delta"
    ]
    assert stream.feed(chunk({"tool_calls": [call(1, "g", "{}", "t2")]})) == []  # waits until the first is over
