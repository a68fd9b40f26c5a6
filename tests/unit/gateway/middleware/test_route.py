"""Which model answers, which is tried when it does not, and what is learned of their health (S2, C15)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from compatibility.scripted_engine import Gate, ScriptedEngine, streamed, whole
from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.health import HealthTracker
from steward.gateway.health_plan import HealthPlan
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import Shadows, call, route
from steward.gateway.models import ModelEntry
from steward.gateway.route_records import ErrorFallbacks, Route, Shadow, Target
from steward.gateway.routing import build_routes, rank_by_rendezvous
from steward.gateway.wire_fields import Request

PLAN = HealthPlan(consecutive_failures=3)
ROUTES = build_routes([], ["m"])


class Engine:
    """Answers every request with one status and counts them."""

    def __init__(self, status: int) -> None:
        self.status, self.calls = status, 0
        self.headers: dict[str, str] = {"content-type": "application/json"}

    async def call(self, endpoint: str, body: bytes, headers: Any = None, streamed: bool = False) -> Engine:
        self.calls += 1
        return self

    async def read(self) -> bytes:
        return b'{"error":{"code":500,"message":"unsupported content[].type","type":"server_error"}}'


def make_exchange(key: str) -> Exchange:
    caller = Caller(principal=Principal(kind="key", id=key))
    body = b'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}'
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, time.time(), time.perf_counter(), caller)
    exchange.request, exchange.route = Request(model="m"), "m"
    return exchange


def ask(engine: Engine, keys: list[str], embedded: bool) -> list[int]:
    """One request after another. -> statuses"""
    entry = ModelEntry("m", engine, "m", embedded=embedded)  # type: ignore[arg-type]
    health = HealthTracker(PLAN, ["m"])

    async def go() -> list[int]:
        handle = route(ROUTES, health, 600.0, {"m": entry})(call({"m": entry}))
        statuses = []
        for key in keys:
            try:
                answer: Answer | Refused = await handle(make_exchange(key))
            except Refused as error:
                answer = error
            statuses.append(answer.status)
        return statuses

    return asyncio.run(go())


def test_s02_what_an_embedded_model_cannot_read_is_400_and_asked_once() -> None:
    engine = Engine(500)
    assert ask(engine, ["k"] * 10, embedded=True) == [400] * 10 and engine.calls == 10


@pytest.mark.parametrize("status", [500, 504])
def test_s02_what_one_key_meets_keeps_nobody_else_out(status: int) -> None:
    statuses = ask(Engine(status), ["bad"] * 8 + ["good"], embedded=False)
    assert statuses[7] == 503 and statuses[8] == status  # "bad" waits; "good" is asked for, and sees for itself


def test_s09_one_keys_broken_streams_keep_nobody_else_out() -> None:
    """What its requests make of an upstream's streams; what a second key meets depends on the server."""
    gate = Gate({"a": lambda body: (200, streamed("x")[:1])}, Route("r", (Target("a"),), retries=0))
    for _ in range(5):
        gate.ask({**BODY, "stream": True})
    now = time.monotonic()
    assert not gate.health["a"].admits(gate.exchange.caller.principal.account, now)
    assert gate.health["a"].admits("another", now)


def test_what_two_keys_meet_depends_on_the_server() -> None:
    statuses = ask(Engine(500), ["a", "b"] * 4 + ["c"], embedded=False)
    assert statuses[-1] == 503


def test_a_success_takes_the_suspicion_away() -> None:
    health = HealthTracker(PLAN, ["m"])["m"]
    for _ in range(20):
        health.record_error("a", 1.0)
        health.record_success("good", 1.0)
        health.record_error("b", 1.0)
        health.record_success("good", 1.0)
    assert health.admits("c", 1.0)


@pytest.mark.parametrize("status", [502, 503, 529])
def test_a_server_that_says_so_is_down_for_everybody(status: int) -> None:
    assert ask(Engine(status), ["a"] * 6 + ["b"], embedded=True)[-1] == 503


