"""`steward backup`: a home in one moment, while it serves, and apart from it the keys that open it.

Nothing is stopped. The ledger's segments are held by links before the store is copied, so that the keeper may drain and
delete them meanwhile: whatever the copy has not drained yet is in the archive, and a restored keeper drains it, exactly
once, from the offset in the copy.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from steward import __version__
from steward.adapters.stores.snapshot import copy_database, count_rows, take_secrets, take_subject_keys
from steward.core.errors import InputError
from steward.core.files import hold_lock, make_private_folder
from steward.core.identity import Principal
from steward.core.interrupts import remove_temporary
from steward.core.stores import WrappedSecret
from steward.core.subject_keys import ShreddedKey, SubjectKey
from steward.security.rootkey import RETIRED, derive, fingerprint, read_retired
from steward.workflows.audit import REASONS, make_act
from steward.workflows.backup_archive import BackupManifest, Report, write_archive
from steward.workflows.erasures import BESIDE_KEYS, add_to_journal
from steward.workflows.experiment import FOLDER as EXPERIMENTS
from steward.workflows.experiment import ITEMS
from steward.workflows.key_backup import KeyBackup, prune_key_backups, write_key_backup
from steward.workflows.keys import open_keys
from steward.workflows.reload import find_settings_file
from steward.workflows.response_store import FOLDER, OWNERS
from steward.workflows.root_keys import WRAPPED, is_wrapped
from steward.workflows.sealing import CAPTURE_SPOOL, SPOOL
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.spool import KEY_ENDING
from steward.workflows.train.folder import EVENTS, LOG, ROWS
from steward.workflows.train.folder import FOLDER as TRAINING

DATABASE: Final = "steward.db"
SETTINGS: Final = "steward.yaml"
USE: Final = "backup archive"
_SPOOLS: Final = (SPOOL, CAPTURE_SPOOL)
_LEDGERS: Final = ("ledger", *_SPOOLS)
_KEYS: Final = frozenset(
    {"root-key", WRAPPED, RETIRED, "first-key", "pepper", "pepper.migrated", "keys.json", "keys.json.migrated"}
)
_MADE_ANEW: Final = frozenset({"run", FOLDER, OWNERS, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *_LEDGERS})
_FORGOTTEN: Final = frozenset({REASONS})  # what is destroyed there must not come back from an archive
_COPIES: Final = {  # of rows of training sets, which an erasure would have to find again: a run takes them from its set
    TRAINING: frozenset({ROWS, EVENTS, LOG}),
    EXPERIMENTS: frozenset({ITEMS, LOG}),
}


class BackupResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward backup --json`."""

    archive: str
    bytes: int
    files: int
    rows: dict[str, int]
    store: str
    root: str  # fingerprint of the root key
    key_backup: str
    pruned: tuple[str, ...]  # key backups that were older than a week


def backup_home(
    home: Path, archive: Path, keys: Path, passphrase: str | None, now: float, report: Report, *, actor: Principal
) -> BackupResult:
    """Write the archive and the key backup.

    :raises InputError: `archive` exists or lies in the home, another root key than the store's
    :raises Unavailable: the store does not answer
    """
    _check_place(home, archive)
    deployment = find_deployment(home)
    _check_passphrase(deployment.root, passphrase)
    with open_keys(deployment, now) as (store, _, root):
        erasures = store.subject_keys.list_erasures(tenant=None)
        deployment.open_audit_log().record(make_act(actor, "home.backup", "home", after=archive.name))
    local = deployment.store is None
    wrapped: list[WrappedSecret] = []
    subject_keys: list[SubjectKey] = []
    with _workplace(home) as work:
        files = list_files(home)
        files |= hold_segments(home, work)
        segment_keys = _read_segment_keys(home)
        if local:
            copy_database(home / DATABASE, work / DATABASE)
            wrapped = take_secrets(work / DATABASE)
            subject_keys = take_subject_keys(work / DATABASE)
            files[f"home/{DATABASE}"] = work / DATABASE
            files |= hold_segments(home, work)  # those that began meanwhile
            segment_keys |= _read_segment_keys(home)
        files |= copy_audit(home, work)
        manifest = BackupManifest(
            version=__version__,
            created_at=now,
            root=fingerprint(root),
            store="sqlite" if local else "postgresql",
            rows=count_rows(work / DATABASE) if local else {},
            files={},
        )
        key_backup = KeyBackup(
            created_at=now,
            root=manifest.root,
            root_key=root,
            root_reference=deployment.root,
            secrets=tuple(wrapped),
            subject_keys=tuple(subject_keys),
            segment_keys=segment_keys,
        )
        with _keys_beside(archive, keys, _add_roots(key_backup, home), passphrase, erasures) as key_file:
            manifest = write_archive(archive, files, manifest, derive(root, USE), report)
    return BackupResult(
        archive=str(archive),
        bytes=archive.stat().st_size,
        files=len(manifest.files),
        rows=manifest.rows,
        store=manifest.store,
        root=manifest.root,
        key_backup=str(key_file),
        pruned=tuple(str(path) for path in prune_key_backups(keys, now)),
    )


