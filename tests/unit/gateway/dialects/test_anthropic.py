"""Anthropic's messages: errors, what metering reads, and where the texts are.

Error types and their statuses, usage fields and events: Anthropic API reference, "Errors", "Create a Message" and
"Streaming messages". 402 and 504 stand there as `billing_error` and `timeout_error`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from loud_texts import Loud
from steward.core.errors import Refused
from steward.gateway.dialects import anthropic
from steward.gateway.dialects.anthropic import MessageUsage
from steward.gateway.sse import Scanner
from steward.gateway.wire_fields import AnswerEnvelope, TokenUsage


def sse(value: dict[str, Any]) -> bytes:
    return f"event: {value.get('type')}\ndata: ".encode() + json.dumps(value).encode() + b"\n\n"


def scan(*events: dict[str, Any]) -> Scanner:
    scanner = anthropic.scanner()
    for event in events:
        scanner.inspect(sse(event))
    return scanner


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "invalid_request_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (499, "invalid_request_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_every_status_has_anthropics_name(status: int, kind: str) -> None:
    assert anthropic.error_type(status) == kind
    error = Refused("No.", status=status, type="t")
    body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}
    assert json.loads(anthropic.error_body(error, "req_1")) == body
    name, data = anthropic.error_event(error, "req_1").decode().split("\n", 1)
    assert name == "event: error" and data.endswith("\n\n") and json.loads(data.removeprefix("data: ")) == body


def test_the_prompt_counts_what_a_cache_gave_and_took() -> None:
    usage = MessageUsage(input_tokens=5, cache_creation_input_tokens=30, cache_read_input_tokens=90, output_tokens=7)
    assert anthropic.normalise_usage(usage) == TokenUsage(125, 7, 132, {"cached_tokens": 90, "cache_write_tokens": 30})
    assert anthropic.normalise_usage(MessageUsage()) == TokenUsage(
        0, 0, 0, {"cached_tokens": 0, "cache_write_tokens": 0}
    )


def test_the_envelope_of_a_whole_answer() -> None:
    body = b'{"id":"msg_1","model":"claude","usage":{"input_tokens":5,"output_tokens":7}}'
    usage = TokenUsage(5, 7, 12, {"cached_tokens": 0, "cache_write_tokens": 0})
    assert anthropic.envelope(body) == AnswerEnvelope("msg_1", usage, "claude")
    assert anthropic.envelope(b'{"id":"msg_1"}') == AnswerEnvelope("msg_1", None, None)
    for other in (b"", b"[]", b'{"id":7}', b'{"id":"\xff"}'):
        assert anthropic.envelope(other) == AnswerEnvelope()


START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9}}}


def test_counts_of_events_are_cumulative() -> None:
    scanner = scan(START)
    assert (scanner.upstream_id, scanner.answered_by, scanner.finished) == ("msg_1", "claude", False)
    assert scanner.usage is not None and (scanner.usage.prompt_tokens, scanner.usage.completion_tokens) == (9, 0)
    scanner.inspect(sse({"type": "message_delta", "usage": {"output_tokens": 3}, "delta": {"stop_reason": None}}))
    scanner.inspect(sse({"type": "message_delta", "usage": {"output_tokens": 8}, "delta": {"stop_reason": "end_turn"}}))
    assert scanner.usage is not None and (scanner.usage.prompt_tokens, scanner.usage.completion_tokens) == (9, 8)
    assert not scanner.shortened and not scanner.done
    scanner.inspect(sse({"type": "message_stop"}))
    assert (scanner.finishes, scanner.done, scanner.failed) == (1, True, False)


def test_a_stream_without_usage_has_none() -> None:
    assert scan({"type": "message_start", "message": {}}, {"type": "message_delta", "delta": {}}).usage is None


def test_a_maximum_shortens() -> None:
    assert scan({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}).shortened
    assert not scan({"type": "message_delta", "delta": {"stop_reason": "stop_sequence"}}).shortened
    assert not scan({"type": "message_delta", "usage": {"output_tokens": 1}}).shortened


def test_an_error_in_a_stream_is_a_failure() -> None:
    assert scan({"type": "error", "error": {"type": "overloaded_error"}}).failed
    assert not scan(START, {"type": "ping"}).failed


def test_events_that_mean_nothing_to_metering_are_passed_over() -> None:
    scanner = scan({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}})
    scanner.inspect(b"event: x\ndata: {\n\n")
    scanner.inspect(b'event: message_start\ndata: {"type":"message_start","message":{"id":7}}\n\n')
    assert (scanner.upstream_id, scanner.usage, scanner.done, scanner.failed) == (None, None, False, False)


def test_deltas_are_output() -> None:
    scanner = anthropic.scanner()
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    assert scanner.is_output(sse(delta)) and not scanner.is_output(sse({"type": "message_stop"}))


def test_texts_of_a_whole_answer_are_seen_block_by_block() -> None:
    loud = Loud()
    answer = {
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            "not a block",
            {"type": "text", "text": "yes", "citations": [{"type": "page", "cited_text": "so"}]},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"city": "rome"}},
        ]
    }
    anthropic.filter_answer_texts(answer, loud)
    assert answer["content"] == [
        {"type": "thinking", "thinking": "HM", "signature": "sig"},
        "not a block",
        {"type": "text", "text": "YES", "citations": [{"type": "page", "cited_text": "SO"}]},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"CITY": "ROME"}},
    ]
    assert loud.seen == [
        (0, "thinking.0", "hm", True),
        (2, "text.0", "yes", True),
        (2, "text.1", "so", True),
        (3, "tool_use.0", "city", True),
        (3, "tool_use.1", "rome", True),
    ]


@pytest.mark.parametrize("answer", [{}, {"content": "text"}, {"content": None}])
def test_an_answer_without_blocks_stays_as_it_is(answer: dict[str, Any]) -> None:
    before = dict(answer)
    anthropic.filter_answer_texts(answer, Loud())
    assert answer == before


def data(event: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in event.decode().splitlines() if line.startswith("data: ")]


def test_deltas_pass_by_their_field_and_what_is_held_goes_out_before_the_end() -> None:
    loud = Loud(hold=True)
    stream = anthropic.open_text_stream(loud)
    kinds = (
        ("text_delta", "text", "AB"),
        ("thinking_delta", "thinking", "AB"),
        ("input_json_delta", "partial_json", "JAB"),
    )
    for index, (kind, field, through) in enumerate(kinds):
        block = {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: "abc"}}
        assert data(stream.feed(sse(block))) == [{**block, "delta": {"type": kind, field: through}}]
        stop = {"type": "content_block_stop", "index": index}
        held = {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: "C"}}
        assert data(stream.feed(sse(stop))) == [held, stop]
        assert data(stream.feed(sse(stop))) == [stop]


def test_the_first_texts_of_a_block_and_its_citations_are_seen() -> None:
    stream = anthropic.open_text_stream(Loud())
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}
    assert data(stream.feed(sse(start)))[0]["content_block"] == {"type": "text", "text": "A"}
    cited = {"type": "citations_delta", "citation": {"type": "page", "cited_text": "so"}}
    delta = {"type": "content_block_delta", "index": 0, "delta": cited}
    assert data(stream.feed(sse(delta)))[0]["delta"]["citation"] == {"type": "page", "cited_text": "SO"}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_stop"},
        {"type": "content_block_start", "index": "0", "content_block": {"type": "text", "text": "a"}},
        {"type": "content_block_start", "index": 0, "content_block": "a"},
        {"type": "content_block_delta", "index": 0, "delta": "a"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 7}},
        {"type": "other", "index": 0, "content_block": {"type": "text", "text": "a"}, "delta": {"type": "text_delta"}},
    ],
)
def test_other_events_stay_what_they_are(event: dict[str, Any]) -> None:
    loud = Loud()
    assert data(anthropic.open_text_stream(loud).feed(sse(event))) == [event]
    assert loud.seen == []


def test_an_event_without_data_keeps_its_bytes() -> None:
    assert anthropic.open_text_stream(Loud()).feed(b": wait\n\n") == b": wait\n\n"


def test_an_event_is_named_after_its_type() -> None:
    assert anthropic.format_event({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
        (403, "permission_error"), (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"),
        (500, "api_error"), (504, "timeout_error"), (529, "overloaded_error"),
        (418, "invalid_request_error"), (499, "invalid_request_error"), (503, "api_error"),
    ],
)  # fmt: skip
def test_an_error_has_the_type_that_anthropic_gives_its_status(status: int, kind: str) -> None:
    """Anthropic API reference, "Errors"."""
    assert anthropic.error_type(status) == kind
