"""Which tools an answer calls, or an event of one, in any dialect.

Chat completions name them in `tool_calls[].function`, `/v1/messages` in blocks of the type `tool_use`, `/v1/responses`
in items such as `function_call`. A name that arrives in pieces, which no upstream is known to send, is judged by each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

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
