"""The handler that reserves and releases, around a call that the test answers itself."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.limits.local import LocalLimiter
from steward.core.errors import Refused, Unavailable
from steward.core.identity import Caller, Principal
from steward.core.records import Decision, LimitSpec, Reservation, Settled
from steward.gateway.answer import Answer
from steward.gateway.answer_lengths import AnswerLengths
from steward.gateway.exchange import Exchange
from steward.gateway.field_names import read_field_names
from steward.gateway.large import LARGE_BYTES
from steward.gateway.limit_table import LimitTable
from steward.gateway.middleware import admit
from steward.gateway.middleware.admit import _KnownTerms
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import Outgoing
from steward.gateway.passthrough import PASSTHROUGH, read_request
from steward.gateway.pricing.prices import Prices
from steward.gateway.relay import Relay
from steward.gateway.routing import build_routes
from steward.gateway.stream import Stream
from steward.gateway.wire import COMMON_OUTPUT_TOKENS, decode_request
from steward.gateway.wire_fields import Request

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


class Counting:
    """A limiter that allows all, or nothing, and notes what it was asked."""

    def __init__(self, extends: Any = True) -> None:
        self.reserved: list[tuple[int, float]] = []
        self.extended: list[tuple[int, float]] = []
        self.settled: list[tuple[int, float]] = []
        self.cancelled = 0
        self.extends = extends  # whether more can be had: a bool, the most tokens at once, or an error

    async def reserve(self, request_id: str, scopes: Any, tokens: int, usd: float, now: float) -> Any:
        self.reserved.append((tokens, usd))
        return Decision(allowed=True), Reservation(request_id=request_id, scopes=scopes, tokens=tokens, usd=usd, at=now)

    async def extend(self, held: Any, tokens: int, usd: float, now: float) -> bool:
        self.extended.append((tokens, usd))
        if isinstance(self.extends, Exception):
            raise self.extends
        return self.extends if isinstance(self.extends, bool) else tokens <= self.extends

    async def settle(self, held: Any, tokens: int, usd: float, now: float) -> None:
        self.settled.append((tokens, usd))

    async def cancel(self, held: Any, now: float) -> None:
        self.cancelled += 1

    async def close(self) -> None: ...


def counted(
    limits: LimitSpec,
    *asked: Exchange,
    lengths: AnswerLengths | None = None,
    models: dict[str, ModelEntry] = MODELS,
    limiter: Counting | None = None,
    inner: Any = None,
) -> Counting:
    """What the limiter saw of the requests, each answered whole with one token."""
    counting = limiter or Counting()

    async def answered(one: Exchange) -> Answer:
        one.settled = settled(1, 0.5)
        return Answer(200)

    async def go() -> None:
        table = LimitTable(default=limits)
        handle = admit(counting, table, build_routes([], list(models)), models, lengths or AnswerLengths())  # type: ignore[arg-type]
        for one in asked:
            await handle(inner or answered)(one)
            one.end()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(go())
    return counting


TOKENS = LimitSpec(tokens_per_minute=10_000)
# {"role": "user", "content": "hi"} in a list are 35 bytes: 9 tokens


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 9 + 4_096),  # the maximum that is enforced
        ({"max_tokens": 7}, 9 + 7),
        ({"max_tokens": 7, "n": 3}, 9 + 21),
        ({"n": 2}, 9 + 2 * 4_096),
        ({"stream": True}, 9 + COMMON_OUTPUT_TOKENS),  # nothing was learned of this key's answers
        ({"stream": True, "n": 2}, 9 + 2 * COMMON_OUTPUT_TOKENS),
    ],
)
def test_what_a_request_reserves(fields: dict[str, Any], tokens: int) -> None:
    one = exchange(**fields)
    counting = counted(TOKENS, one)
    usd = (9 * 1.0 + (tokens - 9) * 2.0) / 1e6  # a million cost 1 and 2 US dollars
    assert counting.reserved == [(tokens, pytest.approx(usd))] and one.reserved_usd == pytest.approx(usd)
    assert counting.settled == [(1, 0.5)] and counting.cancelled == 0
    assert one.declared_maximum == (None if "max_tokens" not in fields else fields["max_tokens"] * fields.get("n", 1))


def test_what_was_learned_is_reserved_for_a_stream() -> None:
    lengths = AnswerLengths()
    for _ in range(30):
        lengths.learn("k", "m", 40)
    learned = lengths.quantile("k", "m")
    assert counted(TOKENS, exchange(stream=True, n=3), lengths=lengths).reserved[0][0] == 9 + 3 * learned


def test_embeddings_have_no_output() -> None:
    one = exchange(input="x")
    one.endpoint = "/v1/embeddings"
    assert counted(TOKENS, one).reserved[0][0] == one.reserved_input and one.reserved_output == 0


def test_a_limit_of_requests_alone_needs_no_settling_of_lengths() -> None:
    one = exchange()
    counting = counted(LimitSpec(requests_per_minute=5), one)
    assert one.enforced_maximum is None and counting.reserved[0][0] == 9 + COMMON_OUTPUT_TOKENS
    assert counting.settled == []
    assert counted(LimitSpec(requests_per_minute=5, concurrent=1), exchange()).settled == [(1, 0.5)]


def test_without_limits_nothing_is_counted() -> None:
    assert counted(LimitSpec(), exchange()).reserved == []


def test_where_no_price_is_known_money_is_refused_and_tokens_are_not() -> None:
    free = {"m": ModelEntry("m", None, "m")}  # type: ignore[arg-type]
    one = exchange()
    assert counted(TOKENS, one, models=free).reserved == [(9 + 4_096, 0.0)] and one.reserved_usd is None
    with pytest.raises(Refused, match="price"):
        counted(LimitSpec(usd_per_day=1.0), exchange(), models=free)


def test_other_maxima_are_refused_where_lengths_count() -> None:
    with pytest.raises(Refused, match="n_predict"):
        counted(TOKENS, exchange(n_predict=9))
    assert len(counted(LimitSpec(requests_per_minute=5), exchange(n_predict=9)).reserved) == 1


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_the_maximum_is_written_into_large_bodies_too(size: int) -> None:
    one = exchange(metadata={"x": "y" * size})
    counted(TOKENS, one)
    assert json.loads(one.body)["max_completion_tokens"] == 4_096 == one.enforced_maximum


def test_an_unknown_model_is_404() -> None:
    one = exchange()
    one.request.model = "other"
    with pytest.raises(Refused) as caught:
        counted(TOKENS, one)
    assert caught.value.status == 404


def test_what_fails_before_it_is_admitted_is_cancelled() -> None:
    async def failing(one: Exchange) -> Answer:
        raise ZeroDivisionError

    counting = Counting()
    with pytest.raises(ZeroDivisionError):
        counted(TOKENS, exchange(), limiter=counting, inner=failing)
    assert counting.cancelled == 1 and counting.settled == []


@pytest.mark.parametrize(
    ("changes", "learned"),
    [
        ({}, True),
        ({"outcome": "refused"}, False),
        ({"estimated": True}, False),
        ({"output_tokens": 0}, False),
        ({"output_tokens": 4_096}, False),  # it met the enforced maximum
        ({"output_tokens": 4_095}, True),
    ],
)
def test_only_an_answer_that_ended_by_itself_teaches(changes: dict[str, Any], learned: bool) -> None:
    lengths = AnswerLengths()

    async def inner(one: Exchange) -> Answer:
        one.settled = msgspec.structs.replace(settled(40), **changes)
        return Answer(200)

    counted(TOKENS, *(exchange(number) for number in range(60)), lengths=lengths, inner=inner)
    assert (lengths.quantile("k", "m") != COMMON_OUTPUT_TOKENS) is learned


def streamed(limiter: Counting, reserved: int, events: int) -> tuple[bytes, Exchange]:
    """A stream of so many events of a token each, whose request had reserved so much."""
    one = exchange(stream=True, max_tokens=reserved)
    out: list[bytes] = []

    async def inner(seen: Exchange) -> Answer:
        relay = Relay(seen, Outgoing(seen.endpoint, seen.body))
        return Answer(200, stream=Stream(seen, Endless(), relay, [b'data: {"id":"a"}\n\n']))

    async def go() -> None:
        table = LimitTable(default=TOKENS)
        answer = await admit(limiter, table, build_routes([], ["m"]), MODELS, AnswerLengths())(inner)(one)  # type: ignore[arg-type]
        assert answer.stream is not None
        async for piece in answer.stream:
            out.append(piece)
            if b"".join(out).count(b"\n\n") >= events:
                break
        one.end()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(go())
    return b"".join(out), one


def test_a_stream_reserves_64_tokens_at_a_time() -> None:
    """At 2 US dollars a million, for output alone."""
    limiter = Counting()
    streamed(limiter, 10, 80)
    assert limiter.extended == [(64, pytest.approx(64 * 2e-6)), (64, pytest.approx(64 * 2e-6))]


def test_near_a_limit_a_stream_takes_what_it_can_get() -> None:
    limiter = Counting(extends=5)
    streamed(limiter, 10, 12)
    assert [tokens for tokens, _ in limiter.extended] == [64, 1] * 2


@pytest.mark.parametrize("extends", [False, Unavailable("gone")])
def test_a_stream_that_can_reserve_no_more_is_cut_off(extends: Any) -> None:
    out, one = streamed(Counting(extends), 10, 1_000)
    assert one.cut_off and b"budget_exceeded" in out and out.endswith(b"data: [DONE]\n\n") and one.events >= 10


def test_a_caller_that_was_changed_has_other_terms() -> None:
    table = LimitTable(default=TOKENS)
    known = _KnownTerms(table)
    one = known.list_scopes(CALLER, "m")
    assert known.list_scopes(CALLER, "m") is one and known.list_scopes(CALLER, "n") is not one
    other = Caller(principal=CALLER.principal)
    assert known.list_scopes(other, "m") is not one and known.list_scopes(other, "m").caller is other
    assert (one.counted, one.settled, one.budgeted) == (True, True, False)


def test_ten_thousand_terms_are_remembered() -> None:
    known = _KnownTerms(LimitTable(default=TOKENS))
    first = known.list_scopes(CALLER, "0")
    for number in range(1, known.MOST):
        known.list_scopes(CALLER, str(number))
    assert known.list_scopes(CALLER, "0") is first
    known.list_scopes(CALLER, "one more")
    assert known.list_scopes(CALLER, "0") is not first


def test_a_budget_bounds_an_answer_that_declares_no_maximum() -> None:
    one = exchange()
    counted(LimitSpec(usd_per_day=0.001), one)
    assert one.enforced_maximum == 495  # of 1,000 millionths of a dollar the request takes 9, a token 2


def passed_through(models: dict[str, ModelEntry], limits: LimitSpec = TOKENS) -> tuple[Exchange, Counting]:
    """A moderation of 40 bytes: 10 tokens."""
    body = json.dumps({"model": "m", "input": "x" * 40}).encode()
    one = Exchange("req_1", "/v1/moderations", {}, body, 0.0, 0.0, CALLER)
    one.passthrough = read_request(PASSTHROUGH["/v1/moderations"], body, "application/json")
    one.request = Request(model="m")
    return one, counted(limits, one, models=models)


def test_what_passes_through_reserves_its_units_at_their_most() -> None:
    one, counting = passed_through(MODELS)
    assert (one.reserved_input, one.reserved_output, one.enforced_maximum) == (10, 0, None)
    assert one.reserved_usd == pytest.approx(10 * 1e-6) and counting.reserved == [(10, pytest.approx(10 * 1e-6))]
    free = {"m": ModelEntry("m", None, "m")}  # type: ignore[arg-type]
    one, counting = passed_through(free)
    assert one.reserved_usd is None and counting.reserved == [(10, 0.0)]
    with pytest.raises(Refused, match="price"):
        passed_through(free, LimitSpec(usd_per_day=1.0))


def test_what_passes_through_teaches_nothing_of_lengths() -> None:
    lengths = AnswerLengths()
    body = json.dumps({"model": "m", "input": "x"}).encode()
    for _ in range(60):
        one = Exchange("req_1", "/v1/moderations", {}, body, 0.0, 0.0, CALLER)
        one.passthrough = read_request(PASSTHROUGH["/v1/moderations"], body, "application/json")
        one.request = Request(model="m")
        counted(TOKENS, one, lengths=lengths)
    assert lengths.quantile("k", "m") == COMMON_OUTPUT_TOKENS
