from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from steward.core.errors import InputError
from steward.security.hierarchy import (
    HEADER_BYTES,
    Level,
    RecordPlace,
    derive_record_key,
    is_version_2,
    open_record,
    read_header,
    seal_record,
    unwrap_subject_key,
    wrap_subject_key,
)
from steward.security.seal import encode_owner, seal

KEY, KEY_ID = bytes(range(32)), bytes(range(16))
PLACE = RecordPlace("default", "feedback", "sealed", "fb_1")
INFO = b"steward sealed record 2 AES-256-GCM"


def fixed(count: int) -> bytes:
    return b"\x07" * count


def test_what_is_sealed_opens_and_never_looks_the_same_twice() -> None:
    first, second = (seal_record(KEY, KEY_ID, b"too slow", PLACE) for _ in range(2))
    assert open_record(KEY, first, PLACE) == open_record(KEY, second, PLACE) == b"too slow"
    assert first != second and is_version_2(first) and len(first) == HEADER_BYTES + 8 + 16 == 110


def test_the_record_key_is_hkdf_of_rfc_5869() -> None:
    """By the separate implementation of `cryptography`: 96 bytes, of which the last 20 are not used."""
    expected = HKDF(SHA256(), length=96, salt=b"\x07" * 32, info=INFO).derive(KEY)
    assert derive_record_key(KEY, b"\x07" * 32) == (expected[:32], expected[64:76], expected[32:64])


def test_the_form_is_as_the_docstring_says() -> None:
    sealed = seal_record(KEY, KEY_ID, b"too slow", PLACE, "segment", random=fixed)
    assert sealed[:4] == b"\x02STW" and sealed[4:6] == b"\x01\x02" and sealed[6:22] == KEY_ID
    assert sealed[22:54] == b"\x07" * 32
    stream = HKDF(SHA256(), length=96, salt=sealed[22:54], info=INFO).derive(KEY)
    assert sealed[54:86] == stream[32:64]
    owner = encode_owner("default", "feedback", "sealed", "fb_1", "1", KEY_ID.hex())
    assert AESGCM(stream[:32]).decrypt(stream[64:76], sealed[86:], owner) == b"too slow"
    header = read_header(sealed)
    assert (header.level, header.key_id, header.salt, header.commitment) == (
        "segment", KEY_ID, b"\x07" * 32, stream[32:64],
    )  # fmt: skip


@pytest.mark.parametrize(("level", "number"), [("subject", 1), ("segment", 2)])
def test_a_record_says_whose_key_sealed_it(level: Level, number: int) -> None:
    sealed = seal_record(KEY, KEY_ID, b"too slow", PLACE, level)
    assert sealed[5] == number and read_header(sealed).level == level


@pytest.mark.parametrize("place", range(110))
def test_a_changed_byte_does_not_open(place: int) -> None:
    sealed = bytearray(seal_record(KEY, KEY_ID, b"too slow", PLACE))
    sealed[place] ^= 1
    if place == 5:  # the level says whose key to look for; it opens under the same key
        sealed[place] = 3
    with pytest.raises(InputError):
        open_record(KEY, bytes(sealed), PLACE)


@pytest.mark.parametrize("length", range(110))
def test_a_record_that_was_cut_or_grew_does_not_open(length: int) -> None:
    sealed = seal_record(KEY, KEY_ID, b"too slow", PLACE)
    with pytest.raises(InputError):
        open_record(KEY, sealed[:length], PLACE)
    with pytest.raises(InputError):
        open_record(KEY, sealed + b"\0", PLACE)


@pytest.mark.parametrize(
    "other",
    [
        RecordPlace("other", "feedback", "sealed", "fb_1"),
        RecordPlace("default", "captured", "sealed", "fb_1"),
        RecordPlace("default", "feedback", "answer", "fb_1"),
        RecordPlace("default", "feedback", "sealed", "fb_2"),
        RecordPlace("default", "feedback", "sealed", "fb_1", schema=2),
    ],
)
def test_a_record_opens_in_no_other_place(other: RecordPlace) -> None:
    sealed = seal_record(KEY, KEY_ID, b"too slow", PLACE)
    with pytest.raises(InputError, match=r"not the .* of this row of"):
        open_record(KEY, sealed, other)


def test_another_key_is_named_by_the_commitment_before_anything_is_decrypted() -> None:
    with pytest.raises(InputError, match="sealed under another key"):
        open_record(bytes(32), seal_record(KEY, KEY_ID, b"too slow", PLACE), PLACE)


def test_a_key_id_that_was_changed_does_not_open_under_the_same_key() -> None:
    sealed = seal_record(KEY, KEY_ID, b"too slow", PLACE)
    with pytest.raises(InputError):
        open_record(KEY, sealed[:6] + bytes(16) + sealed[22:], PLACE)


@pytest.mark.parametrize(
    ("sealed", "message"),
    [
        (b"", "of version none, expected 02"),
        (seal(KEY, b"x", b"", random=fixed), "of version 01, expected 02"),
        (b"\x03STW" + bytes(200), "of version 03, expected 02"),
        (b"\x02STW\x01\x01" + bytes(95), "of 101 bytes, expected 102 or more"),
        (b"\x02STW\x02\x01" + bytes(96), "of algorithm 2 and level 1"),
        (b"\x02STW\x01\x03" + bytes(96), "of algorithm 1 and level 3"),
    ],
    ids=["empty", "version 1", "version 3", "short", "algorithm 2", "level 3"],
)
def test_a_header_that_is_not_ours_is_named(sealed: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_header(sealed)


def test_a_wrapped_key_opens_for_its_subject_tenant_id_and_version_only() -> None:
    wrapped = wrap_subject_key(KEY, b"k" * 32, "one", "s", "00", 1)
    assert unwrap_subject_key(KEY, wrapped, "one", "s", "00", 1) == b"k" * 32
    for tenant, subject, key_id, version in [
        ("two", "s", "00", 1), ("one", "t", "00", 1), ("one", "s", "01", 1), ("one", "s", "00", 2),
    ]:  # fmt: skip
        with pytest.raises(InputError):
            unwrap_subject_key(KEY, wrapped, tenant, subject, key_id, version)
    with pytest.raises(InputError):
        unwrap_subject_key(bytes(32), wrapped, "one", "s", "00", 1)
