"""Independent source: AES-256-GCM, HKDF (RFC 5869) and the nonce layout computed here from `cryptography` alone."""

import io

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from steward.core.errors import InputError
from steward.security.filecrypt import open_file, seal_file

KEY, CHUNK, HEADER, TAG = bytes(range(32)), 16, 77, 16


def sealed(data: bytes, key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    seal_file(key, io.BytesIO(data), out, chunk_bytes=CHUNK)
    return out.getvalue()


def opened(data: bytes, key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    open_file(key, io.BytesIO(data), out)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 100])
def test_what_is_sealed_opens(size: int) -> None:
    data = bytes(range(size))
    assert opened(sealed(data)) == data
    assert len(sealed(data)) == HEADER + size + TAG * max(1, -(-size // CHUNK))


def test_the_format_is_what_the_docstring_says() -> None:
    whole = sealed(b"a" * 20)
    header, first, last = whole[:HEADER], whole[HEADER : HEADER + 32], whole[HEADER + 32 :]
    assert header[:13] == b"STWCRYPT\x01\x00\x00\x00\x10"
    both = HKDF(SHA256(), length=64, salt=header[13:45], info=b"steward sealed file 1").derive(KEY)
    assert header[45:] == both[32:]
    assert AESGCM(both[:32]).decrypt(bytes(12), first, header) == b"a" * 16
    assert AESGCM(both[:32]).decrypt(bytes(10) + b"\x01\x01", last, header) == b"a" * 4


def test_no_two_files_have_one_key() -> None:
    assert sealed(b"a")[:HEADER] != sealed(b"a")[:HEADER]


@pytest.mark.parametrize("at", range(HEADER + 40 + 3 * TAG))
def test_a_flipped_bit_anywhere_is_noticed(at: int) -> None:
    whole = bytearray(sealed(b"x" * 40))
    whole[at] ^= 1
    with pytest.raises(InputError):
        opened(bytes(whole))


@pytest.mark.parametrize("kept", range(HEADER + 40 + 3 * TAG))
def test_a_file_that_is_cut_off_anywhere_is_noticed(kept: int) -> None:
    with pytest.raises(InputError):
        opened(sealed(b"x" * 40)[:kept])


def test_chunks_that_are_moved_repeated_or_added_are_noticed() -> None:
    whole = sealed(b"a" * 16 + b"b" * 16 + b"c")
    header, one, two, last = whole[:HEADER], whole[HEADER:][:32], whole[HEADER + 32 :][:32], whole[HEADER + 64 :]
    for chunks in (two + one + last, one + one + two + last, one + two + last + last, one + last, one + two):
        with pytest.raises(InputError, match="changed or cut off"):
            opened(header + chunks)


def test_another_key_is_told_from_a_changed_file() -> None:
    with pytest.raises(InputError, match="another key"):
        opened(sealed(b"a"), bytes(32))


def test_what_was_not_sealed_here_and_newer_versions_are_told_apart() -> None:
    whole = sealed(b"a")
    with pytest.raises(InputError, match="not a file that"):
        opened(b"plain text" * 20)
    with pytest.raises(InputError, match="version 2"):
        opened(whole[:8] + b"\x02" + whole[9:])
    with pytest.raises(InputError, match="chunks of 0 bytes"):
        opened(whole[:9] + bytes(4) + whole[13:])
    with pytest.raises(InputError, match="chunks of 4,294,967,295 bytes"):
        opened(whole[:9] + b"\xff" * 4 + whole[13:])


def test_progress_counts_what_was_read() -> None:
    seen: list[int] = []
    seal_file(KEY, io.BytesIO(bytes(40)), io.BytesIO(), seen.append, chunk_bytes=CHUNK)
    assert seen == [16, 32, 40]
    whole, seen = sealed(bytes(40)), []
    open_file(KEY, io.BytesIO(whole), io.BytesIO(), seen.append)
    assert seen == [HEADER + 32, HEADER + 64, len(whole)]


def test_a_header_names_chunks_of_at_most_64_mib() -> None:
    """What a program must hold in memory at once, of a file that it does not know yet."""
    whole = sealed(b"x")
    largest = whole[:9] + (67_108_864).to_bytes(4, "big") + whole[13:]
    with pytest.raises(InputError, match="chunk 0"):  # its bytes are read, and are not what was sealed with it
        opened(largest)
    with pytest.raises(InputError, match="chunks of 67,108,865 bytes, expected 1 to 67,108,864"):
        opened(whole[:9] + (67_108_865).to_bytes(4, "big") + whole[13:])
