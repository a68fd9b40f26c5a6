"""C13, C14: whatever stands in the place of an answer is a failure with its own words; C15: and it has a class.

Shapes as they are met: Gemini (a list), FastAPI (`detail`), Zhipu (`code`, `msg`), MiniMax (`base_resp`), Cloudflare
(`success`, `errors`), vLLM's earlier servers (`object: error`), OpenRouter (a finish reason `error`), AWS (`Message`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.scripted_engine import Gate, streamed, whole
from steward.core.errors import Refused
from steward.gateway.upstream_errors import classify_error

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES: dict[str, Any] = {**CHAT, "max_tokens": 9}
INSTEAD = [
    ([{"error": {"code": 429, "message": "exhausted", "status": "RESOURCE_EXHAUSTED"}}], 429, "exhausted"),
    ({"detail": "Not Found"}, 502, "Not Found"),
    ({"code": 1113, "msg": "balance insufficient"}, 502, "balance insufficient"),
    ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}, 502, "rate limit"),
    ({"success": False, "errors": [{"code": 7003, "message": "no route"}], "result": None}, 502, "no route"),
    ({"object": "error", "message": "no such model", "code": 404}, 404, "no such model"),
    ({"error": 503}, 502, "has no 'choices'"),
    ({"error": True}, 502, "has no 'choices'"),
    ({"choices": []}, 502, "has no 'choices'"),
    ({}, 502, "has no 'choices'"),
    ({"choices": [{"message": {"content": None, "error": {"message": "boom", "code": 500}}}]}, 500, "boom"),
    ({"choices": [{"message": {"content": ""}, "finish_reason": "error"}]}, 502, "ended in an error"),
    ({"choices": [{"message": None, "finish_reason": "stop"}]}, 502, "has no 'message'"),
    ({"choices": [{"finish_reason": "stop"}]}, 502, "has no 'message'"),
    ({"error": {"error": {"message": "deep", "code": 503}}}, 503, "deep"),  # a proxy's around the server's
    ({"fault": {"faultstring": "quota violation", "detail": {"errorcode": "x"}}}, 502, "quota violation"),  # Apigee
    ({"error_code": 110, "error_msg": "token expired"}, 502, "token expired"),  # Baidu
    ({"exception": "java.lang.Error"}, 502, "java.lang.Error"),  # Spring
    ({"code": 0, "msg": "success", "data": {}}, 502, "has no 'choices'"),
]


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(("body", "status", "words"), INSTEAD)
def test_c13_a_success_without_an_answer_is_a_failure(endpoint: str, body: Any, status: int, words: str) -> None:
    gate = Gate({"m": lambda asked: (200, body)}, endpoints=frozenset({"/v1/chat/completions"}))
    answered, content, _ = gate.ask(MESSAGES if endpoint == "/v1/messages" else CHAT, endpoint)
    assert answered == status and words in json.loads(content)["error"]["message"]


@pytest.mark.parametrize("error", [None, {}, False, ""])
def test_c13_an_error_that_is_none_changes_nothing(error: Any) -> None:
    assert Gate({"m": lambda asked: (200, whole("Hi", error=error))}).ask(CHAT)[0] == 200


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"object": "error", "message": "too long", "code": 400}, 400),
        ({"detail": "no such model"}, 502),
        ({"error": "overloaded"}, 502),
        ([{"error": {"message": "slow down", "code": 429}}], 429),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, 502),
        ({"choices": [{"index": 0, "delta": {"error": {"message": "slow", "code": 429}}}]}, 429),
    ],
)
def test_c13_an_error_as_the_first_event_keeps_its_status(event: Any, status: int) -> None:
    gate = Gate({"m": lambda asked: (200, [b"data: " + json.dumps(event).encode() + b"\n\n"])})
    assert gate.ask({**CHAT, "stream": True})[0] == status


def test_c13_words_in_the_place_of_the_first_event_are_an_error_with_these_words() -> None:
    status, content, _ = Gate({"m": lambda asked: (200, [b"data: Too many requests\n\n"])}).ask(
        {**CHAT, "stream": True}
    )
    assert status == 502 and json.loads(content)["error"]["message"] == "Too many requests"


@pytest.mark.parametrize("pieces", [[b"data: [DONE]\n\n"], [b": wait\n\n", b"data: [DONE]\n\n"], [b""]])
def test_c13_a_stream_that_ends_before_it_begins_is_no_answer(pieces: list[bytes]) -> None:
    with pytest.raises(Refused) as caught:
        Gate({"m": lambda asked: (200, pieces)}).ask({**CHAT, "stream": True})
    assert (caught.value.status, caught.value.code) == (502, "upstream_unavailable")


def test_c13_a_first_event_that_says_all_is_well_is_no_error() -> None:
    wrapped = [b'data: {"code":0,"msg":"success"}\n\n', *streamed("Hi")]
    status, content, _ = Gate({"m": lambda asked: (200, wrapped)}).ask({**CHAT, "stream": True})
    assert status == 200 and b"Hi" in content


def test_c13_a_choice_that_ended_in_an_error_is_a_failed_answer() -> None:
    ended = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}]}
    begun = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    pieces = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in (begun, ended)] + [b"data: [DONE]\n\n"]
    gate = Gate({"m": lambda asked: (200, pieces)})
    gate.ask({**CHAT, "stream": True})
    assert gate.exchange.failed


def test_c14_words_under_other_names_are_passed_on() -> None:
    for field in ("Message", "msg"):
        gate = Gate({"m": lambda asked: (400, {asked["user"]: "Input is too long"})})
        status, content, _ = gate.ask({**CHAT, "user": field})
        assert status == 400 and "too long" in json.loads(content)["error"]["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "invalid_request", "error_description": "The grant is off"}, "The grant is off"),  # RFC 6749, 5.2
        ({"error": {"message": "x" * 50_000}}, "x" * 999 + "…"),  # bounded also in the client's own shape
        ({"error": {"message": {"text": "why"}}}, '{"text":"why"}'),
        ({"error": {"message": ["a", "b"]}}, "a; b"),
        ({"type": "about:blank", "title": "Forbidden", "detail": "You may not."}, "You may not."),  # RFC 9457
        ("<?xml version='1.0'?><Error><Code>Denied</Code><Message>No access</Message></Error>", "Denied No access"),
    ],
)
def test_c14_the_upstreams_words_are_told_and_a_mistake_stays_the_clients(body: Any, words: str) -> None:
    content = body.encode() if isinstance(body, str) else body
    status, told, _ = Gate({"m": lambda asked: (400, content)}).ask(CHAT)
    error = json.loads(told)["error"]
    assert (status, error["message"], error["type"]) == (400, words, "invalid_request_error")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("context", "Your request exceeded model token limit: 8192"),  # Moonshot
        ("context", "The prompt (total length 9000) is too long to fit into the model (context length 4096)"),
        ("context", "Total tokens of image and text exceed max message tokens."),  # Volcengine
        ("content_filter", "Your request was rejected as a result of our safety system."),  # OpenAI
        ("content_filter", "The content you provided or machine outputted is considered high risk"),  # Moonshot
        ("content_filter", "input new_sensitive"),  # MiniMax
        ("quota", "Arrearage: Access denied, please make sure your account is in good standing."),  # DashScope
        ("quota", "You have depleted your monthly included credits"),  # Hugging Face
        ("quota", "monthly spend limit reached"),
        ("quota", "Your account balance is insufficient"),
        ("auth", "Authentication Fails (governor)"),  # DeepSeek
        ("auth", "No auth credentials found"),  # OpenRouter
        ("auth", "The security token included in the request is invalid."),  # AWS
        (None, "The balance of the loan is 500"),
        (None, "'authentication' is not a field of this object"),
    ],
)
def test_c15_words_of_other_providers(kind: str | None, words: str) -> None:
    assert classify_error(400, json.dumps({"error": {"message": words}}).encode()) == kind
