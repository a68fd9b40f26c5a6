"""Who may do what where: people, the roles granted to them, and the places that a role is granted for.

A place is a tenant, a project in it, or a resource in a project. What is granted for a place holds within it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT, Right

MACHINE_KINDS: Final = ("certificate", "service")  # subjects that are no people: they exist by their grants
RESOURCE_KINDS: Final = ("route", "dataset", "prompt")


class Place(msgspec.Struct, frozen=True):
    """Where something is done. `project` None: in the tenant as such; `resource` such as `route:small`."""

    tenant: str = DEFAULT_TENANT
    project: str | None = None
    resource: str | None = None

    def enclosing(self) -> tuple[Place, ...]:
        """This place and those around it, the nearest first.

        >>> [str(place) for place in Place("acme", "shop", "route:small").enclosing()]
        ['acme/shop/route:small', 'acme/shop', 'acme']
        """
        around = [self]
        if self.resource is not None:
            around.append(Place(self.tenant, self.project))
        if self.project is not None:
            around.append(Place(self.tenant))
        return tuple(around)

    def __str__(self) -> str:
        return "/".join(part for part in (self.tenant, self.project, self.resource) if part is not None)


HOME_PLACE: Final = Place(DEFAULT_TENANT, DEFAULT_PROJECT)


class Role(msgspec.Struct, frozen=True):
    """A name for rights that belong together."""

    name: str
    rights: frozenset[Right]
    built_in: bool = False


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A role that `subject` has at a place. Rights only ever are given: what no grant gives is denied."""

    id: str
    subject: str  # an actor: person:anna, certificate:billing.example, service:corp/ci; or group:ml
    role: str
    place: Place
    created_at: float
    created_by: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in. The password only as an argon2id hash."""

    id: str  # a short name: anna
    tenant: str = DEFAULT_TENANT
    groups: tuple[str, ...] = ()
    password_hash: str | None = None
    totp: bytes | None = None  # sealed
    totp_step: int | None = None  # of the last one-time code that was used
    disabled_at: float | None = None
    created_at: float
    created_by: str
    changed_at: float  # sessions that began before this moment are worthless

    @property
    def subjects(self) -> tuple[str, ...]:
        """The names that grants know this person by."""
        return (f"person:{self.id}", *(f"group:{name}" for name in self.groups))


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long somebody who has signed in to the console stays so, in seconds."""

    longest_s: float = 8 * 3600.0
    idle_s: float = 3600.0  # after the last request that somebody made; what a page asks by itself does not count

    def find_end(self, created_at: float, now: float) -> float:
        """When a session ends that is used now.

        >>> SessionLimits(longest_s=100.0, idle_s=30.0).find_end(1000.0, 1080.0)
        1100.0
        """
        return min(created_at + self.longest_s, now + self.idle_s)


class PersonSession(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has signed in, until they sign out or it expires."""

    id: str  # hex SHA-256 of the token, which is kept by the browser or the command alone
    tenant: str = DEFAULT_TENANT
    subject: str  # person:anna; person:ISSUER/SUBJECT of an identity provider
    groups: tuple[str, ...] = ()  # as the identity provider says; of others, their person's hold
    method: str  # password, oidc, command
    created_at: float
    expires_at: float
