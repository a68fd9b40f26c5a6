"""C15: of errors that another model might not give, routes say who is asked then. The classes themselves:
tests/unit/gateway/test_upstream_errors.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.error_spellings import SPELLINGS, openai_error
from compatibility.scripted_engine import Gate, Reply, streamed, whole
from steward.gateway.config import RouteConfig
from steward.gateway.route_records import ErrorFallbacks, Route, Target
from steward.gateway.upstream_errors import ERROR_CLASSES

BODY: dict[str, Any] = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}


def test_every_class_is_configurable() -> None:
    assert tuple(ERROR_CLASSES) != () and set(ErrorFallbacks.__struct_fields__) == set(ERROR_CLASSES)


def gate(error: Reply, rules: ErrorFallbacks | None = None, **more: Any) -> Gate:
    routed = Route("r", (Target("a"),), ("b",), error_fallbacks=rules or ErrorFallbacks(), retries=1)

    def good(body: dict[str, Any]) -> Reply:
        return 200, streamed("Yes.") if body.get("stream") else whole()

    return Gate({"a": lambda body: error, "b": good, "c": good, **more}, routed)


DEFAULTS = {"context": True, "content_filter": False, "quota": True, "auth": True, "model": True}
EXAMPLES = [next(row for row in SPELLINGS if row[0] == kind) for kind in DEFAULTS]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "error"), [next(row for row in SPELLINGS if row[0] == kind) for kind in DEFAULTS]
)
def test_by_default_all_but_content_filters_lead_to_the_fallback(
    kind: str, status: int, error: Any, stream: bool
) -> None:
    tried = gate((status, error))
    seen, _, _ = tried.ask({**BODY, "stream": stream})
    assert (seen == 200) is DEFAULTS[kind]
    assert len(tried.engines["a"].asked) == 1  # and is not asked again
    assert len(tried.engines["b"].asked) == (1 if DEFAULTS[kind] else 0)


@pytest.mark.parametrize(
    ("kind", "status", "error"), [next(row for row in SPELLINGS if row[0] == kind) for kind in DEFAULTS]
)
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
