"""C3, C4: fields and items of the current APIs: passed, mapped, left out by name or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from compatibility.scripted_engine import Gate, whole
from steward.core.errors import Refused

MESSAGES: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
RESPONSES: dict[str, Any] = {"model": "m", "input": "hi"}
PART = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}
CALLS = ("local_shell_call", "shell_call", "shell_call_output", "apply_patch_call", "web_search_call", "next_year_call")


def ask_chat(endpoint: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What the upstream was asked, and what the header says was dropped."""
    gate = Gate({"m": lambda asked: (200, whole("Hi"))}, endpoints=frozenset({"/v1/chat/completions"}))
    status, content, answer = gate.ask(body, endpoint)
    assert status == 200, content
    return gate.engines["m"].asked[0], dict(answer.headers).get(b"x-steward-dropped", b"").decode()


def test_c3_calls_of_tools_that_are_no_functions_are_left_out_by_name() -> None:
    items = [{"role": "user", "content": "hi"}, *({"type": kind, "call_id": "c", "action": {}} for kind in CALLS)]
    asked, dropped = ask_chat("/v1/responses", {**RESPONSES, "input": items})
    assert asked["messages"] == [{"role": "user", "content": "hi"}]
    assert dropped == ", ".join(f"input.{number}" for number in range(1, 1 + len(CALLS)))


def test_c3_sounds_are_passed_on() -> None:
    asked, _ = ask_chat("/v1/responses", {**RESPONSES, "input": [PART]})
    assert asked["messages"] == [PART]


@pytest.mark.parametrize(
    "part", [{"type": "input_image", "file_id": "f"}, {"type": "input_file", "file_id": "f"},
             {"type": "input_file", "file_url": "https://x/y.pdf"}],
)  # fmt: skip
def test_c3_what_only_refers_to_a_file_is_refused_by_name(part: dict[str, Any]) -> None:
    gate = Gate({"m": lambda asked: (200, whole())}, endpoints=frozenset({"/v1/chat/completions"}))
    with pytest.raises(Refused) as refused:
        gate.ask({**RESPONSES, "input": [{"role": "user", "content": [part]}]}, "/v1/responses")
    assert refused.value.param == f"input.0.content.0.{'file_url' if 'file_url' in part else 'file_id'}"


def test_c4_blocks_of_anthropic_s_own_tools_are_left_out_by_name() -> None:
    kinds = ("server_tool_use", "web_search_tool_result", "advisor_tool_result", "mcp_tool_use", "next_tool_result")
    blocks = [*({"type": kind, "id": "s"} for kind in kinds), {"type": "text", "text": "Yes."}]
    turns = [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "v"},
    ]
    asked, dropped = ask_chat("/v1/messages", {**MESSAGES, "messages": turns})
    assert asked["messages"][1]["content"] == "Yes." and dropped.count("messages.1.content.") == len(kinds)


def test_c4_structured_output_by_the_name_that_it_had_as_a_beta() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    asked, _ = ask_chat("/v1/messages", {**MESSAGES, "output_format": form})
    other, _ = ask_chat("/v1/messages", {**MESSAGES, "output_config": {"format": form}})
    assert asked["response_format"] == other["response_format"]
