"""`steward keys`: creates, lists, rotates and revokes keys in the store, and brings this machine's copy up to date."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.excerpts import cut_text
from steward.core.files import make_private_folder
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec, Priority
from steward.security.keys import ID_BYTES, SECRET_BYTES, digest_secret, mint_key, parse_key, resolve_keys
from steward.security.rootkey import RootKeys, fingerprint
from steward.workflows.audit import make_act
from steward.workflows.history import refuse_emptied_store
from steward.workflows.key_cache import KeyPublisher, Tombstone, add_tombstone, find_reach, read_cache
from steward.workflows.key_terms import KeyTerms, check_tenant, check_within, make_terms
from steward.workflows.key_views import (
    KeyDetails,
    KeyView,
    RevokedKey,
    copy_view,
    describe_terms,
    find_in_force,
    find_key,
    find_state,
    is_visible,
    list_replaced,
)
from steward.workflows.root_keys import recover_rotation, root_file
from steward.workflows.serve.deployment import STORE, HomeDeployment, find_deployment
from steward.workflows.shared_secrets import PEPPER, SUBJECT_INDEX, check_root, ensure_secret, unwrap_all
from steward.workflows.upgrade import import_local_store, upgrade_home

MAX_LIMIT: Final = 1_000_000_000  # of any limit
OVERLAP_S: Final = 86400.0  # for which a key that was rotated goes on
MAX_OVERLAP_S: Final = 90 * 86400.0
FOREVER: Final = KeyTerms()


class CreatedKey(msgspec.Struct, frozen=True):
    """A new key; the only time that `key` is seen."""

    id: str
    key: str
    name: str
    rpm: int | None
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"CreatedKey(id={self.id!r}, name={self.name!r}, key=***)"


class RotatedKey(CreatedKey, frozen=True, kw_only=True):
    """A new key in the place of `replaces`, which is valid until `replaced_until`."""

    replaces: str
    replaced_until: float


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
    terms: KeyTerms = FOREVER,
    tenant: str | None = None,
) -> CreatedKey:
    """Create a key and keep its digest. What `limits` leaves open, `limits.default` of steward.yaml decides.

    `tenant` is its creator's unless an operator of this machine names another.
    :raises InputError: an empty name or team, a limit out of range, terms beyond the actor's, another tenant than the
        actor's, or another root key than the store's
    :raises Unavailable: the store does not answer
    """
    _check_names(name, project, team)
    _check_limits(limits)
    check_within(terms, actor)
    if tenant not in (None, actor.tenant) and actor.kind != "operator":
        raise InputError(f"tenant {tenant!r}: {actor.actor} belongs to {actor.tenant!r}")
    if actor.within is not None and project not in (None, actor.within):
        raise InputError(f"project {project!r}: {actor.actor} may create keys of the project {actor.within!r} only")
    deployment = find_deployment(home)
    with open_keys(deployment, now) as (store, publisher, root):
        key, secret = _mint(store, root, random)
        record = KeyRecord(
            id=secret.id,
            name=name,
            digest=secret.digest,
            pepper_version=secret.pepper_version,
            tenant=check_tenant(tenant or actor.tenant),
            project=project or actor.within or actor.project,
            team=team,
            rpm=limits.requests_per_minute,
            tpm=limits.tokens_per_minute,
            concurrent=limits.concurrent,
            usd_per_day=limits.usd_per_day,
            usd_per_month=limits.usd_per_month,
            created_at=now,
            priority=priority,
            created_by=actor.actor,
            **msgspec.structs.asdict(terms),
        )
        act = make_act(actor, "keys.create", f"key:{record.id}", after=describe_terms(record))
        deployment.open_audit_log().record(act)
        store.keys.add([record])
        publisher.publish()
    return CreatedKey(record.id, key, name, record.rpm, record.expires_at)


def rotate(
    home: Path,
    key: str,
    now: float,
    overlap_s: float = OVERLAP_S,
    random: Callable[[int], bytes] = secrets.token_bytes,
    *,
    actor: Principal,
    expires: str | None = None,
) -> RotatedKey:
    """Make a key with the same terms in the place of another, which goes on for `overlap_s` seconds.

    Both are counted as one where limits are concerned. Without `expires` the new one lasts as long as the old one was
    made to last.
    :raises UnknownName: no key in force with that id or name
    :raises InputError: it was rotated already, has expired, or has rights that the actor lacks
    :raises Unavailable: the store does not answer
    """
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise InputError(f"overlap {overlap_s:g} s: expected 0 to {MAX_OVERLAP_S:g}; the old key ends then")
    deployment = find_deployment(home)
    with open_keys(deployment, now) as (store, publisher, root):
        before = find_in_force(_list_of(store, actor), key)
        _check_rotation(before, now)
        check_within(KeyTerms(rights=before.rights), actor)
        new, secret = _mint(store, root, random)
        record = msgspec.structs.replace(
            before,
            id=secret.id,
            digest=secret.digest,
            pepper_version=secret.pepper_version,
            created_at=now,
            not_before=None,
            expires_at=_find_end(before, now) if expires is None else make_terms(now, expires=expires).expires_at,
            lineage=before.lineage or before.id,
        )
        until = min(now + overlap_s, before.expires_at or now + overlap_s)
        act = make_act(actor, "keys.rotate", f"key:{before.id}", before=before.id, after=record.id)
        deployment.open_audit_log().record(act)
        if store.keys.replace(before.id, record, until) is None:
            raise InputError(f"key {key!r} was rotated or revoked in this moment; see: steward keys list")
        publisher.publish()
        _remove_first_key(home, before.id)
    return RotatedKey(
        record.id, new, record.name, record.rpm, record.expires_at, replaces=before.id, replaced_until=until
    )


def show(home: Path, key: str, now: float, *, actor: Principal) -> KeyDetails:
    """One key, by id or name, with what holds for it now.

    :raises UnknownName: there is none :raises Unavailable: the store does not answer
    """
    with open_keys(find_deployment(home), now) as (store, _, _root):
        records = store.keys.list_keys(tenant=None)
        mine = [record for record in records if is_visible(record, actor)]
        record = find_key(mine, key)
        if record is None:
            raise UnknownName("key", key, [item.id for item in mine])
        in_force = {item.id: item for item in resolve_keys(records, find_reach(store.access))}
        resolved = in_force.get(record.id, record)
        state = find_state(resolved, now)
        return KeyDetails(
            **copy_view(record),
            state=state,
            may=resolved.rights if state == "valid" else frozenset(),
            last_used_at=store.keys.last_uses(tenant=record.tenant).get(record.id),
        )


def revoke(home: Path, key: str, now: float, *, actor: Principal) -> RevokedKey:
    """Revoke a key, by id or name; this machine's workers refuse it within a second whatever the store does.

    A key that it replaced, and that is still in its overlap, ends too: whoever found one may have found the other.
    :raises UnknownName: no key in force with that id or name
    :raises Unavailable: the store does not answer, and this machine does not know the key
    """
    copy = [record for record in _read_copy(home) if is_visible(record, actor)]
    known = find_key(copy, key)
    deployment = find_deployment(home)
    audit = deployment.open_audit_log()
    ended: set[str] = set()
    for record in list_replaced(copy, known) if known is not None else ():
        audit.record(make_act(actor, "keys.revoke", f"key:{record.id}"))
        add_tombstone(home, Tombstone(id=record.id, at=now, actor=actor.actor))
        _remove_first_key(home, record.id)
        ended.add(record.id)
    try:
        with open_keys(deployment, now) as (store, publisher, _):
            records = _list_of(store, actor)
            record_to_revoke = known or find_in_force(records, key)
            for record in list_replaced(records, record_to_revoke):
                if record.id not in ended:
                    audit.record(make_act(actor, "keys.revoke", f"key:{record.id}"))
                store.keys.revoke(record.id, now, actor.actor)  # the keeper may have done it, by the tombstone
                _remove_first_key(home, record.id)
            publisher.publish()
            after = next(item for item in _list_of(store, actor) if item.id == record_to_revoke.id)
            return RevokedKey(**copy_view(after))
    except Unavailable:
        if known is None:
            raise
        return RevokedKey(**copy_view(known) | {"revoked_at": now, "revoked_by": actor.actor}, pending=True)


def list_keys(home: Path, *, actor: Principal, tenant: str | None = None) -> list[KeyView]:
    """Those that the actor may see, of one tenant or of all, revoked ones too, oldest first.

    :raises Unavailable: the store does not answer
    """
    with open_keys(find_deployment(home), time.time()) as (store, _, _root):
        records = _list_of(store, actor)
        return [KeyView(**copy_view(record)) for record in records if tenant in (None, record.tenant)]


@contextmanager
def open_keys(deployment: HomeDeployment, now: float) -> Iterator[tuple[SqlStore, KeyPublisher, bytes]]:
    """The store with this release's tables, bound to the root key, with what an older home kept in files.

    :raises InputError: another root key, or a home that cannot be taken over
    :raises Unavailable: the store does not answer
    """
    make_private_folder(deployment.home)
    file = root_file(deployment.home, deployment.root)
    is_new = file is not None and not file.exists()
    roots = deployment.follow_roots()
    root = roots().current
    if deployment.store is None:
        refuse_emptied_store(deployment.home, deployment.home / STORE)
    store = deployment.open_store()
    try:
        store.migrate()
        if recover_rotation(deployment.home, deployment.root, store.secrets):
            root = roots().current
        if file is not None and is_new:
            _refuse_new_root(store, root, file)
        check_root(store.secrets, root, now)
        upgrade_home(deployment.home, store, root, now)
        import_local_store(deployment, store, root, now)
        ensure_secret(store.secrets, root, PEPPER, "", now)
        ensure_secret(store.secrets, root, SUBJECT_INDEX, DEFAULT_TENANT, now)
        yield store, KeyPublisher(deployment.home, store.keys, store.access, store.secrets, roots), root
    finally:
        store.close()


def _refuse_new_root(store: SqlStore, root: bytes, file: Path) -> None:
    """:raises InputError: the root key was made just now, for a store that has another one: that one is lost"""
    bound = store.secrets.find_root()
    if bound not in (None, fingerprint(root)):
        file.unlink(missing_ok=True)
        raise InputError(
            f"{file}: the root key is missing, and the store needs the one with fingerprint {bound}; copy it from a "
            "key backup or another machine of the deployment (docs/how-to/recover-from-a-lost-root-key.md)"
        )


def prepare_home(home: Path, now: float) -> bool:
    """Make keys ready for the workers that start next; whether there is any key.

    :raises InputError, Unavailable: as `open_keys`
    """
    with open_keys(find_deployment(home), now) as (store, publisher, _):
        publisher.publish()
        return bool(store.keys.list_keys(tenant=None))


class _MintedSecret(NamedTuple):
    """Of a new key: all that is kept of it."""

    id: str
    digest: str
    pepper_version: int


def _mint(store: SqlStore, root: bytes, random: Callable[[int], bytes]) -> tuple[str, _MintedSecret]:
    key = mint_key("live", random(ID_BYTES), random(SECRET_BYTES))
    parsed = parse_key(key)
    assert parsed is not None
    versions = unwrap_all(RootKeys(root), store.secrets.list_secrets(PEPPER))
    version = max(version for _, version in versions)
    return key, _MintedSecret(parsed.id, digest_secret(parsed.secret, versions["", version]), version)


def _check_rotation(record: KeyRecord, now: float) -> None:
    """:raises InputError: the key has been rotated, or has expired"""
    if record.replaced_by is not None:
        raise InputError(f"key {record.id} was rotated already; rotate the key in its place: {record.replaced_by}")
    if record.expires_at is not None and record.expires_at <= now:
        raise InputError(f"key {record.id} has expired; create another: steward keys create --name {record.name!r}")


def _find_end(before: KeyRecord, now: float) -> float | None:
    """As long as the key before was made to last."""
    if before.expires_at is None:
        return None
    return now + before.expires_at - max(before.created_at, before.not_before or 0.0)


def _list_of(store: SqlStore, actor: Principal) -> list[KeyRecord]:
    records = store.keys.list_keys(tenant=None if actor.kind == "operator" else actor.tenant)
    return [record for record in records if is_visible(record, actor)]


def _check_names(name: str, project: str | None, team: str | None) -> None:
    for what, text in (("key name", name), ("project", project), ("team", team)):
        if text is not None and (not text.strip() or len(text) > 200):
            raise InputError(f"{what} {cut_text(text)!r}: expected 1 to 200 characters")


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
