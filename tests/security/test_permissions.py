"""Every endpoint of the gateway × every role × every right: who may call what follows from the tables alone.

The table of endpoints says which right each needs; what each role opens is written out by hand, so that a role that is
widened by mistake, or an endpoint whose permission is lowered, fails here.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from steward.core.endpoint import Endpoint
from steward.core.extend import RequestSender
from steward.core.identity import ALL_RIGHTS, Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter
from steward.security.access import BUILT_IN_ROLES
from steward.workflows.serve.endpoints import list_gateway_endpoints

ENDPOINTS = list_gateway_endpoints()
ROLES = {**{name: role.rights for name, role in BUILT_IN_ROLES.items()}, "nobody": frozenset()}
EXPECTED = {  # role: rights that endpoints of the gateway ask for
    "owner": {"infer", "feedback", "models.read"},
    "operator": {"infer", "feedback", "models.read"},
    "developer": {"infer", "feedback", "models.read"},
    "reviewer": {"models.read"},
    "auditor": {"models.read"},
    "privacy": {"models.read"},
    "viewer": {"models.read"},
    "nobody": set(),
}


class Whoever:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def authenticate(self, sender: RequestSender) -> Caller:
        return self.caller


async def answer(request: HttpRequest) -> None:
    await request.respond(Answer(200, request.caller.principal.tenant.encode()))


def call(endpoint: Endpoint[Any], caller: Caller) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body of a request that is refused is not read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    stub = Endpoint(**{name: getattr(endpoint, name) for name in Endpoint.__struct_fields__} | {"handler": answer})
    path = re.sub(r"{[^}]*}", "x", endpoint.path)
    gateway = Gateway([stub], Whoever(caller), RejectionCounter(), None)  # type: ignore[arg-type]
    asyncio.run(gateway({"type": "http", "method": endpoint.method, "path": path, "headers": []}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def name_of(endpoint: Endpoint[Any]) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tenant", ["default", "acme"])
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_a_role_opens_what_its_rights_say(endpoint: Endpoint[Any], tenant: str, role: str) -> None:
    principal = Principal(kind="person", id="p", tenant=tenant, rights=ROLES[role])
    status, body = call(endpoint, Caller(principal=principal))
    if endpoint.permission == "public":
        assert (status, body) == (200, b"default")  # nobody is asked who it is
    elif endpoint.permission in EXPECTED[role]:
        assert (status, body) == (200, tenant.encode())
    else:
        assert status == 403 and f"'{endpoint.permission}'" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("right", sorted(ALL_RIGHTS))
def test_one_right_opens_its_own_endpoints_alone(right: Any) -> None:
    caller = Caller(principal=Principal(kind="key", id="k", rights=frozenset({right})))
    opened = {name_of(endpoint) for endpoint in ENDPOINTS if call(endpoint, caller)[0] == 200}
    assert opened == {name_of(endpoint) for endpoint in ENDPOINTS if endpoint.permission in (right, "public")}
