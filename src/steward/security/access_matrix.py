"""Who may do what where, all of it at once, and what in it breaks a rule that always holds. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from steward.core.access import MACHINE_KINDS, Grant, Person, Place, Role
from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.identity import ALL_RIGHTS, ANONYMOUS, Right
from steward.core.keys import KeyRecord
from steward.security.access import AccessTable, check_right, merge_roles, reach_of_person
from steward.security.keys import KeyReach

AccessRule = Literal["left", "role", "tenant", "anonymous", "own approval", "apart"]
RULES: Final[dict[AccessRule, str]] = {
    "left": "nobody who left has a role, or a key that lives on",
    "role": "every role that was given exists",
    "tenant": "nobody reaches into another tenant",
    "anonymous": "without a key only what is public is allowed",
    "own approval": "nobody has approved a change of their own",
    "apart": "nobody holds rights that must lie apart",
}
_KINDS: Final = ("person", "group", *MACHINE_KINDS)


class AccessState(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment knows of everybody at one moment."""

    people: tuple[Person, ...] = ()
    grants: tuple[Grant, ...] = ()
    roles: tuple[Role, ...] = ()  # of the deployment's own
    keys: tuple[KeyRecord, ...] = ()  # valid now, as they were created
    resolved: tuple[KeyRecord, ...] = ()  # the same keys, each with what it may do now
    own_approvals: tuple[tuple[str, str], ...] = ()  # (person, request) of approvals by an author


class AccessRow(msgspec.Struct, frozen=True, kw_only=True):
    """All that one subject may do at one place; what is not listed is denied."""

    who: str  # person:anna, group:ml, certificate:billing, key:0123abcd (web), anonymous
    at: str  # default/shop; * is everywhere
    rights: tuple[Right, ...]  # by name
    models: tuple[str, ...] | None = None  # that `infer` is for; None: all


class AccessFault(msgspec.Struct, frozen=True, kw_only=True):
    """What breaks a rule, and the command that mends it."""

    rule: AccessRule
    who: str
    problem: str
    fix: str


def parse_apart(texts: Iterable[str]) -> tuple[tuple[Right, ...], ...]:
    """Rights that nobody may hold together, such as `prompts.manage,approvals.decide`.

    :raises InputError: fewer than two :raises UnknownName: no such right
    """
    parted = []
    for text in texts:
        rights = tuple(sorted({check_right(part.strip()) for part in text.split(",") if part.strip()}))
        if len(rights) < 2:
            raise InputError(
                f"rights {cut_text(text)!r}: expected two or more, such as prompts.manage,approvals.decide"
            )
        parted.append(rights)
    return tuple(parted)


def list_access(state: AccessState) -> tuple[AccessRow, ...]:
    """A row for each subject and each place where it has something, then each key, and whoever comes without any."""
    table = AccessTable(state.grants, merge_roles(state.roles))
    rows = [*_list_people(state, table), *_list_others(state, table), *map(_row_of_key, state.resolved)]
    public = _make_row("anonymous", "*", KeyReach(frozenset(right for right in ALL_RIGHTS if ANONYMOUS.has(right))))
    return (*rows, public)


def _list_people(state: AccessState, table: AccessTable) -> Iterator[AccessRow]:
    for person in sorted(state.people, key=lambda person: person.id):
        for place in _list_places(state.grants, person.subjects):
            if place.tenant == person.tenant:
                yield _make_row(f"person:{person.id}", str(place), reach_of_person(table, person, place))


def _list_others(state: AccessState, table: AccessTable) -> Iterator[AccessRow]:
    for subject in sorted({grant.subject for grant in state.grants}):
        if not subject.startswith("person:"):
            for place in _list_places(state.grants, (subject,)):
                yield _make_row(subject, str(place), KeyReach(table.rights_at((subject,), place)))


def _list_places(grants: Iterable[Grant], subjects: Sequence[str]) -> list[Place]:
    return sorted({grant.place for grant in grants if grant.subject in subjects}, key=str)


def _row_of_key(key: KeyRecord) -> AccessRow:
    place = Place(key.tenant, key.project)
    return _make_row(f"key:{key.id} ({key.name})", str(place), KeyReach(key.rights, key.models))


def _make_row(who: str, at: str, reach: KeyReach) -> AccessRow:
    models = None if reach.models is None else tuple(sorted(reach.models))
    return AccessRow(who=who, at=at, rights=tuple(sorted(reach.rights)), models=models)


