"""S3: fields that an upstream may take for a maximum cannot make a key spend more than it may."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from steward.adapters.limits.local import LocalLimiter
from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import LimitSpec, Settled
from steward.gateway.answer import Answer
from steward.gateway.answer_lengths import AnswerLengths
from steward.gateway.exchange import Exchange
from steward.gateway.field_names import read_field_names
from steward.gateway.limit_table import LimitTable
from steward.gateway.middleware import admit
from steward.gateway.models import ModelEntry
from steward.gateway.pricing.prices import Prices
from steward.gateway.routing import build_routes
from steward.gateway.wire import decode_request

MODELS = {"m": ModelEntry("m", None, "m", Prices(input=0.0, output=1000.0))}  # type: ignore[arg-type]  # 0.001 USD a token
MESSAGES = {"messages": [{"role": "user", "content": "hi"}]}
REQUIRED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": MESSAGES,
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {**MESSAGES, "max_tokens": 1},
}


def make_exchange(endpoint: str, fields: dict[str, Any]) -> Exchange:
    body = json.dumps({"model": "m", **REQUIRED[endpoint], **fields}).encode()
    caller = Caller(principal=Principal(kind="key", id="k"))
    exchange = Exchange("req_1", endpoint, {}, body, time.time(), time.perf_counter(), caller)
    exchange.request, exchange.fields = decode_request(endpoint, body), read_field_names(body)
    return exchange


def send(folder: Path, limits: LimitSpec, exchanges: list[Exchange]) -> tuple[list[int | None], float]:
    """All at once, to an upstream that answers with as many tokens as it is let. -> statuses and dollars spent"""
    spent = 0.0

    async def upstream(exchange: Exchange) -> Answer:
        nonlocal spent
        await asyncio.sleep(0)
        fields = json.loads(exchange.body)
        tokens = max((value for name, value in fields.items() if name.startswith("max_")), default=400)
        spent += tokens / 1000
        exchange.settled = Settled(
            request_id="r", at=0.0, outcome="ok", status=200, model="m", output_tokens=tokens, usd=tokens / 1000
        )
        return Answer(200)

    async def go() -> list[int | None]:
        limiter = LocalLimiter(folder)
        handle = admit(limiter, LimitTable(default=limits), build_routes([], ["m"]), MODELS, AnswerLengths())(upstream)

        async def one(exchange: Exchange) -> int | None:
            try:
                return (await handle(exchange)).status
            except Refused as error:
                return error.status

        statuses = await asyncio.gather(*map(one, exchanges))
        await limiter.close()
        return list(statuses)

    return asyncio.run(go()), spent


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("/v1/chat/completions", {"max_output_tokens": 1}),
        ("/v1/chat/completions", {"max_tokens": 1, "n_predict": 4000}),
        ("/v1/chat/completions", {"max_tokens": 1, "Max-New-Tokens": 4000}),
        ("/v1/chat/completions", {"max_tokens": 1, "max_tokens\u200b": 4000}),
        ("/v1/chat/completions", {"max_tokens": 1, "ignore_eos": True}),
        ("/v1/chat/completions", {"max_tokens": 1, "n_cmpl": 50}),
        ("/v1/chat/completions", {"max_tokens": 1, "best_of": 50}),
        ("/v1/chat/completions", {"max_tokens": 1, "options": {"num_predict": 4000}}),
        ("/v1/chat/completions", {"max_tokens": 1, "extra_body": {"generationConfig": {"maxOutputTokens": 4000}}}),
        ("/v1/completions", {"max_completion_tokens": 1}),
        ("/v1/responses", {"max_tokens": 1}),
        ("/v1/messages", {"max_completion_tokens": 1}),
        ("/v1/messages", {"n": 9}),
    ],
)
def test_another_maximum_is_refused_by_its_name(tmp_path: Path, endpoint: str, fields: dict[str, Any]) -> None:
    exchanges = []
    for _ in range(20):
        try:
            exchanges.append(make_exchange(endpoint, fields))
        except Refused as error:  # another spelling of a field that the gateway reads
            assert error.status == 400
    statuses, spent = send(tmp_path, LimitSpec(usd_per_day=0.05), exchanges)
    assert set(statuses) <= {400} and spent == 0.0


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 10}, {"max_completion_tokens": 10, "max_tokens": 20}])
def test_a_budget_holds_though_all_ask_at_once(tmp_path: Path, fields: dict[str, Any]) -> None:
    exchanges = [make_exchange("/v1/chat/completions", fields) for _ in range(20)]
    statuses, spent = send(tmp_path, LimitSpec(usd_per_day=0.05), exchanges)
    assert statuses.count(200) >= 1 and set(statuses) == {200, 429} and spent <= 0.05


def test_where_nothing_counts_the_request_passes_as_it_is(tmp_path: Path) -> None:
    exchange = make_exchange("/v1/chat/completions", {"n_predict": 4000, "max_output_tokens": 1})
    body = exchange.body
    assert send(tmp_path, LimitSpec(requests_per_minute=5), [exchange])[0] == [200] and exchange.body == body
