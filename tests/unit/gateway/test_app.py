"""Who may call what: the table of endpoints decides, and the key is checked once, before the body is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from steward.core.endpoint import Endpoint
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter

KEY = Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


class OneKey:
    """Knows one key, and counts how often it is asked."""

    def __init__(self, caller: Caller = KEY) -> None:
        self.asked, self._caller = 0, caller

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        self.asked += 1
        if headers.get("authorization") != "Bearer right":
            raise Refused("No.", status=401, type="invalid_request_error", code="invalid_api_key")
        return self._caller


async def tell_caller(request: HttpRequest) -> None:
    await request.respond(Answer(200, request.caller.principal.id.encode()))


ENDPOINTS = [
    Endpoint(
        method="GET",
        path=path,
        permission=right,
        tenancy="none",
        guards="none",
        audit="none",
        max_body_bytes=0,
        handler=tell_caller,
    )
    for path, right in (("/open", "public"), ("/models", "models.read"), ("/keys", "keys.manage"))
]  # type: list[Endpoint[Any]]


def ask(path: str, key: str = "right", method: str = "GET", keys: OneKey | None = None) -> tuple[int, bytes]:
    """Status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body is not read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    gateway = Gateway(ENDPOINTS, keys or OneKey(), RejectionCounter(), None)  # type: ignore[arg-type]
    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_a_public_endpoint_asks_for_no_key() -> None:
    keys = OneKey()
    assert ask("/open", "wrong", keys=keys) == (200, b"-") and keys.asked == 0


def test_a_right_that_the_key_has_opens_the_endpoint() -> None:
    keys = OneKey()
    assert ask("/models", keys=keys) == (200, b"k") and keys.asked == 1


@pytest.mark.parametrize(
    ("path", "key", "method", "status", "code"),
    [
        ("/models", "wrong", "GET", 401, "invalid_api_key"),
        ("/keys", "right", "GET", 403, "insufficient_permissions"),
        ("/models", "right", "POST", 405, None),
        ("/nothing", "right", "GET", 404, None),
    ],
)
def test_who_may_not_is_told_why(path: str, key: str, method: str, status: int, code: str | None) -> None:
    seen, body = ask(path, key, method)
    assert (seen, json.loads(body)["error"]["code"]) == (status, code)
