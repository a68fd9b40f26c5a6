from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from steward.core.access import PersonSession
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.workflows import access, keys
from steward.workflows.audit import list_acts

READS = frozenset({"keys.read", "access.read"})


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path)


def test_an_empty_home_says_what_will_stand_there_and_how(console: HomeConsole) -> None:
    for path, command in (
        ("/access", "steward keys create --name web"),
        ("/access/people", "steward users add anna --role owner"),
        ("/access/roles", "steward access grant anna developer"),
        ("/access/sessions", "steward login"),
    ):
        assert command in console.get(path)


def test_a_key_is_created_shown_once_and_recorded_with_the_reason(console: HomeConsole) -> None:
    form = {"name": "web", "team": "shop", "expires": "30d", "rpm": "600", "right:infer": "on", "reason": "ticket 7"}
    status, _, page = console.post("/access/keys", form)
    key = console.store.keys.list_keys(tenant="default")[0]
    assert status == 201 and f">stw_live_{key.id}" in page
    assert (key.name, key.team, key.rpm, key.rights) == ("web", "shop", 600, {"public", "infer"})
    assert key.expires_at == NOW + 30 * 86400 and key.created_by == "person:anna"
    act = list_acts(console.home, 1)[0]
    assert (act.action, act.actor, act.reason) == ("keys.create", "person:anna", "ticket 7")
    listed = console.get("/access")
    assert "web" in listed and "stw_live" not in listed


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": ""}, "key name"),
        ({"name": "a", "rpm": "many"}, "expected a whole number"),
        ({"name": "a", "usd_per_day": "-1"}, "expected an amount in US dollars"),
        ({"name": "a", "expires": "yesterday"}, "expected a span such as 30d"),
        ({"name": "a", "priority": "urgent"}, "unknown priority"),
        ({"name": "a", "right:everything": "on"}, "unknown right"),
        ({"name": "a"}, "rights: none given"),
    ],
)
def test_a_wrong_form_is_shown_again_with_what_was_typed(console: HomeConsole, form: dict[str, str], said: str) -> None:
    if "right:everything" not in form and said != "rights: none given":
        form = {**form, "right:infer": "on"}
    status, _, page = console.post("/access/keys", {**form, "team": "shop & co"})
    assert status in (400, 404) and said in page and 'value="shop &amp; co"' in page
    assert console.store.keys.list_keys(tenant="default") == []


def test_a_key_is_rotated_and_revoked(console: HomeConsole) -> None:
    old = keys.create(console.home, "web", LimitSpec(), NOW, actor=operator(0))
    status, _, page = console.post(f"/access/keys/{old.id}/rotate", {"overlap": "1h"})
    assert status == 201 and f"The key {old.id} goes on until" in page
    new = next(key for key in console.store.keys.list_keys(tenant="default") if key.id != old.id)
    assert console.post(f"/access/keys/{new.id}/revoke", {"reason": "left"})[:2] == (303, "/access?done=revoked")
    assert "The key is revoked" in console.get("/access?done=revoked")
    assert "revoked, by person:anna" in read_text(console.get(f"/access/keys/{new.id}"))
    assert {key.revoked_by for key in console.store.keys.list_keys(tenant="default")} == {"person:anna"}


def test_a_key_that_is_not_there_is_said_to_be_unknown(console: HomeConsole) -> None:
    assert console.ask("GET", "/access/keys/none")[0] == 404
    assert console.post("/access/keys/none/revoke", {})[0] == 404


