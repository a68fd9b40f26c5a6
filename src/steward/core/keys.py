"""A gateway key as the store keeps it and as workers see it."""

from __future__ import annotations

import msgspec

from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT, KEY_RIGHTS, Right
from steward.core.records import Priority


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway key as it is stored: the secret only as a peppered HMAC."""

    id: str
    name: str
    digest: str  # hex HMAC-SHA256 of the secret under a key pepper
    pepper_version: int = 1
    tenant: str = DEFAULT_TENANT
    project: str = DEFAULT_PROJECT
    team: str | None = None
    rpm: int | None = None  # requests per minute; None: limits.default applies, to each limit apart
    tpm: int | None = None
    concurrent: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    created_at: float
    revoked_at: float | None = None
    priority: Priority = "normal"  # in the queue of an overloaded route
    rights: frozenset[Right] = KEY_RIGHTS
    models: frozenset[str] | None = None  # what it may ask for as `model`; None: all
    networks: tuple[str, ...] = ()  # where it may be used from, such as 10.0.0.0/8; empty: anywhere
    not_before: float | None = None
    expires_at: float | None = None  # None: never
    created_by: str = "operator:unknown"  # an actor: operator:1000, key:0123abcd
    revoked_by: str | None = None
    replaced_by: str | None = None  # the id of the key that a rotation put in its place
    lineage: str | None = None  # the id under which it is counted: of the first key, where this one replaced another
