"""`steward keys`: creates, lists and revokes keys in the store, and brings this machine's copy up to date."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec, Priority
from steward.security.keys import ID_BYTES, SECRET_BYTES, digest_secret, mint_key, parse_key
from steward.workflows.audit import make_act
from steward.workflows.key_cache import KeyPublisher, Tombstone, add_tombstone, read_cache
from steward.workflows.serve.deployment import Deployment, find_deployment
from steward.workflows.shared_secrets import PEPPER, SUBJECT_INDEX, check_root, ensure_secret, unwrap_all
from steward.workflows.upgrade import import_local_store, upgrade_home

MAX_LIMIT: Final = 1_000_000_000  # of any limit


class CreatedKey(msgspec.Struct, frozen=True):
    """A new key; the only time that `key` is seen."""

    id: str
    key: str
    name: str
    rpm: int | None

    def __repr__(self) -> str:
        return f"CreatedKey(id={self.id!r}, name={self.name!r}, key=***)"


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
    created_at: float
    created_by: str
    revoked_at: float | None
    revoked_by: str | None


class RevokedKey(KeyView, frozen=True, kw_only=True):
    """A key that was revoked. `pending`: on this machine only, since the store does not answer."""

    pending: bool = False


def create(
    home: Path,
    name: str,
    limits: LimitSpec,
    now: float,
    random: Callable[[int], bytes] = secrets.token_bytes,
    *,
    actor: Principal,
    project: str | None = None,
    team: str | None = None,
    priority: Priority = "normal",
) -> CreatedKey:
    """Create a key and keep its digest. What `limits` leaves open, `limits.default` of steward.yaml decides.

    :raises InputError: an empty name or team, a limit out of range, or another root key than the store's
    :raises Unavailable: the store does not answer
    """
    _check_names(name, project, team)
    _check_limits(limits)
    key = mint_key("live", random(ID_BYTES), random(SECRET_BYTES))
    parsed = parse_key(key)
    assert parsed is not None
    deployment = find_deployment(home)
    with open_keys(deployment, now) as (store, publisher, root):
        versions = unwrap_all(root, store.secrets.list_secrets(PEPPER))
        pepper_version = max(version for _, version in versions)
        record = KeyRecord(
            id=parsed.id,
            name=name,
            digest=digest_secret(parsed.secret, versions["", pepper_version]),
            pepper_version=pepper_version,
            tenant=actor.tenant,
            project=project or actor.project,
            team=team,
            rpm=limits.requests_per_minute,
            tpm=limits.tokens_per_minute,
            concurrent=limits.concurrent,
            usd_per_day=limits.usd_per_day,
            usd_per_month=limits.usd_per_month,
            created_at=now,
            priority=priority,
            created_by=actor.actor,
        )
        act = make_act(actor, "keys.create", f"key:{record.id}", after=f"rights {','.join(sorted(record.rights))}")
        deployment.open_audit_log().record(act)
        store.keys.add([record])
        publisher.publish()
    return CreatedKey(parsed.id, key, name, limits.requests_per_minute)


def revoke(home: Path, key: str, now: float, *, actor: Principal) -> RevokedKey:
    """Revoke a key, by id or name; this machine's workers refuse it within a second whatever the store does.

    :raises UnknownName: no key in force with that id or name
    :raises Unavailable: the store does not answer, and this machine does not know the key
    """
    known = _find_key(_read_copy(home), key)
    deployment = find_deployment(home)
    audit = deployment.open_audit_log()
    if known is not None:
        audit.record(make_act(actor, "keys.revoke", f"key:{known.id}"))
        add_tombstone(home, Tombstone(id=known.id, at=now, actor=actor.actor))
        _remove_first_key(home, known.id)
    try:
        with open_keys(deployment, now) as (store, publisher, _):
            found = known or _find_in_force(store.keys.list_keys(tenant=None), key)
            if known is None:
                audit.record(make_act(actor, "keys.revoke", f"key:{found.id}"))
            store.keys.revoke(found.id, now, actor.actor)  # the keeper may have done it, by the tombstone
            publisher.publish()
            _remove_first_key(home, found.id)
            ended = next(item for item in store.keys.list_keys(tenant=None) if item.id == found.id)
            return RevokedKey(**_view(ended))
    except Unavailable:
        if known is None:
            raise
        return RevokedKey(**_view(known) | {"revoked_at": now, "revoked_by": actor.actor}, pending=True)


def list_keys(home: Path) -> list[KeyView]:
    """All keys, revoked ones too, oldest first. :raises Unavailable: the store does not answer"""
    with open_keys(find_deployment(home), time.time()) as (store, _, _root):
        return [KeyView(**_view(record)) for record in store.keys.list_keys(tenant=None)]


@contextmanager
def open_keys(deployment: Deployment, now: float) -> Iterator[tuple[SqlStore, KeyPublisher, bytes]]:
    """The store with this release's tables, bound to the root key, with what an older home kept in files.

    :raises InputError: another root key, or a home that cannot be taken over
    :raises Unavailable: the store does not answer
    """
    deployment.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = deployment.root_key()
    store = deployment.open_store()
    try:
        store.migrate()
        check_root(store.secrets, root, now)
        upgrade_home(deployment.home, store, root, now)
        import_local_store(deployment, store, root, now)
        ensure_secret(store.secrets, root, PEPPER, "", now)
        ensure_secret(store.secrets, root, SUBJECT_INDEX, DEFAULT_TENANT, now)
        yield store, KeyPublisher(deployment.home, store.keys, store.secrets, root), root
    finally:
        store.close()


def prepare_home(home: Path, now: float) -> bool:
    """Make keys ready for the workers that start next; whether there is any key.

    :raises InputError, Unavailable: as `open_keys`
    """
    with open_keys(find_deployment(home), now) as (store, publisher, _):
        publisher.publish()
        return bool(store.keys.list_keys(tenant=None))


def _check_names(name: str, project: str | None, team: str | None) -> None:
    for what, text in (("key name", name), ("project", project), ("team", team)):
        if text is not None and (not text.strip() or len(text) > 200):
            raise InputError(f"{what} {text[:50]!r}: expected 1 to 200 characters")


def _check_limits(limits: LimitSpec) -> None:
    for option, limit, least in (
        ("rpm", limits.requests_per_minute, 1),
        ("tpm", limits.tokens_per_minute, 1),
        ("concurrent", limits.concurrent, 1),
        ("usd-per-day", limits.usd_per_day, 0),
        ("usd-per-month", limits.usd_per_month, 0),
    ):
        if limit is not None and not least <= limit <= MAX_LIMIT:
            raise InputError(f"--{option} {limit}: expected {least} to {MAX_LIMIT:,}")


def _view(record: KeyRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in KeyView.__struct_fields__}


def _find_key(records: Sequence[KeyRecord], key: str) -> KeyRecord | None:
    """By id, else by name."""
    by_id = next((record for record in records if record.id == key), None)
    return by_id or next((record for record in records if record.name == key), None)


def _find_in_force(records: Sequence[KeyRecord], key: str) -> KeyRecord:
    """:raises UnknownName: none in force with that id or name"""
    in_force = [record for record in records if record.revoked_at is None]
    found = _find_key(in_force, key)
    if found is None:
        raise UnknownName("key", key, [record.id for record in in_force])
    return found


def _read_copy(home: Path) -> Sequence[KeyRecord]:
    """This machine's copy; empty where there is none that can be read."""
    try:
        return read_cache(home).keys
    except InputError:
        return ()


def _remove_first_key(home: Path, key_id: str) -> None:
    """The file that holds the first key in clear goes with the key."""
    path = home / "first-key"
    parsed = parse_key(path.read_text().strip()) if path.is_file() else None
    if parsed is not None and parsed.id == key_id:
        path.unlink(missing_ok=True)
