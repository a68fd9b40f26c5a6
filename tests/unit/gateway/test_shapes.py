"""Right values: what OpenAI's and Anthropic's APIs answer to the same request (their references and error codes)."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.shapes import check_embedded, check_shapes

CHAT = "/v1/chat/completions"
ASKED = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look_up"}}


def refusal(endpoint: str, fields: dict[str, Any]) -> tuple[str | None, str | None]:
    """Parameter and code of the refusal."""
    with pytest.raises(Refused) as caught:
        check_shapes(endpoint, fields)
        check_embedded(endpoint, fields)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        ([], "messages", "empty_array"),
        ("hi", "messages", "invalid_type"),
        ({"role": "user"}, "messages", "invalid_type"),
        (["hi"], "messages[0]", "invalid_type"),
        ([*ASKED, {"role": "robot", "content": "x"}], "messages[1].role", "invalid_value"),
        ([{"content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": 5, "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": ["user"], "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "user", "content": None}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "user", "content": []}], "messages[0].content", "empty_array"),
        ([{"role": "user", "content": 5}], "messages[0].content", "invalid_type"),
        ([{"role": "assistant"}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "assistant", "tool_calls": "x"}], "messages[0].tool_calls", "invalid_type"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id", "missing_required_parameter"),
        (
            [{"role": "tool", "content": "x", "tool_call_id": 5}],
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
    ],
)
def test_messages_that_nobody_could_answer_are_refused(messages: Any, param: str, code: str) -> None:
    assert refusal(CHAT, {"messages": messages}) == (param, code)


@pytest.mark.parametrize(
    "messages",
    [
        ASKED,
        [{"role": "developer", "content": "x"}, *ASKED],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        [
            *ASKED,
            {"role": "assistant", "tool_calls": [{"id": "c"}]},
            {"role": "tool", "content": "x", "tool_call_id": "c"},
        ],
        [*ASKED, {"role": "assistant", "content": None, "refusal": "no"}],
        [*ASKED, {"role": "assistant", "content": None, "function_call": {"name": "f"}}],
    ],
)
def test_messages_of_every_role_pass(messages: Any) -> None:
    check_shapes(CHAT, {"messages": messages})


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"stop": 5}, "stop", "invalid_type"),
        ({"stop": {}}, "stop", "invalid_type"),
        ({"stop": ["a", 5]}, "stop[1]", "invalid_type"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [TOOL, {"function": {"name": "a b!"}}]}, "tools[1].function.name", "invalid_value"),
        ({"tools": [{"function": {"name": "x" * 65}}]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function"}, "tools": []}, "tool_choice", "invalid_value"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "g"}}, "tools": [TOOL]},
            "tool_choice",
            "invalid_value",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
            "invalid_type",
        ),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {"type": 5}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_object", "schema": "x"}}, "response_format.schema", "invalid_type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 5}}},
            "response_format.json_schema.schema",
            "invalid_type",
        ),
        ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
            "missing_required_parameter",
        ),
        ({"stream_options": 1, "stream": True}, "stream_options", "invalid_type"),
        ({"metadata": "x"}, "metadata", "invalid_type"),
        ({"prediction": "x"}, "prediction", "invalid_type"),
        ({"parallel_tool_calls": "x"}, "parallel_tool_calls", "invalid_type"),
        ({"store": 1}, "store", "invalid_type"),
        ({"logit_bias": [1]}, "logit_bias[0]", "invalid_type"),
        ({"logit_bias": [[1, 2, 3]]}, "logit_bias[0]", "invalid_type"),
        ({"logit_bias": "x"}, "logit_bias", "invalid_type"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"reasoning_effort": 5}, "reasoning_effort", "invalid_type"),
        ({"modalities": "text"}, "modalities", "invalid_type"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"functions": {}}, "functions", "invalid_type"),
        ({"functions": [{"name": "f"}]}, "functions", "unsupported_parameter"),
    ],
)
def test_fields_of_a_chat_that_would_be_ignored_are_refused(fields: dict[str, Any], param: str, code: str) -> None:
    assert refusal(CHAT, {"messages": ASKED, **fields}) == (param, code)


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": None},
        {"stop": "a"},
        {"stop": list("abcde")},  # llama.cpp heeds them all
        {"tools": []},
        {"tools": [TOOL, {"function": {"name": "A-z_9" + "x" * 59}}], "tool_choice": "required"},
        {"tools": [{"type": "custom", "custom": {}}]},
        {"tool_choice": "none"},
        {"tool_choice": "auto"},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}},
        {"stream_options": {"include_usage": True}},  # of no effect on a whole answer, and meant so
        {"logit_bias": {"5": 1}},
        {"logit_bias": [[5, 1]]},  # llama.cpp's own form
        {"reasoning_effort": "xhigh"},
        {"modalities": ["text"]},
        {"functions": []},
    ],
)
def test_fields_of_a_chat_that_have_their_effect_pass(fields: dict[str, Any]) -> None:
    check_shapes(CHAT, {"messages": ASKED, **fields})
    check_embedded(CHAT, {"messages": ASKED, **fields})


@pytest.mark.parametrize(
    ("endpoint", "fields", "param", "code"),
    [
        (CHAT, {"messages": ASKED, "grammar": 5}, "grammar", "invalid_type"),
        (CHAT, {"messages": ASKED, "json_schema": "x"}, "json_schema", "invalid_type"),
        ("/v1/completions", {"grammar": ["x"]}, "grammar", "invalid_type"),
        ("/v1/completions", {"stop": 5}, "stop", "invalid_type"),
        ("/v1/completions", {"echo": "x"}, "echo", "invalid_type"),
        ("/v1/completions", {"suffix": 5}, "suffix", "invalid_type"),
        ("/v1/completions", {"suffix": "end"}, "suffix", "unsupported_parameter"),
        ("/v1/completions", {"best_of": 2}, "best_of", "unsupported_parameter"),
        ("/v1/completions", {"best_of": 3, "n": 2}, "best_of", "unsupported_parameter"),
        ("/v1/completions", {"stream_options": 1}, "stream_options", "invalid_type"),
        ("/v1/messages", {"messages": []}, "messages", "empty_array"),
        ("/v1/messages", {"messages": ASKED, "stop_sequences": 5}, "stop_sequences", "invalid_type"),
        ("/v1/messages", {"messages": ASKED, "stop_sequences": [5]}, "stop_sequences[0]", "invalid_type"),
        ("/v1/responses", {"truncation": "x"}, "truncation", "invalid_value"),
        ("/v1/responses", {"store": "x"}, "store", "invalid_type"),
    ],
)
def test_fields_of_the_other_endpoints_are_held_to_their_forms(
    endpoint: str, fields: dict[str, Any], param: str, code: str
) -> None:
    assert refusal(endpoint, fields) == (param, code)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("/v1/completions", {"best_of": 2, "n": 2, "suffix": "", "echo": True}),
        ("/v1/completions", {"best_of": 1}),
        ("/v1/messages", {"messages": ASKED, "stop_sequences": ["a"]}),
        ("/v1/responses", {"truncation": "auto", "store": False}),
        ("/v1/embeddings", {"input": 5}),
    ],
)
def test_the_other_endpoints_fields_pass(endpoint: str, fields: dict[str, Any]) -> None:
    check_shapes(endpoint, fields)
    check_embedded(endpoint, fields)


def test_a_refusal_names_what_stood_there_and_what_may() -> None:
    with pytest.raises(Refused, match=r"'messages\[0\].role' must be one of system, .*, function, not 'robot'\."):
        check_shapes(CHAT, {"messages": [{"role": "robot", "content": "x"}]})
