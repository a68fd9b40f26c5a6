"""A route's prompt: for whom it is chosen, where it is put, and that no error quotes it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import apply_prompt, choose_prompt, insert_canaries
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.gateway.wire_fields import Request

KEY = Principal(kind="key", id="k")
PROMPT = Prompt(mode="default", system="Be brief.", examples=(), version="v1")
PROMPT_FIRST = Prompt(mode="prepend", system="Be brief.", examples=(), version="v1")
CHAT = "/v1/chat/completions"


def asked(
    answer: Answer,
    *messages: dict[str, Any],
    model: str = "m",
    prompts: dict[str, Prompt] | None = None,
    allowed: frozenset[str] | None = None,
    endpoint: str = CHAT,
) -> tuple[Exchange, list[dict[str, Any]]]:
    """The exchange, and the messages that the model got."""
    body = json.dumps({"model": model, "messages": messages}).encode()
    exchange = Exchange("req_1", endpoint, {}, body, 0.0, 0.0, Caller(principal=KEY, models=allowed))
    exchange.request = Request(model=model)
    sent: list[bytes] = []

    async def inner(one: Exchange) -> Answer:
        sent.append(one.body)
        return answer

    async def go() -> None:
        table = {"m": PROMPT} if prompts is None else prompts
        assert await choose_prompt(table)(apply_prompt()(inner))(exchange) is answer

    asyncio.run(go())
    read: list[dict[str, Any]] = json.loads(sent[0])["messages"]
    return exchange, read


HI = {"role": "user", "content": "hi"}
OWN = {"role": "system", "content": "Be long."}
PUT = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("padding", [0, LARGE_BYTES])
def test_the_prompt_of_a_route_is_put_before_the_request(padding: int) -> None:
    message = {"role": "user", "content": "x" * padding}
    exchange, messages = asked(Answer(200), message)
    assert messages == [PUT, message] and (exchange.prompt, exchange.prompt_version) == (PROMPT, "v1")


@pytest.mark.parametrize(
    "options",
    [
        {"prompts": {}},
        {"prompts": {"other": PROMPT}},
        {"model": "unknown"},
        {"allowed": frozenset({"other"})},  # `admit` refuses it
        {"messages": (OWN, HI)},  # a default gives way to the client's own
    ],
)
def test_others_go_as_they_are(options: dict[str, Any]) -> None:
    messages = options.pop("messages", (HI,))
    exchange, sent = asked(Answer(200), *messages, **options)
    assert sent == list(messages) and exchange.prompt is None and exchange.prompt_version is None


def test_a_key_with_models_of_its_own_gets_the_prompt_of_those() -> None:
    assert asked(Answer(200), HI, allowed=frozenset({"m"}))[1] == [PUT, HI]


def test_an_endpoint_that_carries_no_prompt_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        asked(Answer(200), HI, endpoint="/v1/embeddings")
    assert caught.value.status == 400


@pytest.mark.parametrize(("status", "redacted"), [(200, False), (399, False), (400, True), (500, True)])
def test_an_error_does_not_quote_the_prompt(status: int, redacted: bool) -> None:
    answer = Answer(status, b'{"error":{"message":"You said: Be brief.","code":"c"}}')
    if not redacted:
        asked(answer, HI)
        return
    with pytest.raises(Refused) as caught:
        asked(answer, HI)
    assert caught.value.status == status and "Be brief" not in caught.value.message


def test_without_a_prompt_an_error_passes_as_it_is() -> None:
    asked(Answer(400, b'{"error":{"message":"words"}}'), HI, prompts={})


def test_a_stream_is_no_error() -> None:
    class Events:
        filter = budget = None
        ended, broke = True, False

        def __aiter__(self) -> Events:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def forward(self, write: object) -> None: ...

    asked(Answer(500, stream=Events()), HI)


@pytest.mark.parametrize(
    ("endpoint", "body", "sent"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "hi"}]}, {"messages": [
            {"role": "system", "content": "REF-1"}, {"role": "user", "content": "hi"}]}),
        (CHAT, {"messages": [{"role": "system", "content": "Be brief."}]}, {"messages": [
            {"role": "system", "content": "REF-1\n\nBe brief."}]}),
        ("/v1/messages", {"system": "Be brief.", "messages": []}, {"system": "REF-1\n\nBe brief.", "messages": []}),
        ("/v1/responses", {"input": "hi"}, {"input": "hi", "instructions": "REF-1"}),
        ("/v1/embeddings", {"input": "hi"}, {"input": "hi"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["m", "other"])
def test_a_routes_canary_stands_before_the_system_message(
    endpoint: str, body: dict[str, Any], sent: dict[str, Any], route: str
) -> None:
    exchange = Exchange("req_1", endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)
    exchange.route = route

    async def go() -> None:
        async def inner(one: Exchange) -> Answer:
            return Answer(200, one.body)

        await insert_canaries({"m": Prompt(version="canary", system="REF-1")})(inner)(exchange)

    asyncio.run(go())
    assert json.loads(exchange.body) == (sent if route == "m" else body)


def test_no_answer_repeats_the_prompt_as_its_instructions() -> None:
    body = json.dumps({"model": "m", "input": "hi", "instructions": "Be kind."}).encode()
    exchange = Exchange("req_1", "/v1/responses", {}, body, 0.0, 0.0)
    exchange.prompt = PROMPT_FIRST

    async def go() -> Answer:
        async def inner(one: Exchange) -> Answer:
            asked = json.loads(one.body)["instructions"]
            assert asked == "Be brief.\n\nBe kind."
            return Answer(200, json.dumps({"instructions": asked}).encode())

        return await apply_prompt()(inner)(exchange)

    assert json.loads(asyncio.run(go()).body) == {"instructions": "Be kind."}


@pytest.mark.parametrize(
    ("arm", "own", "expected"),
    [
        ("candidate", PROMPT_FIRST, PROMPT_FIRST),
        ("candidate", None, None),
        ("champion", PROMPT_FIRST, PROMPT),
    ],
)
def test_the_candidate_of_a_release_has_its_own_prompt(
    arm: Literal["champion", "candidate"], own: Prompt | None, expected: Prompt | None
) -> None:
    exchange = Exchange("req_1", CHAT, {}, json.dumps({"messages": [HI]}).encode(), 0.0, 0.0, Caller(principal=KEY))
    exchange.request, exchange.arm = Request(model="m"), arm
    exchange.release = ServedRelease(id="r", route="m", candidate=Route("m", (Target("new"),)), prompt=own)

    async def inner(_: Exchange) -> Answer:
        return Answer(200)

    asyncio.run(choose_prompt({"m": PROMPT}, in_release=True)(inner)(exchange))  # type: ignore[arg-type]
    assert exchange.prompt == expected
