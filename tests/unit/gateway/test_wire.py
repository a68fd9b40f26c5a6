import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Refused
from steward.gateway.output_limits import declared_maximum
from steward.gateway.wire import decode_answer, decode_request, error_body, rewrite, with_usage

CHAT = "/v1/chat/completions"


@given(st.binary())
def test_noise_is_refused_with_400(noise: bytes) -> None:
    try:
        decode_request(CHAT, noise)
    except Refused as error:
        assert error.status == 400 and json.loads(error_body(error))["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(("endpoint", "field"), [("/v1/chat/completions", "messages"), ("/v1/embeddings", "input")])
def test_null_is_as_good_as_missing(endpoint: str, field: str) -> None:
    with pytest.raises(Refused, match=f"Missing required parameter: '{field}'"):
        decode_request(endpoint, f'{{"model":"m","{field}": null}}'.encode())


@pytest.mark.parametrize(
    ("prompt", "more", "choices"),
    [
        ('"a"', "", 1),
        ('["a", "b", "c"]', ', "n": 2', 6),
        ("[[1, 2], [3]]", "", 2),
        ("[1, 2, 3]", "", 1),  # one prompt, in tokens
        ("[]", "", 1),
        ('"a"', ', "n": 1, "best_of": 20', 20),
    ],
)
def test_what_a_completion_may_cost_counts_prompts_and_best_of(prompt: str, more: str, choices: int) -> None:
    body = f'{{"model": "m", "max_tokens": 10, "prompt": {prompt}{more}}}'.encode()
    assert declared_maximum(decode_request("/v1/completions", body), "/v1/completions") == 10 * choices
    with pytest.raises(Refused, match="best_of must be between 1 and 128"):
        decode_request("/v1/completions", b'{"model": "m", "prompt": "a", "best_of": 129}')


def test_param_names_the_wrong_field() -> None:
    with pytest.raises(Refused) as caught:
        decode_request(CHAT, b'{"model": 3, "messages": []}')
    assert caught.value.param == "model"


def test_rewrite_changes_only_what_it_must() -> None:
    body = b'{"model":"a","x":1.50,"messages":[{"content":"\\u00e9"}]}'
    assert rewrite(body, {"model": "b"}) == body.replace(b'"a"', b'"b"')


def test_answers_without_usage() -> None:
    assert decode_answer(b"<html>").usage is None
    usage = decode_answer(b'{"usage":{"prompt_tokens":1}}').usage
    assert usage and usage.prompt_tokens == 1


def test_stream_options_of_the_client_stay() -> None:
    assert json.loads(with_usage(b'{"stream_options":{"a":1}}')) == {"stream_options": {"a": 1, "include_usage": True}}
    assert json.loads(with_usage(b'{"stream_options":null}')) == {"stream_options": {"include_usage": True}}


def test_anthropics_user_and_every_declared_maximum_are_read() -> None:
    body = b'{"model":"m","max_tokens":7,"messages":[],"system":"abcd","metadata":{"user_id":"u"}}'
    request = decode_request("/v1/messages", body)
    assert (request.user, declared_maximum(request, "/v1/messages"), request.content_bytes()) == ("u", 7, 8)
    request = decode_request("/v1/responses", b'{"model":"m","input":"","max_output_tokens":3}')
    assert declared_maximum(request, "/v1/responses") == 3
