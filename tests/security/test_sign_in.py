"""People at the console: signing in by the page, and every page and operation × role × tenant with their sessions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from console_client import ask, snapshot, source
from every_page import hide_store
from steward.console.api import PREFIX, build_api
from steward.console.app import build, list_pages
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.core.access import Place
from steward.core.identity import operator
from steward.core.networks import parse_networks
from steward.security.access import BUILT_IN_ROLES
from steward.workflows import access, people
from steward.workflows.people import People
from steward.workflows.serve.deployment import find_deployment

ME = operator(7)
GOOD = "correct horse battery"
TENANTS = ("default", "acme")


def add_people(home: Path) -> None:
    """`ROLE-TENANT` for each role and tenant, and somebody without a role."""
    for tenant in TENANTS:
        for role in BUILT_IN_ROLES:
            access.add_person(home, f"{role}-{tenant}", 1.0, actor=ME, tenant=tenant, role=role)
        access.add_person(home, f"nobody-{tenant}", 1.0, actor=ME, tenant=tenant)


class Console:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = find_deployment(home).open_store()
        self.people = People(find_deployment(home), self.store)
        self.app = self.build(self.people)

    def build(self, signing_in: Any, trusted: tuple[str, ...] = ()) -> Any:
        operations = list_operations(self.home)
        api = build_api(operations, "1")
        networks = parse_networks(trusted)
        self.pages = source(self.home)
        return build(
            snapshot, Sessions("token"), str, api=api, people=signing_in, trusted=lambda: networks, source=self.pages
        )

    def login(self, name: str, password: str = GOOD, client: str = "10.0.0.9", **more: str) -> tuple[int, Any, str]:
        form = urlencode({"name": name, "password": password, "code": more.pop("code", "")}).encode()
        return ask(self.app, "POST", "/login", form, client=client, **more)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    home = tmp_path_factory.mktemp("sign-in")
    add_people(home)
    people.set_password(home, "viewer-default", GOOD, 2.0, actor=ME)
    people.set_password(home, "owner-acme", GOOD, 2.0, actor=ME)
    made = Console(home)
    yield made
    made.store.close()


def begin(console: Console, name: str) -> str:
    """A session without the work of a password."""
    return console.people.begin(f"person:{name}", name.rpartition("-")[2], "password").token


def test_a_person_signs_in_by_the_page(console: Console) -> None:
    status, headers, _ = console.login("viewer-default")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=strict" in headers["set-cookie"]


@pytest.mark.parametrize("page", ["/", "/account"])
def test_a_session_opens_pages_until_it_is_signed_out(console: Console, page: str) -> None:
    cookie = f"steward_console={begin(console, 'viewer-default')}"
    assert ask(console.app, "GET", page, cookie=cookie)[0] == 200
    status, headers, _ = ask(console.app, "POST", "/logout", cookie=cookie)
    assert (status, headers["location"]) == (303, "/login")
    assert ask(console.app, "GET", page, cookie=cookie)[0] == 303


def test_somebody_of_another_tenant_sees_their_own_and_not_the_page_of_all_tenants(console: Console) -> None:
    status, headers, _ = console.login("owner-acme", client="10.0.1.1")
    assert (status, headers["location"]) == (303, "/")
    cookie = f"steward_console={begin(console, 'owner-acme')}"
    status, _, text = ask(console.app, "GET", "/", cookie=cookie)
    assert status == 200 and 'href="/status"' not in text
    status, _, text = ask(console.app, "GET", "/status", cookie=cookie)
    assert status == 403 and "tenant &#39;default&#39; only" in text
    assert "acme" in ask(console.app, "GET", "/account", cookie=cookie)[2]


def test_a_stranger_is_told_nothing_and_kept_from_trying(console: Console) -> None:
    answers = [console.login(name, "wrong", client="10.0.2.1") for name in ("owner-acme", "nobody-there") * 6]
    assert [status for status, _, _ in answers] == [401] * 10 + [429] * 2
    assert len({text for status, _, text in answers if status == 401}) == 1
    assert console.login("viewer-default", client="10.0.2.2")[0] == 303


def test_a_flood_against_an_account_locks_out_strangers_alone(console: Console) -> None:
    mark = next(
        value.partition(";")[0]
        for value in [console.login("owner-acme", client="10.0.3.1")[1]["set-cookie"]]
        if value.startswith("steward_device")
    )
    flood = [console.login("owner-acme", "wrong", client=f"10.9.{number}.1")[0] for number in range(30)]
    assert flood.count(429) >= 10 and console.login("owner-acme", client="10.0.3.2")[0] == 429
    assert console.login("owner-acme", client="10.0.3.3", cookie=mark)[0] == 303
    assert console.login("viewer-default", client="10.0.3.4")[0] == 303


def test_behind_a_trusted_proxy_attempts_count_for_the_clients_behind_it(console: Console) -> None:
    before, console.app = console.app, console.build(console.people, ("10.0.0.0/8",))
    try:
        for number in range(12):
            console.login("none", "wrong", client="10.0.4.1", x_forwarded_for=f"203.0.113.{number % 2}, 10.0.0.1")
        told = [console.login("none", "wrong", client="10.0.4.1", x_forwarded_for=f"203.0.113.{n}")[0] for n in (0, 7)]
        made_up = console.login("none", "wrong", client="10.0.4.1", x_forwarded_for="1.1.1.1, 203.0.113.7")[0]
    finally:
        console.app = before
    assert told == [401, 401] and made_up == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_page_of_another_site_can_send_no_form(console: Console, headers: dict[str, str]) -> None:
    cookie = f"steward_console={begin(console, 'owner-default')}"
    for path in ("/login", "/logout", "/account", f"{PREFIX}/users"):
        assert ask(console.app, "POST", path, b"", cookie=cookie, **headers)[0] == 403, path
    assert ask(console.app, "GET", "/account", cookie=cookie)[0] == 200


def test_forms_of_the_console_itself_are_taken(console: Console) -> None:
    cookie = f"steward_console={begin(console, 'viewer-default')}"
    form = urlencode({"old": "wrong", "new": GOOD}).encode()
    for headers in ({"sec_fetch_site": "same-origin"}, {"origin": "http://x"}, {}):
        assert ask(console.app, "POST", "/account", form, cookie=cookie, **headers)[0] == 401
    weak = urlencode({"old": GOOD, "new": "short"}).encode()
    assert "expected 12 to 256" in ask(console.app, "POST", "/account", weak, cookie=cookie)[2]


def test_a_store_that_is_away_lets_nobody_in_and_says_so(console: Console, tmp_path: Path) -> None:
    add = access.add_person(tmp_path, "anna", 1.0, actor=ME, role="owner")
    away = Console(tmp_path)
    token = away.people.begin(f"person:{add.id}", "default", "password").token
    away.store.close()
    (tmp_path / "steward.db").write_bytes(b"not a database" * 1000)
    status, _, text = ask(away.app, "GET", f"{PREFIX}/users", authorization=f"Bearer {token}")
    assert status == 503 and "store does not answer" in json.loads(text)["message"]
    assert away.login("anna")[0] == 503


PAGES = [endpoint for page in list_pages(snapshot, Sessions("t"), str, source=source()) for endpoint in page.endpoints]
OPERATIONS = list_operations(Path("nowhere"))
ENDPOINTS = [
    *((endpoint.method, endpoint.path, endpoint.permission, endpoint.tenancy) for endpoint in PAGES),
    *((each.method, PREFIX + each.path, each.permission, each.tenancy) for each in OPERATIONS),
]


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
@pytest.mark.parametrize("tenant", TENANTS)
def test_every_endpoint_opens_to_the_sessions_of_whoever_has_its_right(
    console: Console, tenant: str, role: str
) -> None:
    """A change is asked for without its body: 403 is refused, anything else got past the permission."""
    token = begin(console, f"{role}-{tenant}")
    for method, path, permission, tenancy in ENDPOINTS:
        if permission == "public":
            continue
        place = re.sub(r"{[^}]*}", "x", path)
        status, headers, _ = ask(
            console.app, method, place, authorization=f"Bearer {token}", content_type="application/json"
        )
        opens = permission in BUILT_IN_ROLES[role].rights and (tenancy != "deployment" or tenant == "default")
        refused = status in (401, 403) or headers.get("location", "").startswith("/login")
        assert refused != opens, (method, path, status)


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_person_lists_what_belongs_to_the_own_tenant_alone(console: Console, tenant: str) -> None:
    token = begin(console, f"owner-{tenant}")
    listed = json.loads(ask(console.app, "GET", f"{PREFIX}/users", authorization=f"Bearer {token}")[2])
    assert {person["tenant"] for person in listed} == {tenant}
    grants = json.loads(ask(console.app, "GET", f"{PREFIX}/grants", authorization=f"Bearer {token}")[2])
    assert {grant["place"]["tenant"] for grant in grants} == {tenant}
    assert "password" not in json.dumps(listed)


def test_a_person_gives_nobody_more_than_the_own_rights(console: Console) -> None:
    token = begin(console, "owner-acme")
    body = msgspec.json.encode({"subject": "owner-default", "role": "viewer"})
    status, _, _ = ask(
        console.app, "POST", f"{PREFIX}/grants", body, authorization=f"Bearer {token}", content_type="application/json"
    )
    assert status == 400  # there is nobody of that name in acme


def test_every_session_ends_with_its_role(console: Console) -> None:
    access.add_person(console.home, "leaver", 1.0, actor=ME, role="owner")
    token = console.people.begin("person:leaver", "default", "password").token
    access.remove_grants(console.home, "leaver", "owner", Place("default"), 9e9, actor=ME)
    assert ask(console.app, "GET", f"{PREFIX}/users", authorization=f"Bearer {token}")[0] == 401


def test_whoever_was_recognised_goes_on_reading_while_the_store_does_not_answer(tmp_path: Path) -> None:
    """The last known is shown; a change needs the store, and a stranger or an ended session sees nothing."""
    add_people(tmp_path)
    console = Console(tmp_path)
    known, ended = (f"steward_console={begin(console, 'owner-default')}" for _ in range(2))
    assert [ask(console.app, "GET", "/traffic", cookie=one)[0] for one in (known, ended)] == [200, 200]
    console.people.sign_out(ended.partition("=")[2])
    assert ask(console.app, "GET", "/traffic", cookie=ended)[0] == 303
    console.store.close()
    console.pages.store.close()
    hide_store(tmp_path)
    time.sleep(1.1)  # for as long an answer is shared
    status, _, page = ask(console.app, "GET", "/traffic", cookie=known)
    assert status == 200 and "You see what was known" in page
    status, _, page = ask(console.app, "POST", "/alerts/x/acknowledge", cookie=known)
    assert status == 503 and "nobody can be recognised" in page
    assert ask(console.app, "GET", "/traffic", cookie=ended)[0] == 503
    assert ask(console.app, "GET", "/traffic")[0] == 303
