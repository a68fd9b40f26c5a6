"""Which model answers, which is tried when it does not, and what is learned of their health (S2, C15)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.health import HealthTracker
from steward.gateway.health_plan import HealthPlan
from steward.gateway.middleware import call, route
from steward.gateway.models import ModelEntry
from steward.gateway.routing import build_routes
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
    body = b'{"model":"m","messages":[{"content":[{"type":"image_url"}]}]}'
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, time.time(), time.perf_counter(), caller)
    exchange.request, exchange.route = Request(model="m"), "m"
    return exchange


def ask(engine: Engine, keys: list[str], embedded: bool) -> list[int]:
    """One request after another. -> statuses"""
    entry = ModelEntry("m", engine, "m", embedded=embedded)  # type: ignore[arg-type]
    health = HealthTracker(PLAN, ["m"])

    async def go() -> list[int]:
        handle = route(ROUTES, health, 600.0)(call({"m": entry}))
        statuses = []
        for key in keys:
            try:
                answer: Answer | Refused = await handle(make_exchange(key))
            except Refused as error:
                answer = error
            statuses.append(answer.status)
        return statuses

    return asyncio.run(go())


def test_what_an_embedded_model_cannot_read_is_400_and_asked_once() -> None:
    engine = Engine(500)
    assert ask(engine, ["k"] * 10, embedded=True) == [400] * 10 and engine.calls == 10


def test_one_keys_500s_keep_nobody_else_out() -> None:
    statuses = ask(Engine(500), ["bad"] * 8 + ["good"], embedded=False)
    assert statuses[7] == 503 and statuses[8] == 500  # "bad" waits; "good" is asked for, and sees for itself


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


@pytest.mark.parametrize("status", [502, 503, 504, 529])
def test_a_server_that_says_so_is_down_for_everybody(status: int) -> None:
    assert ask(Engine(status), ["a"] * 6 + ["b"], embedded=True)[-1] == 503
