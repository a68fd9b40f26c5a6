"""Parallel tool calls under one index, or none, are several calls (C9)."""

import json
from typing import Any

import pytest

from compatibility.events import call, chunk, parse_events
from compatibility.parallel_calls import SHAPES
from steward.gateway.dialects.tool_calls import ToolCallNumbers


@SHAPES
def test_c09_a_chat_client_sees_two_indexes(fragments: list[Any]) -> None:
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


def test_a_number_of_its_own_needs_an_id_and_a_name() -> None:
    numbers = ToolCallNumbers()
    assert numbers.assign(0, call(0, "f", "", "a"), 0) == 0
    assert numbers.assign(0, {"index": 0, "id": "b", "function": {"arguments": "x"}}, 0) == 0  # no name: goes on
    assert numbers.assign(0, {"index": 0, "id": "b", "function": "f"}, 0) == 0
    assert numbers.assign(0, {"index": 0, "id": "b", "function": {"name": ""}}, 0) == 0
    assert numbers.assign(0, {"index": True, "id": 7, "function": {"name": "g"}}, 4) == 4  # no index: its place


def test_choices_without_an_index_are_told_by_their_place() -> None:
    numbers = ToolCallNumbers()
    fragment = {"id": "a", "function": {"name": "f", "arguments": ""}}
    choices = [{"index": "0", "delta": {"tool_calls": [fragment]}}, {"index": 5, "delta": {"tool_calls": [fragment]}}]
    event = b"data: " + json.dumps({"choices": [*choices, "x", {"delta": "x"}]}).encode() + b"\n\n"
    repaired = json.loads(numbers.repair(event).removeprefix(b"data: "))
    assert [choice["delta"]["tool_calls"][0]["index"] for choice in repaired["choices"][:2]] == [0, 0]
    assert numbers.assign(0, {"index": 0, "id": "b", "function": {"name": "f"}}, 0) == 1
    assert numbers.assign(5, {"index": 0, "id": "b", "function": {"name": "f"}}, 0) == 1
    assert numbers.assign(1, {"index": 0, "id": "b", "function": {"name": "f"}}, 0) == 0


@pytest.mark.parametrize("chunk", [{}, {"choices": None}, {"choices": [{"delta": {"tool_calls": "x"}}]},
                                   {"choices": [{"delta": {"tool_calls": ["x"]}}]}])  # fmt: skip
def test_chunks_without_calls_keep_their_bytes(chunk: dict[str, Any]) -> None:
    event = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    assert ToolCallNumbers().repair(event) is event


@pytest.mark.parametrize("names", [["get_weather"] * 3, ["get_", "weather", ""], ["", "get_weather", "get_weather"]])
def test_a_client_that_joins_what_comes_has_each_name_and_id_once(names: list[str]) -> None:
    numbers, id_, name = ToolCallNumbers(), "", ""
    for piece in names:
        fragment = {"index": 0, "id": "a", "function": {"name": piece, "arguments": ""}}
        event = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [fragment]}}]}).encode()
        told = json.loads(numbers.repair(event + b"\n\n").removeprefix(b"data: "))["choices"][0]["delta"]["tool_calls"][
            0
        ]
        id_, name = id_ + told.get("id", ""), name + told["function"]["name"]
    assert (id_, name) == ("a", "get_weather")


def test_a_name_after_the_first_arguments_belongs_to_the_call_that_has_no_id_yet() -> None:
    def fragment(**fields: Any) -> dict[str, Any]:
        return {"index": 0, **fields}

    early, named = fragment(function={"arguments": "{"}), fragment(id="a", function={"name": "f"})
    another = fragment(id="b", function={"name": "g"})
    numbers = ToolCallNumbers()
    assert [numbers.assign(0, one, 0) for one in (early, named, another)] == [0, 0, 1]
    numbers = ToolCallNumbers()  # one that has an id is another than the one that comes with another id
    assert [numbers.assign(0, one, 0) for one in (early | {"id": "a"}, another)] == [0, 1]
