"""Key backups: kept for a week, apart, and as closed as they are asked to be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steward.core.errors import InputError
from steward.core.stores import WrappedSecret
from steward.workflows.key_backup import (
    KEEP_S,
    KeyBackup,
    find_key_backup,
    prune_key_backups,
    read_key_backup,
    seal_keys,
    write_key_backup,
)

AT = 1_764_352_800.0  # 2025-11-28 18:00:00 UTC
BACKUP = KeyBackup(
    created_at=AT,
    root="ab",
    root_key=b"\x00k" * 16,
    root_reference=None,
    secrets=(WrappedSecret("key-pepper", "", 1, b"\x01w"),),
)


def write(folder: Path, at: float = AT, passphrase: str | None = None) -> Path:
    return write_key_backup(folder, msgspec.structs.replace(BACKUP, created_at=at), passphrase)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "keys")
    assert path.name.startswith("steward-keys-20251128T180000Z-") and path.stat().st_mode & 0o777 == 0o600
    assert read_key_backup(path, None) == BACKUP


def test_a_passphrase_closes_it(tmp_path: Path) -> None:
    path = write(tmp_path, passphrase="correct horse")
    assert b"key-pepper" not in path.read_bytes()
    assert read_key_backup(path, "correct horse") == BACKUP
    for phrase, words in ((None, "give --passphrase"), ("battery", "another passphrase")):
        with pytest.raises(InputError, match=words):
            read_key_backup(path, phrase)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="does not open"):
        read_key_backup(path, "correct horse")


def test_a_week_old_one_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    old, young = write(tmp_path, AT), write(tmp_path, AT + 1)
    other = tmp_path / "steward-keys-mine.keys"
    other.write_bytes(b"x")
    assert prune_key_backups(tmp_path, AT + KEEP_S - 1) == []
    assert prune_key_backups(tmp_path, AT + KEEP_S) == [old]
    assert sorted(tmp_path.iterdir()) == sorted([young, other])
    assert KEEP_S == 7 * 24 * 3600


def test_the_newest_of_a_folder_is_taken(tmp_path: Path) -> None:
    write(tmp_path, AT)
    newest = write(tmp_path, AT + 60)
    assert find_key_backup(tmp_path) == newest and find_key_backup(newest) == newest
    with pytest.raises(InputError, match="no key backup there"):
        find_key_backup(tmp_path / "gone")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "not a key backup"),
        (b"\xff", "not a key backup"),
        (msgspec.json.encode(msgspec.structs.replace(BACKUP, format=3)), "of format 3, expected 1 or 2"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.keys").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_key_backup(tmp_path / "x.keys", None)


def test_one_of_the_first_format_still_opens(tmp_path: Path) -> None:
    """Releases before subject keys wrote it."""
    (tmp_path / "x.keys").write_bytes(msgspec.json.encode(msgspec.structs.replace(BACKUP, format=1)))
    assert read_key_backup(tmp_path / "x.keys", None).root_key == BACKUP.root_key


def test_the_root_key_is_not_shown() -> None:
    assert "k" * 3 not in repr(BACKUP) and "***" in repr(BACKUP)


def test_a_sealed_backup_opens_with_openssls_scrypt_and_aes_gcm() -> None:
    """STWKEYS, a salt of 16 bytes, a nonce of 12; the key by scrypt with N = 2^17, r = 8, p = 1 (OWASP)."""
    sealed = seal_keys(b"plain", "correct horse", lambda count: bytes(range(count)))
    assert sealed[:36] == b"STWKEYS\x01" + bytes(range(16)) + bytes(range(12))
    cost = {"n": 131_072, "r": 8, "p": 1, "maxmem": 2**28, "dklen": 32}
    key = hashlib.scrypt(b"correct horse", salt=bytes(range(16)), **cost)
    assert AESGCM(key).decrypt(bytes(range(12)), sealed[36:], b"STWKEYS\x01") == b"plain"
