"""Whether somebody may do something somewhere, and which grant decides it. Deny by default; pure.

A decision looks up the subject's grants at the place and at the two around it, so that its time does not grow with the
number of grants. Ours because the engines for this are made for rules that are read anew for each question: `casbin`
judges the same questions in the tests and agrees, in a time that grows with the number of grants
(benchmarks/bench_security.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from steward.core.access import RESOURCE_KINDS, Grant, Person, Place, Role
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import ALL_RIGHTS, DEFAULT_PROJECT, Right
from steward.security.keys import NOTHING, KeyReach

_READ: Final[frozenset[Right]] = frozenset({"public", "models.read", "usage.read", "metrics.read", "console.read"})
_ROLES: Final[dict[str, frozenset[Right]]] = {
    "owner": ALL_RIGHTS,
    "operator": ALL_RIGHTS - {"people.manage", "access.manage", "privacy.manage", "content.read", "study.rate"},
    "developer": _READ
    | {"infer", "feedback", "feedback.project", "feedback.read", "prompts.read", "prompts.manage", "keys.read"},
    "reviewer": _READ
    | {
        "feedback.read",
        "content.read",
        "prompts.read",
        "study.rate",
        "study.lead",
        "evidence.read",
        "approvals.read",
        "approvals.decide",
    },
    "privacy": _READ
    | {"privacy.read", "privacy.manage", "content.read", "audit.read", "evidence.read", "feedback.read"},
    "auditor": _READ | {"audit.read", "privacy.read", "evidence.read", "approvals.read", "keys.read", "access.read"},
    "viewer": _READ,
}
BUILT_IN_ROLES: Final = {name: Role(name, rights, built_in=True) for name, rights in _ROLES.items()}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")


class AccessDecision(NamedTuple):
    """`grant` is the one that decided; None where none allows it."""

    allowed: bool
    because: str
    grant: Grant | None = None


class AccessTable:
    """All grants of a deployment at one moment. A grant of a role that does not exist gives nothing."""

    def __init__(self, grants: Iterable[Grant], roles: Mapping[str, Role] = BUILT_IN_ROLES) -> None:
        self._roles = roles
        self._at: dict[tuple[str, str, str | None, str | None], list[Grant]] = {}
        self._of: dict[str, list[Grant]] = {}
        for grant in grants:
            place = grant.place
            self._at.setdefault((grant.subject, place.tenant, place.project, place.resource), []).append(grant)
            self._of.setdefault(grant.subject, []).append(grant)

    def decide(self, subjects: Sequence[str], right: Right, place: Place) -> AccessDecision:
        """Whether one of `subjects` (a person and its groups) may do it at `place`."""
        grant = self._find(subjects, right, place)
        if grant is not None:
            return AccessDecision(
                True, f"{grant.subject} has the role {grant.role} at {grant.place}, which gives {right}", grant
            )
        return AccessDecision(False, self._explain_denial(subjects, right, place))

    def _find(self, subjects: Sequence[str], right: Right, place: Place) -> Grant | None:
        tenant, project, resource = place.tenant, place.project, place.resource
        for subject in subjects:
            for at in (
                (subject, tenant, project, resource),
                (subject, tenant, project, None),
                (subject, tenant, None, None),
            ):
                for grant in self._at.get(at, ()):
                    role = self._roles.get(grant.role)
                    if role is not None and right in role.rights:
                        return grant
        return None

    def _explain_denial(self, subjects: Sequence[str], right: Right, place: Place) -> str:
        who = subjects[0] if subjects else "nobody"
        around = set(place.enclosing())
        here = sorted({grant.role for name in subjects for grant in self._of.get(name, ()) if grant.place in around})
        if here:
            return f"{who} has {', '.join(here)} at {place}; none of these roles gives {right}"
        if any(self._of.get(name) for name in subjects):
            return f"{who} has no role at {place}, only elsewhere"
        return f"{who} has no role"

    def rights_at(self, subjects: Sequence[str], place: Place) -> frozenset[Right]:
        """All that one of `subjects` may do at `place`."""
        rights: set[Right] = set()
        for around in place.enclosing():
            for subject in subjects:
                for grant in self._at.get((subject, around.tenant, around.project, around.resource), ()):
                    role = self._roles.get(grant.role)
                    rights |= role.rights if role is not None else frozenset()
        return frozenset(rights)

    def find_place(self, subject: str) -> Place | None:
        """Where a subject that is no person belongs: the tenant of its grants, and their project where all name the
        same one, else `default`. None: it has no grants, or in two tenants.
        """
        places = [grant.place for grant in self._of.get(subject, ())]
        tenants = {place.tenant for place in places}
        projects = {place.project for place in places}
        if len(tenants) != 1:
            return None
        project = projects.pop() if len(projects) == 1 else None
        return Place(tenants.pop(), project or DEFAULT_PROJECT)

    def list_projects(self, subjects: Sequence[str], tenant: str) -> list[str]:
        """The projects of a tenant that one of `subjects` has a role in, over the whole project, by name."""
        return sorted(
            {
                grant.place.project
                for subject in subjects
                for grant in self._of.get(subject, ())
                if grant.place.tenant == tenant and grant.place.project is not None and grant.place.resource is None
            }
        )

    def resources_at(self, subjects: Sequence[str], right: Right, place: Place, kind: str) -> frozenset[str]:
        """Names of the resources of a kind within `place` that a grant of their own gives `right` on."""
        names: set[str] = set()
        for grant in (grant for subject in subjects for grant in self._of.get(subject, ())):
            role, resource = self._roles.get(grant.role), grant.place.resource or ""
            same = (grant.place.tenant, grant.place.project) == (place.tenant, place.project)
            if same and role is not None and right in role.rights and resource.startswith(f"{kind}:"):
                names.add(resource.partition(":")[2])
        return frozenset(names)


def merge_roles(own: Iterable[Role]) -> dict[str, Role]:
    """The built-in roles and those of the deployment's own; no built-in one is replaced."""
    return {role.name: role for role in own} | BUILT_IN_ROLES


