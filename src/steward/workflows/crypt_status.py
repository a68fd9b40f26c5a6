"""`steward crypt status`: which root key and which keys of tenants are in use, and whether each opens something."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import ContentErased, InputError
from steward.core.records import Feedback
from steward.core.subject_keys import SubjectKey
from steward.security.hierarchy import unwrap_subject_key
from steward.security.rootkey import RootKeys, fingerprint
from steward.workflows.keys import open_keys
from steward.workflows.sealing import ContentKeys, make_content_keys
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.shared_secrets import unwrap_all
from steward.workflows.subject_keys import TENANT_KEY

PAGE = 1000  # keys, or rows, that are looked through at a time


class TenantKeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a tenant's key."""

    tenant: str
    version: int
    subject_keys: int  # that it wraps
    opens: bool | None  # whether the first of those opens under it; None: it wraps none


class ContentSample(msgspec.Struct, frozen=True, kw_only=True):
    """One record of content that was opened to see whether its kind still opens."""

    sealed_under: str  # "subject key", or "root key" for what older releases left
    record: str
    opens: bool
    problem: str | None = None


class CryptStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`steward crypt status --json`."""

    root: str  # fingerprint
    reference: str | None  # security.root; None: the file in the home
    retired: tuple[str, ...]  # root keys that it took the place of, the newest first
    tenant_keys: tuple[TenantKeyStatus, ...]
    oldest_in_use: int | None  # version of a tenant's key that still wraps something; None: nothing is sealed yet
    samples: tuple[ContentSample, ...]
    erasures: int

    @property
    def is_sound(self) -> bool:
        """Every version and every sample opens."""
        return all(key.opens is not False for key in self.tenant_keys) and all(item.opens for item in self.samples)


def read_crypt_status(home: Path) -> CryptStatus:
    """:raises InputError: another root key than the store's :raises Unavailable: the store does not answer"""
    deployment = find_deployment(home)
    with open_keys(deployment, time.time()) as (store, _, _root):
        roots = deployment.roots()
        tenant_keys = tuple(_list_tenant_keys(store, roots))
        return CryptStatus(
            root=fingerprint(roots.current),
            reference=deployment.root,
            retired=tuple(map(fingerprint, roots.retired)),
            tenant_keys=tenant_keys,
            oldest_in_use=min((key.version for key in tenant_keys if key.subject_keys), default=None),
            samples=tuple(_open_samples(store, make_content_keys(store, lambda: roots))),
            erasures=len(store.subject_keys.list_erasures(tenant=None)),
        )


def _list_tenant_keys(store: SqlStore, roots: RootKeys) -> Iterator[TenantKeyStatus]:
    counts = store.subject_keys.count_keys(tenant=None)
    values = unwrap_all(roots, store.secrets.list_secrets(TENANT_KEY))
    samples = _find_samples(store, set(counts))
    for tenant, version in sorted({*counts, *values}):
        sample, value = samples.get((tenant, version)), values.get((tenant, version))
        yield TenantKeyStatus(
            tenant=tenant,
            version=version,
            subject_keys=counts.get((tenant, version), 0),
            opens=None if sample is None else value is not None and _opens(sample, value),
        )


def _find_samples(store: SqlStore, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], SubjectKey]:
    samples: dict[tuple[str, int], SubjectKey] = {}
    after = ""
    while wanted - set(samples) and (page := store.subject_keys.list_keys(PAGE, after, tenant=None)):
        after = page[-1].id
        for key in page:
            samples.setdefault((key.tenant, key.tenant_version), key)
    return samples


def _opens(key: SubjectKey, value: bytes) -> bool:
    try:
        unwrap_subject_key(value, key.wrapped, key.tenant, key.subject, key.id, key.tenant_version)
    except InputError:
        return False
    return True


def _open_samples(store: SqlStore, keys: ContentKeys) -> Iterator[ContentSample]:
    """The newest feedback with content that was not erased, and the first of what older releases left."""
    newest = [row.id for row in store.feedback.report(0.0, PAGE, tenant=None).last if row.has_content]
    for record in store.feedback.read_sealed(newest, tenant=None):
        if (sample := _open_sample(keys, record, "subject key")) is not None:
            yield sample
            break
    for record in store.feedback.list_not_sealed_for_subject(1):
        if (sample := _open_sample(keys, record, "root key")) is not None:
            yield sample


def _open_sample(keys: ContentKeys, record: Feedback, sealed_under: str) -> ContentSample | None:
    """None: it was erased, which says nothing."""
    name = f"feedback {record.id}"
    try:
        keys.open(record)
    except ContentErased:
        return None
    except InputError as error:
        return ContentSample(sealed_under=sealed_under, record=name, opens=False, problem=str(error))
    return ContentSample(sealed_under=sealed_under, record=name, opens=True)
