"""Counts that are written with a fraction of zero, as JavaScript and some template languages write them."""

from __future__ import annotations

import pytest

from steward.core.errors import Refused
from steward.gateway.request_reading import read_request

CHAT = "/v1/chat/completions"


def test_what_is_right_keeps_its_bytes() -> None:
    body = b'{"model":"m","messages":[],"max_tokens":100}'
    request, fields, read = read_request(CHAT, body)
    assert read is body and request.max_tokens == 100 and fields == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize(("written", "count"), [(b"100.0", 100), (b"1e2", 100), (b"1.0", 1)])
def test_a_whole_number_may_have_a_fraction_of_zero(written: bytes, count: int) -> None:
    request, fields, read = read_request(CHAT, b'{"model":"m","messages":[],"max_tokens":' + written + b"}")
    assert request.max_tokens == count and fields == {"model", "messages", "max_tokens"}
    assert read == b'{"model":"m","messages":[],"max_tokens":%d}' % count


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b'{"model":"m","messages":[],"max_tokens":1.5}', "max_tokens", "invalid_type"),
        (b'{"model":"m","messages":[],"max_tokens":"5"}', "max_tokens", "invalid_type"),
        (b'{"model":"m","messages":[],"n":0}', "n", "integer_below_min_value"),
        (b'{"model":"m","messages":[],"n":0.0}', "n", "integer_below_min_value"),
        (b'{"model":"m","messages":[],"stream":1.0}', "stream", "invalid_type"),
        (b'{"model":"m"}', "messages", "missing_required_parameter"),
        (b'{"messages":[]}', "model", "missing_required_parameter"),
    ],
)
def test_mistakes_are_named(body: bytes, param: str, code: str | None) -> None:
    with pytest.raises(Refused) as caught:
        read_request(CHAT, body)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
