"""OpenAI's chat completions and completions: errors and where the texts are.

Field names: OpenAI API reference, "The chat completion object", "The chat completion chunk object" and "Create
completion"; `reasoning_content` of vLLM and SGLang, `reasoning` of OpenRouter.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from loud_texts import Loud
from steward.core.errors import Refused
from steward.gateway.dialects import openai
from steward.gateway.wire_fields import AnswerEnvelope, TokenUsage


def sse(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def fed(stream: Any, value: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(stream.feed(sse(value)).removeprefix(b"data: "))
    return read


def test_errors_are_one_object_and_end_a_stream() -> None:
    error = Refused("No.", status=400, type="invalid_request_error", param="n", code="c")
    body = {"error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": "c"}}
    assert json.loads(openai.error_body(error, "req_1")) == body
    event, done = openai.error_event(error, "req_1").split(b"\n\n", 1)
    assert json.loads(event.removeprefix(b"data: ")) == body and done == b"data: [DONE]\n\n"


def test_the_envelope_of_a_whole_answer() -> None:
    body = b'{"id":"c1","model":"m","usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}'
    assert openai.envelope(body) == AnswerEnvelope("c1", TokenUsage(5, 7, 12), "m")
    assert openai.envelope(b"[]") == AnswerEnvelope()


def test_every_text_of_a_whole_answer_is_seen_at_its_place() -> None:
    loud = Loud()
    message = {
        "role": "assistant",
        "content": "a",
        "refusal": "b",
        "reasoning_content": "c",
        "reasoning": "d",
        "tool_calls": [
            {"id": "t1", "function": {"name": "f", "arguments": "e"}},
            "no call",
            {"index": 7, "id": "t2", "custom": {"name": "g", "input": "f"}},
        ],
        "function_call": {"name": "h", "arguments": "g"},
    }
    answer = {"choices": [{"index": 0, "message": message, "logprobs": {"content": []}}, "no choice", {"text": "h"}]}
    openai.filter_answer_texts(answer, loud)
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "A",
                "refusal": "B",
                "reasoning_content": "C",
                "reasoning": "D",
                "tool_calls": [
                    {"id": "t1", "function": {"name": "f", "arguments": "JE"}},
                    "no call",
                    {"index": 7, "id": "t2", "custom": {"name": "g", "input": "F"}},
                ],
                "function_call": {"name": "h", "arguments": "JG"},
            },
        },
        "no choice",
        {"text": "H"},
    ]
    assert loud.seen == [
        (0, "content", "a", True),
        (0, "refusal", "b", True),
        (0, "reasoning_content", "c", True),
        (0, "reasoning", "d", True),
        (0, "tool_calls.0.arguments", "e", True),
        (0, "tool_calls.7.arguments", "f", True),
        (0, "function_call.arguments", "g", True),
        (1, "text", "h", True),
    ]


def test_content_parts_are_seen_each_as_a_whole() -> None:
    loud = Loud(hold=True)
    parts = [{"type": "text", "text": "a"}, "no part", {"type": "image"}, {"type": "text", "text": 7}]
    answer = {"choices": [{"message": {"content": parts}}]}
    openai.filter_answer_texts(answer, loud)
    assert parts == [{"type": "text", "text": "A"}, "no part", {"type": "image"}, {"type": "text", "text": 7}]
    assert loud.seen == [(0, "content.0", "a", True)]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": None},
        {"choices": {"message": {"content": "a"}}},
        {"choices": [{"message": "a"}]},
        {"choices": [{"message": {"content": 7, "tool_calls": {"a": 1}, "function_call": "x"}}]},
        {"choices": [{"message": {"tool_calls": [{"function": "x"}, {"function": {"arguments": 7}}]}}]},
        {"choices": [{"message": {"tool_calls": [{"custom": "x"}, {"custom": {"input": 7}}]}}]},
        {"choices": [{"text": 7}]},
    ],
)
def test_an_answer_without_texts_stays_as_it_is(answer: dict[str, Any]) -> None:
    before = json.loads(json.dumps(answer))
    openai.filter_answer_texts(answer, Loud())
    assert answer == before


def test_texts_of_a_stream_may_be_held_back_until_their_choice_ends() -> None:
    loud = Loud(hold=True)
    stream = openai.open_text_stream(loud)
    delta = {
        "content": "ab",
        "reasoning_content": "cd",
        "tool_calls": [{"index": 2, "function": {"arguments": "ef"}}],
        "function_call": {"arguments": "gh"},
    }
    chunk = fed(stream, {"id": "c", "choices": [{"index": 1, "delta": delta, "logprobs": {"content": []}}]})
    assert chunk == {
        "id": "c",
        "choices": [
            {
                "index": 1,
                "delta": {
                    "content": "A",
                    "reasoning_content": "C",
                    "tool_calls": [{"index": 2, "function": {"arguments": "JE"}}],
                    "function_call": {"arguments": "JG"},
                },
            }
        ],
    }
    assert all(last is False for _, _, _, last in loud.seen)
    last = fed(stream, {"choices": [{"index": 1, "delta": {"content": ""}, "finish_reason": "stop"}]})
    assert last["choices"][0]["delta"] == {
        "content": "B",
        "reasoning_content": "D",
        "tool_calls": [{"index": 2, "function": {"arguments": "F"}}],
        "function_call": {"arguments": "H"},
    }


def test_what_is_held_comes_behind_what_the_last_chunk_brings() -> None:
    stream = openai.open_text_stream(Loud(hold=True))
    fed(stream, {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "ab"}}]}}]})
    calls = [{"index": 1, "function": {"arguments": "c"}}]
    last = fed(stream, {"choices": [{"delta": {"content": "xy", "tool_calls": calls}, "finish_reason": "stop"}]})
    assert last["choices"][0]["delta"] == {
        "content": "XY",
        "tool_calls": [
            {"index": 1, "function": {"arguments": "J"}},
            {"index": 0, "function": {"arguments": "B"}},
            {"index": 1, "function": {"arguments": "C"}},
        ],
    }


def test_held_text_of_a_completion_goes_into_its_text() -> None:
    stream = openai.open_text_stream(Loud(hold=True))
    assert fed(stream, {"choices": [{"index": 0, "text": "ab"}]})["choices"] == [{"index": 0, "text": "A"}]
    last = fed(stream, {"choices": [{"index": 0, "finish_reason": "stop"}]})
    assert last["choices"] == [{"index": 0, "finish_reason": "stop", "text": "B"}]
    fed(stream, {"choices": [{"index": 0, "delta": {"content": "ab"}}]})
    last = fed(stream, {"choices": [{"index": 0, "finish_reason": "stop"}]})
    assert last["choices"] == [{"index": 0, "finish_reason": "stop", "delta": {"content": "B"}}]


@pytest.mark.parametrize("event", [b": wait\n\n", b"data: [DONE]\n\n"])
def test_what_is_no_chunk_keeps_its_bytes(event: bytes) -> None:
    assert openai.open_text_stream(Loud()).feed(event) == event


class Shouting:
    """Writes texts in capitals, puts a quotation mark after "q", and holds back what ends with "-"."""

    def text(self, choice: int, field: str, text: str, last: bool = False) -> str:
        return text.upper().replace("Q", 'Q"') if "x" not in text else text

    def arguments(self, choice: int, field: str, text: str, last: bool = False) -> str:
        return text

    def flush(self, choice: int) -> list[tuple[str, str]]:
        return []


def chunk(text: str, ending: str = "}", **choice: object) -> bytes:
    body = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode().removesuffix(b"}") + ending.encode() + b"\n\n"


@pytest.mark.parametrize(
    "event",
    [
        chunk("two"),
        chunk("é q"),
        chunk('a "quoted" word'),
        chunk("line\nend"),
        chunk(""),
        chunk("more", index=1),
        chunk("end", finish_reason="stop"),
        chunk("spelled", logprobs={"content": [{"token": "spelled"}]}),
        chunk("tool", delta={"content": "t", "tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk("two texts", delta={"content": "a", "reasoning": "b"}),
        chunk("usage", ending=', "usage": {"total_tokens": 3}}'),
        b"data: [DONE]\n\n",
        b": comment\n\n",
    ],
)
def test_an_event_like_the_one_before_passes_as_if_it_were_the_first(event: bytes) -> None:
    learned, fresh = openai.open_text_stream(Shouting()), openai.open_text_stream(Shouting())
    learned.feed(chunk("one"))
    again, first = learned.feed(event), fresh.feed(event)
    if first.startswith(b"data: {"):
        assert json.loads(again[5:]) == json.loads(first[5:])
        assert again.endswith(b"}\n\n")
    else:
        assert again == first == event


def test_an_event_whose_text_stays_is_sent_as_it_came() -> None:
    stream = openai.open_text_stream(Shouting())
    stream.feed(chunk("one"))
    assert stream.feed(chunk("x stays")) == chunk("x stays")


def test_bytes_that_are_no_text_are_refused_behind_a_known_frame_too() -> None:
    stream = openai.open_text_stream(Shouting())
    stream.feed(chunk("one"))
    with pytest.raises(ValueError, match=r"(?i)utf-8|json"):
        stream.feed(chunk("two").replace(b"two", b"\xff"))
