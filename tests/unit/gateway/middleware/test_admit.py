"""The handler that reserves and releases, around a call that the test answers itself."""

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
from steward.gateway.outgoing import Outgoing
from steward.gateway.pricing.prices import Prices
from steward.gateway.relay import Relay
from steward.gateway.routing import build_routes
from steward.gateway.stream import Stream
from steward.gateway.wire import decode_request

CALLER = Caller(principal=Principal(kind="key", id="k"))
MODELS = {"m": ModelEntry("m", None, "m", Prices(input=1.0, output=2.0))}  # type: ignore[arg-type]


class Endless:
    """An upstream that never stops."""

    status, headers = 200, {}  # type: ignore[var-annotated]

    async def read(self) -> bytes:
        raise AssertionError("a stream is not read whole")

    async def read_piece(self) -> bytes:
        return b'data: {"id":"a"}\n\n'

    def finish(self) -> None: ...

    def close(self) -> None: ...


def exchange(number: int = 0, **fields: Any) -> Exchange:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    made = Exchange(f"req_{number}", "/v1/chat/completions", {}, body, time.time(), time.perf_counter(), CALLER)
    made.request, made.fields = decode_request(made.endpoint, body), read_field_names(body)
    return made


def settled(tokens: int, usd: float = 0.0) -> Settled:
    return Settled(request_id="r", at=0.0, outcome="ok", status=200, model="m", output_tokens=tokens, usd=usd)


def serve(tmp_path: Path, limits: LimitSpec, inner: Any, *asked: Exchange) -> list[Answer | Refused]:
    """The answers to `asked`, one after the other, streams read to their end."""

    async def whole() -> list[Answer | Refused]:
        limiter = LocalLimiter(tmp_path)
        handle = admit(limiter, LimitTable(default=limits), build_routes([], ["m"]), MODELS, AnswerLengths())(inner)
        answers: list[Answer | Refused] = []
        for one in asked:
            try:
                answer = await handle(one)
                if answer.stream is not None:
                    answer.body = b"".join([piece async for piece in answer.stream])
                answers.append(answer)
            except Refused as error:
                answers.append(error)
            one.end()
            await asyncio.sleep(0)
        await limiter.close()
        return answers

    return asyncio.run(whole())


def test_an_undeclared_length_is_bounded_where_tokens_count(tmp_path: Path) -> None:
    seen = []

    async def inner(one: Exchange) -> Answer:
        seen.append(json.loads(one.body).get("max_completion_tokens"))
        one.settled = settled(3)
        return Answer(200)

    serve(tmp_path, LimitSpec(tokens_per_minute=10_000), inner, exchange(), exchange(1, max_tokens=7))
    serve(tmp_path, LimitSpec(requests_per_minute=100), inner, exchange(2))
    assert seen == [4096, None, None]


def test_what_is_turned_away_behind_it_leaves_no_trace(tmp_path: Path) -> None:
    async def overloaded(one: Exchange) -> Answer:
        raise Refused("full", status=503, type="api_error", code="overloaded")

    async def fine(one: Exchange) -> Answer:
        one.settled = settled(1)
        return Answer(200)

    limits = LimitSpec(requests_per_minute=1, tokens_per_minute=300, concurrent=1)
    shed = serve(tmp_path, limits, overloaded, exchange(0), exchange(1))
    assert [answer.status for answer in shed] == [503, 503]
    assert serve(tmp_path, limits, fine, exchange(2))[0].status == 200


def test_a_request_that_failed_gives_back_what_it_did_not_use(tmp_path: Path) -> None:
    async def failing(one: Exchange) -> Answer:
        one.settled = settled(0)
        raise Refused("down", status=502, type="api_error")

    limits = LimitSpec(tokens_per_minute=300, concurrent=1)
    answers = serve(tmp_path, limits, failing, *(exchange(number) for number in range(3)))
    assert [answer.status for answer in answers] == [502, 502, 502]


def test_a_stream_grows_its_reservation_and_then_is_cut_off(tmp_path: Path) -> None:
    async def inner(one: Exchange) -> Answer:
        relay = Relay(one, Outgoing(one.endpoint, one.body))
        stream = Stream(one, Endless(), relay, [b'data: {"id":"a"}\n\n'])
        answer = Answer(200, stream=stream)
        one.when_ended(answer, lambda: setattr(one, "settled", settled(120)))
        return answer

    limits = LimitSpec(tokens_per_minute=100)
    answer = serve(tmp_path, limits, inner, exchange(stream=True, max_tokens=5))[0]
    assert isinstance(answer, Answer)
    assert b"budget_exceeded" in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
    reserved_input = exchange().estimate_input()
    assert answer.body.count(b'data: {"id"') == 100 - reserved_input


def test_a_limit_server_that_is_gone_lets_nothing_through(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="the extra `valkey` is not installed")
    from steward.adapters.limits.valkey import ValkeyLimiter

    async def inner(one: Exchange) -> Answer:
        raise AssertionError("not reached")

    async def whole() -> Refused:
        limiter = ValkeyLimiter(f"unix://{tmp_path}/nothing")
        table_ = LimitTable(default=LimitSpec(requests_per_minute=1))
        try:
            await admit(limiter, table_, build_routes([], ["m"]), MODELS, AnswerLengths())(inner)(exchange())
        except Refused as error:
            return error
        finally:
            await limiter.close()
        raise AssertionError("it passed")

    error = asyncio.run(whole())
    assert error.status == 503 and error.code == "limits_unavailable"


def test_lengths_are_learned_from_whole_answers(tmp_path: Path) -> None:
    lengths = AnswerLengths()

    async def inner(one: Exchange) -> Answer:
        one.settled = settled(40)
        return Answer(200)

    async def whole() -> None:
        limiter = LocalLimiter(tmp_path)
        handle = admit(limiter, LimitTable(), build_routes([], ["m"]), MODELS, lengths)(inner)
        for number in range(30):
            one = exchange(number)
            await handle(one)
            one.end()
        await limiter.close()

    asyncio.run(whole())
    assert 40 <= lengths.quantile("k", "m") <= 48
