"""People of a home who sign in, by a clock that the tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from steward.core.access import Place, SessionLimits
from steward.core.errors import InputError, Refused, UnknownName
from steward.core.identity import Principal, operator
from steward.security.rootkey import RootKeys
from steward.workflows import access, people
from steward.workflows.audit import list_acts
from steward.workflows.people import People
from steward.workflows.serve.deployment import find_deployment

ME = operator(7)
GOOD, OTHER = "correct horse battery", "another long password"


class Console:
    """One console's `People`, and the time."""

    def __init__(self, home: Path) -> None:
        self.home, self.now = home, 100.0
        access.add_person(home, "anna", 1.0, actor=ME, role="developer")
        people.set_password(home, "anna", GOOD, 2.0, actor=ME)
        self.store = find_deployment(home).open_store()
        self.limits = SessionLimits(longest_s=1000.0, idle_s=400.0)
        self.people = self.another()

    def another(self) -> People:
        return People(find_deployment(self.home), self.store, lambda: self.now, self.limits)

    def sign_in(self, name: str = "anna", password: str = GOOD, code: str = "") -> str:
        return self.people.sign_in(name, password, code).token


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    yield made
    made.store.close()


def test_a_session_has_the_rights_of_its_person_on_every_console(console: Console) -> None:
    token = console.sign_in()
    found = console.another().find(token)
    assert found is not None and (found.actor, found.tenant, found.auth_method) == ("person:anna", "default", "session")
    assert "infer" in found.rights and "keys.manage" not in found.rights
    assert token not in (console.home / "steward.db").read_bytes().decode("latin-1")


def test_signing_in_and_out_is_recorded(console: Console) -> None:
    console.people.sign_out(console.sign_in())
    acts = [(act.action, act.actor, act.after) for act in list_acts(console.home, 10)[:2]]
    assert acts == [("people.sign_out", "person:anna", ""), ("people.sign_in", "person:anna", "password")]


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", OTHER), ("anna", ""), ("nobody", GOOD), ("", ""), ("anna' or 1=1 --", GOOD), ("bert", "")],
)
def test_whatever_is_wrong_the_answer_is_the_same(console: Console, name: str, password: str) -> None:
    access.add_person(console.home, "bert", 1.0, actor=ME, role="viewer")  # without a password
    with pytest.raises(Refused) as caught:
        console.people.sign_in(name, password, "")
    assert (caught.value.status, str(caught.value)) == (401, "Wrong name, password or code.")


def test_the_hash_is_no_password(console: Console) -> None:
    (person,) = console.store.access.list_people(tenant=None)
    assert person.password_hash is not None
    with pytest.raises(Refused):
        console.sign_in(password=person.password_hash)


def test_a_session_ends_when_it_has_lain_idle(console: Console) -> None:
    token = console.sign_in()
    console.now += 399.9
    assert console.people.find(token, is_active=False) is not None  # a page that asks by itself
    console.now += 0.1
    assert console.people.find(token) is None


def test_a_session_that_is_used_goes_on_until_it_ends_for_good(console: Console) -> None:
    token = console.sign_in()  # at 100
    for now in (400.0, 799.0, 1099.9):
        console.now = now
        assert console.another().find(token) is not None  # another console, which reads the same store
    console.now = 1100.0
    assert console.people.find(token) is None
    console.sign_in()
    assert console.store.sessions.find(people._digest(token)) is None  # and is forgotten at the next one's begin


def test_the_end_of_a_session_is_written_once_a_minute_at_most(console: Console) -> None:
    token = console.sign_in()
    ends = []
    for now in (100.0, 160.0, 160.1, 200.0, 220.2):
        console.now = now
        console.people.find(token)
        session = console.store.sessions.find(people._digest(token))
        ends.append(session.expires_at if session is not None else None)
    assert ends == [500.0, 500.0, 560.1, 560.1, 620.2]


