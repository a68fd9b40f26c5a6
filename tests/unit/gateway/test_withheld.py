"""C15: which answers with status 200 are none, in each dialect. The fields: the APIs' references."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.gateway.withheld import is_withheld

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
FILTER = {"finish_reason": "content_filter"}


@pytest.mark.parametrize(
    ("endpoint", "answer", "withheld"),
    [
        (CHAT, {"choices": [{**FILTER, "message": {"role": "assistant", "content": None, "refusal": None}}]}, True),
        (CHAT, {"choices": [{**FILTER, "message": {"tool_calls": [{"id": "1"}]}}]}, False),
        (CHAT, {"choices": [{**FILTER, "message": {}}, {"finish_reason": "stop", "message": {"content": ""}}]}, False),
        (CHAT, {"choices": []}, False),
        (CHAT, {"choices": [{"finish_reason": "stop", "message": {"content": '"content_filter"'}}]}, False),
        (CHAT, {"choices": ["content_filter"]}, False),
        (MESSAGES, {"content": [], "stop_reason": "refusal"}, True),
        (MESSAGES, {"content": [{"type": "text", "text": "I"}], "stop_reason": "refusal"}, False),
        (MESSAGES, {"type": "message_delta", "delta": {"stop_reason": "refusal"}}, True),
        (MESSAGES, {"type": "content_block_delta", "delta": {"text": "refusal"}}, False),
        (RESPONSES, {"output": [], "incomplete_details": {"reason": "content_filter"}}, True),
        (RESPONSES, {"response": {"output": [], "incomplete_details": {"reason": "content_filter"}}}, True),
        (RESPONSES, {"output": [{"type": "message"}], "incomplete_details": {"reason": "content_filter"}}, False),
        (RESPONSES, {"incomplete_details": None, "metadata": {"content_filter": "content_filter"}}, False),
        ("/v1/embeddings", ["content_filter"], False),
    ],
)
def test_only_what_says_nothing_is_withheld(endpoint: str, answer: Any, withheld: bool) -> None:
    assert is_withheld(endpoint, json.dumps(answer).encode()) is withheld


def test_what_is_no_json_is_not() -> None:
    assert not is_withheld(CHAT, b'data: "content_filter"')


def test_a_long_answer_is_not_looked_at() -> None:
    said = {"choices": [{**FILTER, "message": {}, "padding": "x" * 9_000}]}
    assert not is_withheld(CHAT, json.dumps(said).encode())
