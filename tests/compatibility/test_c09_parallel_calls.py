"""C9: parallel tool calls under one index, or none, are several calls in every dialect."""

import json
from typing import Any

import pytest

from compatibility.events import call, chunk, parse_events
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.chat_to_message import MessageStream
from steward.gateway.dialects.chat_to_response import ResponseStream
from steward.gateway.dialects.tool_calls import ToolCallNumbers

SAME_INDEX = [
    [call(0, "f", '{"a":', "id1")],
    [call(0, None, "1}")],
    [call(0, "g", '{"b":', "id2")],
    [call(0, None, "2}")],
]
NO_INDEX = [[call(None, "f", '{"a":1}', "id1")], [call(None, "g", '{"b":2}', "id2")]]
AT_ONCE = [[call(0, "f", '{"a":1}', "id1"), call(0, "g", '{"b":2}', "id2")]]
IN_TURN = [
    [call(0, "f", "", "id1"), call(1, "g", "", "id2")],
    [call(1, None, '{"b":')],
    [call(0, None, '{"a":1}')],
    [call(1, None, "2}")],
]
REPEATED_NAME = [[call(0, "f", '{"a":', "id1")], [call(0, "f", "1}", "id1")], [call(1, "g", '{"b":2}', "id2")]]
SHAPES = pytest.mark.parametrize("fragments", [SAME_INDEX, NO_INDEX, AT_ONCE, IN_TURN, REPEATED_NAME])


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


@SHAPES
def test_a_response_has_two_items(fragments: list[Any]) -> None:
    stream = ResponseStream({"model": "m"}, "req_1", 0.0)
    for calls in fragments:
        stream.feed(chunk({"tool_calls": calls}))
    output = parse_events(stream.end(TokenCounts()))[-1]["response"]["output"]
    assert [(item["call_id"], item["name"], json.loads(item["arguments"])) for item in output] == [
        ("id1", "f", {"a": 1}),
        ("id2", "g", {"b": 2}),
    ]


@SHAPES
def test_a_chat_client_sees_two_indexes(fragments: list[Any]) -> None:
    numbers = ToolCallNumbers()
    given: dict[int, str] = {}
    for calls in fragments:
        event = b"data: " + json.dumps(chunk({"tool_calls": calls})).encode() + b"\n\n"
        for fragment in parse_events([numbers.repair(event)])[0]["choices"][0]["delta"]["tool_calls"]:
            given[fragment["index"]] = given.get(fragment["index"], "") + fragment["function"]["arguments"]
    assert {index: json.loads(text) for index, text in given.items()} == {0: {"a": 1}, 1: {"b": 2}}


def test_events_that_are_right_keep_their_bytes() -> None:
    event = (
        b'data: {"choices": [{"index":0, "delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}\n\n'
    )
    assert ToolCallNumbers().repair(event) is event


def test_choices_are_told_apart() -> None:
    numbers = ToolCallNumbers()
    assert [numbers.assign(choice, call(0, "f", "", f"id{choice}"), 0) for choice in (0, 1)] == [0, 0]


def test_a_number_that_is_taken_is_not_given_twice() -> None:
    numbers = ToolCallNumbers()
    given = [numbers.assign(0, call(index, "f", "", name), 0) for index, name in ((0, "a"), (0, "b"), (1, "c"))]
    assert given == [0, 1, 2]
    assert numbers.assign(0, call(1, None, "x"), 0) == 2 and numbers.assign(0, call(0, None, "x"), 0) == 1


def test_a_call_that_goes_on_after_text_is_an_error_in_a_message() -> None:
    from steward.core.errors import Refused

    stream = MessageStream({"model": "m"}, "req_1", 3)
    stream.feed(chunk({"tool_calls": [call(0, "f", "{", "a")]}))
    stream.feed(chunk({"content": "well"}))
    with pytest.raises(Refused, match="continued a tool call"):
        list(stream.feed(chunk({"tool_calls": [call(0, None, "}")]})))
