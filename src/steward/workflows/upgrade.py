"""Takes over what a home kept before keys stood in the store: `keys.json`, `pepper`, and the keys of a local store.

The pepper made key digests and pseudonyms alike. It becomes the first version of both shared secrets, so that every
key goes on working and no pseudonym changes. The old files keep their content under the name `….migrated`: the release
before this one reads them when the ending is taken off again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.files import hold_lock
from steward.core.identity import DEFAULT_TENANT
from steward.core.keys import KeyRecord
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.shared_secrets import PEPPER, SUBJECT_INDEX, ensure_secret, unwrap_secret

MIGRATED: Final = ".migrated"


def upgrade_home(home: Path, store: SqlStore, root: bytes, now: float) -> int:
    """Move the files of an older home into the store; returns how many keys. A second call finds nothing to do.

    :raises InputError: the store has other secrets, or a file is damaged
    """
    if not ((home / "keys.json").exists() or (home / "pepper").exists()):
        return 0
    with hold_lock(home / "keys.lock"):
        _move_pepper(home / "pepper", store, root, now)
        moved = _move_keys(home / "keys.json", store)
        for name in ("keys.json", "pepper"):
            if (home / name).exists():
                os.rename(home / name, home / (name + MIGRATED))
    return moved


def import_local_store(deployment: HomeDeployment, store: SqlStore, root: bytes, now: float) -> int:
    """Keys that were made in the home's SQLite file before its settings named a server; returns how many are new.

    :raises InputError: the server has other secrets
    """
    file = deployment.home / "steward.db"
    if deployment.store is None or not file.exists():
        return 0
    local = SqlStore(f"sqlite:///{file}")
    try:
        local.migrate()
        records = local.keys.list_keys(tenant=None)
        for kind in (PEPPER, SUBJECT_INDEX):
            for item in local.secrets.list_secrets(kind) if records else ():
                _ensure_same(store, root, kind, item.tenant, now, unwrap_secret(root, item), file)
    finally:
        local.close()
    there = {record.id for record in store.keys.list_keys(tenant=None)}
    fresh = [record for record in records if record.id not in there]
    if fresh:
        store.keys.add(fresh)
    return len(fresh)


def _move_pepper(path: Path, store: SqlStore, root: bytes, now: float) -> None:
    if not path.exists():
        return
    pepper = path.read_bytes()
    _ensure_same(store, root, PEPPER, "", now, pepper, path)
    _ensure_same(store, root, SUBJECT_INDEX, DEFAULT_TENANT, now, pepper, path)


def _ensure_same(store: SqlStore, root: bytes, kind: str, tenant: str, now: float, value: bytes, source: Path) -> None:
    if ensure_secret(store.secrets, root, kind, tenant, now, value) != value:
        raise InputError(
            f"{source}: the store has another {kind}, so the keys and pseudonyms of this home are not valid there; "
            f"to join the store's deployment with its keys, move {source} and keys.json away"
        )


def _move_keys(path: Path, store: SqlStore) -> int:
    if not path.exists():
        return 0
    try:
        records = msgspec.json.decode(path.read_bytes(), type=list[KeyRecord])
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; restore it from a backup") from error
    store.keys.add(records)
    return len(records)
