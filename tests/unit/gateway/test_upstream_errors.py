"""Errors under HTTP 200 and in every shape keep their status and words (C13, C14), and have a class (C15)."""

import json
from typing import Any

import pytest

from compatibility.error_spellings import SPELLINGS, body_of, openai_error
from steward.gateway.upstream_errors import (
    MAX_WORDS,
    classify_error,
    embedded_error_of,
    find_client_status,
    find_embedded_error,
    find_status,
    is_error_object,
    read_upstream_error,
)

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
    assert len(read_upstream_error(500, b'{"error":{"message":"m","code":"' + b"x" * 9_000 + b'"}}').code or "") == 100


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


@pytest.mark.parametrize(("kind", "status", "error"), SPELLINGS)
def test_every_spelling_has_its_class(kind: str, status: int, error: bytes) -> None:
    assert classify_error(status, error) == kind


@pytest.mark.parametrize(("status", "error"), OTHERS)
def test_other_errors_have_none(status: int, error: Any) -> None:
    assert classify_error(status, body_of(error)) is None


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("invalid_request_error", 400), ("BadRequestError", 400), ("INVALID_ARGUMENT", 400),
        ("context_length_exceeded", 400), ("authentication_error", 401), ("UNAUTHENTICATED", 401),
        ("billing_error", 402), ("permission_error", 403), ("PERMISSION_DENIED", 403), ("not_found_error", 404),
        ("NOT_FOUND", 404), ("request_too_large", 413), ("rate_limit_error", 429), ("rate_limit_exceeded", 429),
        ("insufficient_quota", 429), ("RESOURCE_EXHAUSTED", 429), ("server_error", 500), ("api_error", 500),
        ("InternalServerError", 500), ("UNAVAILABLE", 503), ("timeout_error", 504), ("DEADLINE_EXCEEDED", 504),
        ("overloaded_error", 529),
    ],
)  # fmt: skip
def test_a_name_stands_for_the_status_that_its_api_documents(name: str, status: int) -> None:
    """OpenAI, "Error codes"; Anthropic, "Errors"; Google, `google.rpc.Code` as HTTP."""
    for error in ({"type": name}, {"code": name}, {"status": name}):
        assert find_status({"error": error}) == status
    assert find_status({"type": name, "error": "m"}) == status


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        ({"error": {"code": 400}}, 400),
        ({"error": {"code": 599}}, 599),
        ({"error": {"code": 399}}, 502),
        ({"error": {"code": 600}}, 502),
        ({"error": {"status": 503}}, 503),
        ({"error": {"status_code": "504"}}, 504),
        ({"error": {"code": "0429"}}, 502),  # no status: four digits
        ({"status": 418}, 418),
        ({"error": {"code": 429}, "code": 500}, 429),
        ({"error": {"code": 7, "type": "server_error"}}, 500),
        ({"error": {"type": 7}}, 502),
        ({}, 502),
    ],
)
def test_a_number_goes_before_a_name(seen: dict[str, Any], status: int) -> None:
    assert find_status(seen) == status


def test_an_error_of_a_choice_that_is_none_is_none() -> None:
    choices = ({"error": 1}, ["x", {"error": {}}], None)
    nothing: list[Any] = [[], "error", {"error": {}}, {"error": ""}, *({"choices": value} for value in choices)]
    for seen in nothing:
        assert embedded_error_of(seen) is None
    error = embedded_error_of({"choices": [{}, {"error": {"message": "m", "code": 429, "type": "t"}}]})
    assert error is not None and (error.status, error.message, error.code, error.type) == (429, "m", "429", "t")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "required"}]}, "messages.0.role: required"),
        ({"detail": [{"loc": ["body"], "msg": "required"}]}, "required"),
        ({"detail": [{"loc": "body.n", "msg": "required"}]}, "required"),
        ({"detail": [{"loc": ["body", None, "n"], "msg": " required "}]}, "n: required"),
        ({"error": {"message": "  m  "}}, "m"),
        ({"error": {"message": ""}, "message": "outer"}, '{"message":""}'),
        ({"error": {}, "message": "outer"}, "outer"),
        ({"error": {"msg": "m"}}, "m"),
        ({"error": {"message": " ", "description": "d"}}, "d"),
        ({"errors": [str(number) for number in range(12)]}, "0; 1; 2; 3; 4; 5; 6; 7; 8; 9"),
        ({"errors": [None, 7, "a"]}, "a"),
        ([], "The upstream answered with status 418 and no explanation."),
        ([[{"error": "m"}]], "m"),
        (7, "The upstream answered with status 418 and no explanation."),
    ],
)
def test_words_are_found_wherever_they_stand(body: Any, words: str) -> None:
    assert read_upstream_error(418, json.dumps(body).encode()).message == words