BODY: dict[str, Any] = {"model": "r", "messages": [{"role": "user", "content": "hi"}]}
ERROR = {"error": {"message": "no", "type": "t", "param": None, "code": None}}


def answering(status: int) -> Any:
    return lambda body: (status, whole() if status < 400 else ERROR)


@pytest.mark.parametrize(("status", "fallback"), [(400, 0), (404, 0), (408, 1), (409, 1), (422, 0), (429, 1), (500, 1),
                                                  (501, 1), (503, 1), (529, 1)])  # fmt: skip
def test_what_another_model_might_answer_is_asked_of_the_next(status: int, fallback: int) -> None:
    """Statuses that OpenAI's SDKs try again, and all from 500."""
    gate = Gate({"a": answering(status), "b": answering(200)}, Route("r", (Target("a"),), ("b",), retries=0))
    assert gate.ask(BODY)[0] == (200 if fallback else status)
    assert len(gate.engines["b"].asked) == fallback
    assert [attempt.model for attempt in gate.exchange.attempts] == ["a", "b"][: 1 + fallback]


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2), (2, 3)])
def test_a_model_that_failed_is_asked_so_often_again(retries: int, asked: int) -> None:
    gate = Gate({"a": answering(503)}, Route("r", (Target("a"),), retries=retries))
    assert gate.ask(BODY)[0] == 503 and len(gate.engines["a"].asked) == asked
    assert (b"x-should-retry" in dict(gate.ask(BODY)[2].headers)) == (asked > 1)


def test_a_retry_may_succeed() -> None:
    answers = iter([503, 200])
    gate = Gate({"a": lambda body: answering(next(answers))(body)}, Route("r", (Target("a"),)))
    status, _, answer = gate.ask(BODY)
    assert status == 200 and answer.headers == []
    assert [attempt.status for attempt in gate.exchange.attempts] == [503, 200]


def test_a_model_that_asks_for_a_long_pause_is_not_asked_again() -> None:
    def busy(body: dict[str, Any]) -> tuple[int, Any]:
        return 429, ERROR

    gate = Gate({"a": busy}, Route("r", (Target("a"),), retries=3))
    gate.engines["a"].headers = {"retry-after": "11"}
    assert gate.ask(BODY)[0] == 429 and len(gate.engines["a"].asked) == 1


def test_a_timeout_is_not_asked_again() -> None:
    class Late(ScriptedEngine):
        async def call(self, *_: Any, **__: Any) -> Any:
            self.asked.append({})
            raise TimedOut("late")

    gate = Gate({"a": answering(200)}, Route("r", (Target("a"),), retries=2))
    late = Late(answering(200))
    gate.entries["a"].engine = late
    with pytest.raises(Refused) as caught:
        gate.ask(BODY)
    assert (caught.value.status, caught.value.headers) == (504, ()) and len(late.asked) == 1


