"""People, roles and grants: `steward users` and `steward access`. Every change is recorded before it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.access import MACHINE_KINDS, Grant, Person, Place, Role
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import Principal, Right
from steward.core.record_ids import make_short_id
from steward.security.access import AccessTable, make_role, merge_roles, parse_place
from steward.workflows.audit import make_act
from steward.workflows.key_terms import check_tenant
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import HomeDeployment, find_deployment

PERSON: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_MACHINE: Final = re.compile(r"[!-~]{1,200}")


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A person as listed: without password."""

    id: str
    tenant: str
    groups: tuple[str, ...]
    disabled_at: float | None
    created_at: float
    created_by: str
    roles: tuple[str, ...]  # `developer at default/shop`


def add_person(
    home: Path,
    name: str,
    now: float,
    *,
    actor: Principal,
    tenant: str | None = None,
    groups: Iterable[str] = (),
    role: str | None = None,
    password_hash: str | None = None,
) -> PersonView:
    """Add somebody, with a role in the tenant where one is named.

    :raises InputError: a name that is taken or none, a tenant that is not the actor's, a role beyond the actor's rights
    :raises UnknownName: no such role :raises Unavailable: the store does not answer
    """
    if not PERSON.fullmatch(name):
        raise InputError(f"user name {cut_text(name)!r}: expected 1 to 64 small letters, digits, dots, dashes or @")
    _check_tenant_of(actor, tenant)
    person = Person(
        id=name,
        tenant=check_tenant(tenant or actor.tenant),
        groups=tuple(groups),
        password_hash=password_hash,
        created_at=now,
        created_by=actor.actor,
        changed_at=now,
    )
    place = Place(person.tenant)
    with open_home(home, now) as (deployment, store, publish):
        if role is not None:
            _check_role(store, role, actor)
        after = f"tenant {person.tenant}" + (f"; role {role}" if role else "")
        deployment.open_audit_log().record(make_act(actor, "people.add", f"person:{name}", after=after))
        if not store.access.add_person(person):
            raise InputError(f"user {name!r} exists already; see: steward users list")
        if role is not None:
            store.access.add_grant(_make_grant(f"person:{name}", role, place, now, actor))
        publish()
        return view_person(person, store.access.list_grants(tenant=person.tenant))


def list_people(home: Path, now: float, *, actor: Principal, tenant: str | None = None) -> list[PersonView]:
    """Those of the actor's tenant; an operator of this machine sees all, or those of one that it names."""
    with open_home(home, now) as (_, store, _publish):
        grants = store.access.list_grants(tenant=None)
        people = store.access.list_people(tenant=_tenant_of(actor))
        return [view_person(person, grants) for person in people if tenant in (None, person.tenant)]


def disable_person(home: Path, name: str, now: float, *, actor: Principal, enable: bool = False) -> PersonView:
    """Take every right from a person and from the keys that the person created; the gateway follows within a second.

    :raises UnknownName: no such person
    """
    with open_home(home, now) as (deployment, store, publish):
        person = find_person(store, name, actor)
        act = "people.enable" if enable else "people.disable"
        deployment.open_audit_log().record(make_act(actor, act, f"person:{name}"))
        changed = msgspec.structs.replace(person, disabled_at=None if enable else now, changed_at=now)
        store.access.change_person(changed)
        store.sessions.end_of(f"person:{name}")
        publish()
        return view_person(changed, store.access.list_grants(tenant=None))


def grant_role(home: Path, subject: str, role: str, place: Place, now: float, *, actor: Principal) -> Grant:
    """Give a person (`person:anna`, `anna`), a group (`group:ml`) or a machine (`certificate:billing.example`,
    `service:ISSUER/SUBJECT`) a role at a place.

    :raises UnknownName: no such person or role
    :raises InputError: a role or a place beyond the actor's, or a place of another tenant than the person's
    """
    _check_tenant_of(actor, place.tenant)
    with open_home(home, now) as (deployment, store, publish):
        _check_role(store, role, actor)
        known = _check_subject(store, subject, place, actor)
        grant = _make_grant(known, role, place, now, actor)
        for same in store.access.list_grants(tenant=place.tenant):
            if (same.subject, same.role, same.place) == (grant.subject, grant.role, grant.place):
                return same
        deployment.open_audit_log().record(make_act(actor, "access.grant", known, after=f"{role} at {place}"))
        store.access.add_grant(grant)
        _end_sessions(store, known, now)
        publish()
        return grant


def remove_grants(home: Path, subject: str, role: str, place: Place, now: float, *, actor: Principal) -> Grant:
    """Take a role away again. :raises InputError: there is no such grant"""
    _check_tenant_of(actor, place.tenant)
    with open_home(home, now) as (deployment, store, publish):
        known = _check_subject(store, subject, place, actor)
        for grant in store.access.list_grants(tenant=place.tenant):
            if (grant.subject, grant.role, grant.place) == (known, role, place):
                deployment.open_audit_log().record(make_act(actor, "access.remove", known, before=f"{role} at {place}"))
                store.access.remove_grant(grant.id)
                _end_sessions(store, known, now)
                publish()
                return grant
        raise InputError(f"{known} does not have the role {role} at {place}; see: steward access list")


def find_place(home: Path, name: str, text: str | None, now: float, *, actor: Principal) -> Place:
    """A place as it is written for a user; the user's tenant where nothing is. :raises UnknownName: no such user"""
    with open_home(home, now) as (_, store, _publish):
        tenant = find_person(store, name, actor).tenant
    return Place(tenant) if text is None else parse_place(text, tenant)


