"""Advisory 15, CVE-2025-3248: a validating endpoint ran the code that it was sent, before any key."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from source_facts import list_calls, scans_source
from steward.core.errors import Refused
from steward.core.extend import RequestSender
from steward.core.identity import Caller
from steward.gateway.app import Gateway
from steward.gateway.rejections import RejectionCounter
from steward.workflows.serve.endpoints import list_gateway_endpoints


class Nobody:
    def authenticate(self, sender: RequestSender) -> Caller:
        raise Refused("no key", status=401, type="invalid_request_error")


@pytest.mark.parametrize("endpoint", [one for one in list_gateway_endpoints() if one.permission != "public"])
def test_no_body_is_read_and_no_handler_called_without_a_key(endpoint: Any) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("a body was read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    gateway = Gateway([endpoint], Nobody(), RejectionCounter(), None)  # type: ignore[arg-type]
    path = re.sub(r"{[^}]*}", "x", endpoint.path)
    asyncio.run(gateway({"type": "http", "method": endpoint.method, "path": path, "headers": []}, receive, send))
    assert sent[0]["status"] == 401


@scans_source
def test_nothing_is_run_that_was_not_written_here() -> None:
    assert not [(path, call) for path, call in list_calls() if call in ("eval", "exec", "compile", "__import__")]