def test_after_several_tries_the_client_is_told_not_to_multiply_them() -> None:
    class Gone(ScriptedEngine):
        async def call(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("gone")

    gate = Gate({"a": answering(200)}, Route("r", (Target("a"),), retries=1))
    gate.entries["a"].engine = Gone(answering(200))
    with pytest.raises(Refused) as caught:
        gate.ask(BODY)
    assert caught.value.status == 502 and caught.value.headers == (("x-should-retry", "false"),)
    assert len(gate.exchange.attempts) == 2
    gate = Gate({"a": answering(503)}, Route("r", (Target("a"),), retries=1))
    gate.engines["a"].headers = {"x-should-retry": "true"}
    assert dict(gate.ask(BODY)[2].headers)[b"x-should-retry"] == b"true"  # the upstream's own word stays


def test_a_model_that_failed_often_rests_and_says_when_it_is_tried() -> None:
    gate = Gate({"a": answering(503)}, Route("r", (Target("a"),), retries=0))
    for _ in range(HealthPlan().consecutive_failures):
        assert gate.ask(BODY)[0] == 503
    with pytest.raises(Refused) as caught:
        gate.ask(BODY)
    error, seconds = caught.value, int(HealthPlan().open_s)
    assert (error.status, error.code) == (503, "upstream_unavailable") and gate.exchange.model is None
    assert error.headers == (("retry-after", str(seconds)),)
    assert error.message == (
        f"No model of 'r' is available: a failed repeatedly. The gateway tries again in {seconds} s."
    )
    assert len(gate.engines["a"].asked) == HealthPlan().consecutive_failures


def test_one_that_is_not_welcome_says_nothing_of_the_models_health() -> None:
    error = {"error": {"message": "too long", "type": "t", "code": "context_length_exceeded"}}
    gate = Gate({"a": lambda body: (400, error)}, Route("r", (Target("a"),), retries=3))
    for _ in range(HealthPlan().consecutive_failures + 5):
        assert gate.ask(BODY)[0] == 400
    assert gate.health["a"].breaker.closed
    assert len(gate.engines["a"].asked) == HealthPlan().consecutive_failures + 5  # and it is not asked again


def test_a_limit_is_no_sign_of_ill_health() -> None:
    gate = Gate({"a": answering(429)}, Route("r", (Target("a"),), retries=0))
    for _ in range(HealthPlan().consecutive_failures + 5):
        assert gate.ask(BODY)[0] == 429
    assert gate.health["a"].breaker.closed


def test_what_is_in_flight_is_counted_back() -> None:
    gate = Gate({"a": answering(200), "b": answering(503)}, Route("r", (Target("b"),), ("a",), retries=0))
    gate.ask(BODY)
    assert gate.health["a"].in_flight == gate.health["b"].in_flight == 0
    now = time.monotonic()
    assert 0 < gate.health["a"].latency.value(now) < 60  # seconds, not the time of day
    assert gate.health["b"].breaker.window.counts(now) == (1, 1) and gate.health["b"].latency.value(now) == 0
    stream = Gate({"a": lambda body: (200, streamed("x"))}, Route("r", (Target("a"),)))
    assert stream.ask({**BODY, "stream": True})[0] == 200 and stream.health["a"].in_flight == 0


def test_a_clients_deadline_is_kept() -> None:
    class Slow(ScriptedEngine):
        async def call(self, *_: Any, **__: Any) -> Any:
            await asyncio.sleep(3600)

    gate = Gate({"a": answering(200)}, Route("r", (Target("a"),)))
    gate.entries["a"].engine = Slow(answering(200))
    with pytest.raises(Refused) as caught:
        gate.ask(BODY, headers={"x-stainless-read-timeout": "0.5"})
    assert (caught.value.status, caught.value.code) == (504, "upstream_timeout")
    assert caught.value.message.startswith("Model 'a' did not answer within 0.5 s, the limit set by the client")
    assert gate.health["a"].breaker.window.counts(time.monotonic()) == (0, 0)  # says nothing of the model


COPY = {"copy": ModelEntry("copy", ScriptedEngine(answering(200)), "copy")}


def shadowed(sample: float, draw: float, most: int = 5, size: int = 0) -> list[Exchange]:
    """The copies that a shadow got of one request."""
    copies: list[Exchange] = []

    async def shadow(exchange: Exchange) -> Answer:
        copies.append(exchange)
        return Answer(200)

    async def inner(exchange: Exchange) -> Answer:
        return Answer(200)

    async def go() -> None:
        rule = Route("r", (Target("a"),), shadow=Shadow("copy", sample))
        shadows = Shadows(shadow, COPY, most)
        handle = route({"r": rule}, HealthTracker(PLAN, ["a"]), 60.0, {}, shadows, lambda: draw)(inner)
        body = json.dumps(
            {**BODY, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "functions": [],
             "function_call": "auto", "metadata": "x" * size}
        ).encode()  # fmt: skip
        exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, time.perf_counter())
        exchange.route, exchange.route_version, exchange.prompt_version = "r", 7, "v"
        await handle(exchange)
        await asyncio.sleep(0)
        await shadows.close()

    asyncio.run(go())
    return copies


