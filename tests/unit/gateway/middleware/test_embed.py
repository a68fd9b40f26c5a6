"""Sampled requests are embedded in the background; a projection is kept, and nobody waits."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.embed import (
    AT_A_TIME,
    MOST_CHARS,
    SIZE,
    PromptEmbedder,
    embed_prompts,
    project,
    read_text,
)
from steward.gateway.middleware.features import note_features

REFUSED = Refused("no", status=503, type="server_error", code="unavailable")
KEY = Caller(principal=Principal(kind="key", id="k"))
BODY = {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}
VECTOR = {"data": [{"embedding": [3.0, 4.0]}]}


class Embeddings:
    """A model that embeds, or does what it is told to."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.asked: list[Exchange] = []
        self.answer, self.release = answer, asyncio.Event()

    async def __call__(self, exchange: Exchange) -> Answer:
        self.asked.append(exchange)
        await self.release.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ask(body: Any = BODY) -> Exchange:
    return Exchange("req_1", "/v1/chat/completions", {}, json.dumps(body).encode(), 1000.0, 0.0, KEY)


def serve(answer: Answer | Exception, body: Any = BODY, is_early: bool = True) -> tuple[Exchange, Embeddings]:
    """One exchange whose embedding is there before its answer, or after it."""

    async def run() -> tuple[Exchange, Embeddings]:
        model, exchange = Embeddings(answer), ask(body)
        embedder = PromptEmbedder(model, "vectors")

        async def inner(_: Exchange) -> Answer:
            if is_early:
                model.release.set()
                for _turn in range(10):  # turns of the loop: the background task needs three
                    await asyncio.sleep(0)
            return Answer(200, json.dumps({"choices": [{"index": 0, "message": {"content": "So."}}]}).encode())

        await note_features(10.0, "vectors")(embed_prompts(embedder)(inner))(exchange)
        await embedder.close()
        return exchange, model

    return asyncio.run(run())


def test_a_projection_of_the_prompt_is_noted() -> None:
    exchange, model = serve(Answer(200, json.dumps(VECTOR).encode()))
    assert exchange.features is not None and exchange.features.embedder == "vectors"
    assert exchange.features.embedding == project([3.0, 4.0])
    (asked,) = model.asked
    assert json.loads(asked.body) == {"model": "vectors", "input": "Be brief.\nWhy?"}
    assert (asked.endpoint, asked.model, asked.caller.principal.id) == ("/v1/embeddings", "vectors", "shadow")
    assert asked.request_id == "req_1-embedding"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b"{}"), Answer(200, b"no JSON"), Answer(200, b'{"data": []}'), REFUSED,
        Answer(200, b'{"data": [{"embedding": [0.0, 0.0]}]}'), Answer(200, b'{"data": [{"embedding": ["a"]}]}'),
    ],
)  # fmt: skip
def test_what_is_no_embedding_is_not_known_and_the_rest_is(answer: Answer | Exception) -> None:
    exchange, _ = serve(answer)
    assert exchange.features is not None and exchange.features.prompt_chars == 13
    assert exchange.features.embedding is None and exchange.features.embedder is None


def test_nobody_waits_for_it() -> None:
    exchange, model = serve(Answer(200, json.dumps(VECTOR).encode()), is_early=False)
    assert exchange.features is not None and exchange.features.embedding is None and len(model.asked) <= 1


def test_a_request_without_text_or_sample_is_not_embedded() -> None:
    _, model = serve(Answer(200, b""), {"model": "m", "messages": [{"role": "user", "content": " "}]})
    assert model.asked == []

    async def run() -> list[Exchange]:
        model = Embeddings(Answer(200, b""))

        async def inner(_: Exchange) -> Answer:
            return Answer(200, b"{}")

        await embed_prompts(PromptEmbedder(model, "v"))(inner)(ask())  # note_features did not choose it
        return model.asked

    assert asyncio.run(run()) == []


def test_the_end_of_long_texts_is_embedded() -> None:
    text = read_text(json.dumps({"messages": [{"role": "user", "content": "a" * 3000 + "end"}]}).encode())
    assert len(text) == MOST_CHARS and text.endswith("end")


def test_a_projection_by_hand() -> None:
    # Signs are bits of a fixed digest, of which the first two are 0
    assert project([3.0, 4.0]) == (-0.6, -0.8, *[0.0] * (SIZE - 2))
    assert project([0.0] * 5) is None and project([float("inf")]) is None and project([]) is None
    longer = project([1.0] + [0.0] * (SIZE - 1) + [1.0])
    assert longer is not None and longer[0] in (0.0, -0.0)


def test_a_projection_is_the_same_in_every_release() -> None:
    """Baselines are kept: number i of a vector counts for i mod 16, with bit i mod 4096 of SHAKE256 as its sign."""
    bits = int.from_bytes(hashlib.shake_256(b"steward embeddings").digest(512), "little")
    sums = [0] * 16
    for index in range(5_000):
        sums[index % 16] += 1 if bits >> (index % 4096) & 1 else -1
    assert project([1.0] * 5_000) == tuple(round(number / 5_000**0.5, 4) for number in sums)


def test_the_last_2000_characters_of_two_prompts_at_a_time_are_embedded() -> None:
    assert (SIZE, MOST_CHARS, AT_A_TIME) == (16, 2_000, 2)


def test_a_large_request_is_not_embedded_on_the_event_loop() -> None:
    large = {"model": "m", "messages": [{"role": "user", "content": "a" * 200_000}]}
    _, model = serve(Answer(200, json.dumps(VECTOR).encode()), large)
    assert model.asked == []
