"""`steward restore`: a home from an archive and a key backup, checked before anybody serves from it."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.snapshot import count_rows
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Contradiction, InputError, Interrupted, StewardError, Unavailable
from steward.core.files import make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.interrupts import remove_temporary
from steward.core.subject_keys import ShreddedKey
from steward.security.rootkey import FILE as ROOT_FILE
from steward.security.rootkey import RootKeys, derive, fingerprint, write_retired
from steward.workflows.audit import HomeAuditLog, make_act, verify_home
from steward.workflows.backup import DATABASE, SETTINGS, USE
from steward.workflows.backup_archive import BackupManifest, Report, publish_folder, read_archive
from steward.workflows.drain import LedgerDrain
from steward.workflows.erasures import BESIDE_KEYS, JOURNAL, add_to_journal, read_journal, replay
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.key_backup import KeyBackup, find_key_backup, read_key_backup
from steward.workflows.rights.replay import replay_erasures
from steward.workflows.rights.restored import erase_in_restored, find_erased, mark_restored
from steward.workflows.root_keys import WRAPPED, load_root
from steward.workflows.sealing import CAPTURE_SPOOL, LEDGER_FOLDERS, SPOOL
from steward.workflows.shared_secrets import check_root, unwrap_secret
from steward.workflows.spool import make_intake

VALID_S: Final = 90 * 86_400.0  # a drill says little of backups that are made a quarter later
CHECK: Final = "restore drill"
NO_ERASURES: Final = "none"
PART: Final = 5000  # keys of subjects in one transaction


class RestoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward restore --json`."""

    home: str
    archive: str
    made_at: float  # when the backup was made
    made_by: str  # version of steward
    files: int
    rows: dict[str, int]  # in the store, once the ledger was drained
    open_requests: int  # admitted and not settled: 0 where the ledger balances
    audit_entries: int
    settings: str | None  # the steward.yaml that was written; None: there was one, or none in the archive
    root_key: str | None  # the file that was written; None: security.root names another place, where it is
    store: str
    problems: tuple[str, ...]
    took_s: float
    erasures: int = 0  # that the archive did not have, and that were done again
    unerased: tuple[str, ...] = ()  # what still holds somebody who was erased, and why


def restore_home(
    archive: Path,
    keys: Path,
    passphrase: str | None,
    home: Path,
    report: Report,
    *,
    actor: Principal,
    erasures: Path | None = None,
) -> RestoreResult:
    """Make `home`, which must not exist or be empty, and check it; the outcome is kept in it as evidence.

    `erasures`: the journal of erasures, or the home that had it; by default the copy beside the key backup. What it
    names is erased again before anything is read.

    :raises InputError: a damaged or foreign archive, another root key, a home that is in use
    :raises Contradiction: the restored home is not what the archive says; it stays for a person to look at
    """
    began = time.monotonic()
    _check_home(home)
    key_file = find_key_backup(keys)
    key_backup = read_key_backup(key_file, passphrase)
    journal = find_journal(key_file, key_backup, erasures)
    _check_keys(archive, keys, key_backup)
    work = home.absolute().with_name(f".{home.name}.restore-{os.getpid()}-{secrets.token_hex(4)}")
    make_private_folder(work, exist_ok=False)
    try:
        manifest = read_archive(archive, derive(key_backup.root_key, USE), work, report)
        restored = work / "home"
        make_private_folder(restored)
        root_file = _put_root(restored, key_backup)
        add_to_journal(restored / JOURNAL, journal)
        replayed = 0
        if manifest.store == "sqlite":
            replayed = _put_secrets(restored / DATABASE, key_backup, read_journal(restored / JOURNAL))
        else:
            mark_restored(restored)
        publish_folder(restored, home)
        settings = _put_settings(work, home)
    finally:
        remove_temporary(work)
    try:
        result = _check(archive, home, manifest, key_backup, settings, root_file, began)
        result = msgspec.structs.replace(result, erasures=replayed)
        HomeAuditLog(home, RootKeys(key_backup.root_key, key_backup.retired_roots).first).record(
            make_act(actor, "home.restore", "home", before=archive.name)
        )
        record_finding(home, describe_restore(result, archive), actor)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {home} is restored, but was not checked. Move it away and restore again"
        ) from None
    if result.problems:
        raise Contradiction(f"{home}: the restored home is not what the archive says: {'; '.join(result.problems)}")
    return result


def _check_home(home: Path) -> None:
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InputError(f"--home {home}: is not empty; give a folder that does not exist, or move this one away")


def _check_keys(archive: Path, keys: Path, key_backup: KeyBackup) -> None:
    if fingerprint(key_backup.root_key) != key_backup.root:
        raise InputError(f"{keys}: damaged: its root key is not the one that it names; use another key backup")
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; expected a file that `steward backup` wrote")


def _put_root(restored: Path, key_backup: KeyBackup) -> Path | None:
    """The root key into the home, unless `security.root` leads to the same one elsewhere."""
    _put_files(restored, key_backup)
    if key_backup.root_reference is not None:
        try:
            if load_root(restored, key_backup.root_reference) == key_backup.root_key:
                return None
        except (InputError, Unavailable):
            pass
    write_file(restored / ROOT_FILE, key_backup.root_key, durable=True)
    return restored / ROOT_FILE


