"""What a client is told of an upstream's error."""

import json
from typing import Any

from steward.gateway.error_answers import TOO_LONG, context_error, convert_error
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing

LLAMA = (
    b'{"error":{"code":400,"message":"request (8011 tokens) exceeds the available context size (1024 tokens), ..."}}'
)
EMBEDDING = b'{"error":{"code":500,"message":"input (900 tokens) is too large to process. increase batch size: 512)"}}'


def told(endpoint: str, status: int, body: bytes, upstream: str = "/v1/chat/completions") -> tuple[int, Any, Any]:
    exchange = Exchange("req_1", endpoint, {}, b"{}", 0.0, 0.0)
    exchange.model = "m"
    answer = convert_error(exchange, Outgoing(upstream, b"{}"), status, body)
    return answer.status, json.loads(answer.body)["error"], answer.error_class


def test_a_prompt_that_is_too_long_is_told_with_both_numbers_in_every_dialect() -> None:
    for endpoint, param in (
        ("/v1/chat/completions", "messages"),
        ("/v1/completions", "prompt"),
        ("/v1/responses", "input"),
    ):
        status, error, kind = told(endpoint, 400, LLAMA)
        assert (status, error["code"], error["param"], kind) == (400, "context_length_exceeded", param, "context")
        assert "maximum context length is 1024 tokens" in error["message"] and "8011" in error["message"]
    status, error, kind = told("/v1/messages", 400, LLAMA)
    assert (status, error["type"], kind) == (400, "invalid_request_error", "context")
    assert error["message"] == "prompt is too long: 8011 tokens > 1024 maximum (the model's context)"
    status, error, _ = told("/v1/embeddings", 400, EMBEDDING, "/v1/embeddings")
    assert (status, error["code"], error["param"]) == (400, "context_length_exceeded", "input")
    assert "900" in error["message"] and "512" in error["message"]


def test_numbers_are_found_in_both_of_llama_s_sentences() -> None:
    assert [match.groups() for match in map(TOO_LONG.search, (LLAMA, EMBEDDING)) if match] == [
        (b"8011", b"1024"),
        (b"900", b"512"),
    ]


def test_a_translated_error_of_that_class_has_the_code_that_clients_know() -> None:
    words = {"error": {"message": "This model's maximum context length is 8 tokens.", "code": 400}}
    _, error, _ = told("/v1/responses", 400, json.dumps(words).encode())
    assert (error["code"], error["message"]) == ("context_length_exceeded", words["error"]["message"])


def test_a_known_shape_passes_as_it_is_and_a_rejected_key_does_not() -> None:
    body = b'{"error": {"message":"m", "code":"context_length_exceeded"}}'
    exchange = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    assert convert_error(exchange, Outgoing(exchange.endpoint, b""), 400, body).body == body
    status, error, kind = told("/v1/chat/completions", 401, b'{"error":{"message":"bad key sk-123"}}')
    assert (status, error["code"], kind) == (502, "upstream_unauthorized", "auth") and "sk-123" not in str(error)


def test_a_status_of_500_in_the_body_does_not_contradict_400() -> None:
    _, error, _ = told("/v1/chat/completions", 400, b'{"error":{"code": 500,"message":"m","type":"server_error"}}')
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


def test_the_sentence() -> None:
    assert context_error("/v1/completions", 9, 8).message == (
        "This model's maximum context length is 8 tokens, but the request has 9. "
        "Shorten 'prompt', or ask a model with a longer context."
    )


def test_an_error_without_anthropics_type_is_put_into_its_shape() -> None:
    body = b'{"error": {"message":"m"}}'
    exchange = Exchange("req_1", "/v1/messages", {}, b"{}", 0.0, 0.0)
    answer = json.loads(convert_error(exchange, Outgoing(exchange.endpoint, b""), 429, body).body)
    assert answer["type"] == "error" and answer["error"] == {"type": "rate_limit_error", "message": "m"}
    whole = b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}'
    assert convert_error(exchange, Outgoing(exchange.endpoint, b""), 529, whole).body == whole


def test_an_error_within_an_error_is_the_one_that_is_told() -> None:
    body = json.dumps({"error": {"message": json.dumps({"error": {"message": "inner", "code": "c"}})}}).encode()
    assert "inner" in told("/v1/messages", 400, body)[1]["message"]
    status, error, _ = told("/v1/messages", 503, b"upstream is down")
    assert status == 503 and error["message"]


def test_an_embedded_engine_s_error_has_openai_s_fields() -> None:
    """llama.cpp's `code` is the status as a number; OpenAI's is a word or null, and `param` is never left out."""
    exchange = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    outgoing = Outgoing(exchange.endpoint, b"{}")
    outgoing.embedded = True
    body = b'{"error":{"code":400,"message":"Invalid tool_choice: nope","type":"invalid_request_error"}}'
    assert json.loads(convert_error(exchange, outgoing, 400, body).body)["error"] == {
        "message": "Invalid tool_choice: nope",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
