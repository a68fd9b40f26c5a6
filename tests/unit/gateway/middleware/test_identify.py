"""What a request asks for, and the pseudonyms of its people: HMAC-SHA-256 (RFC 2104) under the tenant's key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import identify
from steward.gateway.middleware.identify import pseudonym

CALLER = Caller(principal=Principal(kind="key", id="k", tenant="t", project="p"))
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def identified(fields: dict[str, Any], headers: dict[str, str] | None = None, endpoint: str = CHAT) -> Exchange:
    body = json.dumps({"model": "m", "messages": [], "max_tokens": 9, **fields}).encode()
    exchange = Exchange("req_1", endpoint, headers or {}, body, 0.0, 0.0, CALLER)

    async def inner(one: Exchange) -> Answer:
        return Answer(200, one.body)

    async def go() -> Answer:
        return await identify(lambda tenant: f"key of {tenant}".encode())(inner)(exchange)

    assert asyncio.run(go()).status == 200
    return exchange


def name(value: str, project: str = "p") -> str:
    """The first 128 bits of an HMAC over project and identifier, under the key of the tenant `t`."""
    return hmac.new(b"key of t", f"{project}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize("padding", [0, LARGE_BYTES])
def test_what_is_asked_is_read_from_small_and_large_bodies(padding: int) -> None:
    exchange = identified({"stream": True, "user": "ann", "metadata": {"x": "y" * padding}})
    assert (exchange.request.model, exchange.streamed, exchange.request.max_tokens) == ("m", True, 9)
    assert exchange.fields == {"model", "messages", "max_tokens", "stream", "user", "metadata"}
    assert exchange.subject == name("ann") and exchange.conversation is None
    assert (exchange.size is not None) == bool(padding)


@pytest.mark.parametrize("padding", [0, LARGE_BYTES])
def test_counts_are_written_as_whole_numbers(padding: int) -> None:
    exchange = identified({"n": 2.0, "metadata": {"x": "y" * padding}})
    assert exchange.request.n == 2 and b'"n":2,' in exchange.body


@pytest.mark.parametrize(
    ("fields", "headers", "subject"),
    [
        ({}, {}, None),
        ({"user": ""}, {"x-steward-subject": ""}, None),
        ({"user": "u"}, {}, "u"),
        ({"user": "u", "safety_identifier": "s"}, {}, "s"),
        ({"user": "u", "safety_identifier": "s"}, {"x-steward-subject": "h"}, "h"),
    ],
)
def test_the_subject_is_the_headers_else_the_bodys(
    fields: dict[str, Any], headers: dict[str, str], subject: str | None
) -> None:
    assert identified(fields, headers).subject == (subject and name(subject))


def test_anthropics_user_and_a_conversation() -> None:
    exchange = identified({"metadata": {"user_id": "u"}}, {"x-steward-conversation": "c"}, MESSAGES)
    assert (exchange.subject, exchange.conversation) == (name("u"), name("c"))


def test_a_pseudonym_is_another_one_in_another_project() -> None:
    assert pseudonym(b"key of t", "p", "ann") == name("ann") != name("ann", "q") == pseudonym(b"key of t", "q", "ann")
    assert pseudonym(b"k", "p", "") is None and pseudonym(b"k", "p", None) is None


def test_a_mistake_in_a_large_body_is_named_as_in_a_small_one() -> None:
    for padding in (0, LARGE_BYTES):
        with pytest.raises(Refused) as caught:
            identified({"n": 0, "metadata": {"x": "y" * padding}})
        assert (caught.value.status, caught.value.param) == (400, "n")