def _put_files(restored: Path, key_backup: KeyBackup) -> None:
    """What is kept of keys in files of the home."""
    if key_backup.retired_roots:
        write_retired(restored, key_backup.root_key, key_backup.retired_roots)
    if key_backup.wrapped_root is not None:
        write_file(restored / WRAPPED, key_backup.wrapped_root, durable=True)
    for folder, _, name in (place.partition("/") for place in key_backup.segment_keys):
        if folder not in (SPOOL, CAPTURE_SPOOL) or not name or "/" in name:
            raise InputError(f"the key backup names a segment's key {folder}/{name}; use another key backup")
        make_private_folder(restored / folder)
        write_file(restored / folder / name, key_backup.segment_keys[f"{folder}/{name}"], durable=True)


def _put_secrets(database: Path, key_backup: KeyBackup, journal: Sequence[ShreddedKey]) -> int:
    """The keys of tenants and subjects, but for what was erased since. -> erasures that the archive did not have"""
    if not database.is_file():
        raise InputError(f"the archive has no {DATABASE}; use another backup")
    store = SqlStore(f"sqlite:///{database}")
    try:
        store.migrate()
        check_root(store.secrets, key_backup.root_key, key_backup.created_at)
        for secret in key_backup.secrets:
            store.secrets.ensure(secret, key_backup.created_at)
        replayed = replay(journal, store.subject_keys)
        erased = {entry.key_id for entry in store.subject_keys.list_erasures(tenant=None)}
        alive = [key for key in key_backup.subject_keys if key.id not in erased]
        for part in (alive[at : at + PART] for at in range(0, len(alive), PART)):
            store.subject_keys.ensure(part)
        return replayed
    finally:
        store.close()


def find_journal(key_file: Path, key_backup: KeyBackup, named: Path | None) -> list[ShreddedKey]:
    """What was erased, as far as is known. :raises InputError: nothing says what was erased since the key backup"""
    if named is not None and str(named) == NO_ERASURES:
        return []
    beside = key_file.with_name(BESIDE_KEYS)
    path = beside if named is None else named / JOURNAL if named.is_dir() else named
    if not path.is_file() and (named is not None or key_backup.format > 1):
        raise InputError(
            f"{path}: no journal of erasures there, so nothing says whose content was erased since the backup; give a "
            f"copy: --erasures PATH ({JOURNAL} of the home, or the home), or --erasures {NO_ERASURES} if nobody's was"
        )
    return read_journal(path)


def _put_settings(work: Path, home: Path) -> str | None:
    """The steward.yaml of the archive beside the home, where there is none."""
    source, target = work / SETTINGS, home.absolute().parent / SETTINGS
    if not source.is_file() or target.exists():
        return None
    write_file(target, source.read_bytes())
    return str(target)


def _check(
    archive: Path,
    home: Path,
    manifest: BackupManifest,
    key_backup: KeyBackup,
    settings: str | None,
    root_file: Path | None,
    began: float,
) -> RestoreResult:
    """Look at a restored home as whoever serves from it will."""
    problems: list[str] = []
    unerased: list[str] = []
    rows: dict[str, int] = {}
    open_requests = 0
    if manifest.store == "sqlite":
        rows, open_requests = _check_store(home, manifest, key_backup, problems, unerased)
    audit = verify_home(home)
    if audit.error is not None:
        problems.append(f"the audit log does not verify: {audit.error}")
    return RestoreResult(
        home=str(home),
        archive=str(archive),
        made_at=manifest.created_at,
        made_by=manifest.version,
        files=len(manifest.files),
        rows=rows,
        open_requests=open_requests,
        audit_entries=audit.verified,
        settings=settings,
        root_key=None if root_file is None else str(home / ROOT_FILE),
        store=manifest.store,
        problems=tuple(problems),
        unerased=tuple(unerased),
        took_s=time.monotonic() - began,
    )


def _check_store(
    home: Path, manifest: BackupManifest, key_backup: KeyBackup, problems: list[str], unerased: list[str]
) -> tuple[dict[str, int], int]:
    """Rows as in the manifest, secrets that open, and a ledger that balances once it is drained."""
    database = home / DATABASE
    before = count_rows(database)
    problems += [
        f"{name} has {before[name]} rows, the archive says {count}"
        for name, count in manifest.rows.items()
        if before.get(name) != count
    ]
    store = SqlStore(f"sqlite:///{database}")
    try:
        for secret in key_backup.secrets:
            unwrap_secret(key_backup.root_key, secret)
        roots = RootKeys(key_backup.root_key, key_backup.retired_roots)
        intake = make_intake(store, lambda: roots)
        LedgerDrain([home / name for name in LEDGER_FOLDERS], store.ledger, intake).run()
        erased = find_erased(store, roots)
        replay_erasures(store, 0.0)
        if erased is not None:
            unerased += erase_in_restored(home, store, erased)
        open_requests = store.exchanges.count_open()
    except StewardError as error:
        problems.append(str(error))
        open_requests = 0
    finally:
        store.close()
    if open_requests:
        problems.append(f"{open_requests} requests were admitted and have not settled")
    return count_rows(database), open_requests


def describe_restore(result: RestoreResult, archive: Path) -> Finding:
    """What a restore proves: that this archive becomes a home whose keys open and whose ledger balances."""
    rows = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count) or "no rows"
    return Finding(
        check=CHECK,
        subject=f"backup {archive.name}",
        subject_digest=f"sha256:{_digest(archive)}",
        verdict="fail" if result.problems else "pass" if result.store == "sqlite" else "cannot tell",
        value=f"{result.files} files, {rows} in {result.took_s:.1f} s",
        expected="rows as in the manifest, secrets that open, a ledger that balances, an audit log that verifies",
        source=str(archive),
        valid_for_s=VALID_S,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
