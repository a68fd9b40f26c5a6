"""What the counting endpoints answer."""

import json
from typing import ClassVar

import pytest

from steward.gateway.exchange import Exchange
from steward.gateway.models import ModelEntry
from steward.gateway.prompts import Prompt
from steward.gateway.token_count import COUNTED, MAX_BODY_BYTES, build_question, format_count, read_count
from steward.gateway.wire import decode_request


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


class NoEngine:
    answers: ClassVar[tuple[str, ...]] = ()


@pytest.mark.parametrize(
    ("prompt", "roles"),
    [(None, ["user"]), (Prompt("p@1", "Be brief."), ["system", "user"])],
)
def test_what_is_counted_is_what_the_engine_would_get_with_the_prompt_of_its_route(
    prompt: Prompt | None, roles: list[str]
) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)
    exchange.request, exchange.prompt = decode_request("/v1/chat/completions", body), prompt
    asked = json.loads(build_question(exchange, ModelEntry("m", NoEngine(), "m")))  # type: ignore[arg-type]
    assert [message["role"] for message in asked["messages"]] == roles


def test_a_prompt_that_gives_way_leaves_the_clients_instructions() -> None:
    messages = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "hi"}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)
    exchange.request = decode_request("/v1/chat/completions", body)
    exchange.prompt = Prompt("p@1", "Be brief.", mode="default")
    asked = json.loads(build_question(exchange, ModelEntry("m", NoEngine(), "m")))  # type: ignore[arg-type]
    assert asked["messages"] == messages


def test_a_mebibyte_is_counted_at_most() -> None:
    assert MAX_BODY_BYTES == 1_048_576