def list_grants(home: Path, now: float, *, actor: Principal) -> list[Grant]:
    """Those of the actor's tenant; an operator of this machine sees all."""
    with open_home(home, now) as (_, store, _publish):
        return store.access.list_grants(tenant=_tenant_of(actor))


def list_roles(home: Path, now: float) -> list[Role]:
    """The built-in roles first."""
    with open_home(home, now) as (_, store, _publish):
        return sorted(merge_roles(store.access.list_roles()).values(), key=lambda role: not role.built_in)


def put_role(home: Path, name: str, rights: Iterable[str], now: float, *, actor: Principal) -> Role:
    """Make a role of the deployment's own, or give it other rights.

    :raises InputError: the name of a built-in role, or rights beyond the actor's :raises UnknownName: no such right
    """
    role = make_role(name, rights)
    _check_rights(role, actor)
    with open_home(home, now) as (deployment, store, publish):
        after = f"rights {','.join(sorted(role.rights))}"
        deployment.open_audit_log().record(make_act(actor, "access.role", f"role:{name}", after=after))
        store.access.put_role(role)
        publish()
        return role


def rights_of_person(store: SqlStore, person: Person) -> frozenset[Right]:
    """What a person may do in the tenant as such; nothing when disabled."""
    if person.disabled_at is not None:
        return frozenset()
    table = AccessTable(store.access.list_grants(tenant=person.tenant), merge_roles(store.access.list_roles()))
    return table.rights_at(person.subjects, Place(person.tenant))


@contextmanager
def open_home(home: Path, now: float) -> Iterator[tuple[HomeDeployment, SqlStore, Callable[[], None]]]:
    deployment = find_deployment(home)
    with open_keys(deployment, now) as (store, publisher, _):
        yield deployment, store, publisher.publish


def _tenant_of(actor: Principal) -> str | None:
    return None if actor.kind == "operator" else actor.tenant


def _check_tenant_of(actor: Principal, tenant: str | None) -> None:
    """:raises InputError: another tenant than the actor's, who is no operator of this machine"""
    if tenant not in (None, actor.tenant) and actor.kind != "operator":
        raise InputError(f"tenant {tenant!r}: {actor.actor} belongs to {actor.tenant!r}")


def _check_role(store: SqlStore, name: str, actor: Principal) -> None:
    """:raises UnknownName: no such role :raises InputError: the actor lacks one of its rights"""
    roles = merge_roles(store.access.list_roles())
    if name not in roles:
        raise UnknownName("role", name, roles)
    _check_rights(roles[name], actor)


def _check_rights(role: Role, actor: Principal) -> None:
    excess = sorted(role.rights - actor.rights - {"public"})
    if excess:
        raise InputError(f"role {role.name}: {actor.actor} does not have {', '.join(excess)} and so cannot give it")


def _check_subject(store: SqlStore, subject: str, place: Place, actor: Principal) -> str:
    """The subject with its kind."""
    kind, _, name = subject.partition(":") if ":" in subject else ("", "", subject)
    if kind in ("group", *MACHINE_KINDS) and not _MACHINE.fullmatch(name):
        raise InputError(f"subject {cut_text(subject)!r}: expected 1 to 200 visible characters behind {kind}:")
    if kind in MACHINE_KINDS:
        _check_one_tenant(store, subject, place)
        return subject
    if kind == "group":
        return subject
    if kind not in ("", "person"):
        others = " or ".join(f"{each}:NAME" for each in ("group", *MACHINE_KINDS))
        raise InputError(f"subject {cut_text(subject)!r}: expected a user's name, or {others}")
    person = find_person(store, name, actor)
    if person.tenant != place.tenant:
        raise InputError(f"user {name!r} belongs to the tenant {person.tenant!r}, and the place to {place.tenant!r}")
    return f"person:{name}"


def _check_one_tenant(store: SqlStore, subject: str, place: Place) -> None:
    """A machine belongs to the tenant where it has its roles. :raises InputError: it has some in another one"""
    for grant in store.access.list_grants(tenant=None):
        if grant.subject == subject and grant.place.tenant != place.tenant:
            raise InputError(
                f"{subject} belongs to the tenant {grant.place.tenant!r}, where it has the role {grant.role}; a "
                f"certificate or a service has roles in one tenant only, and the place is in {place.tenant!r}"
            )


def find_person(store: SqlStore, name: str, actor: Principal) -> Person:
    """:raises UnknownName: there is none whom the actor may see"""
    people = {person.id: person for person in store.access.list_people(tenant=_tenant_of(actor))}
    if name not in people:
        raise UnknownName("user", name, people)
    return people[name]


def _end_sessions(store: SqlStore, subject: str, now: float) -> None:
    """What a person signed in with before a role changed is worthless afterwards."""
    for person in store.access.list_people(tenant=None):
        if subject in person.subjects:
            store.access.change_person(msgspec.structs.replace(person, changed_at=now))


def _make_grant(subject: str, role: str, place: Place, now: float, actor: Principal) -> Grant:
    return Grant(
        id=make_short_id("gr"), subject=subject, role=role, place=place, created_at=now, created_by=actor.actor
    )


def view_person(person: Person, grants: Iterable[Grant]) -> PersonView:
    roles = tuple(f"{grant.role} at {grant.place}" for grant in grants if grant.subject in person.subjects)
    names = ("id", "tenant", "groups", "disabled_at", "created_at", "created_by")
    return PersonView(**{name: getattr(person, name) for name in names}, roles=roles)
