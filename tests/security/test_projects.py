"""Every endpoint of the console and of the administrative API × whoever has a role on one project: nothing of another
project and nothing of another tenant, not even of a project of the same name, is in any answer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from admin_client import app_of
from console_client import ask, snapshot, source
from served_home import serve_home
from steward.console.api import PREFIX, build_api
from steward.console.app import build, list_pages
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.core.access import Place
from steward.core.identity import ALL_RIGHTS, Principal, operator
from steward.core.records import Admitted, Feedback, LimitSpec, Settled
from steward.core.traces import TracePolicy
from steward.workflows import access, keys
from steward.workflows.key_terms import KeyTerms
from steward.workflows.people import People
from steward.workflows.serve.deployment import find_deployment

NOW: Final = time.time()  # traces are listed by the real clock
OWN, FOREIGN = "own-canary", "foreign-canary"
OWNERS = {"default/shop": OWN, "default/bank": FOREIGN, "acme/shop": FOREIGN, "default/default": FOREIGN}
OPERATIONS = list_operations(Path("nowhere"))
OPEN = {  # to whoever is within a project, and has all rights there
    "/keys", "/keys/{key}", "/keys/{key}/rotation", "/usage", "/exchanges", "/feedback", "/traces", "/traces/{request}",
    "/metrics/query",
}  # fmt: skip
OPEN_PAGES = {
    "/requests", "/requests/{request_id}", "/requests/{request_id}/content", "/requests/{request_id}/item",
    "/traffic", "/traffic.csv", "/requests.csv", "/usage", "/usage.csv", "/access", "/access.csv", "/access/keys",
    "/access/keys/{key}", "/access/keys/{key}/rotate", "/access/keys/{key}/revoke",
    "/account", "/account/project", "/login", "/logout", "/healthz", "/static/{name}", "/display",
}  # fmt: skip
QUERIES = {"/metrics/query": "?query=requests%20by%20key"}


def fill(home: Path) -> None:
    """In each project a key, a request that is kept as a trace, and a rating, all of which name the canary."""
    store = find_deployment(home).open_store()
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    for number, (owner, canary) in enumerate(OWNERS.items()):
        tenant, _, project = owner.partition("/")
        terms = KeyTerms(rights=ALL_RIGHTS)
        name = f"{canary}-{number}"
        limits = LimitSpec(usd_per_day=1.0)
        key = keys.create(
            home, name, limits, NOW, actor=operator(0), terms=terms, tenant=tenant, project=project, team=canary
        )
        request = f"r-{canary}-{number}"
        admitted = Admitted(
            request_id=request, at=NOW - 60, key_id=key.id, tenant=tenant, project=project, team=canary,
            endpoint="/v1/chat/completions", route=canary, streamed=False,
        )  # fmt: skip
        settled = Settled(request_id=request, at=NOW - 50, outcome="ok", status=200, model=canary, usd=0.5)
        said = Feedback(
            id=f"f-{request}", at=NOW - 40, key_id=key.id, tenant=tenant, project=project, request_id=request, score=1.0
        )
        store.ledger.drain("w", f"s{number}", 1, [admitted, settled, said])
    store.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with serve_home(tmp_path_factory.mktemp("projects")) as home:
        fill(home)
        yield home


class ProjectConsole:
    """All pages and operations, asked by somebody who has all rights within the project `shop` of `default`."""

    def __init__(self, home: Path) -> None:
        who = Principal(
            kind="person", id="anna", project="shop", within="shop", rights=ALL_RIGHTS, auth_method="session"
        )

        async def find(_: Any) -> Principal:
            return who

        self.source = msgspec.structs.replace(source(home, now=NOW), store=find_deployment(home).open_store())
        api = build_api(list_operations(home, lambda: NOW), "1")
        self._app = build(snapshot, Sessions("t"), lambda: FOREIGN, find, api, source=self.source)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        headers = {"authorization": "Bearer stw_live_anna", "content_type": "application/json"}
        status, _, text = ask(self._app, method, path, body, **headers)
        return status, text


@pytest.fixture(scope="module")
def console(home: Path) -> ProjectConsole:
    return ProjectConsole(home)


def list_foreign(path: str) -> list[str]:
    """The path with the names of what belongs to others in its segments."""
    names = [f"{FOREIGN}-1", f"{FOREIGN}-2", f"{FOREIGN}-3", f"r-{FOREIGN}-1", f"r-{FOREIGN}-2", f"r-{FOREIGN}-3"]
    return [re.sub(r"{[^}]*}", name, path) for name in names] if "{" in path else [path]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: f"{item.method} {item.path}")
def test_an_operation_answers_for_one_project_or_refuses(operation: Any, console: ProjectConsole) -> None:
    for path in list_foreign(operation.path):
        status, text = console.ask(operation.method, PREFIX + path + QUERIES.get(operation.path, ""), b"{}")
        if operation.path not in OPEN:
            assert status == 403 and "project 'shop'" in json.loads(text)["message"]
        elif "{" in operation.path:
            assert status == 404, text
        elif operation.method == "GET":
            assert status == 200 and OWN in text, text
        stripped = text
        for segment in path.split("/"):  # a refusal repeats the name that was asked for
            stripped = stripped.replace(segment, "") if "canary" in segment else stripped
        assert FOREIGN not in stripped, text


def test_no_page_shows_anything_of_another_project(console: ProjectConsole) -> None:
    pages = list_pages(snapshot, Sessions("t"), lambda: FOREIGN, source=console.source)
    opened = set()
    for endpoint in (endpoint for page in pages for endpoint in page.endpoints):
        for path in list_foreign(endpoint.path) if endpoint.method == "GET" else []:
            status, text = console.ask("GET", path)
            if status == 200:
                opened.add(endpoint.path)
            stripped = text
            for segment in path.split("/"):
                stripped = stripped.replace(segment, "") if "canary" in segment else stripped
            assert FOREIGN not in stripped, (path, text)
    shown = {"/requests", "/traffic", "/usage", "/usage.csv?by=key", "/traffic.csv?by=key", "/requests.csv", "/access"}
    assert all(OWN in console.ask("GET", path)[1] for path in shown)
    assert (
        opened - {"/healthz"} <= OPEN_PAGES and {"/requests", "/traffic", "/usage", "/usage.csv", "/access"} <= opened
    )


def test_what_belongs_to_the_project_opens(console: ProjectConsole) -> None:
    assert console.ask("GET", f"{PREFIX}/keys/{OWN}-0")[0] == 200
    assert console.ask("GET", f"{PREFIX}/traces/r-{OWN}-0")[0] == 200
    assert OWN in console.ask("GET", f"/requests/r-{OWN}-0")[1]
    assert console.ask("GET", "/")[0] == 303  # to the first page that there is for them


def test_keys_are_created_within_the_project_only(console: ProjectConsole) -> None:
    status, text = console.ask("POST", f"{PREFIX}/keys", json.dumps({"name": "x", "project": "bank"}).encode())
    assert status == 400 and "'shop' only" in text
    status, text = console.ask("POST", f"{PREFIX}/keys", json.dumps({"name": "x"}).encode())
    assert status == 201
    assert json.loads(console.ask("GET", f"{PREFIX}/keys/{json.loads(text)['id']}")[1])["project"] == "shop"


def test_a_key_of_a_project_reads_that_project_only(home: Path) -> None:
    terms = KeyTerms(rights=ALL_RIGHTS)
    made = keys.create(home, f"{OWN}-reader", LimitSpec(), NOW, actor=operator(0), terms=terms, project="shop")
    app = app_of(home)
    for path in ("/usage?by=model", "/exchanges", "/keys", "/traces?since=9999d"):
        status, _, text = ask(app, "GET", PREFIX + path, authorization=f"Bearer {made.key}")
        assert status == 200 and FOREIGN not in text, text
    assert ask(app, "GET", f"{PREFIX}/users", authorization=f"Bearer {made.key}")[0] == 403


def test_a_person_acts_in_one_project_at_a_time_or_in_all_of_the_tenant(home: Path) -> None:
    by = operator(0)
    access.add_person(home, "berta", NOW, actor=by)
    for project, role in (("shop", "developer"), ("bank", "viewer")):
        access.grant_role(home, "berta", role, Place("default", project), NOW, actor=by)
    deployment = find_deployment(home)
    store = deployment.open_store()
    people = People(deployment, store, lambda: NOW + 1)
    token = people.begin("person:berta", "default", "password").token
    first, chosen, foreign = people.find(token), people.find(token, "shop"), people.find(token, "default")
    assert first is not None and chosen is not None and foreign is not None
    assert (first.within, chosen.within, foreign.within) == ("bank", "shop", "bank")
    assert "prompts.read" in chosen.rights and "prompts.read" not in first.rights
    assert people.list_projects(token) == ["bank", "shop"]
    access.add_person(home, "clara", NOW, actor=by, role="viewer")
    access.grant_role(home, "clara", "developer", Place("default", "shop"), NOW, actor=by)
    token = people.begin("person:clara", "default", "password").token
    everywhere, within = people.find(token), people.find(token, "shop")
    assert everywhere is not None and within is not None
    assert everywhere.within is None and "prompts.read" not in everywhere.rights
    assert within.within == "shop" and "prompts.read" in within.rights


def test_a_key_in_the_tenants_own_project_has_no_more_than_its_creator_has_in_the_tenant(home: Path) -> None:
    access.add_person(home, "dora", NOW, actor=operator(0))
    access.grant_role(home, "dora", "viewer", Place("default", "default"), NOW, actor=operator(0))
    dora = Principal(kind="person", id="dora", within="default", rights=ALL_RIGHTS)
    terms = KeyTerms(rights=frozenset({"usage.read", "models.read"}))
    made = keys.create(home, "doras", LimitSpec(), NOW, actor=dora, terms=terms)
    assert keys.show(home, made.id, NOW, actor=operator(0)).may == {"models.read", "public"} - {"public"}
