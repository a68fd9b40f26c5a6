"""The root key is made once, kept from others, and never used itself."""

import hashlib
import hmac
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.rootkey import derive, ensure_root_key

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
