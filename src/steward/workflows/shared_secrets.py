"""What machines with one store share: the pepper of key digests and each tenant's subject-index key.

Both are random, lie in the store wrapped by the root key, and are never replaced: another pepper would end every key,
another subject-index key would give every person a new pseudonym.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

from steward.core.errors import InputError
from steward.core.stores import SecretStore, WrappedSecret
from steward.security.rootkey import RootKeys, derive, fingerprint
from steward.security.seal import encode_owner, seal, unseal, unseal_any

PEPPER: Final = "key-pepper"  # of all tenants: a key must be checked before its tenant is known
SUBJECT_INDEX: Final = "subject-index"
_BYTES: Final = 32
_USE: Final = "shared secrets"


def check_root(store: SecretStore, root: bytes, now: float) -> None:
    """Bind the store to this root key, or see that it is bound to it already.

    :raises InputError: the store belongs to another root key
    """
    mine = fingerprint(root)
    theirs = store.ensure_root(mine, now)
    if theirs != mine:
        raise InputError(
            f"the store was made with root key {theirs}, but this machine has {mine}; copy the root key of the "
            "deployment here (security.root, by default the file root-key in home), or use another store"
        )


def ensure_secret(
    store: SecretStore, root: bytes, kind: str, tenant: str, now: float, value: bytes | None = None
) -> bytes:
    """The first version of a secret: `value`, else random bytes, where there is none yet.

    :raises InputError: it does not open with this root key
    :raises Unavailable: the root key was rotated at this moment; nothing was kept
    """
    fresh = wrap_secret(root, kind, tenant, 1, value or secrets.token_bytes(_BYTES))
    return unwrap_secret(root, store.ensure(fresh, now, fingerprint(root)))


def wrap_secret(root: bytes, kind: str, tenant: str, version: int, value: bytes) -> WrappedSecret:
    sealed = seal(derive(root, _USE), value, encode_owner(kind, tenant, str(version)))
    return WrappedSecret(kind, tenant, version, sealed)


def unwrap_secret(root: bytes, secret: WrappedSecret) -> bytes:
    """:raises InputError: another root key, or another secret's place"""
    return unseal(derive(root, _USE), secret.wrapped, _describe(secret))


def unwrap_all(roots: RootKeys, found: Iterable[WrappedSecret]) -> dict[tuple[str, int], bytes]:
    """Secrets by tenant and version; a copy of before a rotation opens too. :raises InputError: one does not open"""
    keys = roots.derive_all(_USE)
    return {(item.tenant, item.version): unseal_any(keys, item.wrapped, _describe(item)) for item in found}


def _describe(secret: WrappedSecret) -> bytes:
    return encode_owner(secret.kind, secret.tenant, str(secret.version))
