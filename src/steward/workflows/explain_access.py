"""`steward access explain WHO WHAT`: whether somebody may do something now, and what decides it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.access import MACHINE_KINDS, Person, Place
from steward.core.endpoint import Endpoint
from steward.core.errors import UnknownName
from steward.core.identity import DEFAULT_PROJECT, Principal, Right
from steward.core.keys import KeyRecord
from steward.security.access import AccessTable, check_right, merge_roles, parse_place
from steward.security.keys import resolve_keys
from steward.workflows.key_cache import find_reach
from steward.workflows.key_views import find_key, find_state, is_visible
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import find_deployment


class AccessAnswer(msgspec.Struct, frozen=True):
    """Whether somebody may do something, and why."""

    allowed: bool
    because: str


def explain_access(
    home: Path, who: str, what: str, now: float, *, actor: Principal, endpoints: Sequence[Endpoint[object]] = ()
) -> AccessAnswer:
    """`who`: the id or name of a key or of a user, `certificate:NAME`, `service:NAME`, or `operator`.

    `what`: a right, with a place where that matters
    (`infer@route:small`, `usage.read@acme/shop`), or an endpoint of `endpoints` (`POST /v1/chat/completions`).

    :raises UnknownName: nobody of that name, or no such right or endpoint
    """
    action, _, where = what.partition("@")
    right = _read_action(action.strip(), endpoints)
    if who == "operator" or who.startswith("operator:"):
        return AccessAnswer(True, "an operator of this machine can read every file of the home, and so has all rights")
    with open_keys(find_deployment(home), now) as (store, _, _root):
        if who.partition(":")[0] in MACHINE_KINDS:
            return _explain_machine(store, who, right, where, actor)
        person, key = _find_person(store, who, actor), _find_key(store, who, actor)
        if key is not None and (person is None or who.startswith("key:")):
            return _explain_key(store, key, right, _read_resource(where, key.tenant), now)
        if person is not None:
            place = parse_place(where, person.tenant) if where else Place(person.tenant)
            return _explain_person(store, person, right, place)
        raise UnknownName("key or user", who, _list_names(store, actor))


def _read_action(text: str, endpoints: Sequence[Endpoint[object]]) -> Right:
    """The right that is asked for, by its name or by an endpoint that needs it."""
    method, _, path = text.rpartition(" ")
    if not path.startswith("/"):
        return check_right(text)
    for endpoint in endpoints:
        if endpoint.path == path and method in ("", endpoint.method):
            return endpoint.permission
    raise UnknownName("endpoint", text, {f"{endpoint.method} {endpoint.path}" for endpoint in endpoints})


def _read_resource(where: str, tenant: str) -> Place | None:
    return parse_place(where, tenant) if where else None


def _explain_person(store: SqlStore, person: Person, right: Right, place: Place) -> AccessAnswer:
    if person.disabled_at is not None:
        return AccessAnswer(False, f"person:{person.id} is disabled")
    if person.tenant != place.tenant:
        return AccessAnswer(False, f"person:{person.id} belongs to the tenant {person.tenant}, not to {place.tenant}")
    table = AccessTable(store.access.list_grants(tenant=None), merge_roles(store.access.list_roles()))
    decision = table.decide(person.subjects, right, place)
    return AccessAnswer(decision.allowed, decision.because)


def _explain_machine(store: SqlStore, who: str, right: Right, where: str, actor: Principal) -> AccessAnswer:
    """A machine exists by its grants; one that has none may do nothing."""
    tenant = None if actor.kind == "operator" else actor.tenant
    table = AccessTable(store.access.list_grants(tenant=tenant), merge_roles(store.access.list_roles()))
    own = table.find_place(who)
    if own is None:
        return AccessAnswer(False, f"{who} has no role")
    place = parse_place(where, own.tenant) if where else own
    if place.tenant != own.tenant:
        return AccessAnswer(False, f"{who} belongs to the tenant {own.tenant}, not to {place.tenant}")
    decision = table.decide((who,), right, place)
    return AccessAnswer(decision.allowed, decision.because)


def _explain_key(store: SqlStore, key: KeyRecord, right: Right, place: Place | None, now: float) -> AccessAnswer:
    who = f"key:{key.id} ({key.name})"
    if key.revoked_at is not None:
        return AccessAnswer(False, f"{who} was revoked by {key.revoked_by}")
    records = store.keys.list_keys(tenant=None)
    now_has = next(item for item in resolve_keys(records, find_reach(store.access)) if item.id == key.id)
    if (state := find_state(now_has, now)) != "valid":
        return AccessAnswer(False, f"{who} is {state}")
    if right not in key.rights | {"public"}:
        return AccessAnswer(False, f"{who} was not given the right {right}; it has {', '.join(sorted(key.rights))}")
    if right not in now_has.rights | {"public"}:
        return AccessAnswer(False, f"{who} was given {right} by {key.created_by}, who does not have it any more")
    if place is not None and (denial := _explain_place(now_has, place)):
        return AccessAnswer(False, f"{who} {denial}")
    return AccessAnswer(True, f"{who} was given the right {right} by {key.created_by}, who has it")


def _explain_place(key: KeyRecord, place: Place) -> str:
    """Why a key may not act at a place; empty where it may."""
    if place.tenant != key.tenant:
        return f"belongs to the tenant {key.tenant}, not to {place.tenant}"
    if place.project not in (None, key.project) and not (place.project == DEFAULT_PROJECT and place.resource):
        return f"belongs to the project {key.project}, not to {place.project}"
    kind, _, name = (place.resource or "").partition(":")
    if kind == "route" and key.models is not None and name not in key.models:
        return f"may use {', '.join(sorted(key.models)) or 'no model'}, not {name}"
    return ""


def _find_person(store: SqlStore, who: str, actor: Principal) -> Person | None:
    tenant = None if actor.kind == "operator" else actor.tenant
    name = who.removeprefix("person:")
    return next((person for person in store.access.list_people(tenant=tenant) if person.id == name), None)


def _find_key(store: SqlStore, who: str, actor: Principal) -> KeyRecord | None:
    records = [record for record in store.keys.list_keys(tenant=None) if is_visible(record, actor)]
    return None if who.startswith("person:") else find_key(records, who.removeprefix("key:"))


def _list_names(store: SqlStore, actor: Principal) -> list[str]:
    tenant = None if actor.kind == "operator" else actor.tenant
    keys = [record.name for record in store.keys.list_keys(tenant=tenant)]
    return sorted({*keys, *(person.id for person in store.access.list_people(tenant=tenant)), "operator"})
