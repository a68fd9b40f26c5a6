"""Where each dialect names the tools that an answer calls."""

from __future__ import annotations

from typing import Any

import pytest

from steward.gateway.called_tools import list_called_tools


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