def test_a_session_that_was_ended_is_not_revived(console: Console) -> None:
    token = console.sign_in()
    console.store.sessions.end(people._digest(token))
    console.store.sessions.prolong(people._digest(token), 1e9)
    assert console.people.find(token) is None


@pytest.mark.parametrize("token", ["", "sts_", "sts_forged", "sts_" + "x" * 200, "stw_live_x", "sts_' or '1'='1"])
def test_what_is_no_session_is_nobody(console: Console, token: str) -> None:
    console.sign_in()
    assert console.people.find(token) is None


def revoke(console: Console, how: str) -> None:
    home, now = console.home, console.now
    if how == "sign out":
        return
    if how == "password":
        people.set_password(home, "anna", OTHER, now, actor=ME)
    elif how == "code":
        people.enroll_code(home, "anna", now, actor=ME)
    elif how == "role":
        access.grant_role(home, "anna", "viewer", Place("default"), now, actor=ME)
    elif how == "role of the group":
        access.grant_role(home, "anna", "auditor", Place("default", "shop"), now, actor=ME)
    else:
        access.disable_person(home, "anna", now, actor=ME)


@pytest.mark.parametrize("how", ["sign out", "password", "code", "role", "role of the group", "disabling"])
def test_a_session_is_over_at_once_on_every_console(console: Console, how: str) -> None:
    token, elsewhere = console.sign_in(), console.another()
    assert elsewhere.find(token) is not None
    console.now += 1
    if how == "sign out":
        console.people.sign_out(token)
    revoke(console, how)
    assert elsewhere.find(token) is None and console.people.find(token) is None


def test_what_a_role_of_ones_own_gives_follows_it(console: Console) -> None:
    access.put_role(console.home, "triage", ["feedback.read"], 3.0, actor=ME)
    access.grant_role(console.home, "anna", "triage", Place("default"), 3.0, actor=ME)
    token = console.sign_in()
    access.put_role(console.home, "triage", ["usage.read"], console.now, actor=ME)
    access.remove_grants(console.home, "anna", "developer", Place("default"), 50.0, actor=ME)
    found = console.people.find(token)
    assert found is not None and found.rights == {"public", "usage.read"}


def test_whoever_has_no_role_is_told_so_after_the_password(console: Console) -> None:
    access.add_person(console.home, "carl", 1.0, actor=ME)
    people.set_password(console.home, "carl", GOOD, 2.0, actor=ME)
    with pytest.raises(Refused) as caught:
        console.sign_in("carl")
    assert (caught.value.status, caught.value.code) == (403, "no_role")


def test_a_disabled_person_does_not_get_in(console: Console) -> None:
    access.disable_person(console.home, "anna", 50.0, actor=ME)
    with pytest.raises(Refused, match="Wrong name"):
        console.sign_in()


def test_a_code_is_asked_for_and_good_once(console: Console) -> None:
    made = people.enroll_code(console.home, "anna", 50.0, actor=ME)
    assert made.secret not in (console.home / "steward.db").read_bytes().decode("latin-1")
    code = pyotp.TOTP(made.secret).at(int(console.now))
    with pytest.raises(Refused):
        console.sign_in()
    with pytest.raises(Refused):  # the code alone is not enough
        console.sign_in(password=OTHER, code=code)
    token = console.sign_in(code=code)
    with pytest.raises(Refused):
        console.sign_in(code=code)
    assert console.another().find(token) is not None
    people.remove_code(console.home, "anna", 150.0, actor=ME)
    assert console.people.find(token) is None  # it was signed in with what no longer counts
    console.now = 200.0
    assert console.sign_in()


def test_a_code_of_another_person_or_root_key_does_not_open(console: Console) -> None:
    people.enroll_code(console.home, "anna", 50.0, actor=ME)
    (person,) = console.store.access.list_people(tenant=None)
    with pytest.raises(InputError, match="cannot decrypt"):
        people.open_code(RootKeys(bytes(32)), person)