def test_a_shadow_sees_a_copy_without_tools() -> None:
    (copy,) = shadowed(0.5, 0.49)
    assert copy.request_id == "req_1-shadow" and copy.model == "copy" and copy.route == "r"
    assert (copy.route_version, copy.prompt_version) == (7, "v")
    assert (copy.caller.principal.id, copy.project) == ("shadow", "shadow")
    assert json.loads(copy.body) == {**BODY, "metadata": ""} and copy.request.model == "r"


def test_a_shadow_sees_a_share_and_no_large_request() -> None:
    assert len(shadowed(0.5, 0.49)) == 1 and shadowed(0.5, 0.5) == []
    assert shadowed(0.5, 0.0, most=0) == [] and shadowed(0.5, 0.0, size=LARGE_BYTES) == []


def test_the_same_person_meets_the_same_model() -> None:
    rule = Route("r", (Target("a"), Target("b")), sticky="subject")
    gate = Gate({"a": answering(200), "b": answering(200)}, rule)
    for _ in range(5):
        gate.ask(BODY, subject="5f2c")
    first = rank_by_rendezvous("5f2c", rule.targets)[0]
    assert len(gate.engines[first].asked) == 5


@pytest.mark.parametrize(
    ("status", "counted"), [(408, (1, 1)), (409, (0, 0)), (429, (0, 0)), (501, (0, 0)), (502, (1, 1))]
)
def test_which_failures_count_against_a_model(status: int, counted: tuple[int, int]) -> None:
    gate = Gate({"a": answering(status)}, Route("r", (Target("a"),), retries=0))
    gate.ask(BODY)
    assert gate.health["a"].breaker.window.counts(time.monotonic()) == counted


@pytest.mark.parametrize(
    ("pieces", "counted"), [(streamed("x"), (1, 0)), (streamed("x")[:1], (1, 1)), ([b"data: {no json}\n\n"], (1, 1))]
)
def test_how_a_stream_ended_counts(pieces: list[bytes], counted: tuple[int, int]) -> None:
    gate = Gate({"a": lambda body: (200, list(pieces))}, Route("r", (Target("a"),), retries=0))
    gate.ask({**BODY, "stream": True})
    health, account = gate.health["a"], gate.exchange.caller.principal.account
    own = health._own.get(account)
    assert (own.window if own is not None else health.breaker.window).counts(time.monotonic()) == counted
    assert health.in_flight == 0


def test_a_shadows_stream_is_read_to_its_end() -> None:
    read: list[int] = []

    class Pieces:
        filter = budget = None
        ended, broke = True, False

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> bytes:
            read.append(1)
            if len(read) > 3:
                raise StopAsyncIteration
            return b"x"

        async def forward(self, write: Any) -> None: ...

    async def shadow(exchange: Exchange) -> Answer:
        return Answer(200, stream=Pieces())

    async def go() -> None:
        shadows = Shadows(shadow, COPY, 1)
        exchange = Exchange("req_1", "/v1/chat/completions", {}, json.dumps(BODY).encode(), 0.0, 0.0)
        shadows.start(exchange, "copy")
        shadows.start(exchange, "copy")  # one at a time
        for _ in range(3):
            await asyncio.sleep(0)
        await shadows.close()

    asyncio.run(go())
    assert len(read) == 4


def test_of_two_targets_the_other_answers_where_the_first_cannot() -> None:
    gate = Gate({"a": answering(503), "b": answering(200)}, Route("r", (Target("a"), Target("b")), retries=0))
    assert gate.ask(BODY)[0] == 200
    assert [attempt.model for attempt in gate.exchange.attempts] == ["a", "b"]


