"""Tools that a model may call during an evaluation, a user who answers it, and the calls that came back.

A tool is a Python function beside the suite, or a fixed result. A tool with neither is only declared: the conversation
ends where the model calls it, and the calls are what is graded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import InputError

MOST_TURNS: Final = 100


class ToolSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One tool, as the model is told of it, and what it does."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    function: str = ""  # path/to/file.py:name, called with the arguments by name
    result: str | None = None  # what it always returns


class SimulatedUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who answers the model: the texts of a field, one after the other, or another model that plays by instructions."""

    script: str = ""  # the field: a list of texts
    instructions: str = ""  # of the model that plays the user; {field} stands for the item's field
    model: str = ""
    url: str = ""  # without it, the server of the run
    key: str = ""
    graded: Literal["last", "conversation"] = "last"  # what metrics see: the last answer, or all that was said
    turns: int = 5  # most messages of a model that plays the user


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call as the model made it; `arguments` is the JSON text that it wrote."""

    name: str
    arguments: str = "{}"
    id: str = ""
    result: str = ""

    def as_prediction(self) -> dict[str, Any]:
        """For metrics; arguments that are no JSON object stay a text."""
        try:
            arguments: Any = msgspec.json.decode(self.arguments or "{}", type=dict[str, Any])
        except msgspec.MsgspecError:
            arguments = self.arguments
        return {"name": self.name, "arguments": arguments}


def check_tools(tools: Sequence[ToolSpec], user: SimulatedUser | None, where: str) -> None:
    """:raises InputError: two tools of one name, two ways to answer, or a user that says nothing"""
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise InputError(f"{where}: a tool is listed twice: {names}")
    for tool in tools:
        if tool.function and tool.result is not None:
            raise InputError(f"{where}: tool {tool.name!r} has a function and a result; expected one of them")
        if tool.function and ".py:" not in tool.function:
            raise InputError(f"{where}: tool {tool.name!r}: function {tool.function!r}, expected path/to/file.py:name")
    if user is None:
        return
    if bool(user.script) == bool(user.model):
        raise InputError(f"{where}: user needs either `script`, a field with a list of texts, or `model`")
    if user.model and not user.instructions:
        raise InputError(f"{where}: user.model needs `instructions` that say who it plays and what it wants")
    if not 1 <= user.turns <= MOST_TURNS:
        raise InputError(f"{where}: user.turns {user.turns}, expected 1 to {MOST_TURNS}")


def declare_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """As the field `tools` of a chat request."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def read_tool_calls(message: Mapping[str, Any]) -> list[ToolCall]:
    """Of a chat message; what has another shape is no call.

    >>> read_tool_calls({"tool_calls": [{"id": "1", "function": {"name": "find", "arguments": "{}"}}]})
    [ToolCall(name='find', arguments='{}', id='1', result='')]
    """
    calls = []
    for call in message.get("tool_calls") or []:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
            calls.append(ToolCall(function["name"], text, str(call.get("id") or "")))
    return calls
