"""C15: of errors that another model might not give, routes say who is asked then. The classes themselves:
tests/unit/gateway/test_upstream_errors.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.error_spellings import SPELLINGS, openai_error
from compatibility.scripted_engine import Gate, Reply, streamed, whole
from steward.core.errors import Refused
from steward.gateway.config import RouteConfig
from steward.gateway.route_records import ErrorFallbacks, Route, Target
from steward.gateway.upstream_errors import ERROR_CLASSES

MESSAGES_ONLY = frozenset({"/v1/messages"})
BODY: dict[str, Any] = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}


def test_every_class_is_configurable() -> None:
    assert tuple(ERROR_CLASSES) != () and set(ErrorFallbacks.__struct_fields__) == set(ERROR_CLASSES)


def gate(error: Reply, rules: ErrorFallbacks | None = None, **more: Any) -> Gate:
    routed = Route("r", (Target("a"),), ("b",), error_fallbacks=rules or ErrorFallbacks(), retries=1)

    def good(body: dict[str, Any]) -> Reply:
        return 200, streamed("Yes.") if body.get("stream") else whole()

    return Gate({"a": lambda body: error, "b": good, "c": good, **more}, routed)


EXAMPLES = [next(row for row in SPELLINGS if row[0] == kind) for kind in ERROR_CLASSES]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("kind", "status", "error"), EXAMPLES)
def test_by_default_every_class_leads_to_the_fallback(kind: str, status: int, error: Any, stream: bool) -> None:
    tried = gate((status, error))
    assert tried.ask({**BODY, "stream": stream})[0] == 200
    assert [len(tried.engines[name].asked) for name in "ab"] == [1, 1]  # and "a" is not asked again


@pytest.mark.parametrize(("kind", "status", "error"), EXAMPLES)
def test_a_route_can_say_who_is_asked_or_nobody(kind: str, status: int, error: bytes) -> None:
    tried = gate((status, error), ErrorFallbacks(**{kind: ("c",)}))
    assert tried.ask(BODY)[0] == 200 and not tried.engines["b"].asked and len(tried.engines["c"].asked) == 1
    tried = gate((status, error), ErrorFallbacks(**{kind: False}))
    assert tried.ask(BODY)[0] == (502 if status == 401 else status) and not tried.engines["b"].asked
    tried = gate((status, error), ErrorFallbacks(**{kind: True}))
    assert tried.ask(BODY)[0] == 200 and tried.engines["b"].asked


def test_an_error_in_the_first_event_falls_back_too() -> None:
    event = (
        b"data: "
        + json.dumps(openai_error("maximum context length is 8", "context_length_exceeded")).encode()
        + b"\n\n"
    )
    tried = gate((200, [event]))
    status, content, _ = tried.ask({**BODY, "stream": True})
    assert status == 200 and b"Yes." in content


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_of_too_many_bytes_for_one_model_is_anothers(stream: bool) -> None:
    error = {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}
    tried = gate((413, error))
    assert tried.ask({**BODY, "stream": stream})[0] == 200 and tried.engines["b"].asked


def test_what_a_model_says_of_the_request_outlives_the_failure_of_the_fallback() -> None:
    error = openai_error("This model's maximum context length is 8 tokens.", "context_length_exceeded")
    tried = gate((400, error), b=lambda body: (503, {"error": {"message": "busy"}}))
    status, content, _ = tried.ask(BODY)
    assert status == 400 and b"context_length_exceeded" in content


def test_a_quota_is_not_retried_where_nobody_else_can_answer() -> None:
    tried = Gate({"a": lambda body: (429, openai_error("no", "insufficient_quota"))})
    assert tried.ask({**BODY, "model": "a"})[0] == 429 and len(tried.engines["a"].asked) == 1


def test_the_setting_becomes_the_rule() -> None:
    written = {
        "name": "r",
        "targets": [{"model": "a"}],
        "fallback_on": {"context": ["long"], "content_filter": True, "quota": False},
    }
    found = RouteConfig.model_validate(written).route()
    assert found.error_fallbacks == ErrorFallbacks(context=("long",), content_filter=True, quota=False)
    assert found.reachable() == ("a", "long")


# ---- answers with status 200 that a content filter withheld


def chunk(**choice: Any) -> bytes:
    fields = {"index": 0, "delta": {}, "finish_reason": None, **choice}
    return b"data: " + json.dumps({"id": "c", "model": "up", "choices": [fields]}).encode() + b"\n\n"


EMPTY = {"role": "assistant", "content": ""}
FILTERED = {"index": 0, "message": {**EMPTY, "content": None}, "finish_reason": "content_filter"}
ROLE, WITHHELD = chunk(delta=EMPTY), chunk(finish_reason="content_filter")
SAID = chunk(delta={"content": "Well, "})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_withheld_is_asked_of_another(stream: bool, endpoint: str) -> None:
    error = (200, [ROLE, WITHHELD, DONE]) if stream else (200, {**whole(), "choices": [FILTERED]})
    body = {**BODY, "stream": stream, "max_tokens": 9}
    tried = gate(error)
    status, content, _ = tried.ask(body, endpoint)
    assert status == 200 and b"Yes." in content and tried.health["a"].in_flight == 0
    assert [attempt.model for attempt in tried.exchange.attempts] == ["a", "b"]
    for rules, fallback in ((ErrorFallbacks(content_filter=False), "b"), (ErrorFallbacks(), "a")):  # nobody is left
        tried = gate(error, rules)
        if fallback == "a":
            body["model"] = "a"
        status, content, _ = tried.ask(body, endpoint)
        assert status == 200 and (b'"content_filter"' in content or b'"refusal"' in content)
        assert not tried.engines["b"].asked and tried.health["a"].in_flight == 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_stopped_midway_is_the_clients(stream: bool) -> None:
    said = {**FILTERED, "message": {"role": "assistant", "content": "Well, "}}
    tried = gate((200, [ROLE, SAID, WITHHELD, DONE]) if stream else (200, {**whole(), "choices": [said]}))
    status, content, _ = tried.ask({**BODY, "stream": stream})
    assert status == 200 and b"Well, " in content and not tried.engines["b"].asked


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        (False, {"type": "message", "content": [], "stop_reason": "refusal", "usage": {"output_tokens": 1}}),
        (True, [b'data: {"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":1}}\n\n']),
    ],
)
def test_a_refusal_of_anthropics_is_asked_of_another(stream: bool, answer: Any) -> None:
    tried = gate((200, answer))
    tried.entries["a"].endpoints = MESSAGES_ONLY
    status, content, _ = tried.ask({**BODY, "stream": stream})
    assert status == 200 and b"Yes." in content


def test_withheld_by_all_the_client_is_told_so() -> None:
    tried = gate((200, [ROLE, WITHHELD, DONE]), b=lambda body: (503, {"error": {"message": "busy"}}))
    with pytest.raises(Refused) as caught:
        tried.ask({**BODY, "stream": True})
    assert (caught.value.status, caught.value.code) == (400, "content_filter")
    tried = gate((200, {**whole(), "choices": [FILTERED]}), b=lambda body: (503, {"error": {"message": "busy"}}))
    status, content, _ = tried.ask(BODY)
    assert status == 200 and b'"content_filter"' in content


# ---- what a model cannot take, found before it is asked

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def ask_past(body: dict[str, Any], rules: ErrorFallbacks | None = None, status: int = 200, **first: Any) -> Gate:
    """A gate whose first model has been refused `body`, or not; `first`: what is so of its entry."""
    tried = Gate(
        {"a": lambda body: (200, whole("a")), "b": lambda body: (status, whole("b"))},
        Route("r", (Target("a"),), ("b",), error_fallbacks=rules or ErrorFallbacks(), retries=1),
    )
    for field, value in first.items():
        setattr(tried.entries["a"], field, value)
    return tried


@pytest.mark.parametrize(
    ("body", "first"),
    [
        ({**BODY, "logprobs": True}, {"endpoints": MESSAGES_ONLY}),  # no way to say it in that dialect
        ({**BODY, "functions": [{"name": "f"}]}, {"embedded": True}),  # which llama.cpp does not read
        ({**BODY, "grammar": "root ::= " + "(" * 100 + '"a"' + ")" * 100}, {"embedded": True}),
    ],
)
def test_what_one_model_cannot_read_is_another_models(body: dict[str, Any], first: dict[str, Any]) -> None:
    tried = ask_past(body, **first)
    status, content, _ = tried.ask(body)
    assert status == 200 and json.loads(content)["choices"][0]["message"]["content"] == "b"
    assert not tried.engines["a"].asked and tried.health["a"].breaker.window.counts(0.0) == (0, 0)


def test_of_what_no_model_can_read_the_first_says_why() -> None:
    body = {**BODY, "logprobs": True}
    tried = ask_past(body, endpoints=MESSAGES_ONLY)
    tried.entries["b"].endpoints = MESSAGES_ONLY
    with pytest.raises(Refused) as caught:
        tried.ask(body)
    assert (caught.value.status, caught.value.code) == (400, "untranslatable_field") and not tried.exchange.attempts
    tried = ask_past(body, status=503, endpoints=MESSAGES_ONLY)  # also where the other is down
    with pytest.raises(Refused) as caught:
        tried.ask(body)
    assert (caught.value.status, caught.value.code) == (400, "untranslatable_field")


def test_a_route_may_keep_what_a_model_cannot_read_from_others() -> None:
    body = {**BODY, "logprobs": True}
    tried = ask_past(body, ErrorFallbacks(unsupported=False), endpoints=MESSAGES_ONLY)
    with pytest.raises(Refused):
        tried.ask(body)
    assert not tried.engines["b"].asked


def test_a_mistake_in_the_request_is_no_other_models() -> None:
    body = {**BODY, "stop": 7}
    tried = ask_past(body, embedded=True)
    with pytest.raises(Refused) as caught:
        tried.ask(body)
    assert caught.value.code == "invalid_type" and not tried.engines["b"].asked


def test_a_request_that_a_server_calls_its_own_failure_is_still_the_clients() -> None:
    """llama.cpp's `server.cpp` throws for a picture without a projector, which its HTTP layer answers with 500."""
    error = {"error": {"code": 500, "message": "image input is not supported - hint: …", "type": "server_error"}}
    tried = Gate({"a": lambda body: (500, error)}, Route("r", (Target("a"),)))
    body = {**BODY, "messages": [{"role": "user", "content": [PICTURE]}]}
    for _ in range(6):
        status, content, _ = tried.ask(body)
        assert status == 400 and json.loads(content)["error"]["type"] == "invalid_request_error"
    assert len(tried.engines["a"].asked) == 6  # once for each, and its breaker stays closed
    assert tried.health["a"].is_sound