@contextmanager
def _keys_beside(
    archive: Path, keys: Path, key_backup: KeyBackup, passphrase: str | None, erasures: Sequence[ShreddedKey]
) -> Iterator[Path]:
    """The key backup, and what was erased, before the archive that nothing else opens; gone if that is not made."""
    key_file = write_key_backup(keys, key_backup, passphrase)
    try:
        add_to_journal(keys / BESIDE_KEYS, erasures)
        yield key_file
    except BaseException:
        if not archive.exists():
            remove_temporary(key_file)
        raise


def _check_passphrase(root: str | None, passphrase: str | None) -> None:
    if is_wrapped(root) and passphrase is None:
        raise InputError(
            f"{root} keeps the root key from resting anywhere in clear, as a key backup would; seal the key backup: "
            "--passphrase env:NAME or file:PATH"
        )


def _add_roots(key_backup: KeyBackup, home: Path) -> KeyBackup:
    """With what the home keeps of root keys beside the one in use."""
    wrapped = (home / WRAPPED).read_bytes() if is_wrapped(key_backup.root_reference) else None
    retired = read_retired(home, key_backup.root_key)
    return msgspec.structs.replace(key_backup, retired_roots=retired, wrapped_root=wrapped)


def _check_place(home: Path, archive: Path) -> None:
    if archive.exists():
        raise InputError(f"{archive}: exists; give another name, or remove it first")
    if not archive.absolute().parent.is_dir():
        raise InputError(f"{archive}: no such folder; make it first: mkdir -p {archive.absolute().parent}")
    if archive.absolute().is_relative_to(home.absolute()):
        raise InputError(f"{archive}: lies in the home that it is a backup of; write it elsewhere")


@contextmanager
def _workplace(home: Path) -> Iterator[Path]:
    """A folder in the home, where files can be held by links; gone at the end."""
    folder = home / f".backup-{os.getpid()}-{secrets.token_hex(4)}"
    make_private_folder(folder, exist_ok=False)
    try:
        yield folder
    finally:
        remove_temporary(folder)


def list_files(home: Path) -> dict[str, Path]:
    """What is copied as it lies there, by its name in the archive: no keys, no locks, nothing that is made anew."""
    files: dict[str, Path] = {}
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        top = name.parts[0]
        if top in _MADE_ANEW | _KEYS | _FORGOTTEN or top == "audit" or any(part.startswith(".") for part in name.parts):
            continue
        if name.parts[2:3] and name.parts[2] in _COPIES.get(top, ()):
            continue
        if path.is_file() and not path.is_symlink() and path.suffix != ".lock":
            files[f"home/{name.as_posix()}"] = path
    if (settings := find_settings_file(home)) is not None:
        files[SETTINGS] = settings
    return files


def hold_segments(home: Path, work: Path) -> dict[str, Path]:
    """Links to the ledger's segments as they are now: they grow with the segments and outlive them."""
    segments: dict[str, Path] = {}
    for folder in _LEDGERS:
        make_private_folder(work / folder)
        for segment in sorted((home / folder).glob("*")):
            held = work / folder / segment.name
            if segment.suffix not in (".seg", ".damaged"):
                continue
            try:
                os.link(segment, held)
            except FileExistsError:
                pass
            except FileNotFoundError:
                continue  # drained since it was listed
            segments[f"home/{folder}/{segment.name}"] = held
    return segments


def _read_segment_keys(home: Path) -> dict[str, bytes]:
    """Keys of the spools' segments, as files by FOLDER/NAME; they go when their segments are drained."""
    keys: dict[str, bytes] = {}
    for path in (path for spool in _SPOOLS for path in (home / spool).glob(f"*{KEY_ENDING}")):
        try:
            keys[f"{path.parent.name}/{path.name}"] = path.read_bytes()
        except FileNotFoundError:
            continue
    return keys


def copy_audit(home: Path, work: Path) -> dict[str, Path]:
    """The log of administrative acts, while nobody writes to it."""
    source, target = home / "audit", work / "audit"
    with hold_lock(source / "lock"):
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("lock", ".*"))
    files = [path for path in sorted(target.rglob("*")) if path.is_file()]
    return {f"home/audit/{path.relative_to(target).as_posix()}": path for path in files}
