import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from steward.core.errors import InputError
from steward.security.rootkey import derive, ensure_root_key
from steward.security.seal import encode_owner, seal, unseal

KEY = bytes(range(32))
OWNER = encode_owner("feedback", "p", "req_1")


def test_what_is_sealed_opens() -> None:
    assert unseal(KEY, seal(KEY, b"too slow", OWNER), OWNER) == b"too slow"
    assert seal(KEY, b"too slow", OWNER) != seal(KEY, b"too slow", OWNER)


def test_the_form_is_plain_aes_256_gcm() -> None:
    """Opened by the library's separate cipher interface, nonce and tag taken from where the docstring says."""
    sealed = seal(KEY, b"too slow", OWNER)
    other = Cipher(algorithms.AES(KEY), modes.GCM(sealed[1:13], sealed[-16:])).decryptor()
    other.authenticate_additional_data(OWNER)
    assert sealed[:1] == b"\x01" and other.update(sealed[13:-16]) + other.finalize() == b"too slow"


@pytest.mark.parametrize("place", range(0, 37))
def test_a_changed_byte_does_not_open(place: int) -> None:
    sealed = bytearray(seal(KEY, b"too slow", OWNER))
    assert len(sealed) == 37
    sealed[place] ^= 1
    with pytest.raises(InputError):
        unseal(KEY, bytes(sealed), OWNER)


def test_owners_are_written_as_what_is_on_disks_has_them() -> None:
    """Each name after its length in four bytes, in network order: another form would open nothing that was sealed."""
    assert encode_owner("a", "bc", "ä") == b"\0\0\0\x01a" + b"\0\0\0\x02bc" + b"\0\0\0\x02\xc3\xa4"


@pytest.mark.parametrize(("sealed", "version"), [(b"", "none"), (b"\x02STW", "02"), (b"\xff", "ff")])
def test_a_version_that_is_not_known_is_named(sealed: bytes, version: str) -> None:
    with pytest.raises(InputError, match=f"sealed data of version {version}, expected 01; open it with a newer"):
        unseal(KEY, sealed, OWNER)


def test_another_owner_key_or_length_does_not_open() -> None:
    sealed = seal(KEY, b"too slow", OWNER)
    for key, text, owner in [
        (KEY, sealed, encode_owner("feedback", "q", "req_1")),
        (KEY, sealed, encode_owner("feedback", "p", "req_2")),
        (derive(KEY, "x"), sealed, OWNER),
        (KEY, sealed[:9], OWNER),
        (KEY, b"", OWNER),
    ]:
        with pytest.raises(InputError):
            unseal(key, text, owner)


def test_the_root_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = ensure_root_key(tmp_path)
    assert len(first) == 32 and ensure_root_key(tmp_path) == first
    assert (tmp_path / "root-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["root-key"]


def test_a_root_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    ensure_root_key(tmp_path)
    os.chmod(tmp_path / "root-key", 0o644)
    with pytest.raises(InputError, match="chmod 600"):
        ensure_root_key(tmp_path)


def test_a_root_key_of_another_length_is_refused(tmp_path: Path) -> None:
    ensure_root_key(tmp_path)
    (tmp_path / "root-key").write_bytes(b"short")
    with pytest.raises(InputError, match="5 bytes"):
        ensure_root_key(tmp_path)
