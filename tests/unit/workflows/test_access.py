"""People, roles and grants in a home, without a gateway; and what follows for the keys that people created."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.access import Place
from steward.core.errors import InputError, Refused, UnknownName
from steward.core.identity import ALL_RIGHTS, Principal, operator
from steward.core.records import LimitSpec
from steward.workflows import access, keys
from steward.workflows.audit import list_acts
from steward.workflows.explain_access import explain_access
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.endpoints import list_gateway_endpoints
from steward.workflows.serve.worker_keys import WorkerKeys

ME = operator(7)
INFER = KeyTerms(rights=frozenset({"infer"}))


def anna(*rights: str) -> Principal:
    return Principal(kind="person", id="anna", rights=frozenset(rights or ALL_RIGHTS))  # type: ignore[arg-type]


def add(home: Path, name: str = "anna", role: str | None = "developer", **more: object) -> access.PersonView:
    return access.add_person(home, name, 1.0, actor=ME, role=role, **more)  # type: ignore[arg-type]


def explain(home: Path, who: str, what: str, now: float = 5.0) -> tuple[bool, str]:
    found = explain_access(home, who, what, now, actor=ME, endpoints=list_gateway_endpoints())
    return found.allowed, found.because


def may(home: Path, key: keys.CreatedKey) -> set[str]:
    """What the workers let the key do."""
    found = WorkerKeys(find_deployment(home)).find(key.key)
    return set() if found is None else {str(right) for right in found.rights} - {"public"}


def test_a_person_is_added_listed_and_recorded(tmp_path: Path) -> None:
    added = add(tmp_path, groups=("ml",))
    assert (added.id, added.tenant, added.groups, added.roles) == (
        "anna",
        "default",
        ("ml",),
        ("developer at default",),
    )
    assert access.list_people(tmp_path, 2.0, actor=ME) == [added]
    act = list_acts(tmp_path, 9)[0]
    assert (act.actor, act.action, act.subject) == ("operator:7", "people.add", "person:anna")
    with pytest.raises(InputError, match="exists already"):
        add(tmp_path)


@pytest.mark.parametrize("name", ["", "Anna", "a b", "x" * 65, "a/b", "person:a"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="user name"):
        add(tmp_path, name)


def test_a_role_that_does_not_exist_adds_nobody(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'viewer'"):
        add(tmp_path, role="viewr")
    assert access.list_people(tmp_path, 2.0, actor=ME) == []


def test_nobody_gives_what_he_does_not_have(tmp_path: Path) -> None:
    add(tmp_path, role=None)
    weak = anna("people.manage", "access.manage", "infer")
    with pytest.raises(InputError, match="role viewer: person:anna does not have"):
        access.grant_role(tmp_path, "anna", "viewer", Place(), 2.0, actor=weak)
    with pytest.raises(InputError, match="cannot give it"):
        access.add_person(tmp_path, "bert", 2.0, actor=weak, role="owner")
    with pytest.raises(InputError, match="cannot give it"):
        access.put_role(tmp_path, "mine", ["keys.manage"], 2.0, actor=weak)


def test_nobody_reaches_into_another_tenant(tmp_path: Path) -> None:
    add(tmp_path, "bert", tenant="acme")
    boss = anna()
    assert access.list_people(tmp_path, 2.0, actor=boss) == []
    assert access.list_grants(tmp_path, 2.0, actor=boss) == []
    with pytest.raises(UnknownName, match="Known: none"):
        access.disable_person(tmp_path, "bert", 2.0, actor=boss)
    for place in (Place("acme"), Place()):
        with pytest.raises((InputError, UnknownName)):
            access.grant_role(tmp_path, "bert", "viewer", place, 2.0, actor=boss)
    with pytest.raises(InputError, match="belongs to the tenant 'acme'"):
        access.grant_role(tmp_path, "bert", "viewer", Place(), 2.0, actor=ME)


def test_a_grant_is_given_once_and_taken_away(tmp_path: Path) -> None:
    add(tmp_path, role=None)
    first = access.grant_role(tmp_path, "anna", "viewer", Place(), 2.0, actor=ME)
    assert access.grant_role(tmp_path, "person:anna", "viewer", Place(), 3.0, actor=ME) == first
    assert access.list_grants(tmp_path, 4.0, actor=ME) == [first]
    access.remove_grants(tmp_path, "anna", "viewer", Place(), 5.0, actor=ME)
    assert access.list_grants(tmp_path, 6.0, actor=ME) == []
    with pytest.raises(InputError, match="does not have the role viewer at default"):
        access.remove_grants(tmp_path, "anna", "viewer", Place(), 7.0, actor=ME)


def test_keys_follow_the_roles_of_whoever_created_them(tmp_path: Path) -> None:
    add(tmp_path)
    made = keys.create(tmp_path, "k", LimitSpec(), 2.0, actor=anna(), terms=INFER)
    assert may(tmp_path, made) == {"infer"}
    access.remove_grants(tmp_path, "anna", "developer", Place(), 3.0, actor=ME)
    assert may(tmp_path, made) == set()
    access.grant_role(tmp_path, "anna", "developer", Place("default", "default", "route:small"), 4.0, actor=ME)
    found = WorkerKeys(find_deployment(tmp_path)).find(made.key)
    assert found is not None and found.rights == {"infer"} and found.models == {"small"}
    access.disable_person(tmp_path, "anna", 5.0, actor=ME)
    assert may(tmp_path, made) == set()
    access.disable_person(tmp_path, "anna", 6.0, actor=ME, enable=True)
    assert may(tmp_path, made) == {"infer"}


def test_keys_follow_roles_of_ones_own_and_groups(tmp_path: Path) -> None:
    add(tmp_path, role=None, groups=("ml",))
    access.put_role(tmp_path, "caller", ["infer"], 2.0, actor=ME)
    access.grant_role(tmp_path, "group:ml", "caller", Place(), 3.0, actor=ME)
    made = keys.create(tmp_path, "k", LimitSpec(), 4.0, actor=anna(), terms=INFER)
    assert may(tmp_path, made) == {"infer"}
    access.put_role(tmp_path, "caller", ["feedback"], 5.0, actor=ME)
    assert may(tmp_path, made) == set()
    assert [role.name for role in access.list_roles(tmp_path, 6.0)][-1] == "caller"


def test_a_machine_gets_roles_in_one_tenant_and_workers_know_it(tmp_path: Path) -> None:
    who = "certificate:spiffe://example/billing"
    access.grant_role(tmp_path, who, "developer", Place("acme", "shop"), 1.0, actor=ME)
    with pytest.raises(InputError, match="belongs to the tenant 'acme', where it has the role developer"):
        access.grant_role(tmp_path, who, "viewer", Place("other"), 1.0, actor=ME)
    known = WorkerKeys(find_deployment(tmp_path), clock=lambda: 2.0)
    caller = known.find_machine(who, "certificate")
    assert caller is not None and caller is known.find_machine(who, "certificate")
    assert (caller.principal.actor, caller.principal.tenant, caller.principal.project) == (who, "acme", "shop")
    assert "infer" in caller.principal.rights and known.find_machine("certificate:other", "certificate") is None
    assert known.subject_key("acme")  # there is no key of that tenant
    assert explain(tmp_path, who, "infer") == (True, f"{who} has the role developer at acme/shop, which gives infer")
    assert explain(tmp_path, who, "infer@other") == (False, f"{who} belongs to the tenant acme, not to other")
    access.remove_grants(tmp_path, who, "developer", Place("acme", "shop"), 3.0, actor=ME)
    assert explain(tmp_path, who, "infer") == (False, f"{who} has no role")
    assert WorkerKeys(find_deployment(tmp_path), clock=lambda: 4.0).find_machine(who, "certificate") is None


def test_machines_are_not_admitted_on_roles_that_nobody_has_confirmed(tmp_path: Path) -> None:
    access.grant_role(tmp_path, "certificate:a", "developer", Place("acme"), 1.0, actor=ME)
    with pytest.raises(Refused) as caught:
        WorkerKeys(find_deployment(tmp_path), clock=lambda: 1e12).find_machine("certificate:a", "certificate")
    assert (caught.value.status, caught.value.code) == (503, "keys_stale")


@pytest.mark.parametrize("subject", ["certificate:", "group:", "certificate:a b", "service:" + "x" * 201, "robot:a"])
def test_a_subject_that_is_none_is_refused(tmp_path: Path, subject: str) -> None:
    with pytest.raises(InputError, match="expected"):
        access.grant_role(tmp_path, subject, "viewer", Place("default"), 1.0, actor=ME)