def make_role(name: str, rights: Iterable[str]) -> Role:
    """:raises InputError: a built-in name, or no name :raises UnknownName: a right that does not exist"""
    if name in BUILT_IN_ROLES:
        raise InputError(f"role {name!r} is built in and cannot be changed; choose another name")
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise InputError(f"role {cut_text(name)!r}: expected 1 to 64 letters, digits, dots, dashes or underscores")
    return Role(name, frozenset(check_right(right) for right in rights) | {"public"})


def reach_of_person(table: AccessTable, person: Person, place: Place) -> KeyReach:
    """What a person may do at `place` now: nothing when disabled, or in another tenant.

    A right to infer that is granted on single routes is one with these as `models`.
    """
    if person.disabled_at is not None or person.tenant != place.tenant:
        return NOTHING
    return reach_at(table, person.subjects, place)


def reach_at(table: AccessTable, subjects: Sequence[str], place: Place) -> KeyReach:
    """What one of `subjects` may do at `place`, as `reach_of_person` says."""
    rights = table.rights_at(subjects, place)
    if "infer" in rights:
        return KeyReach(rights)
    routes = table.resources_at(subjects, "infer", place, "route")
    return KeyReach(rights | {"public", "infer"}, routes) if routes else KeyReach(rights)


def parse_place(text: str, tenant: str) -> Place:
    """A place as people write it: `TENANT/PROJECT/KIND:NAME`, where what stands at the end may be left out, or
    `KIND:NAME`, in the project `default` of `tenant`.

    :raises InputError: another form

    >>> str(parse_place("route:small", "acme"))
    'acme/default/route:small'
    """
    expected = f"expected TENANT, TENANT/PROJECT or TENANT/PROJECT/KIND:NAME, with KIND {' or '.join(RESOURCE_KINDS)}"
    if text.partition(":")[0] in RESOURCE_KINDS:
        text = f"{tenant}/default/{text}"
    parts = text.split("/", 2)
    if not all(_NAME.fullmatch(part) for part in parts):
        raise InputError(f"place {cut_text(text)!r}: {expected}")
    if len(parts) == 3:
        kind, _, name = parts[2].partition(":")
        if kind not in RESOURCE_KINDS or not name:
            raise InputError(f"place {cut_text(text)!r}: {expected}")
    return Place(*parts)


def check_right(name: str) -> Right:
    """:raises UnknownName: there is no such right"""
    known: dict[str, Right] = {right: right for right in ALL_RIGHTS}
    if name not in known:
        raise UnknownName("right", name, known)
    return known[name]
