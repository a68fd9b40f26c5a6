"""Where each dialect names the tools that an answer calls."""

from __future__ import annotations

from typing import Any

import pytest

from steward.gateway.called_tools import (
    StreamedCalls,
    ToolCall,
    list_called_tools,
    list_declared_tools,
    list_tool_calls,
)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}, ["f"]),
        ({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]}, ["f"]),
        ({"choices": [{"message": {"function_call": {"name": "f"}}}]}, ["f"]),
        ({"choices": [{"message": {"tool_calls": [{"type": "custom", "custom": {"name": "f"}}]}}]}, ["f"]),
        ({"content": [{"type": "tool_use", "name": "f", "input": {"name": "x"}}]}, ["f"]),
        ({"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f"}}, ["f"]),
        ({"output": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, ["f"]),
        ({"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}}, ["f"]),
        ({"choices": [{"message": {"content": "f", "name": "g"}}]}, []),
        ({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}}]}, []),
    ],
)
def test_names(answer: dict[str, Any], names: list[str]) -> None:
    assert list(list_called_tools(answer)) == names


FUNCTION = {"name": "pay", "arguments": '{"sum": 7}'}
PAY = ToolCall("pay", {"sum": 7})


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"message": {"tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}]}}]},
        {"choices": [{"message": {"function_call": FUNCTION}}]},
        {
            "content": [
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "c", "name": "pay", "input": {"sum": 7}},
            ]
        },
        {"output": [{"type": "message"}, {"type": "function_call", **FUNCTION}]},
    ],
)
def test_calls_of_whole_answers_of_each_dialect(answer: dict[str, Any]) -> None:
    assert list(list_tool_calls(answer)) == [PAY]


@pytest.mark.parametrize(("arguments", "read"), [("{", None), ("", {}), (None, {}), ("[1]", [1])])
def test_what_arguments_are(arguments: Any, read: Any) -> None:
    answer = {"choices": [{"message": {"function_call": {"name": "f", "arguments": arguments}}}]}
    assert list(list_tool_calls(answer)) == [ToolCall("f", read)]


def _delta(function: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}, **more}]}


@pytest.mark.parametrize(
    "events",
    [
        [
            _delta({"name": "pay", "arguments": ""}),
            _delta({"arguments": '{"sum"'}),
            _delta({"arguments": ": 7}"}, finish_reason="tool_calls"),
        ],
        [
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "tool_use", "name": "pay", "input": {}},
            },
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": '{"sum"'},
            },
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ": 7}"}},
            {"type": "content_block_stop", "index": 1},
        ],
        [
            {"type": "response.function_call_arguments.delta", "delta": '{"sum"'},
            {"type": "response.output_item.done", "item": {"type": "function_call", **FUNCTION}},
        ],
    ],
)
def test_calls_of_streams_of_each_dialect_are_whole_with_their_last_event(events: list[dict[str, Any]]) -> None:
    calls = StreamedCalls()
    assert [calls.feed(event) for event in events] == [*([[]] * (len(events) - 1)), [PAY]]
    assert calls.end() == []


def test_a_call_that_no_event_closes_is_judged_at_the_end() -> None:
    calls = StreamedCalls()
    assert calls.feed(_delta(FUNCTION)) == []
    assert calls.end() == [PAY]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"name": "f", "input_schema": {"type": "object"}},
    ],
)
def test_tools_that_each_dialect_declares(tool: dict[str, Any]) -> None:
    assert list_declared_tools({"tools": [tool, {"type": "web_search"}, 7]}) == {"f": {"type": "object"}}
    assert list_declared_tools({"functions": [tool]}) == {"f": {"type": "object"}}
    assert list_declared_tools({"tools": 7}) == {}