def test_plain_text_and_markup() -> None:
    assert read_upstream_error(500, b"a  < b\n c").message == "a < b c"
    assert read_upstream_error(500, b"x" * 200 + b"<b>").message.endswith("<b>")  # 200 letters without markup: text
    assert read_upstream_error(500, b"x" * 199 + b"<b>y").message == "x" * 199 + " y"
    page = b"<HTML><TITLE>Bad</TITLE><STYLE>p</STYLE><p>Try &amp; wait</p></HTML>"
    assert read_upstream_error(500, page).message == "Bad Try & wait"
    assert len(read_upstream_error(500, b"a " * 40_000).message) == MAX_WORDS


def test_a_message_of_1000_characters_is_whole() -> None:
    assert read_upstream_error(500, b"x" * 1000).message == "x" * 1000
    assert read_upstream_error(500, b"x" * 1001).message == "x" * 999 + "…"
    assert read_upstream_error(500, b'{"error":"a\\nb\\tc"}').message == "a\nb c"


@pytest.mark.parametrize(("code", "kept"), [(7, "7"), ("c", "c"), (None, None), ({"a": 1}, None), ([1], None)])
def test_codes_are_words(code: Any, kept: str | None) -> None:
    assert read_upstream_error(400, json.dumps({"error": {"message": "m", "code": code}}).encode()).code == kept


def test_types_that_are_none_follow_the_status() -> None:
    for kind in (None, "", 7):
        body = json.dumps({"error": {"message": "m", "type": kind}}).encode()
        assert [read_upstream_error(status, body).type for status in (499, 500)] == [
            "invalid_request_error",
            "api_error",
        ]


@pytest.mark.parametrize(
    ("status", "kind"), [(399, None), (400, "context"), (499, "context"), (500, "context"), (501, None), (503, None)]
)
def test_words_count_in_refusals_only(status: int, kind: str | None) -> None:
    assert classify_error(status, b"prompt is too long") == kind
    assert classify_error(status, b'{"error":{"code":"context_length_exceeded"}}') == "context"


@pytest.mark.parametrize(("status", "kind"), [(401, "auth"), (403, "auth"), (402, "quota"), (400, None), (404, None)])
def test_some_statuses_say_it_alone(status: int, kind: str | None) -> None:
    assert classify_error(status, b"") == kind and classify_error(status, b'{"error":{"message":"m"}}') == kind


def nested(levels: int, name: str = "context_length_exceeded") -> bytes:
    """An error whose code stands in an error within an error, and so on."""
    error: dict[str, Any] = {"code": name}
    for _ in range(levels):
        error = {"error": error}
    return json.dumps(error).encode()


def test_names_are_looked_for_five_levels_deep() -> None:
    assert [classify_error(400, nested(levels)) for levels in (1, 5, 6)] == ["context", "context", None]


def test_names_of_a_list_count_in_its_first_five_items() -> None:
    def listed(position: int) -> bytes:
        items: list[Any] = [{"code": "x"}] * 7
        items[position] = {"reason": "API_KEY_INVALID"}
        return json.dumps({"error": {"message": "m", "details": items}}).encode()

    assert [classify_error(400, listed(position)) for position in (0, 4, 5)] == ["auth", "auth", None]


def test_a_code_that_is_a_number_names_a_class() -> None:
    assert classify_error(400, b'{"error":{"message":"m","code":3051}}') == "context"  # Mistral
    assert classify_error(400, b'{"error":{"message":"m","code":1113}}') == "quota"  # Zhipu
    assert classify_error(400, b'{"error":{"message":"m","code":[3051]}}') is None


def test_a_body_that_is_no_json_has_words_alone() -> None:
    assert classify_error(400, b"\xff{") is None and classify_error(400, b"Invalid API key") == "auth"


@pytest.mark.parametrize("body", [b'{"error": {"message": "m"}}', b'{"error":"m"}', b'{"error":["m"]}'])
def test_errors_of_every_shape_under_200_are_found(body: bytes) -> None:
    error = find_embedded_error(body)
    assert error is not None and error.message == "m"


def test_an_error_that_is_a_number_is_none() -> None:
    assert find_embedded_error(b'{"error":7}') is None


def test_lists_within_lists_are_levels_too() -> None:
    def listed(levels: int) -> bytes:
        value: Any = {"code": "context_length_exceeded"}
        for _ in range(levels):
            value = [value]
        return json.dumps(value).encode()

    assert [classify_error(400, listed(levels)) for levels in (1, 5, 6)] == ["context", "context", None]


