import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Refused
from steward.gateway.wire import decode_answer, decode_request, error_body, rewrite

CHAT = "/v1/chat/completions"


@given(st.binary())
def test_noise_is_refused_with_400(noise: bytes) -> None:
    try:
        decode_request(CHAT, noise)
    except Refused as error:
        assert error.status == 400 and json.loads(error_body(error))["error"]["type"] == "invalid_request_error"


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
