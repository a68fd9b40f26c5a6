"""The pool of copies: so many at the same time, and none beyond."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from compatibility.scripted_engine import ScriptedEngine
from steward.core.errors import Refused
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.shadow import Shadows, TaskPool, copy_for_shadow
from steward.gateway.models import ModelEntry

VECTORS = frozenset({"/v1/embeddings"})


def test_a_pool_is_full_and_has_room_again() -> None:
    async def go() -> None:
        pool, gate = TaskPool(1), asyncio.Event()

        async def work() -> None:
            await gate.wait()

        assert not pool.is_full
        pool.start(work())
        assert pool.is_full
        gate.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not pool.is_full

    asyncio.run(go())


def test_closing_ends_what_is_under_way() -> None:
    async def go() -> None:
        pool = TaskPool(2)
        pool.start(asyncio.sleep(3600))
        await pool.close()
        await asyncio.sleep(0)
        assert not pool.is_full

    asyncio.run(go())


ENGINE = ScriptedEngine(lambda body: (200, {}))
MODELS = {"new": ModelEntry("new", ENGINE, "new"), "vectors": ModelEntry("vectors", ENGINE, "v", endpoints=VECTORS)}


def ask(body: bytes = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}') -> Exchange:
    exchange = Exchange("req_1", "/v1/chat/completions", {"a": "b"}, body, 0.0, 0.0)
    exchange.route, exchange.route_version, exchange.prompt_version = "r", 3, "p@1"
    return exchange


TOOLS = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function"}], "seed": 1}'


def test_a_copy_has_no_tools_and_no_clients_key() -> None:
    copy = copy_for_shadow(ask(TOOLS), "new")
    assert json.loads(copy.body) == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 1}
    assert (copy.request_id, copy.model, copy.route, copy.route_version) == ("req_1-shadow", "new", "r", 3)
    assert copy.caller.principal.id == "shadow" and copy.prompt_version == "p@1"
    other = copy_for_shadow(ask(), "new", TOOLS, mark="candidate-trial")
    assert json.loads(other.body)["seed"] == 1 and other.request_id == "req_1-candidate-trial"


async def stream_three(read: list[bytes]) -> AsyncIterator[bytes]:
    for piece in (b"a", b"b", b"c"):
        read.append(piece)
        yield piece


@pytest.mark.parametrize("kind", ["whole", "stream", "refused"])
def test_a_copys_answer_is_read_to_its_end_and_nobody_gets_it(kind: str) -> None:
    read: list[bytes] = []
    seen: list[str] = []

    async def handle(exchange: Exchange) -> Answer:
        seen.append(exchange.request_id)
        if kind == "refused":
            raise Refused("no", status=429, type="t")
        return Answer(200, b"", stream=stream_three(read)) if kind == "stream" else Answer(200, b"{}")

    async def go() -> None:
        shadows = Shadows(handle, MODELS, 2)
        shadows.start(ask(), "new")
        for _ in range(9):
            await asyncio.sleep(0)
        await shadows.close()

    asyncio.run(go())
    assert seen == ["req_1-shadow"] and read == ([b"a", b"b", b"c"] if kind == "stream" else [])


def test_a_large_request_and_one_too_many_go_without_their_copy() -> None:
    seen: list[str] = []

    async def handle(exchange: Exchange) -> Answer:
        seen.append(exchange.request_id)
        await asyncio.sleep(3600)
        raise AssertionError

    async def go() -> None:
        shadows = Shadows(handle, MODELS, 1)
        large = b'{"model": "m", "messages": [{"role": "user", "content": "' + b"x" * 200_000 + b'"}]}'
        for body in (large, ask().body, ask().body):
            shadows.start(ask(body), "new")
            await asyncio.sleep(0)
        await shadows.close()

    asyncio.run(go())
    assert seen == ["req_1-shadow"]


def test_a_model_without_the_endpoint_gets_no_copy() -> None:
    seen: list[str | None] = []

    async def handle(exchange: Exchange) -> Answer:
        seen.append(exchange.model)
        return Answer(200, b"{}")

    async def go() -> None:
        shadows = Shadows(handle, MODELS, 8)
        embedding = Exchange("req_2", "/v1/embeddings", {}, b'{"model": "m", "input": "hi"}', 0.0, 0.0)
        for model, exchange in (("vectors", ask()), ("vectors", embedding), ("new", ask())):
            shadows.start(exchange, model)
        for _ in range(9):
            await asyncio.sleep(0)
        await shadows.close()

    asyncio.run(go())
    assert seen == ["vectors", "new"]
