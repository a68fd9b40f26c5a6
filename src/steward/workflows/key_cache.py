"""This machine's copy of the keys, for workers, who ask no database.

`home/run/keys.json` holds the keys in force with their resolved rights, and the shared secrets wrapped by the root key.
`home/run/keys-confirmed` holds when the store last confirmed it. A file in `home/keys-revoked` revokes a key on this
machine while the store is away; the keeper carries it into the store later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.access import MACHINE_KINDS, Grant, Place, Role
from steward.core.errors import InputError
from steward.core.files import hold_lock, make_private_folder, write_file
from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT, KEY_RIGHTS
from steward.core.keys import KeyRecord
from steward.core.stores import AccessStore, KeyStore, SecretStore, WrappedSecret
from steward.security.access import AccessTable, merge_roles, reach_of_person
from steward.security.keys import NOTHING, KeyReach, resolve_keys
from steward.security.rootkey import RootKeys
from steward.workflows.shared_secrets import PEPPER, SUBJECT_INDEX, ensure_secret

CONFIRM_S: Final = 10.0  # between confirmations of a copy that has not changed


class KeyCache(msgspec.Struct, frozen=True, kw_only=True):
    """What workers check keys and name subjects with."""

    version: int  # of the keys in the store
    keys: tuple[KeyRecord, ...]
    secrets: tuple[WrappedSecret, ...]
    grants: tuple[Grant, ...] = ()  # of machines and groups, who come without a key
    roles: tuple[Role, ...] = ()  # of the deployment's own

    def list_of_kind(self, kind: str) -> list[WrappedSecret]:
        return [item for item in self.secrets if item.kind == kind]


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was revoked while the store was away."""

    id: str
    at: float
    actor: str


def cache_file(home: Path) -> Path:
    return home / "run" / "keys.json"


def confirmation_file(home: Path) -> Path:
    return home / "run" / "keys-confirmed"


def tombstone_folder(home: Path) -> Path:
    return home / "keys-revoked"


class KeyPublisher:
    """Keeps this machine's copy like the store, as the commands and the keeper do."""

    def __init__(
        self,
        home: Path,
        keys: KeyStore,
        access: AccessStore,
        secrets: SecretStore,
        roots: Callable[[], RootKeys],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home, self._keys, self._access, self._clock = home, keys, access, clock
        self._secrets, self._roots = secrets, roots

    def publish(self) -> None:
        """Carry revocations into the store, then copy what has changed, and confirm the copy.

        :raises Unavailable: the store does not answer; the copy stays as it is
        """
        make_private_folder(self._home / "run")
        with hold_lock(self._home / "keys.lock"):
            tombstones = list_tombstones(self._home)
            for item in tombstones:
                self._keys.revoke(item.id, item.at, item.actor)
            asked = self._clock()
            version = self._keys.version()
            if version != _read_version(self._home):
                self._copy(version)
            if asked - read_confirmation(self._home) >= CONFIRM_S:
                write_file(confirmation_file(self._home), repr(asked).encode())
            for item in tombstones:  # the copy is without them now
                (tombstone_folder(self._home) / item.id).unlink(missing_ok=True)

    def _copy(self, version: int) -> None:
        records = self._keys.list_keys(tenant=None)
        now = self._clock()
        root = self._roots().current
        ensure_secret(self._secrets, root, PEPPER, "", now)
        grants = self._access.list_grants(tenant=None)
        tenants = {*(record.tenant for record in records), *(grant.place.tenant for grant in grants)}
        for tenant in sorted({DEFAULT_TENANT, *tenants}):
            ensure_secret(self._secrets, root, SUBJECT_INDEX, tenant, now)
        secrets = (*self._secrets.list_secrets(PEPPER), *self._secrets.list_secrets(SUBJECT_INDEX))
        cache = KeyCache(
            version=version,
            keys=tuple(resolve_keys(records, find_reach(self._access))),
            secrets=secrets,
            grants=tuple(grant for grant in grants if grant.subject.partition(":")[0] in ("group", *MACHINE_KINDS)),
            roles=tuple(self._access.list_roles()),
        )
        write_file(cache_file(self._home), msgspec.json.encode(cache), durable=True)


def find_reach(store: AccessStore) -> Callable[[str, KeyRecord], KeyReach]:
    """What `resolve_keys` asks of people: what each may do now where the key belongs to."""
    people = {f"person:{person.id}": person for person in store.list_people(tenant=None)}
    table = AccessTable(store.list_grants(tenant=None), merge_roles(store.list_roles())) if people else AccessTable(())

    def find(actor: str, key: KeyRecord) -> KeyReach:
        person = people.get(actor)
        if person is None:
            return NOTHING
        reach = reach_of_person(table, person, Place(key.tenant, key.project))
        if key.project != DEFAULT_PROJECT:
            return reach
        over_tenant = reach_of_person(table, person, Place(key.tenant)).rights  # such a key reads all of the tenant
        return reach._replace(rights=reach.rights & (over_tenant | KEY_RIGHTS))

    return find


def read_cache(home: Path) -> KeyCache:
    """:raises InputError: no copy, or one that cannot be read"""
    path = cache_file(home)
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyCache)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: {error}; it is written by the keeper, restart `steward up`") from error


def read_confirmation(home: Path) -> float:
    """When the store last confirmed the copy, in seconds since the epoch; 0 if never."""
    try:
        return float(confirmation_file(home).read_text())
    except (OSError, ValueError):
        return 0.0


def add_tombstone(home: Path, tombstone: Tombstone) -> None:
    """On the disk when this returns; workers see it within a second."""
    folder = tombstone_folder(home)
    make_private_folder(folder)
    write_file(folder / tombstone.id, msgspec.json.encode(tombstone), durable=True)


def list_tombstones(home: Path) -> list[Tombstone]:
    """:raises InputError: one that cannot be read"""
    tombstones = []
    for path in sorted(tombstone_folder(home).glob("[0-9A-Za-z]*")):
        try:
            tombstones.append(msgspec.json.decode(path.read_bytes(), type=Tombstone))
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{path}: {error}; revoke the key {path.name} again") from error
    return tombstones


def read_revoked_ids(home: Path) -> frozenset[str]:
    """The ids alone: their files' names, so that a damaged one still revokes."""
    return frozenset(path.name for path in tombstone_folder(home).glob("[0-9A-Za-z]*"))


def _read_version(home: Path) -> int:
    """Of the copy; -1 where there is none that can be read, so that it is written anew."""
    try:
        return read_cache(home).version
    except InputError:
        return -1
