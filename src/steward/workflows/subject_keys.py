"""Seals content under the key of its subject, opens it, and destroys that key: the unit of erasure.

A subject is a pseudonym of its tenant (`gateway.middleware.identify.pseudonym`, found again from a name by
`find_subject`); a record without one is sealed under the key of its own exchange (`name_exchange`). Unwrapped keys are
kept in memory, a bounded number of them. Every process asks the store for its generation before it uses one that it has
not confirmed within `CONFIRM_S`, so a key that was destroyed anywhere opens nothing anywhere after that time; without
an answer of the store nothing is opened.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from steward.core.errors import ContentErased, InputError
from steward.core.record_ids import make_id
from steward.core.stores import SecretStore, SubjectKeyStore
from steward.core.subject_keys import ShreddedKey, SubjectKey
from steward.gateway.middleware.identify import pseudonym
from steward.security.hierarchy import (
    ID_BYTES,
    KEY_BYTES,
    RecordPlace,
    open_record,
    read_header,
    seal_record,
    unwrap_subject_key,
    wrap_subject_key,
)
from steward.security.rootkey import RootKeys
from steward.workflows.shared_secrets import SUBJECT_INDEX, ensure_secret, unwrap_all

TENANT_KEY: Final = "tenant-key"  # the kind of shared secret
CONFIRM_S: Final = 0.5  # half of the second within which an erasure must be seen everywhere
MAX_CACHED: Final = 4096


class SealRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One record to be sealed."""

    place: RecordPlace  # whose tenant's key wraps the subject's
    subject: str  # a pseudonym, or `name_exchange` of the request
    text: bytes
    at: float  # when the record was written: one from before an erasure of its subject is not sealed

    def __repr__(self) -> str:
        return f"SealRequest({self.place!r}, ***)"