def test_people_roles_and_sessions_are_changed(console: HomeConsole) -> None:
    assert console.post("/access/people", {"name": "berta", "role": "viewer", "groups": "ml, ops"})[0] == 303
    assert "viewer at default" in console.get("/access/people")
    assert console.post("/access/grants", {"subject": "berta", "role": "developer"})[0] == 303
    assert console.get("/access/roles").count("person:berta") > 1
    form = {"subject": "person:berta", "role": "developer", "at": "default"}
    assert console.post("/access/grants/remove", form)[0] == 303
    session = PersonSession(id="a" * 64, subject="person:berta", method="password", created_at=NOW, expires_at=NOW + 60)
    console.store.sessions.add(session)
    assert "person:berta" in console.get("/access/sessions")
    assert console.post("/access/sessions/end", {"session": "a" * 64})[0] == 303
    assert console.store.sessions.find("a" * 64) is None
    assert console.post("/access/people/state", {"name": "berta", "act": "disable"})[0] == 303
    assert console.store.access.list_people(tenant=None)[0].disabled_at == NOW
    recorded = {act.action for act in list_acts(console.home, 9)}
    assert recorded == {"people.add", "access.grant", "access.remove", "people.end_session", "people.disable"}


def test_access_is_explained(console: HomeConsole) -> None:
    access.add_person(console.home, "berta", NOW, actor=operator(0), role="viewer")
    assert "Allowed" in console.get("/access/explain?subject=berta&what=console.read")
    assert "Denied" in console.get("/access/explain?subject=berta&what=keys.manage")
    assert console.ask("GET", "/access/explain?subject=nobody&what=infer")[0] == 404
    for half in ("subject=berta", "what=infer", "subject=berta&what=+"):
        page = console.get(f"/access/explain?{half}")
        assert "Allowed" not in page and "Denied" not in page and ('value="berta"' in page) == ("berta" in half)


def test_a_reader_sees_no_form_and_may_send_none(console: HomeConsole) -> None:
    key = keys.create(console.home, "web", LimitSpec(), NOW, actor=operator(0))
    for path in ("/access", "/access/people", "/access/roles", "/access/sessions", f"/access/keys/{key.id}"):
        main = console.get(path, rights=READS).partition("<main")[2]
        assert 'method="post"' not in main
    for path in ("/access/keys", "/access/people", "/access/grants", f"/access/keys/{key.id}/revoke"):
        assert console.post(path, {"name": "x"}, rights=READS)[0] == 403


def test_another_tenant_sees_and_changes_nothing(console: HomeConsole) -> None:
    key = keys.create(console.home, "secret-name", LimitSpec(), NOW, actor=operator(0))
    access.add_person(console.home, "berta", NOW, actor=operator(0), role="viewer")
    for path in ("/access", "/access/people", "/access/roles", "/access/sessions"):
        page = console.get(path, tenant="acme")
        assert "secret-name" not in page and "berta" not in page
    assert console.ask("GET", f"/access/keys/{key.id}", tenant="acme")[0] == 404
    assert console.post(f"/access/keys/{key.id}/revoke", {}, tenant="acme")[0] == 404
    assert console.post("/access/people/state", {"name": "berta", "act": "disable"}, tenant="acme")[0] == 404


def test_hostile_names_are_escaped(console: HomeConsole) -> None:
    keys.create(console.home, HOSTILE, LimitSpec(), NOW, actor=operator(0), team=HOSTILE, project=HOSTILE)
    page = console.get("/access?words=<script>")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_ten_thousand_keys_are_paged(console: HomeConsole) -> None:
    first = keys.create(console.home, "key-0", LimitSpec(), NOW, actor=operator(0))
    record = console.store.keys.list_keys(tenant=None)[0]
    console.store.keys.add(
        [msgspec.structs.replace(record, id=f"k{index:05d}", name=f"key-{index}") for index in range(1, 10_000)]
    )
    page = console.get("/access")
    assert "1–50 of 10,000 keys" in page and len(page) < 150_000
    assert "key-0" in console.get(f"/access?words={first.id}")
    assert "9,951–10,000 of" in console.get("/access?page=999999999")


def test_roles_of_ones_own_stand_below_the_built_in_ones(console: HomeConsole) -> None:
    access.put_role(console.home, "aides", ["usage.read"], NOW, actor=operator(0))
    page = console.get("/access/roles")
    kinds = re.findall(r"<td>(built in|own)</td>", page)
    assert kinds == ["built in"] * (len(kinds) - 1) + ["own"]
