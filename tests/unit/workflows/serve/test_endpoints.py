"""The gateway's table as it is declared; no handler of it answers."""

import asyncio

import pytest

from steward.core.errors import Contradiction
from steward.gateway.http import HttpRequest
from steward.workflows.serve.endpoints import list_gateway_endpoints


def test_the_table_is_whole_and_answers_nothing() -> None:
    table = {endpoint.path: endpoint for endpoint in list_gateway_endpoints()}
    assert {"/v1/chat/completions", "/v1/models", "/v1/batches", "/healthz"} <= set(table)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None: ...

    request = HttpRequest("req_1", {"path": "/v1/models", "headers": []}, receive, send)
    with pytest.raises(Contradiction, match="list_models was called of a gateway that does not run"):
        asyncio.run(table["/v1/models"].handler(request))
