"""What may stand in a suite's tools and user, and how calls are read."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.tools import (
    SimulatedUser,
    ToolCall,
    ToolSpec,
    check_tools,
    declare_tools,
    read_tool_calls,
)


@pytest.mark.parametrize(
    ("tools", "user", "said"),
    [
        ([ToolSpec(name="a"), ToolSpec(name="a")], None, "listed twice"),
        ([ToolSpec(name="a", function="t.py:f", result="x")], None, "a function and a result"),
        ([ToolSpec(name="a", function="f")], None, "path/to/file.py:name"),
        ([], SimulatedUser(), "either `script`"),
        ([], SimulatedUser(script="s", model="m"), "either `script`"),
        ([], SimulatedUser(model="m"), "instructions"),
        ([], SimulatedUser(script="s", turns=0), "expected 1 to 100"),
        ([], SimulatedUser(script="s", turns=101), "expected 1 to 100"),
    ],
)
def test_tools_and_users_that_contradict_themselves_are_refused(tools: Any, user: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_tools(tools, user, "s.yaml")


def test_tools_and_users_that_are_whole_pass() -> None:
    check_tools([ToolSpec(name="a", result=""), ToolSpec(name="b")], SimulatedUser(script="s", turns=100), "")
    check_tools([], SimulatedUser(model="m", instructions="i", turns=1), "")


def test_tools_are_declared_as_chat_requests_have_them() -> None:
    (declared,) = declare_tools([ToolSpec(name="a", description="d", parameters={"type": "object"})])
    assert declared == {
        "type": "function",
        "function": {"name": "a", "description": "d", "parameters": {"type": "object"}},
    }


@pytest.mark.parametrize(
    "message",
    [{}, {"tool_calls": None}, {"tool_calls": [1]}, {"tool_calls": [{"function": {"name": 1}}]}, {"tool_calls": [{}]}],
)
def test_what_is_no_call_is_none(message: dict[str, Any]) -> None:
    assert read_tool_calls(message) == []


def test_arguments_as_an_object_are_read_too() -> None:
    (call,) = read_tool_calls({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]})
    assert call == ToolCall("f", '{"a":1}') and call.as_prediction() == {"name": "f", "arguments": {"a": 1}}
    assert (
        ToolCall("f", "").as_prediction()["arguments"] == {}
        and ToolCall("f", "[1]").as_prediction()["arguments"] == "[1]"
    )
