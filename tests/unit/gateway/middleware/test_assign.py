"""Who is drawn for a release, and by what."""

from __future__ import annotations

import asyncio

from steward.gateway.answer import Answer
from steward.gateway.assignment import assign_arm
from steward.gateway.exchange import Exchange
from steward.gateway.middleware import assign
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.gateway.wire_fields import Request

RELEASE = ServedRelease(id="rel_1", route="m", candidate=Route("m", (Target("new"),)), weight=0.5)


def assigned(
    model: str = "m", subject: str | None = None, conversation: str | None = None, request: str = "r"
) -> Exchange:
    exchange = Exchange(request, "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.request, exchange.subject, exchange.conversation = Request(model=model), subject, conversation

    async def inner(_: Exchange) -> Answer:
        return Answer(200, b"")

    async def go() -> None:
        await assign({"m": RELEASE})(inner)(exchange)

    asyncio.run(go())
    return exchange


def test_the_person_counts_before_the_conversation_and_the_request() -> None:
    for number in range(20):
        name = f"s{number}"
        assert assigned(subject=name, conversation="c", request="r").arm == assign_arm("rel_1", 0.5, name)
        assert assigned(conversation=name, request="r").arm == assign_arm("rel_1", 0.5, name)
        assert assigned(request=name).arm == assign_arm("rel_1", 0.5, name)


def test_other_routes_are_left_alone() -> None:
    exchange = assigned(model="other", subject="s")
    assert exchange.release is None and exchange.arm is None


def test_the_route_is_the_candidates_for_its_people() -> None:
    routes = {"m": Route("m", (Target("old"),))}
    for number in range(20):
        exchange = assigned(subject=f"s{number}")
        exchange.route = "m"
        expected = "new" if exchange.arm == "candidate" else "old"
        assert exchange.find_route(routes).targets[0].model == expected


def test_without_a_release_nothing_stands_in_the_way() -> None:
    async def inner(_: Exchange) -> Answer:
        return Answer(200, b"")

    assert assign({})(inner) is inner
