"""S9: what answers teach about lengths changes nothing for another key, and no answer's length."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from steward.adapters.limits.local import LocalLimiter
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
from steward.gateway.wire import COMMON_OUTPUT_TOKENS, decode_request

MODELS = {"m": ModelEntry("m", None, "m", Prices(input=1.0, output=2.0))}  # type: ignore[arg-type]


def make_exchange(key: str, **fields: object) -> Exchange:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    caller = Caller(principal=Principal(kind="key", id=key))
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, time.time(), time.perf_counter(), caller)
    exchange.request, exchange.fields = decode_request(exchange.endpoint, body), read_field_names(body)
    return exchange


def serve(folder: Path, exchanges: list[Exchange], shortened: bool = False) -> tuple[AnswerLengths, list[int | None]]:
    """What is learned, and the maximum that each request went upstream with."""
    lengths, maxima = AnswerLengths(), []  # type: tuple[AnswerLengths, list[int | None]]

    async def upstream(exchange: Exchange) -> Answer:
        maxima.append(json.loads(exchange.body).get("max_completion_tokens"))
        exchange.shortened = shortened
        exchange.settled = Settled(request_id="r", at=0.0, outcome="ok", status=200, model="m", output_tokens=1)
        return Answer(200)

    async def go() -> None:
        limiter = LocalLimiter(folder)
        table = LimitTable(default=LimitSpec(tokens_per_minute=1_000_000))
        handle = admit(limiter, table, build_routes([], ["m"]), MODELS, lengths)(upstream)
        for exchange in exchanges:
            await handle(exchange)
        await limiter.close()

    asyncio.run(go())
    return lengths, maxima


def test_sixty_answers_of_one_token_do_not_shorten_another_keys(tmp_path: Path) -> None:
    asked = [make_exchange("greedy", max_tokens=1) for _ in range(60)]
    lengths, maxima = serve(tmp_path, [*asked, make_exchange("other")])
    assert maxima[-1] == LimitTable().max_output_tokens == 4096
    assert lengths.quantile("other", "m") == COMMON_OUTPUT_TOKENS


@pytest.mark.parametrize(("fields", "shortened"), [({"max_tokens": 1}, False), ({}, True), ({"n": 2}, False)])
def test_an_answer_that_did_not_end_by_itself_teaches_nothing(
    tmp_path: Path, fields: dict[str, int], shortened: bool
) -> None:
    lengths, _ = serve(tmp_path, [make_exchange("k", **fields) for _ in range(60)], shortened)
    assert lengths.quantile("k", "m") == COMMON_OUTPUT_TOKENS


def test_an_answer_that_ended_by_itself_does(tmp_path: Path) -> None:
    lengths, _ = serve(tmp_path, [make_exchange("k") for _ in range(60)])
    assert lengths.quantile("k", "m") == 1
