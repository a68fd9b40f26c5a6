"""C15: errors that another model might not give are known by class in every server's spelling, and routes say who is
asked then.

Spellings: the servers' sources and documentation (OpenAI, Azure, Anthropic, vLLM, SGLang, llama.cpp, Text Generation
Inference, Gemini, Mistral, Groq, DeepSeek, OpenRouter, xAI, Cohere, Bedrock, DashScope, Moonshot, Ollama).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compatibility.scripted_engine import Gate, Reply, streamed, whole
from steward.gateway.config import RouteConfig
from steward.gateway.route_records import ErrorFallbacks, Route, Target
from steward.gateway.upstream_errors import ERROR_CLASSES, classify_error

BODY: dict[str, Any] = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}


def read_spellings() -> list[tuple[str, int, bytes]]:
    rows = map(json.loads, Path(__file__).with_name("error_spellings.jsonl").read_text().splitlines())
    return [(row["class"], row["status"], body_of(row["body"])) for row in rows]


def body_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def openai_error(message: str, code: Any = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


SPELLINGS = read_spellings()
OTHERS: list[tuple[int, Any]] = [
    (400, openai_error("messages: field required")),
    (400, openai_error("Invalid 'temperature': 9")),
    (400, openai_error("max_tokens is too large: 9. This model supports at most 8 completion tokens.")),
    (429, openai_error("Rate limit reached for gpt-4o on tokens per minute (TPM)", "rate_limit_exceeded", "tokens")),
    (
        429,
        {"error": {"code": "429", "message": "Requests have exceeded call rate limit of your current pricing tier."}},
    ),
    (500, openai_error("The server had an error", None, "server_error")),
    (503, openai_error("prompt is too long")),  # words count in refusals only
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    (404, "<html>404 page not found</html>"),
    (413, ""),
]


@pytest.mark.parametrize(("kind", "status", "error"), SPELLINGS)
def test_every_spelling_has_its_class(kind: str, status: int, error: bytes) -> None:
    assert classify_error(status, error) == kind


@pytest.mark.parametrize(("status", "error"), OTHERS)
def test_other_errors_have_none(status: int, error: Any) -> None:
    assert classify_error(status, body_of(error)) is None


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
