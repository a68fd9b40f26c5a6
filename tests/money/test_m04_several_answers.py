"""M4: `n` answers of an embedded model are billed, and told the client, as n answers; llama.cpp tells one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from conftest import SHARE_STARTER, Deployment, inside, until
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing
from steward.gateway.relay import Relay
from steward.gateway.wire_fields import Request

pytestmark = SHARE_STARTER

ASK: Any = [{"role": "user", "content": "where is my order?"}]


@pytest.fixture(scope="module")
def client(starter: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{starter.url}/v1", api_key=starter.key, max_retries=0) as made:
        yield made


def read_row(starter: Deployment, request_id: str) -> dict[str, Any]:
    def read() -> dict[str, Any] | None:
        rows = map(json.loads, inside("tail", "--json", "-n", "50", "--home", str(starter.home)).stdout.splitlines())
        return next((row for row in rows if row["request_id"] == request_id), None)

    row: dict[str, Any] = until(read)
    return row


def test_m04_streamed_answers_add_up(client: openai.OpenAI, starter: Deployment) -> None:
    """Greedy answers are equal: three cost three times one, and the prompt once."""
    options: Any = {"temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    usages = {}
    for n in (1, 3):
        raw = client.chat.completions.with_raw_response.create(model="starter", messages=ASK, n=n, **options)
        told = [chunk.usage for chunk in raw.parse() if chunk.usage]
        row = read_row(starter, raw.headers["x-request-id"])
        assert len(told) == 1 and (row["input_tokens"], row["output_tokens"]) == (
            told[0].prompt_tokens,
            told[0].completion_tokens,
        )
        usages[n] = told[0]
    assert usages[3].prompt_tokens == usages[1].prompt_tokens
    assert usages[3].completion_tokens == 3 * usages[1].completion_tokens
    assert usages[3].total_tokens == usages[3].prompt_tokens + usages[3].completion_tokens


def test_m04_whole_answers_add_up(client: openai.OpenAI, starter: Deployment) -> None:
    usages = {}
    for n in (1, 3):
        raw = client.chat.completions.with_raw_response.create(model="starter", messages=ASK, n=n, temperature=0)
        usage = raw.parse().usage
        assert usage is not None
        usages[n] = usage.completion_tokens
        assert read_row(starter, raw.headers["x-request-id"])["output_tokens"] == usages[n]
    assert usages[3] == 3 * usages[1]


def test_m04_every_prompt_of_a_list_is_billed(client: openai.OpenAI, starter: Deployment) -> None:
    one = client.completions.create(model="starter", prompt="where is my order", max_tokens=8, temperature=0)
    raw = client.completions.with_raw_response.create(
        model="starter", prompt=["where is my order"] * 2, n=2, max_tokens=8, temperature=0
    )
    several = raw.parse()
    assert one.usage and several.usage and len(several.choices) == 4
    assert several.usage.prompt_tokens == 2 * one.usage.prompt_tokens
    assert several.usage.completion_tokens == 4 * one.usage.completion_tokens
    row = read_row(starter, raw.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"]) == (
        several.usage.prompt_tokens,
        several.usage.completion_tokens,
    )


def relay(choices: int, told: list[int]) -> int | None:
    """Output tokens that are billed for a stream of another server that tells usage so often."""
    exchange = Exchange("req", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.request = Request(model="m", stream=True, n=choices)
    passing = Relay(exchange, Outgoing(exchange.endpoint, b"{}"))
    passing.feed(b'data: {"id":"a","choices":[{"delta":{"content":"1"}}]}\n\n')
    for count in told:
        passing.feed(b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":%d}}\n\n' % count)
    return exchange.usage.completion_tokens if exchange.usage else None


@pytest.mark.parametrize(
    ("choices", "told", "billed"), [(1, [7], 7), (3, [7], 7), (3, [7, 8, 9], 24), (3, [7, 8], 8), (1, [7, 9], 9)]
)
def test_m04_another_servers_usage_adds_up_where_each_choice_tells_its_own(
    choices: int, told: list[int], billed: int
) -> None:
    assert relay(choices, told) == billed
