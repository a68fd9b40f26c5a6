"""C12: an upstream that refuses a field which only the gateway added is asked again without, and that is remembered.

Errors as they were seen: FastAPI (pydantic 1 and 2), Mistral, Cloudflare, OpenAI's own words about `max_tokens`.
"""

from __future__ import annotations

from typing import Any

import pytest

from compatibility.scripted_engine import Gate, Reply, streamed, whole

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**CHAT, "stream": True}
REFUSALS: list[Reply] = [
    (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields not permitted"}]}),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs ..."}]}),
    (400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
    (400, {"error": {"message": "Unknown parameter: 'stream_options'.", "param": "stream_options"}}),
    (400, {"message": "Additional properties are not allowed"}),
    (500, {"error": "json: unknown field \"stream_options\""}),
    (422, b"unsupported field in request body"),
    (400, {"error": {"message": "include_usage is not supported by this model"}}),
    (400, {"error": {"message": "Invalid JSON payload received. Unknown name \"streamOptions\""}}),
    (400, b""),
    (400, b"Bad Request"),
    (422, {"detail": "Validation error", "code": 422}),
    (400, {"error": {"message": "Invalid request", "type": "invalid_request_error", "param": None, "code": None}}),
]  # fmt: skip


def refusing(field: str, reply: Reply, good: Any) -> Any:
    return lambda body: reply if field in body else (200, good)


@pytest.mark.parametrize("reply", REFUSALS)
def test_a_stream_is_asked_for_again_without_its_usage(reply: Reply) -> None:
    gate = Gate({"m": refusing("stream_options", reply, streamed("Hel", "lo"))})
    status, content, _ = gate.ask(STREAM)
    assert status == 200 and b'"Hel"' in content and content.endswith(b"data: [DONE]\n\n")
    assert ["stream_options" in body for body in gate.engines["m"].asked] == [True, False]
    assert gate.exchange.usage is None and gate.exchange.estimate_output() > 0  # the ledger estimates it
    assert [attempt.status for attempt in gate.exchange.attempts] == [reply[0], 200]


def test_it_is_remembered_for_an_hour_then_tried_again() -> None:
    gate = Gate({"m": refusing("stream_options", REFUSALS[0], streamed("x"))})
    for seconds, asked in ((0.0, [True, False]), (3599.0, [False]), (3600.0, [True, False])):
        gate.clock.s = seconds
        gate.engines["m"].asked.clear()
        assert gate.ask(STREAM)[0] == 200
        assert ["stream_options" in body for body in gate.engines["m"].asked] == asked


def test_what_the_client_sent_itself_is_refused_by_the_upstream() -> None:
    gate = Gate({"m": refusing("stream_options", REFUSALS[0], streamed("x"))})
    status, content, _ = gate.ask({**STREAM, "stream_options": {"include_usage": True}})
    assert status == 422 and b"stream_options" in content and len(gate.engines["m"].asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        (400, {"error": {"message": "Unknown parameter: 'wibble'.", "param": "wibble"}}),
        (400, {"error": {"message": "messages: at least one message is required"}}),
        (429, {"error": {"message": "stream_options: slow down"}}),
    ],
)
def test_other_errors_are_the_client_s(reply: Reply) -> None:
    gate = Gate({"m": lambda body: reply})
    assert gate.ask({**STREAM, "wibble": 1})[0] == reply[0]
    assert len(gate.engines["m"].asked) <= 2  # the second by the route, for 429


def test_nothing_is_remembered_of_a_guess_that_did_not_help() -> None:
    gate = Gate({"m": lambda body: (422, b"unsupported field")})
    assert gate.ask(STREAM)[0] == 422
    gate.engines["m"].asked.clear()
    gate.ask(STREAM)
    assert "stream_options" in gate.engines["m"].asked[0]


def test_a_maximum_goes_under_the_name_that_the_upstream_takes() -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    error = {"error": {"message": words, "param": "max_tokens", "code": "unsupported_parameter"}}
    gate = Gate({"m": refusing("max_tokens", (400, error), whole())})
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    for asked in (["max_tokens", "max_completion_tokens"], ["max_completion_tokens"]):
        gate.engines["m"].asked.clear()
        assert gate.ask(body, "/v1/messages")[0] == 200
        assert [next(name for name in sent if name.startswith("max")) for sent in gate.engines["m"].asked] == asked
    assert gate.engines["m"].asked[-1]["max_completion_tokens"] == 9
    assert gate.ask({**CHAT, "max_tokens": 9})[0] == 400  # the client's own name stays the client's


def test_a_maximum_that_is_too_large_is_no_unknown_field() -> None:
    gate = Gate(
        {"m": lambda body: (400, {"error": {"message": "max_tokens is too large: 9. At most 4 completion tokens"}})}
    )
    assert gate.ask({"model": "m", "max_tokens": 9, "messages": CHAT["messages"]}, "/v1/messages")[0] == 400
    assert len(gate.engines["m"].asked) == 1


def test_an_effort_made_of_thinking_is_left_out() -> None:
    error = {"error": {"message": "Unrecognized request argument supplied: reasoning_effort"}}
    gate = Gate({"m": refusing("reasoning_effort", (400, error), whole())})
    body = {"model": "m", "max_tokens": 9, "thinking": {"type": "adaptive"}, "messages": CHAT["messages"]}
    assert gate.ask(body, "/v1/messages")[0] == 200
    assert ["reasoning_effort" in sent for sent in gate.engines["m"].asked] == [True, False]
