"""Which event is the first that says something, and what becomes of a failure before it.

Events: OpenAI API reference, "Chat completion chunk" and "Streaming events" of responses; Anthropic, "Streaming
messages"; Azure (`prompt_filter_results`); Groq (`x_groq`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.scripted_engine import Gate, Reply, streamed
from steward.core.errors import Unavailable
from steward.gateway.first_event import HEARTBEAT, HEARTBEAT_S, MOST_HELD_BYTES, can_hold, has_content, take_events
from steward.gateway.route_records import Route, Target
from steward.gateway.sse import Scanner, is_comment

Event = dict[str, Any]


def spell(*events: Event) -> list[bytes]:
    return [f"data: {json.dumps(event)}\n\n".encode() for event in events]


def chunk(delta: Any, **more: Any) -> Event:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}


def test_comments_and_null_say_nothing() -> None:
    assert has_content(b"data: {}\n\n") and has_content(b"data: [DONE]\n\n") and has_content(b"event: x\ndata: y\n\n")
    for event in (b": wait\n\n", b"data: null\n\n", b"data:\n\n", b"event: ping\n\n", b"\n\n"):
        assert not has_content(event)


MESSAGE: Event = {"id": "msg_1", "type": "message", "content": [], "stop_reason": None, "usage": {"input_tokens": 9}}
RESPONSE: Event = {"id": "resp_1", "object": "response", "error": None, "output": [], "usage": None}
ANNOUNCEMENTS: list[Event] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"role": "assistant", "content": None, "tool_calls": []}, logprobs=None, content_filter_results={}),
    chunk({}),
    {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    {**chunk({"role": "assistant"}), "x_groq": {"id": "req_1"}, "usage": None},
    {"choices": [{"index": 0, "text": ""}]},
    {"type": "message_start", "message": MESSAGE},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "response.created", "response": RESPONSE},
    {"type": "response.in_progress", "response": RESPONSE},
    {"type": "response.output_item.added", "item": {"type": "message", "role": "assistant", "content": []}},
    {"type": "response.content_part.added", "part": {"type": "output_text", "text": "", "annotations": []}},
]
CONTENTS: list[Event] = [
    chunk({"content": "a"}),
    chunk({"reasoning_content": "a"}),
    chunk({"tool_calls": [{"index": 0}]}),
    chunk({"content": ""}, finish_reason="stop"),
    chunk({"role": "assistant"}, error={"message": "m"}),
    chunk("a"),
    {**chunk({"role": "assistant"}), "usage": {"prompt_tokens": 1}},
    {"choices": [], "usage": {"prompt_tokens": 1}},
    {"choices": [], "error": {"message": "m"}},
    {"choices": [], "x_groq": {"id": "req_1", "error": "m"}},
    {"choices": None},
    {"type": "message_start", "message": {**MESSAGE, "content": [{"type": "text", "text": "a"}]}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "f"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
    {"type": "response.created", "response": {**RESPONSE, "error": {"code": "server_error"}}},
    {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
    {"type": "response.output_item.added", "item": {"type": "function_call", "name": "f", "arguments": ""}},
    {"type": "response.completed", "response": RESPONSE},
]


@pytest.mark.parametrize("event", ANNOUNCEMENTS, ids=json.dumps)
def test_an_event_that_announces_has_no_content(event: Event) -> None:
    assert not has_content(spell(event)[0])


@pytest.mark.parametrize("event", CONTENTS, ids=json.dumps)
def test_all_else_is_content(event: Event) -> None:
    assert has_content(spell(event)[0])


def test_events_are_kept_up_to_the_first_with_content() -> None:
    scanner, events = Scanner(), []  # type: tuple[Scanner, list[bytes]]
    assert take_events(b': a\n\ndata: {"choices":[]}\n\nda', scanner, events) is None
    assert take_events(b"ta: {}\n\ndata: {1}\n\n", scanner, events) == b"{}"
    assert events == [b": a\n\n", b'data: {"choices":[]}\n\n', b"data: {}\n\n", b"data: {1}\n\n"]


def test_an_end_may_complete_an_event_or_be_too_early() -> None:
    scanner, events = Scanner(), []  # type: tuple[Scanner, list[bytes]]
    assert take_events(b"data: {}", scanner, events) is None
    assert take_events(b"", scanner, events) == b"{}"
    for end in (b"", b"data: [DONE]\n\n"):
        with pytest.raises(Unavailable, match="before the first event"):
            take_events(end, Scanner(), spell(ANNOUNCEMENTS[0]))


def test_what_is_held_is_bounded() -> None:
    assert MOST_HELD_BYTES == 1_048_576
    assert can_hold([b"x" * 1024] * 1000) and not can_hold([b"x"] * 1001) and not can_hold([b"x" * MOST_HELD_BYTES] * 2)


def test_the_heartbeat_is_a_comment_sooner_than_clients_give_up() -> None:
    assert is_comment(HEARTBEAT) and HEARTBEAT.endswith(b"\n\n") and 1 <= HEARTBEAT_S < 3


CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
BODIES: dict[str, Event] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    RESPONSES: {"input": "hi"},
}
GOOD: dict[str, list[bytes]] = {
    CHAT: spell(chunk({"role": "assistant", "content": ""})) + streamed("Yes."),
    MESSAGES: spell(
        {"type": "message_start", "message": MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "message_stop"},
    ),
    RESPONSES: spell(
        {"type": "response.created", "response": RESPONSE},
        {"type": "response.output_text.delta", "delta": "Yes."},
        {"type": "response.completed", "response": RESPONSE},
    ),
}
FAILED: Event = {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "busy"}}
FAILURES: list[tuple[str, int, list[Event]]] = [
    (CHAT, 503, [chunk({"role": "assistant", "content": ""}), {"error": {"message": "busy", "code": 503}}]),
    (CHAT, 503, [{"choices": []}, chunk({"role": "assistant"}), chunk({}, error={"message": "busy", "code": 503})]),
    (
        MESSAGES,
        529,
        [
            {"type": "message_start", "message": MESSAGE},
            {"type": "ping"},
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
        ],
    ),
    (
        RESPONSES,
        500,
        [
            {"type": "response.created", "response": RESPONSE},
            {"type": "error", "code": "server_error", "message": "busy", "param": None, "sequence_number": 1},
        ],
    ),
    (
        RESPONSES,
        500,
        [{"type": "response.created", "response": RESPONSE}, {"type": "response.failed", "response": FAILED}],
    ),
]


def ask(endpoint: str, pieces: list[bytes], fallbacks: tuple[str, ...] = ()) -> tuple[int, bytes, Gate]:
    """What a route over 'a', which streams `pieces`, and 'b', which answers, gives."""

    def reply(body: Event) -> Reply:
        return 200, GOOD[endpoint]

    rules = {"a": lambda body: (200, list(pieces)), "b": reply}
    gate = Gate(rules, Route("r", (Target("a"),), fallbacks, retries=0), endpoints=frozenset({endpoint}))
    status, content, _ = gate.ask({"model": "r", "stream": True, **BODIES[endpoint]}, endpoint)
    return status, content, gate


@pytest.mark.parametrize("in_one_piece", [False, True])
@pytest.mark.parametrize(("endpoint", "status", "events"), FAILURES)
def test_c13_an_error_after_an_announcement_keeps_its_status(
    endpoint: str, status: int, events: list[Event], in_one_piece: bool
) -> None:
    pieces = [b"".join(spell(*events))] if in_one_piece else spell(*events)
    seen, content, gate = ask(endpoint, pieces)
    assert seen == status and json.loads(content)["error"]["message"] == "busy"
    assert [(attempt.status, attempt.error) for attempt in gate.exchange.attempts] == [(status, None)]
    seen, content, gate = ask(endpoint, pieces, ("b",))
    assert (seen, content) == (200, b"".join(GOOD[endpoint]))
    assert [attempt.status for attempt in gate.exchange.attempts] == [status, 200]


@pytest.mark.parametrize("endpoint", list(GOOD))
def test_a_stream_that_only_announced_is_no_answer(endpoint: str) -> None:
    seen, content, _ = ask(endpoint, GOOD[endpoint][:1], ("b",))
    assert (seen, content) == (200, b"".join(GOOD[endpoint]))


def test_an_error_after_content_is_an_event_even_in_one_piece() -> None:
    seen, content, gate = ask(CHAT, [b"".join(spell(chunk({"content": "a"}), {"error": {"message": "busy"}}))], ("b",))
    assert seen == 200 and b"busy" in content and gate.exchange.failed and not gate.engines["b"].asked
