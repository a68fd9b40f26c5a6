"""C13 and C14: errors under HTTP 200, and errors in every shape, keep their status and the upstream's words."""

import json
from typing import Any

import pytest

from steward.gateway.upstream_errors import (
    MAX_WORDS,
    find_embedded_error,
    find_status,
    is_error_object,
    read_upstream_error,
)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "m", "code": 429}}, 429),
        ({"error": {"message": "m", "code": "503"}}, 503),
        ({"error": {"message": "m", "status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"error": {"message": "m", "type": "overloaded_error"}, "type": "error"}, 529),
        ({"error": {"message": "m", "type": "server_error"}}, 500),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, 429),
        ({"error": "broken"}, 502),
        ({"error": {"message": "m"}, "code": 402}, 402),
        ({"error": {"message": "m", "code": 200}}, 502),
        ({"error": {"message": "m", "code": True}}, 502),
        ({"choices": [{"error": {"message": "m", "code": 502}, "finish_reason": "error"}]}, 502),
        ({"choices": [{"message": {"content": ""}, "error": {"message": "m", "code": 429}}]}, 429),
    ],
)
def test_c13_an_error_with_status_200_has_a_status_of_its_own(body: dict[str, Any], status: int) -> None:
    found = find_embedded_error(json.dumps(body).encode())
    assert found is not None and found.status == status and found.message in ("m", "broken")


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"message":{"content":"the \\"error\\": {} was mine"}}]}',
        b'{"choices":[],"error":null}',
        b'{"choices":[{"error":null}]}',
        b'{"error":{"cut',
        b"[]",
        b"",
    ],
)
def test_c13_an_answer_that_speaks_of_errors_is_none(body: bytes) -> None:
    assert find_embedded_error(body) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error":{"message":"m","type":"t","code":7}}', "m"),
        (b'{"error":"m"}', "m"),
        (b'{"type":"error","error":{"type":"t","message":"m"}}', "m"),
        (b'{"detail":"m"}', "m"),
        (b'{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"too long"}]}', "field required; too long"),
        (b'{"message":"m"}', "m"),
        (b'[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]', "Quota exceeded"),
        (b'{"error":{"message":{"detail":"inner"}}}', "inner"),
        (b'{"error":{"message":{"a":1}}}', '{"a":1}'),
        (b'{"error":{"code":5}}', '{"code":5}'),
        (b'{"errors":["one","two"]}', "one; two"),
        (b'"just words"', "just words"),
        (b"upstream connect error\n", "upstream connect error"),
        (b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>", "502 Bad Gateway 502"),
        (b"<!DOCTYPE html><style>p{}</style><p>Too&nbsp;busy</p><script>x()</script>", "Too busy"),
        (b"", "The upstream answered with status 418 and no explanation."),
        (b"{}", "The upstream answered with status 418 and no explanation."),
        (b"<html>", "The upstream answered with status 418 and no explanation."),
    ],
)  # fmt: skip
def test_c14_the_upstream_s_words_reach_the_client(body: bytes, says: str) -> None:
    found = read_upstream_error(418, body)
    assert found.message.startswith(says) and found.status == 418


def test_c14_words_are_bounded_and_printable() -> None:
    assert len(read_upstream_error(500, b'{"error":"' + b"x" * 100_000 + b'"}').message) == MAX_WORDS
    assert read_upstream_error(500, b'{"error":"a\\u001b[31mb"}').message == "a [31mb"
    assert len(read_upstream_error(500, b'{"error":{"message":"m","code":"' + b"x" * 9_000 + b'"}}').code or "") == 200


def test_types_and_codes_are_kept() -> None:
    found = read_upstream_error(400, b'{"error":{"message":"m","type":"t","code":"context_length_exceeded"}}')
    assert (found.type, found.code) == ("t", "context_length_exceeded")
    assert read_upstream_error(400, b"x").type == "invalid_request_error"
    assert read_upstream_error(500, b"x").type == "api_error"
    assert find_status({"error": {"code": {"a": 1}}}) == 502


def test_only_what_a_client_can_show_passes_as_it_is() -> None:
    assert is_error_object(b'{"error":{"message":"m"}}')
    for body in (b'{"error":{"message":{"a":1}}}', b'{"error":"m"}', b"[]", b"x", b'{"error":{}}'):
        assert not is_error_object(body)
