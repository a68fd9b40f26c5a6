"""Tokens of a request are counted by an engine of our own, else estimated; nothing is answered and nothing leaves.

Shapes: Anthropic API reference, "Count tokens in a Message"; OpenAI API reference, "Get input token counts".
"""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from compatibility.scripted_engine import ScriptedAnswer, ScriptedEngine
from steward.core.errors import Refused, Unavailable
from steward.core.identity import NOBODY, Caller
from steward.gateway.models import ModelEntry
from steward.gateway.prompts import Prompt
from steward.gateway.routing import build_routes
from steward.workflows.serve.token_counts import count_tokens

PATH = "/v1/messages/count_tokens"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Counting(ScriptedEngine):
    """Counts as it is told, or fails."""

    def __init__(self, answer: ScriptedAnswer | Exception) -> None:
        super().__init__(lambda body: (200, {}))
        self.answer = answer

    async def call(self, endpoint: str, body: bytes, headers: Any = None, streamed: bool = False) -> ScriptedAnswer:
        self.asked.append(json.loads(body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def counted(
    answer: ScriptedAnswer | Exception,
    embedded: bool = True,
    prompt: Prompt | None = None,
    caller: Caller = NOBODY,
    body: dict[str, Any] = BODY,
) -> tuple[int, Counting]:
    engine = Counting(answer)
    generation = SimpleNamespace(
        routes=build_routes([], ["m"]),
        models={"m": ModelEntry("m", engine, "m", embedded=embedded)},
        plan=SimpleNamespace(prompts={} if prompt is None else {"m": prompt}),
    )
    given = asyncio.run(count_tokens(cast(Any, generation), caller, PATH, json.dumps(body).encode()))
    assert given.status == 200
    return json.loads(given.body)["input_tokens"], engine


def test_an_engine_of_our_own_counts() -> None:
    tokens, engine = counted(ScriptedAnswer(200, {"input_tokens": 7}))
    assert tokens == 7 and len(engine.asked) == 1


@pytest.mark.parametrize(
    "answer", [ScriptedAnswer(404, {"input_tokens": 7}), Unavailable("busy"), ScriptedAnswer(200, {})]
)
def test_where_it_cannot_tell_the_estimate_stands(answer: ScriptedAnswer | Exception) -> None:
    """A list of one message, 35 bytes: 9 tokens of 4."""
    assert counted(answer)[0] == 9


def test_others_servers_are_not_asked() -> None:
    tokens, engine = counted(ScriptedAnswer(200, {"input_tokens": 7}), embedded=False)
    assert tokens == 9 and engine.asked == []


def test_the_routes_prompt_is_counted_too() -> None:
    prompt = Prompt(mode="prepend", system="x" * 40, examples=(), version="1")
    assert counted(ScriptedAnswer(200, {}), embedded=False, prompt=prompt)[0] == 19  # 40 bytes more are 10 tokens


def test_what_would_be_refused_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        counted(ScriptedAnswer(200, {}), body={**BODY, "model": "other"})
    assert caught.value.status == 404
    with pytest.raises(Refused) as caught:
        counted(ScriptedAnswer(200, {}), caller=Caller(principal=NOBODY.principal, models=frozenset({"x"})))
    assert caught.value.status == 404
