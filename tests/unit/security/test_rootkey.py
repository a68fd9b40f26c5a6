"""The root key is made once, kept from others, and never used itself."""

import hashlib
import hmac
import os
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.rootkey import (
    RootKeys,
    derive,
    ensure_root_key,
    fingerprint,
    load_root_key,
    read_retired,
    write_retired,
)

KEY = bytes(range(32))


def test_it_is_made_on_first_use_and_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert ensure_root_key(home, KEY) == KEY == ensure_root_key(home, bytes(32))
    assert [path.name for path in home.iterdir()] == ["root-key"]
    assert (home / "root-key").stat().st_mode & 0o777 == 0o600 and home.stat().st_mode & 0o777 == 0o700
    assert len(ensure_root_key(tmp_path / "other")) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601, 0o700 | 0o010])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    ensure_root_key(tmp_path, KEY)
    (tmp_path / "root-key").chmod(mode)
    with pytest.raises(InputError, match=f"mode 0{mode:o} .* chmod 600"):
        ensure_root_key(tmp_path)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_file_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "root-key").write_bytes(bytes(length))
    (tmp_path / "root-key").chmod(0o600)
    with pytest.raises(InputError, match=f"{length} bytes, expected 32"):
        ensure_root_key(tmp_path)


def test_each_use_has_a_key_of_its_own() -> None:
    """HMAC-SHA256 of `steward ` and the use, RFC 2104."""
    assert derive(KEY, "feedback") == hmac.new(KEY, b"steward feedback", hashlib.sha256).digest()


ROOT = bytes(range(32))


def test_a_named_file_is_read_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "root"
    with pytest.raises(InputError, match="no root key there"):
        load_root_key(tmp_path, f"file:{path}")
    path.write_bytes(ROOT)
    os.chmod(path, 0o600)
    assert load_root_key(tmp_path, f"file:{path}") == ROOT and os.listdir(tmp_path) == ["root"]


def test_a_file_that_others_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(ROOT)
    os.chmod(tmp_path / "root", 0o640)
    with pytest.raises(InputError, match="mode 0640"):
        load_root_key(tmp_path, f"file:{tmp_path / 'root'}")


def test_a_variable_holds_64_hex_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT", ROOT.hex())
    assert load_root_key(tmp_path, "env:ROOT") == ROOT
    for bad in (ROOT.hex()[:-2], "g" * 64):
        monkeypatch.setenv("ROOT", bad)
        with pytest.raises(InputError, match="expected 64 hex digits"):
            load_root_key(tmp_path, "env:ROOT")


def test_without_a_name_it_is_made_once_in_the_home(tmp_path: Path) -> None:
    made = load_root_key(tmp_path, None)
    assert len(made) == 32 and load_root_key(tmp_path, None) == made == (tmp_path / "root-key").read_bytes()


def test_a_fingerprint_tells_keys_apart_and_is_no_key(tmp_path: Path) -> None:
    assert fingerprint(ROOT) == fingerprint(bytes(range(32))) != fingerprint(bytes(32))
    assert len(fingerprint(ROOT)) == 32 and bytes.fromhex(fingerprint(ROOT)) == derive(ROOT, "fingerprint")[:16]


def test_the_roots_of_before_are_kept_newest_first_and_sealed(tmp_path: Path) -> None:
    older, old = bytes(32), bytes(range(1, 33))
    assert read_retired(tmp_path, KEY) == ()
    write_retired(tmp_path, KEY, (old, older))
    assert read_retired(tmp_path, KEY) == (old, older) and read_retired(tmp_path, old) == ()
    keys = RootKeys(KEY, (old, older))
    assert keys.first == older and RootKeys(KEY).first == KEY
    file = tmp_path / "retired-roots" / fingerprint(KEY)
    assert file.parent.stat().st_mode & 0o777 == 0o700 and old not in file.read_bytes()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=str(file)):
        read_retired(tmp_path, KEY)
