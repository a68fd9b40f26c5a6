"""Keys as they are shown, found by name, and described: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from steward.core.errors import UnknownName
from steward.core.identity import Principal, Right
from steward.core.keys import KeyRecord
from steward.core.records import Priority


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is listed: without its digest."""

    id: str
    name: str
    tenant: str
    project: str
    team: str | None
    rpm: int | None
    tpm: int | None
    concurrent: int | None
    usd_per_day: float | None
    usd_per_month: float | None
    priority: Priority
    rights: frozenset[Right]
    models: frozenset[str] | None
    networks: tuple[str, ...]
    not_before: float | None
    expires_at: float | None
    created_at: float
    created_by: str
    revoked_at: float | None
    revoked_by: str | None
    replaced_by: str | None
    lineage: str | None


class RevokedKey(KeyView, frozen=True, kw_only=True):
    """A key that was revoked. `pending`: on this machine only, since the store does not answer."""

    pending: bool = False


class KeyDetails(KeyView, frozen=True, kw_only=True):
    """A key with what holds for it now. `may` is what it may do at this moment: its own rights, less those that its
    creator lacks; empty where `state` is not `valid`."""

    state: Literal["valid", "expired", "not yet valid", "revoked"]
    may: frozenset[Right]
    last_used_at: float | None


def copy_view(record: KeyRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in KeyView.__struct_fields__}


def find_state(record: KeyRecord, now: float) -> Literal["valid", "expired", "not yet valid", "revoked"]:
    if record.revoked_at is not None:
        return "revoked"
    if record.expires_at is not None and record.expires_at <= now:
        return "expired"
    return "not yet valid" if record.not_before is not None and now < record.not_before else "valid"


def is_visible(record: KeyRecord, actor: Principal) -> bool:
    """An operator of this machine sees the keys of all tenants; whoever is within a project, that project's."""
    return actor.kind == "operator" or (record.tenant == actor.tenant and actor.within in (None, record.project))


def find_key(records: Sequence[KeyRecord], key: str) -> KeyRecord | None:
    """By id, else by name; of several with that name, one in force, and not one that was replaced."""
    by_id = next((record for record in records if record.id == key), None)
    named = [record for record in records if record.name == key]
    named.sort(key=lambda record: (record.revoked_at is not None, record.replaced_by is not None))
    return by_id or next(iter(named), None)


def find_in_force(records: Sequence[KeyRecord], key: str) -> KeyRecord:
    """:raises UnknownName: none in force with that id or name"""
    in_force = [record for record in records if record.revoked_at is None]
    matching = find_key(in_force, key)
    if matching is None:
        raise UnknownName("key", key, [record.id for record in in_force])
    return matching


def list_replaced(records: Sequence[KeyRecord], key: KeyRecord) -> list[KeyRecord]:
    """A key, and those in force that it replaced, directly or through others."""
    replaced = [key]
    for last in replaced:
        replaced += [record for record in records if record.replaced_by == last.id and record.revoked_at is None]
    return replaced


def describe_terms(record: KeyRecord) -> str:
    """For the audit log."""
    words = [f"rights {','.join(sorted(record.rights))}"]
    if record.models is not None:
        words.append(f"models {','.join(sorted(record.models))}")
    if record.networks:
        words.append(f"networks {','.join(record.networks)}")
    if record.expires_at is not None:
        words.append(f"expires {record.expires_at:.0f}")
    return "; ".join(words)