class SubjectKeys:
    """`roots` returns the root keys of now, so that a rotation needs no restart. Several threads may share one."""

    def __init__(
        self,
        keys: SubjectKeyStore,
        shared: SecretStore,
        roots: Callable[[], RootKeys],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._shared, self._roots = keys, shared, roots
        self._tenant_keys: dict[tuple[str, int], bytes] = {}
        self._cache = _KeyCache(keys.generation, clock)

    def seal(self, place: RecordPlace, subject: str, text: bytes, *, at: float) -> bytes | None:
        """A sealed record; the subject's key is made on first use. None: the subject was erased at `at` or later.

        :raises Unavailable: the store does not answer
        """
        return self.seal_all((SealRequest(place=place, subject=subject, text=text, at=at),))[0]

    def seal_all(self, requests: Sequence[SealRequest]) -> list[bytes | None]:
        """As `seal`, of many records in one transaction of the store."""
        self._confirm()
        fresh: list[SubjectKey] = []
        for item in requests:
            version, tenant_key = self._newest_tenant_key(item.place.tenant)
            key_id, value = secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES)
            wrapped = wrap_subject_key(tenant_key, value, item.place.tenant, item.subject, key_id, version)
            fresh.append(
                SubjectKey(
                    id=key_id,
                    tenant=item.place.tenant,
                    subject=item.subject,
                    tenant_version=version,
                    wrapped=wrapped,
                    created_at=item.at,
                )
            )
        kept = self._keys.ensure(fresh)
        return [
            None if key is None else seal_record(self._unwrap(key), bytes.fromhex(key.id), item.text, item.place)
            for item, key in zip(requests, kept, strict=True)
        ]

    def open(self, sealed: bytes, place: RecordPlace) -> bytes:
        """:raises ContentErased: its key was destroyed
        :raises InputError: another place, changed bytes, not sealed under a subject's key
        :raises Unavailable: the store does not answer
        """
        return self.open_all([(sealed, place)])[0]

    def open_all(self, records: Sequence[tuple[bytes, RecordPlace]]) -> list[bytes]:
        """As `open`, of many records with one look into the store. One that does not open fails them all."""
        headers = [read_header(sealed) for sealed, _ in records]
        for header, (_, place) in zip(headers, records, strict=True):
            if header.level != "subject":
                raise InputError(
                    f"{place.table} {place.row}: sealed under the key of a {header.level} of the spool, which the "
                    "keeper replaces within seconds; try again while `steward up` runs"
                )
        values = self._find_keys(
            {(place.tenant, header.key_id.hex()) for header, (_, place) in zip(headers, records, strict=True)}
        )
        opened = []
        for header, (sealed, place) in zip(headers, records, strict=True):
            key = values.get((place.tenant, header.key_id.hex()))
            if key is None:
                raise ContentErased(
                    f"{place.table} {place.row}: its key {header.key_id.hex()[:8]}… is not in the store: the content "
                    "was erased, or the store was restored without its key backup"
                )
            opened.append(open_record(key, sealed, place))
        return opened

    def shred(self, tenant: str, subject: str, *, at: float, actor: str, erasure_id: str | None = None) -> ShreddedKey:
        """Destroy the subject's key and add to the journal of erasures: what was sealed for it up to `at` opens nowhere
        from `CONFIRM_S` on, and what still lies in a spool is not taken in. A second call with the same `erasure_id`
        finds it done.

        :raises Unavailable: the store does not answer; nothing was erased
        """
        return self._destroy([_make_erasure(tenant, subject, at, actor, erasure_id)])[0]

    def shred_all(self, tenant: str, subjects: Sequence[str], *, at: float, actor: str) -> list[ShreddedKey]:
        """As `shred`, of a person with all exchanges that have keys of their own, in one transaction."""
        return self._destroy([_make_erasure(tenant, subject, at, actor) for subject in subjects])

    def _destroy(self, erasures: list[ShreddedKey]) -> list[ShreddedKey]:
        done = self._keys.destroy(erasures)
        self._cache.clear()
        return done

    def find_subject(self, tenant: str, project: str, name: str) -> str | None:
        """The pseudonym that a person has in one project, which no one without the tenant's subject-index key finds.

        None: the tenant has no such key yet, so there is nothing of anybody.
        """
        known = unwrap_all(self._roots(), self._shared.list_secrets(SUBJECT_INDEX))
        key = known.get((tenant, 1))
        return None if key is None else pseudonym(key, project, name)

    def _confirm(self) -> None:
        """Forget what is not to be used any more. :raises Unavailable: nobody can say"""
        if self._cache.confirm():
            self._tenant_keys = {}

    def _find_keys(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """Unwrapped keys by tenant and id, as far as they exist."""
        self._confirm()
        values = self._cache.read(wanted)
        missing = [item for item in wanted if item not in values]
        if missing:
            generation = self._cache.generation
            stored = self._keys.find([key_id for _, key_id in missing], tenant=None)
            found = {(key.tenant, key.id): self._unwrap(key) for key in stored.values()}
            self._cache.add(found, generation)
            values |= {item: found[item] for item in missing if item in found}
        return values

    def _unwrap(self, key: SubjectKey) -> bytes:
        tenant_key = self._tenant_key(key.tenant, key.tenant_version)
        return unwrap_subject_key(tenant_key, key.wrapped, key.tenant, key.subject, key.id, key.tenant_version)

    def _tenant_key(self, tenant: str, version: int) -> bytes:
        if (tenant, version) not in self._tenant_keys:
            self._tenant_keys = unwrap_all(self._roots(), self._shared.list_secrets(TENANT_KEY))
        try:
            return self._tenant_keys[tenant, version]
        except KeyError:
            raise InputError(
                f"version {version} of the key of tenant {tenant} is not in the store; restore it from a key backup"
            ) from None

    def _newest_tenant_key(self, tenant: str) -> tuple[int, bytes]:
        versions = [number for name, number in self._tenant_keys if name == tenant]
        if not versions:
            self._tenant_keys = unwrap_all(self._roots(), self._shared.list_secrets(TENANT_KEY))
            versions = [number for name, number in self._tenant_keys if name == tenant]
        if not versions:
            value = ensure_secret(self._shared, self._roots().current, TENANT_KEY, tenant, time.time())
            self._tenant_keys[tenant, 1] = value
            versions = [1]
        return max(versions), self._tenant_keys[tenant, max(versions)]


def _make_erasure(tenant: str, subject: str, at: float, actor: str, erasure_id: str | None = None) -> ShreddedKey:
    name = erasure_id or make_id("era")
    return ShreddedKey(id=name, tenant=tenant, subject=subject, key_id=None, at=at, actor=actor)


class _KeyCache:
    """Unwrapped keys that were used last, as of one generation of the store."""

    def __init__(self, read_generation: Callable[[], int], clock: Callable[[], float]) -> None:
        self._read_generation, self._clock = read_generation, clock
        self._keys: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._confirmed_at = float("-inf")
        self.generation = -1

    def confirm(self) -> bool:
        """Forget the keys if any was destroyed or wrapped anew since. :raises Unavailable: nobody can say"""
        with self._lock:
            if self._clock() - self._confirmed_at < CONFIRM_S:
                return False
            asked_at, generation = self._clock(), self._read_generation()
            changed = generation != self.generation
            if changed:
                self._keys.clear()
            self.generation, self._confirmed_at = generation, asked_at
            return changed

    def read(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """Those of `wanted` that are known."""
        with self._lock:
            known = {item: self._keys[item] for item in wanted if item in self._keys}
            for item in known:
                self._keys.move_to_end(item)
            return known

    def add(self, keys: dict[tuple[str, str], bytes], generation: int) -> None:
        """Keys that were read when the store was of `generation`."""
        with self._lock:
            if generation == self.generation:
                self._keys |= keys
            while len(self._keys) > MAX_CACHED:
                self._keys.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._keys.clear()
            self._confirmed_at = float("-inf")