def test_of_a_long_text_the_first_64_kilobytes_are_read() -> None:
    assert read_upstream_error(500, b" " * 65_535 + b"late").message == "l"
    assert read_upstream_error(500, b" " * 65_536 + b"late").message.endswith("no explanation.")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400), ("BadRequestError", 400), ("INVALID_ARGUMENT", 400),
        ("authentication_error", 401), ("UNAUTHENTICATED", 401), ("billing_error", 402), ("permission_error", 403),
        ("PERMISSION_DENIED", 403), ("not_found_error", 404), ("NOT_FOUND", 404), ("request_too_large", 413),
        ("rate_limit_error", 429), ("rate_limit_exceeded", 429), ("insufficient_quota", 429),
        ("RESOURCE_EXHAUSTED", 429), ("server_error", 500), ("api_error", 500), ("InternalServerError", 500),
        ("overloaded_error", 529), ("UNAVAILABLE", 503), ("timeout_error", 504), ("DEADLINE_EXCEEDED", 504),
    ],
)  # fmt: skip
def test_an_error_within_an_answer_has_the_status_of_its_type(kind: str, status: int) -> None:
    """OpenAI's and Anthropic's references, "Errors"; google.rpc.Code's HTTP mapping."""
    assert find_status({"error": {"type": kind, "message": "m"}}) == status


MISTAKES = [  # of requests, as servers tell them with HTTP 500: vLLM, SGLang, TGI, llama.cpp, and what lies under them
    (
        ({"object": "error", "message": "At most 0 image(s)", "type": "BadRequestError", "code": 400}, 400),
        400,
    ),
    ({"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404}, 404),
    ({"error": {"message": "too big", "code": "413"}}, 413),
    ({"error": {"message": "no", "type": "invalid_request_error"}}, 400),
    ({"detail": "1 validation error for ChatCompletionRequest\nmessages.0.role\n  Field required"}, 400),
    ({"error": "Conversation roles must alternate user/assistant/user/assistant/..."}, 400),
    ({"error": {"message": "System role not supported", "type": "InternalServerError"}}, 400),
    ({"error": {"code": 500, "message": "Value is not callable: null at row 1, column 2:\n{{ x }}"}}, 400),
    ({"error": "Template error: unknown method: string has no method named strip"}, 400),
    ({"error": {"message": "cannot identify image file <_io.BytesIO object at 0x7f>"}}, 400),
    ({"error": {"message": "Incorrect padding"}}, 400),
    ({"error": {"message": "Failed to fetch image from https://x.example/a.png: 404"}}, 400),
    ({"error": {"message": "Failed to load image: bad header"}}, 400),
    ({"error": {"message": 'Grammar error: Unimplemented keys: ["if"]'}}, 400),
    ({"error": {"message": "Failed to compile json schema"}}, 400),
    ({"error": {"message": "Invalid regex pattern: unterminated group"}}, 400),
    ({"error": {"message": "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101]"}}, 400),
    ({"error": {"message": "temperature must be non-negative, got -1.0"}}, 400),
    ({"error": {"message": "Unexpected message role: robot"}}, 400),
    ([{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}], 400),
]


@pytest.mark.parametrize(("body", "status"), MISTAKES)
def test_s02_a_mistake_that_comes_with_500_is_the_clients(body: Any, status: int) -> None:
    assert find_client_status(json.dumps(body).encode()) == status


@pytest.mark.parametrize(
    "body",
    [
        b"Internal Server Error",
        b"<html><title>500</title></html>",
        b"",
        b'{"error":{"message":"CUDA out of memory. Tried to allocate 2.00 GiB","code":500}}',
        b'{"error":{"message":"Failed to load model","type":"server_error"}}',
        b'{"error":{"message":"The image model is not ready"}}',
        b'{"error":{"message":"Failed to load image processor"}}',
        b'{"error":{"message":"The engine is dead","code":"500"}}',
        b'{"error":{"message":"Too many requests","code":429}}',
        b'{"error":{"message":"The server had an error while processing your request","type":"server_error"}}',
        b'{"error":{"message":"upstream connect error or disconnect/reset before headers"}}',
        b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key","type":"authentication_error"}}',
        b'{"object":"error","message":"","type":"InternalServerError","code":500}',
    ],
)
def test_s02_a_failure_of_the_server_stays_one(body: bytes) -> None:
    assert find_client_status(body) is None


def test_of_many_errors_ten_are_told() -> None:
    detail = [{"msg": f"e{number}"} for number in range(12)]
    told = read_upstream_error(422, json.dumps({"detail": detail}).encode()).message
    assert told == "; ".join(f"e{number}" for number in range(10))


@pytest.mark.parametrize(("before", "told"), [(199, "x" * 199 + " a b"), (200, "x" * 200 + "<b>a</b> b")])
def test_a_page_is_known_by_its_first_200_characters(before: int, told: str) -> None:
    assert read_upstream_error(500, ("x" * before + "<b>a</b> b").encode()).message == told


@pytest.mark.parametrize("code", [400, 404, 413, 415, 422, 399, 401, 405, 414, 416, 423, 429, 500])
def test_a_code_of_a_clients_mistake_is_kept_where_it_comes_with_500(code: int) -> None:
    """RFC 9110: bad request, not found, content too large, unsupported media type, unprocessable content."""
    kept = code if code in (400, 404, 413, 415, 422) else None
    assert find_client_status(json.dumps({"error": {"code": code, "message": "no"}}).encode()) == kept
