"""Which tools an answer calls, or an event of one, in any dialect.

Chat completions name them in `tool_calls[].function`, `/v1/messages` in blocks of the type `tool_use`, `/v1/responses`
in items such as `function_call`. A name that arrives in pieces, which no upstream is known to send, is judged by each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

_CALLS: Final = frozenset(
    {"tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call", "mcp_call"}
)
_CALLED: Final = frozenset({"function", "function_call", "custom"})  # keys of an object with the name
_TEXTS: Final = frozenset({"content", "text", "arguments", "input", "reasoning_content", "reasoning", "partial_json"})


def list_called_tools(value: Any) -> Iterator[str]:
    """Names in their order.

    >>> list(list_called_tools({"choices": [{"delta": {"tool_calls": [{"function": {"name": "f"}}]}}]}))
    ['f']
    """
    if isinstance(value, list):
        for item in value:
            yield from list_called_tools(item)
    elif isinstance(value, dict):
        if value.get("type") in _CALLS and isinstance(value.get("name"), str):
            yield value["name"]
        for key, item in value.items():
            if key in _CALLED and isinstance(item, dict) and isinstance(item.get("name"), str):
                yield item["name"]
            elif isinstance(item, dict | list) and not (key in _TEXTS and key != "content"):
                yield from list_called_tools(item)


class ToolCall(NamedTuple):
    """One whole call; `arguments` are JSON as a value, None where they are no JSON."""

    name: str
    arguments: Any


def list_declared_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of each tool that a request declares with one, by its name.

    >>> list_declared_tools({"tools": [{"name": "f", "input_schema": {"type": "object"}}]})
    {'f': {'type': 'object'}}
    """
    schemas: dict[str, Any] = {}
    for key in ("tools", "functions"):
        tools = body.get(key)
        for tool in tools if isinstance(tools, list) else ():
            function = tool.get("function", tool) if isinstance(tool, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                schema = function.get("parameters", function.get("input_schema"))
                if isinstance(schema, dict):
                    schemas[function["name"]] = schema
    return schemas


def list_tool_calls(answer: Mapping[str, Any]) -> Iterator[ToolCall]:
    """The calls of a whole answer, or of an item of one, in any dialect."""
    for choice in _list_objects(answer.get("choices")):
        message = choice.get("message")
        if isinstance(message, dict):
            calls = [call.get("function") for call in _list_objects(message.get("tool_calls"))]
            for call in (*calls, message.get("function_call")):
                if isinstance(call, dict):
                    yield _read_call(call, "arguments")
    for item in (*_list_objects(answer.get("content")), *_list_objects(answer.get("output"))):
        if item.get("type") in _CALLS:
            yield _read_call(item, "input" if "input" in item else "arguments")


class StreamedCalls:
    """Puts together the calls of one stream, whose arguments come in pieces."""

    def __init__(self) -> None:
        self._open: dict[tuple[Any, Any], list[str]] = {}  # by choice and number: the name, and pieces of arguments

    def feed(self, event: Mapping[str, Any]) -> list[ToolCall]:
        """The calls that are whole with this event: nothing after it changes them."""
        kind = event.get("type")
        if kind == "content_block_start":
            self._begin(event, event.get("content_block"))
        elif kind == "content_block_delta":
            self._add(("block", event.get("index")), event.get("delta"), "partial_json")
        elif kind == "content_block_stop":
            return self._close([("block", event.get("index"))])
        elif kind == "response.output_item.done" and isinstance(event.get("item"), dict):
            return list(list_tool_calls({"output": [event["item"]]}))
        return [call for choice in _list_objects(event.get("choices")) for call in self._feed_choice(choice)]

    def end(self) -> list[ToolCall]:
        """Those that no event has closed."""
        return self._close(list(self._open))

    def _begin(self, event: Mapping[str, Any], block: Any) -> None:
        if isinstance(block, dict) and block.get("type") in _CALLS:
            given = block.get("input")
            pieces = [msgspec.json.encode(given).decode()] if given else []
            self._open["block", event.get("index")] = [str(block.get("name", "")), *pieces]

    def _add(self, place: tuple[Any, Any], piece: Any, key: str) -> None:
        if place in self._open and isinstance(piece, dict) and isinstance(piece.get(key), str):
            self._open[place].append(piece[key])

    def _feed_choice(self, choice: Mapping[str, Any]) -> list[ToolCall]:
        delta = choice.get("delta")
        calls = _list_objects(delta.get("tool_calls")) if isinstance(delta, dict) else []
        if isinstance(delta, dict) and isinstance(delta.get("function_call"), dict):
            calls.append({"index": "function_call", "function": delta["function_call"]})
        for position, call in enumerate(calls):
            function = call.get("function")
            if isinstance(function, dict):
                place = (choice.get("index"), call.get("index", position))
                if isinstance(function.get("name"), str) and function["name"]:
                    self._open.setdefault(place, [""])[0] += function["name"]
                self._open.setdefault(place, [""])
                self._add(place, function, "arguments")
        if choice.get("finish_reason"):
            return self._close([place for place in self._open if place[0] == choice.get("index")])
        return []

    def _close(self, places: list[tuple[Any, Any]]) -> list[ToolCall]:
        whole = [self._open.pop(place) for place in places if place in self._open]
        return [_read_call({"name": name, "arguments": "".join(pieces)}, "arguments") for name, *pieces in whole]


def _list_objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _read_call(call: Mapping[str, Any], key: str) -> ToolCall:
    """Without arguments it has an empty object of them."""
    arguments = call.get(key)
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments) if arguments.strip() else {}
        except (msgspec.MsgspecError, RecursionError):
            arguments = None
    elif arguments is None:
        arguments = {}
    return ToolCall(str(call.get("name", "")), arguments)