def test_a_password_is_needed_before_a_code(console: Console) -> None:
    access.add_person(console.home, "bert", 1.0, actor=ME, role="viewer")
    with pytest.raises(InputError, match="steward users password bert"):
        people.enroll_code(console.home, "bert", 2.0, actor=ME)
    with pytest.raises(UnknownName):
        people.set_password(console.home, "berta", GOOD, 2.0, actor=ME)


def test_a_person_changes_the_password_with_the_old_one(console: Console) -> None:
    token = console.sign_in()
    anna = console.people.find(token)
    assert anna is not None
    for old, new, error in ((OTHER, GOOD, Refused), (GOOD, "short", InputError)):
        with pytest.raises(error):
            console.people.change_password(anna, old, new)
    console.now += 1
    console.people.change_password(anna, GOOD, OTHER)
    assert console.people.find(token) is None and console.sign_in(password=OTHER)
    with pytest.raises(Refused):
        console.sign_in(password=GOOD)


def test_somebody_of_a_provider_has_the_roles_of_the_groups_and_nothing_of_a_namesake(console: Console) -> None:
    access.grant_role(console.home, "group:ml", "viewer", Place("default"), 3.0, actor=ME)
    begun = console.people.begin("person:corp/anna", "default", "oidc", ("ml",))
    found = console.people.find(begun.token)
    assert found is not None and found.actor == "person:corp/anna" and "infer" not in found.rights
    assert "usage.read" in found.rights
    access.remove_grants(console.home, "group:ml", "viewer", Place("default"), 4.0, actor=ME)
    after = console.people.find(begun.token)
    assert after is not None and after.rights == {"public"}
    with pytest.raises(Refused):
        console.people.begin("person:corp/bert", "default", "oidc", ("other",))


def test_a_session_of_another_tenant_than_its_persons_is_nobody(console: Console) -> None:
    with pytest.raises(Refused):
        console.people.begin("person:anna", "acme", "password")


def test_no_audit_no_session(console: Console) -> None:
    (console.home / "audit" / "checkpoint").write_text("damaged")
    with pytest.raises(Exception) as caught:
        console.sign_in()
    assert not isinstance(caught.value, Refused)
    assert console.store.sessions.end_of("person:anna") == 0


def test_a_principal_that_is_no_person_has_no_password(console: Console) -> None:
    with pytest.raises(Refused):
        console.people.change_password(Principal(kind="operator", id="7"), GOOD, OTHER)


def test_sessions_are_seen_and_ended_by_those_of_the_tenant(console: Console) -> None:
    console.sign_in()
    (session,) = people.list_sessions(console.store, console.now, actor=ME)
    stranger = Principal(kind="person", id="bob", tenant="acme")
    assert session.subject == "person:anna" and people.list_sessions(console.store, console.now, actor=stranger) == []
    with pytest.raises(UnknownName):
        people.end_session(console.home, session.id, console.now, actor=stranger)
    with pytest.raises(UnknownName, match=session.id[:12]) as refused:
        people.end_session(console.home, "x" * 101, console.now, actor=ME)
    assert "x" * 99 + "…" in str(refused.value)
    assert session.id[:13] not in str(refused.value)
    assert people.end_session(console.home, session.id, console.now, actor=ME).id == session.id
    assert people.list_sessions(console.store, console.now, actor=ME) == []
    (act, *_) = list_acts(console.home, 1)
    assert (act.action, act.before) == ("people.end_session", session.id[:12])


def test_whoever_has_no_session_chooses_from_no_projects(console: Console) -> None:
    assert console.people.list_projects("stw_gone") == []
    token = console.sign_in()
    assert console.people.list_projects(token) == []
    access.grant_role(console.home, "person:anna", "viewer", Place("default", "shop"), 3.0, actor=ME)
    assert console.people.list_projects(token) == ["shop"]
