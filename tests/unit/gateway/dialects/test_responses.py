"""OpenAI's responses: errors, what metering reads, and where the texts are.

Field names and events: OpenAI API reference, "Create a model response" and "Streaming events".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from loud_texts import Loud
from steward.core.errors import Refused
from steward.gateway.dialects import responses
from steward.gateway.sse import Scanner
from steward.gateway.wire_fields import AnswerEnvelope, TokenUsage

USAGE = {
    "input_tokens": 5,
    "output_tokens": 7,
    "total_tokens": 12,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}
COUNTS = TokenUsage(5, 7, 12, {"cached_tokens": 2}, {"reasoning_tokens": 3})


def sse(value: dict[str, Any]) -> bytes:
    return f"event: {value.get('type')}\ndata: ".encode() + json.dumps(value).encode() + b"\n\n"


def data(events: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in events.decode().splitlines() if line.startswith("data: ")]


def scan(*events: dict[str, Any]) -> Scanner:
    scanner = responses.scanner()
    for event in events:
        scanner.inspect(sse(event))
    return scanner


def test_an_error_is_spelt_flat_and_as_an_object() -> None:
    error = Refused("No.", status=400, type="t", param="n", code="c")
    inner = {"message": "No.", "type": "t", "param": "n", "code": "c"}
    assert json.loads(responses.error_body(error, "req_1")) == {"error": inner}
    flat = {"type": "error", "code": "c", "message": "No.", "param": "n", "sequence_number": 0}
    event = responses.error_event(error, "req_1")
    assert event.startswith(b"event: error\n") and data(event) == [{**flat, "error": inner}]


def test_the_envelope_of_a_whole_answer() -> None:
    body = json.dumps({"id": "resp_1", "model": "m", "usage": USAGE}).encode()
    assert responses.envelope(body) == AnswerEnvelope("resp_1", COUNTS, "m")
    assert responses.envelope(b'{"id":"resp_1"}') == AnswerEnvelope("resp_1", None, None)
    assert responses.envelope(b"[]") == AnswerEnvelope()


@pytest.mark.parametrize(
    ("kind", "done", "shortened", "failed"),
    [
        ("response.completed", True, False, False),
        ("response.incomplete", True, True, False),
        ("response.failed", True, False, True),
        ("response.cancelled", True, False, False),
        ("response.in_progress", False, False, False),
        ("error", False, False, True),
    ],
)
def test_the_ends_of_a_stream(kind: str, done: bool, shortened: bool, failed: bool) -> None:
    scanner = scan({"type": kind, "response": {"id": "resp_1", "model": "m", "usage": USAGE}})
    assert (scanner.done, scanner.shortened, scanner.failed) == (done, shortened, failed)
    assert scanner.finishes == (1 if done else 0)
    assert (scanner.upstream_id, scanner.answered_by, scanner.usage) == ("resp_1", "m", COUNTS)


def test_what_a_later_event_leaves_out_stays() -> None:
    scanner = scan(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m", "usage": USAGE}},
        {"type": "response.completed", "response": {}},
    )
    assert (scanner.upstream_id, scanner.answered_by, scanner.usage) == ("resp_1", "m", COUNTS)
    scanner = scan({"type": "response.completed"})
    assert (scanner.upstream_id, scanner.usage, scanner.done) == (None, None, True)


def test_an_error_object_is_a_failure_that_stays() -> None:
    scanner = scan({"type": "odd", "error": {"message": "m"}}, {"type": "response.completed", "response": {}})
    assert scanner.failed and scanner.done


def test_events_that_mean_nothing_to_metering_are_passed_over() -> None:
    scanner = scan({"type": "response.output_text.delta", "error": {}})
    scanner.inspect(b"event: x\ndata: {\n\n")
    assert (scanner.upstream_id, scanner.usage, scanner.done, scanner.failed) == (None, None, False, False)
    assert scanner.is_output(sse({"type": "response.output_text.delta"}))
    assert not scanner.is_output(sse({"type": "response.completed"}))


def test_texts_of_a_whole_answer_are_seen_item_by_item() -> None:
    loud = Loud()
    answer: dict[str, Any] = {
        "output": [
            {
                "id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}, "no part"],
                "content": [{"type": "reasoning_text", "text": "b"}], "encrypted_content": "x",
            },
            "no item",
            {
                "id": "msg", "type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "c", "logprobs": [{"token": "c"}],
                     "annotations": [{"type": "url_citation", "title": "d", "url": "u"}]},
                    {"type": "refusal", "refusal": "e"},
                ],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "g"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "f", "input": "h"},
            {"type": "code_interpreter_call", "code": "i", "outputs": [{"type": "logs", "logs": "j"}]},
            {"type": "computer_call", "action": {"type": "type", "text": "k"}, "input": {"deep": "l"}},
        ]
    }  # fmt: skip
    responses.filter_answer_texts(answer, loud)
    assert answer["output"] == [
        {
            "id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "A"}, "no part"],
            "content": [{"type": "reasoning_text", "text": "B"}], "encrypted_content": "x",
        },
        "no item",
        {
            "id": "msg", "type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "C", "logprobs": [],
                 "annotations": [{"type": "url_citation", "title": "D", "url": "u"}]},
                {"type": "refusal", "refusal": "E"},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "JG"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "f", "input": "H"},
        {"type": "code_interpreter_call", "code": "I", "outputs": [{"type": "logs", "logs": "J"}]},
        {"type": "computer_call", "action": {"type": "type", "text": "K"}, "input": {"deep": "L"}},
    ]  # fmt: skip
    assert [(choice, field, text) for choice, field, text, last in loud.seen if last] == [
        (0, "content.0", "b"), (0, "summary.0", "a"),
        (2, "content.0", "c"), (2, "other", "d"), (2, "content.1", "e"),
        (3, "arguments", "g"), (4, "input", "h"), (5, "code", "i"), (5, "other", "j"),
        (6, "other", "k"), (6, "other", "l"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"output": "text"},
        {"output": [{"type": "message", "content": "x"[:0]}]},
        {"output": [{"content": [{"text": 7}]}]},
        {"output": [{"content": [{"annotations": 7, "logprobs": []}]}]},
    ],
)
def test_an_answer_without_texts_stays_as_it_is(answer: dict[str, Any]) -> None:
    before = json.loads(json.dumps(answer))
    responses.filter_answer_texts(answer, Loud())
    assert answer == before


PLACE = {"item_id": "i", "output_index": 0, "content_index": 0}


@pytest.mark.parametrize(
    ("name", "key", "place", "first", "rest"),
    [
        ("output_text", "text", PLACE, "AB", "C"),
        ("refusal", "refusal", PLACE, "AB", "C"),
        ("reasoning_summary_text", "text", {"item_id": "i", "output_index": 0, "summary_index": 1}, "AB", "C"),
        ("function_call_arguments", "arguments", {"item_id": "i", "output_index": 0}, "JAB", "C"),
        ("custom_tool_call_input", "input", {"item_id": "i", "output_index": 0}, "AB", "C"),
        ("code_interpreter_call_code", "code", {"item_id": "i", "output_index": 0}, "AB", "C"),
    ],
)
def test_what_is_held_goes_out_before_the_end_and_the_whole_is_what_was_sent(
    name: str, key: str, place: dict[str, Any], first: str, rest: str
) -> None:
    stream = responses.open_text_stream(Loud(hold=True))
    delta = {"type": f"response.{name}.delta", **place, "delta": "abc", "sequence_number": 4}
    assert data(stream.feed(sse(delta))) == [{**delta, "delta": first}]
    done = {"type": f"response.{name}.done", **place, key: "abc", "sequence_number": 5}
    held = {"type": f"response.{name}.delta", **place, "sequence_number": 5, "delta": rest}
    if name == "output_text":
        held["logprobs"] = []
    assert data(stream.feed(sse(done))) == [held, {**done, key: first + rest, "sequence_number": 6}]
    later = {"type": "response.completed", "response": {}, "sequence_number": 6}
    assert data(stream.feed(sse(later))) == [{**later, "sequence_number": 7}]


def test_parts_items_and_the_response_repeat_what_was_sent() -> None:
    stream = responses.open_text_stream(Loud(hold=True))
    stream.feed(sse({"type": "response.output_text.delta", **PLACE, "delta": "ab"}))
    stream.feed(sse({"type": "response.output_text.delta", **PLACE, "delta": "cd"}))
    stream.feed(sse({"type": "response.output_text.done", **PLACE, "text": "abcd"}))
    part = {"type": "output_text", "text": "abcd", "logprobs": [{"token": "ab"}]}
    sent = {"type": "output_text", "text": "ABCD", "logprobs": []}
    done = {"type": "response.content_part.done", **PLACE, "part": part}
    assert data(stream.feed(sse(done))) == [{**done, "part": sent}]
    done = {"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": [part]}}
    assert data(stream.feed(sse(done))) == [{**done, "item": {"type": "message", "content": [sent]}}]
    end = {"type": "response.completed", "response": {"output": ["x", {"type": "message", "content": [part]}]}}
    whole = data(stream.feed(sse(end)))[0]["response"]["output"]
    assert whole == [
        "x",
        {"type": "message", "content": [sent]},
    ]


def test_log_probabilities_of_rewritten_texts_are_left_out() -> None:
    stream = responses.open_text_stream(Loud())
    delta = {"type": "response.output_text.delta", **PLACE, "delta": "a", "logprobs": [{"token": "a"}]}
    assert data(stream.feed(sse(delta))) == [{**delta, "delta": "A", "logprobs": []}]
    done = {"type": "response.output_text.done", **PLACE, "text": "a", "logprobs": [{"token": "a"}]}
    assert data(stream.feed(sse(done))) == [{**done, "text": "A", "logprobs": []}]


def test_a_summary_has_a_place_of_its_own() -> None:
    stream = responses.open_text_stream(Loud())
    place = {"item_id": "i", "output_index": 0, "summary_index": 0}
    stream.feed(sse({"type": "response.reasoning_summary_text.delta", **place, "delta": "a"}))
    stream.feed(sse({"type": "response.reasoning_text.delta", **PLACE, "delta": "b"}))
    item = {"summary": [{"type": "summary_text", "text": "x"}], "content": [{"type": "reasoning_text", "text": "y"}]}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    assert data(stream.feed(sse(done)))[0]["item"] == {
        "summary": [{"type": "summary_text", "text": "A"}],
        "content": [{"type": "reasoning_text", "text": "B"}],
    }


def test_text_that_is_there_when_an_item_is_added_is_seen() -> None:
    loud = Loud()
    stream = responses.open_text_stream(loud)
    item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a"}], "title": ""}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    seen = data(stream.feed(sse(added)))[0]["item"]
    assert seen == {**item, "content": [{"type": "output_text", "text": "A"}]}
    assert loud.seen == [(-1, "added", "a", True)]
    part = {"type": "response.content_part.added", **PLACE, "part": {"type": "output_text", "text": "b"}}
    assert data(stream.feed(sse(part)))[0]["part"] == {"type": "output_text", "text": "B"}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "delta": "a"},
        {"type": "response.output_text.delta", "output_index": "0", "delta": "a"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": 7},
        {"type": "response.output_text.done", "output_index": 0, "text": 7, "part": 7, "item": 7},
        {"type": "response.output_item.added", "output_index": 0, "item": 7},
        {
            "type": "response.web_search_call.searching",
            "output_index": 0,
            "delta": "a",
            "text": "b",
            "item": {"t": "c"},
        },
        {"type": "response.created", "response": "r"},
        {"type": "response.created", "response": {"output": "o"}},
    ],
)
def test_other_events_stay_what_they_are(event: dict[str, Any]) -> None:
    loud = Loud()
    assert data(responses.open_text_stream(loud).feed(sse(event))) == [event]
    assert loud.seen == []


@pytest.mark.parametrize("event", [b": wait\n\n", b"data: [DONE]\n\n"])
def test_what_is_no_event_of_a_response_keeps_its_bytes(event: bytes) -> None:
    assert responses.open_text_stream(Loud()).feed(event) == event


def test_a_delta_without_a_content_index_belongs_to_the_first_part() -> None:
    stream = responses.open_text_stream(Loud())
    stream.feed(sse({"type": "response.output_text.delta", "output_index": 0, "content_index": "x", "delta": "a"}))
    done = {"type": "response.output_text.done", **PLACE, "text": "changed"}
    assert data(stream.feed(sse(done)))[0]["text"] == "A"