def test_whom_an_error_names_is_asked_unless_it_has_failed_already() -> None:
    error = {"error": {"message": "too long", "type": "t", "code": "context_length_exceeded"}}
    rules = ErrorFallbacks(context=("a", "c"))
    route = Route("r", (Target("a"),), ("b",), retries=0, error_fallbacks=rules)
    gate = Gate({"a": lambda body: (400, error), "b": answering(200), "c": answering(200)}, route)
    assert gate.ask(BODY)[0] == 200
    assert [attempt.model for attempt in gate.exchange.attempts] == ["a", "c"]


@pytest.mark.parametrize(
    ("status", "code", "counted"),
    [(400, "context_length_exceeded", (1, 0)), (400, "content_filter", (1, 0)), (429, "insufficient_quota", (0, 0))],
)
def test_what_the_request_is_to_blame_for_is_a_success_of_the_model(
    status: int, code: str, counted: tuple[int, int]
) -> None:
    error = {"error": {"message": "no", "type": "t", "code": code}}
    gate = Gate({"a": lambda body: (status, error)}, Route("r", (Target("a"),), retries=0))
    gate.ask(BODY)
    assert gate.health["a"].breaker.window.counts(time.monotonic()) == counted


def test_a_pause_that_outlasts_the_client_is_left_to_it() -> None:
    gate = Gate({"a": answering(429)}, Route("r", (Target("a"),), retries=3))
    gate.engines["a"].headers = {"retry-after": "5"}
    assert gate.ask(BODY, headers={"x-stainless-read-timeout": "4"})[0] == 429
    assert len(gate.engines["a"].asked) == 1


# ---- endpoints that a model does not have

CHAT_ONLY = frozenset({"/v1/chat/completions"})
PROMPT = {"model": "r", "prompt": "hi"}


def make_gate(status: int, routed: Route, **endpoints: frozenset[str]) -> Gate:
    gate = Gate(dict.fromkeys("abc", answering(status)), routed)
    for name, served in endpoints.items():
        gate.entries[name].endpoints = served
    return gate


@pytest.mark.parametrize("endpoint", ["/v1/completions", "/v1/embeddings", "/v1/moderations"])
def test_what_no_model_has_is_the_clients_mistake_also_while_it_is_down(endpoint: str) -> None:
    gate = make_gate(503, Route("r", (Target("a"),), retries=0), a=CHAT_ONLY)
    assert [gate.ask(BODY)[0] for _ in range(5)] == [503] * 5
    with pytest.raises(Refused) as resting:
        gate.ask(BODY)
    assert resting.value.status == 503
    with pytest.raises(Refused) as caught:
        gate.ask({**PROMPT, "input": "hi"}, endpoint)
    assert (caught.value.status, caught.value.param) == (400, "model")


@pytest.mark.parametrize("routed", [Route("r", (Target("a"), Target("b"))), Route("r", (Target("a"),), ("b",))])
def test_the_next_that_has_the_endpoint_is_asked(routed: Route) -> None:
    gate = make_gate(200, routed, a=CHAT_ONLY)
    assert gate.ask(PROMPT, "/v1/completions")[0] == 200
    assert [len(gate.engines[name].asked) for name in "ab"] == [0, 1]
    assert gate.ask(BODY)[0] == 200 and len(gate.engines["a"].asked) == 1


def test_what_none_of_several_has_is_told_as_the_first_would() -> None:
    gate = make_gate(200, Route("r", (Target("a"),), ("b",)), a=CHAT_ONLY, b=frozenset({"/v1/embeddings"}))
    with pytest.raises(Refused) as caught:
        gate.ask(PROMPT, "/v1/completions")
    assert (caught.value.status, caught.value.code) == (400, "unsupported_endpoint")
    assert "/v1/chat/completions" in caught.value.message and not gate.exchange.attempts
