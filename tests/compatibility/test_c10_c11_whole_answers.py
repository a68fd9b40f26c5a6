"""C10 and C11: answers that were cut off in a tool call, and answers whose content is a list of parts."""

from typing import Any

import pytest

from compatibility.events import chunk, parse_events
from steward.core.errors import Refused
from steward.gateway.dialects import chat_to_message, chat_to_response
from steward.gateway.dialects.chat import TokenCounts, salvage_object

PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
    {"type": "text", "text": "Yes"},
    {"type": "text", "text": "."},
]


def answer(message: dict[str, Any], finish: str) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}]}


def cut_off(arguments: str) -> dict[str, Any]:
    return {"content": "So:", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": arguments}}]}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"city": "Par', {"city": "Par"}),
        ('{"city": "Paris", "days": [1, 2', {"city": "Paris", "days": [1, 2]}),
        ('{"city": "Paris", "da', {"city": "Paris"}),
        ('{"city": "Paris", "days":', {"city": "Paris"}),
        ('{"a": {"b": "c\\"d', {"a": {"b": 'c"d'}}),
        ("{", {}),
        ("", {}),
        ("[1, 2", {}),
        ("not json", {}),
    ],
)
def test_c10_what_there_is_of_a_call_is_passed_on(arguments: str, given: dict[str, Any]) -> None:
    assert salvage_object(arguments) == given
    message = chat_to_message.translate_answer(answer(cut_off(arguments), "length"), {}, "req_1", 0.0)
    assert message["stop_reason"] == "max_tokens" and message["content"][1]["input"] == given


def test_c10_arguments_that_are_broken_without_a_limit_are_the_upstream_s_failure() -> None:
    with pytest.raises(Refused, match="not valid JSON"):
        chat_to_message.translate_answer(answer(cut_off('{"a'), "tool_calls"), {}, "req_1", 0.0)


def test_c11_parts_are_text_and_thinking_in_whole_answers() -> None:
    message = chat_to_message.translate_answer(answer({"content": PARTS}, "stop"), {}, "req_1", 0.0)
    assert [(block["type"], block.get("text") or block.get("thinking")) for block in message["content"]] == [
        ("thinking", "hm"),
        ("text", "Yes."),
    ]
    response = chat_to_response.translate_answer(answer({"content": PARTS}, "stop"), {}, "req_1", 0.0)
    assert response["output"][0]["content"][0]["text"] == "hm"
    assert response["output"][1]["content"][0]["text"] == "Yes."


def test_c11_parts_are_text_and_thinking_in_streams() -> None:
    message = chat_to_message.MessageStream({"model": "m"}, "req_1", 3)
    response = chat_to_response.ResponseStream({"model": "m"}, "req_1", 0.0)
    said: list[bytes] = []
    for part in PARTS:
        said += message.feed(chunk({"content": [part]}))
        response.feed(chunk({"content": [part]}))
    deltas = [event["delta"] for event in parse_events(said) if event["type"] == "content_block_delta"]
    assert "".join(delta.get("thinking", "") for delta in deltas) == "hm"
    assert "".join(delta.get("text", "") for delta in deltas) == "Yes."
    output = parse_events(response.end(TokenCounts()))[-1]["response"]["output"]
    assert [item["content"][0]["text"] for item in output] == ["hm", "Yes."]