def find_faults(
    state: AccessState, rows: Sequence[AccessRow], apart: Sequence[Sequence[Right]] = ()
) -> tuple[AccessFault, ...]:
    """What breaks a rule of `RULES`; `apart`: rights that nobody may hold together at a place."""
    people = {f"person:{person.id}": person for person in state.people}
    faults = [
        *(fault for grant in state.grants for fault in _judge_grant(grant, people, state.roles)),
        *_judge_machines(state.grants),
        *_judge_keys(state, people),
        *(
            AccessFault(rule="own approval", who=person, problem=f"approved {request}, a change of its own",
                        fix=f"steward reject {request}")
            for person, request in state.own_approvals
        ),
        *(fault for row in rows for fault in _judge_row(row, apart)),
    ]  # fmt: skip
    order = list(RULES)
    return tuple(sorted(faults, key=lambda fault: (order.index(fault.rule), fault.who, fault.problem)))


def _judge_grant(grant: Grant, people: dict[str, Person], own: Iterable[Role]) -> Iterator[AccessFault]:
    who, has = grant.subject, f"has the role {grant.role} at {grant.place}"
    remove = f"steward access remove {who} {grant.role} --at {grant.place}"
    person, kind = people.get(who), who.partition(":")[0]
    if kind not in _KINDS:
        yield AccessFault(rule="anonymous", who=who, problem=f"{has}, and is nobody who proves who it is", fix=remove)
    if kind == "person" and person is None:
        yield AccessFault(rule="left", who=who, problem=f"{has}, and is not known", fix="steward users list")
    if person is not None and person.disabled_at is not None:
        yield AccessFault(rule="left", who=who, problem=f"{has}, and is disabled", fix=remove)
    if person is not None and person.tenant != grant.place.tenant:
        yield AccessFault(rule="tenant", who=who, problem=f"{has}, and belongs to {person.tenant}", fix=remove)
    if grant.role not in merge_roles(own):
        problem = f"{has}, and there is no such role"
        yield AccessFault(rule="role", who=who, problem=problem, fix=remove)


def _judge_machines(grants: Iterable[Grant]) -> Iterator[AccessFault]:
    tenants: dict[str, set[str]] = {}
    for grant in grants:
        if grant.subject.partition(":")[0] in MACHINE_KINDS:
            tenants.setdefault(grant.subject, set()).add(grant.place.tenant)
    for subject, found in tenants.items():
        if len(found) > 1:
            problem = f"has roles in {', '.join(sorted(found))}"
            yield AccessFault(rule="tenant", who=subject, problem=problem, fix="steward access list")


def _judge_keys(state: AccessState, people: dict[str, Person]) -> Iterator[AccessFault]:
    creators = {f"key:{key.id}": key.tenant for key in state.keys} | {
        name: person.tenant for name, person in people.items()
    }
    may = {key.id: key.rights for key in state.resolved}
    for key in state.keys:
        who, fix = f"key:{key.id} ({key.name})", f"steward keys revoke {key.id}"
        made = f"was created by {key.created_by}"
        if creators.get(key.created_by, key.tenant) != key.tenant:
            problem = f"{made} of {creators[key.created_by]}, and is of {key.tenant}"
            yield AccessFault(rule="tenant", who=who, problem=problem, fix=fix)
        elif key.rights - {"public"} and not may.get(key.id, frozenset()) - {"public"}:
            problem = f"{made}, who has left or has none of its rights any more"
            yield AccessFault(rule="left", who=who, problem=problem, fix=fix)


def _judge_row(row: AccessRow, apart: Sequence[Sequence[Right]]) -> Iterator[AccessFault]:
    if row.who == "anonymous":
        more = ", ".join(right for right in row.rights if right != "public")
        if more:
            yield AccessFault(rule="anonymous", who=row.who, problem=f"may {more}", fix="steward selftest security")
        return
    for rights in apart:
        if set(rights) <= set(row.rights):
            problem = f"holds {' and '.join(rights)} at {row.at}"
            yield AccessFault(rule="apart", who=row.who, problem=problem, fix="steward access list")


def digest_access(people: Iterable[Person], grants: Iterable[Grant], own: Iterable[Role]) -> str:
    """`sha256:…` of who has which role where, and of what the roles give. Keys have no part in it: none can do more
    than whoever created it."""
    roles = merge_roles(own)
    lines = [
        *(f"person {one.id} {one.tenant} {sorted(one.groups)} {one.disabled_at is not None}" for one in people),
        *(f"grant {one.subject} {one.role} {one.place}" for one in grants),
        *(f"role {name} {sorted(role.rights)}" for name, role in roles.items()),
    ]
    return f"sha256:{hashlib.sha256(msgspec.json.encode(sorted(lines))).hexdigest()}"
