"""The backup of keys, apart from that of data: the root key, and the keys that hang on it, of tenants, subjects and
segments of the spool.

Who has both opens everything, so they belong into different places. Key backups are kept for `KEEP_S`: a key that was
erased is gone from all backups when that time is over, and with it what it sealed, in every archive however old.
Without a passphrase the file is as open as `home/root-key` itself; with one it is sealed by scrypt (RFC 7914) and
AES-256-GCM.
"""

from __future__ import annotations

import calendar
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from steward.core.errors import InputError
from steward.core.files import make_private_folder, write_file
from steward.core.stores import WrappedSecret
from steward.core.subject_keys import SubjectKey

KEEP_S: Final = 7 * 86_400.0
FORMAT: Final = 2  # 1 had no keys of subjects
MAGIC: Final = b"STWKEYS\x01"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_COST: Final = 2**17  # OWASP Password Storage Cheat Sheet: scrypt with N = 2^17, r = 8, p = 1
_NAME: Final = re.compile(r"steward-keys-(\d{8}T\d{6}Z)(?:-[0-9a-f]+)?\.keys")
_TIME: Final = "%Y%m%dT%H%M%SZ"


class KeyBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What opens an archive, and what was taken out of it."""

    format: int = FORMAT
    created_at: float
    root: str  # fingerprint
    root_key: bytes
    root_reference: str | None  # where security.root said that the key was; None: in the home
    secrets: tuple[WrappedSecret, ...]
    subject_keys: tuple[SubjectKey, ...] = ()
    segment_keys: dict[str, bytes] = {}  # files of the spools, by FOLDER/NAME
    retired_roots: tuple[bytes, ...] = ()
    wrapped_root: bytes | None = None  # the file, where a service wraps the root key

    def __repr__(self) -> str:
        return f"KeyBackup(root={self.root!r}, root_key=***)"


def write_key_backup(folder: Path, backup: KeyBackup, passphrase: str | None) -> Path:
    """A file of its own in `folder`, for its owner only."""
    make_private_folder(folder)
    name = time.strftime(_TIME, time.gmtime(backup.created_at))
    path = folder / f"steward-keys-{name}-{secrets.token_hex(2)}.keys"
    plain = msgspec.json.encode(backup)
    write_file(path, plain if passphrase is None else seal_keys(plain, passphrase), durable=True)
    return path


def prune_key_backups(folder: Path, now: float) -> list[Path]:
    """Delete the key backups in `folder` that are older than `KEEP_S`, by the time in their names. -> those deleted"""
    old = [path for path, at in _list(folder) if at + KEEP_S <= now]
    for path in old:
        path.unlink()
    return old


def find_key_backup(place: Path) -> Path:
    """The file itself, or the newest one in a folder. :raises InputError: there is none"""
    if place.is_file():
        return place
    backups = sorted(_list(place), key=lambda item: (item[1], item[0].name))
    if not backups:
        raise InputError(f"{place}: no key backup there; expected a file steward-keys-….keys, or a folder with one")
    return backups[-1][0]


def _list(folder: Path) -> list[tuple[Path, float]]:
    """Key backups with the time of each."""
    named = ((path, _NAME.fullmatch(path.name)) for path in folder.glob("steward-keys-*.keys"))
    return [(path, float(calendar.timegm(time.strptime(match[1], _TIME)))) for path, match in named if match]


def read_key_backup(path: Path, passphrase: str | None) -> KeyBackup:
    """:raises InputError: not one of ours, a missing or wrong passphrase"""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a key backup") from error
    if data.startswith(MAGIC):
        if passphrase is None:
            raise InputError(f"{path}: sealed with a passphrase; give --passphrase env:NAME or file:PATH")
        data = open_keys_file(path, data, passphrase)
    try:
        backup = msgspec.json.decode(data, type=KeyBackup)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a key backup, or a damaged one ({error})") from error
    if backup.format not in (1, FORMAT):
        raise InputError(f"{path}: of format {backup.format}, expected 1 or {FORMAT}; a newer steward wrote it")
    return backup


def seal_keys(plain: bytes, passphrase: str, random: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    salt, nonce = random(_SALT_BYTES), random(_NONCE_BYTES)
    return MAGIC + salt + nonce + AESGCM(_derive(passphrase, salt)).encrypt(nonce, plain, MAGIC)


def open_keys_file(path: Path, data: bytes, passphrase: str) -> bytes:
    """:raises InputError: another passphrase, or changed bytes"""
    at = len(MAGIC)
    salt, nonce = data[at : at + _SALT_BYTES], data[at + _SALT_BYTES : at + _SALT_BYTES + _NONCE_BYTES]
    sealed = data[at + _SALT_BYTES + _NONCE_BYTES :]
    try:
        return AESGCM(_derive(passphrase, salt)).decrypt(nonce, sealed, MAGIC)
    except (InvalidTag, ValueError) as error:
        raise InputError(f"{path}: does not open: another passphrase, or bytes that were changed") from error


def _derive(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.encode())
