"""Tokens of services at every endpoint of the gateway and every operation of the administrative API × role × tenant."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from console_client import ask, snapshot, source
from steward.console.api import PREFIX, build_api
from steward.console.app import build
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.core.access import Place
from steward.core.endpoint import Endpoint
from steward.core.extend import RequestSender
from steward.core.identity import Caller, Principal, operator
from steward.core.issuers import IssuerPlan
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter
from steward.security.access import BUILT_IN_ROLES
from steward.security.authenticator import KeyAuthenticator
from steward.security.tokens import TokenVerifier, read_keys
from steward.workflows import access
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.endpoints import list_gateway_endpoints
from steward.workflows.serve.worker_keys import WorkerKeys
from tokens import AUDIENCE, OTHER_RSA, RSA, make_token, publish

ME = operator(7)
TENANTS = ("default", "acme")
ISSUERS = [
    IssuerPlan(name=tenant, issuer=f"https://{tenant}.example", audience=AUDIENCE, tenant=tenant) for tenant in TENANTS
]
KEYS = {"default": RSA, "acme": OTHER_RSA}


class Home:
    """Each role for a service of each tenant's issuer, as workers and console know it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for tenant in TENANTS:
            access.grant_role(folder, "group:readers", "viewer", Place(tenant), 1.0, actor=ME)
            for role in BUILT_IN_ROLES:
                access.grant_role(folder, f"service:{tenant}/{role}", role, Place(tenant), 1.0, actor=ME)
        published = {name: read_keys({"keys": [publish(key)]}, "RS256") for name, key in KEYS.items()}
        self.known = WorkerKeys(find_deployment(folder))
        verifier = TokenVerifier(ISSUERS, lambda name, kid: published[name].get(kid), lambda: 1000.0)

        def find_by_token(text: str) -> Caller:
            return self.known.find_service(verifier.verify(text))

        self.authenticator = KeyAuthenticator(self.known.find, find_by_token=find_by_token)
        operations = list_operations(folder)
        api = build_api(operations, "1")
        self.console = build(snapshot, Sessions("token"), lambda: "", self.find, api, source=source(folder))

    async def find(self, sender: RequestSender) -> Principal:
        await self.known.refresh()
        return self.authenticator.authenticate(sender).principal


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("services"))


def token_of(tenant: str, subject: str, **claims: Any) -> str:
    return make_token(KEYS[tenant], **{"iss": f"https://{tenant}.example", "sub": subject, "groups": None} | claims)


def call(home: Home, endpoint: Endpoint[Any], token: str) -> tuple[int, bytes]:
    """What the gateway answers, with a handler that tells the tenant."""
    sent: list[dict[str, Any]] = []

    async def answer(request: HttpRequest) -> None:
        await request.respond(Answer(200, request.caller.principal.tenant.encode()))

    async def receive() -> dict[str, Any]:
        raise AssertionError("no body is read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    stub = Endpoint(**{name: getattr(endpoint, name) for name in Endpoint.__struct_fields__} | {"handler": answer})
    path = re.sub(r"{[^}]*}", "x", endpoint.path)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    nothing: Any = None
    gateway = Gateway([stub], home.authenticator, RejectionCounter(), nothing)
    asyncio.run(gateway({"type": "http", "method": endpoint.method, "path": path, "headers": headers}, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
@pytest.mark.parametrize("tenant", TENANTS)
def test_every_endpoint_of_the_gateway(home: Home, tenant: str, role: str) -> None:
    token = token_of(tenant, role)
    for endpoint in list_gateway_endpoints():
        status, body = call(home, endpoint, token)
        if endpoint.permission == "public":
            assert status == 200
        elif endpoint.permission in BUILT_IN_ROLES[role].rights:
            assert (status, body) == (200, tenant.encode()), endpoint.path
        else:
            assert status == 403, endpoint.path


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
@pytest.mark.parametrize("tenant", TENANTS)
def test_every_operation_of_the_administrative_api(home: Home, tenant: str, role: str) -> None:
    token = token_of(tenant, role)
    for operation in list_operations(home.folder):
        path = PREFIX + re.sub(r"{[^}]*}", "x", operation.path)
        more: dict[str, Any] = {"authorization": f"Bearer {token}", "content_type": "application/json"}
        status, _, _ = ask(home.console, operation.method, path, **more)
        assert (status not in (401, 403)) == (operation.permission in BUILT_IN_ROLES[role].rights), path


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_service_sees_its_own_tenant_alone(home: Home, tenant: str) -> None:
    listed = json.loads(
        ask(home.console, "GET", f"{PREFIX}/grants", authorization=f"Bearer {token_of(tenant, 'owner')}")[2]
    )
    assert {grant["place"]["tenant"] for grant in listed} == {tenant}


def test_groups_count_and_whoever_has_no_role_is_refused(home: Home) -> None:
    endpoints = {endpoint.path: endpoint for endpoint in list_gateway_endpoints()}
    models = endpoints["/v1/models"]
    assert call(home, models, token_of("acme", "new", groups=["readers"])) == (200, b"acme")
    status, body = call(home, models, token_of("acme", "new"))
    assert status == 403 and json.loads(body)["error"]["code"] == "token_without_role"


def test_an_issuer_speaks_for_its_own_tenant_alone(home: Home) -> None:
    models = next(endpoint for endpoint in list_gateway_endpoints() if endpoint.path == "/v1/models")
    forged = make_token(KEYS["acme"], iss="https://default.example", sub="owner")
    assert call(home, models, forged)[0] == 401
    assert call(home, models, token_of("acme", "owner", aud="another"))[0] == 401
    assert call(home, models, token_of("acme", "owner", exp=900))[0] == 401


def test_a_role_that_is_taken_away_is_gone_at_the_next_look(home: Home) -> None:
    access.grant_role(home.folder, "service:acme/leaver", "owner", Place("acme"), 1.0, actor=ME)
    token = token_of("acme", "leaver")
    more: dict[str, Any] = {"authorization": f"Bearer {token}"}
    assert ask(home.console, "GET", f"{PREFIX}/users", **more)[0] == 200
    access.remove_grants(home.folder, "service:acme/leaver", "owner", Place("acme"), 2.0, actor=ME)
    assert ask(home.console, "GET", f"{PREFIX}/users", **more)[0] == 403
