"""What the counting endpoints answer."""

import json

import pytest

from steward.gateway.token_count import COUNTED, format_count, read_count


@pytest.mark.parametrize(("exact", "estimate", "tokens", "told"), [
    (12, 99, 12, b"exact"), (None, 99, 99, b"estimate"), (None, 0, 1, b"estimate"),
])  # fmt: skip
def test_an_exact_count_goes_before_an_estimate_and_none_is_zero(
    exact: int | None, estimate: int, tokens: int, told: bytes
) -> None:
    answer = format_count("/v1/messages/count_tokens", exact, estimate)
    assert json.loads(answer.body) == {"input_tokens": tokens} and answer.status == 200
    assert answer.headers == [(b"x-steward-token-count", told)]


def test_each_dialect_has_its_shape() -> None:
    answer = format_count("/v1/responses/input_tokens", 3, 0)
    assert json.loads(answer.body) == {"object": "response.input_tokens", "input_tokens": 3}
    assert COUNTED == {"/v1/messages/count_tokens": "/v1/messages", "/v1/responses/input_tokens": "/v1/responses"}


def test_only_a_count_is_one() -> None:
    assert read_count(b'{"input_tokens":1}') == 1
    for body in (b'{"input_tokens":0}', b'{"input_tokens":true}', b'{"input_tokens":"1"}', b"{}", b"[]", b"x", b"\xff"):
        assert read_count(body) is None
