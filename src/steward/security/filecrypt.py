"""Seals whole files in chunks, so that one of any size is sealed and opened in constant memory.

A sealed file is a header and chunks of ciphertext, each with its own tag (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár, 2015): a chunk's nonce is its number and whether it is the last, so that chunks cannot
be moved, repeated or cut off. The salt gives each file a key of its own (HKDF-SHA256, RFC 5869), and the header
carries a commitment to that key, so that no file opens under two keys. Ours because Python's `cryptography` seals only
what fits into memory. Pure but for the files it is handed.

    8 bytes magic │ 1 version │ 4 chunk size │ 32 salt │ 32 commitment │ chunks: ciphertext + 16 bytes tag
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from steward.core.errors import InputError

MAGIC: Final = b"STWCRYPT"
VERSION: Final = 1
CHUNK_BYTES: Final = 1024 * 1024  # larger ones were no faster (benchmarks/bench_security.py)
MAX_CHUNK_BYTES: Final = 64 * 1024 * 1024
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = 8 + 1 + 4 + 32 + 32

Report = Callable[[int], None]  # told how many bytes of the input have been read


class SealedOtherwise(InputError):
    """The file was sealed under another key, or its header was changed: the two look alike."""


def is_sealed(beginning: bytes) -> bool:
    """Whether a file that begins so was sealed here.

    >>> is_sealed(b"STWCRYPT\\x01..."), is_sealed(b"gAAAAA")
    (True, False)
    """
    return beginning.startswith(MAGIC)


def seal_file(
    key: bytes,
    source: BinaryIO,
    target: BinaryIO,
    report: Report = lambda _: None,
    random: Callable[[int], bytes] = secrets.token_bytes,
    chunk_bytes: int = CHUNK_BYTES,
) -> None:
    """Write `source`, sealed under `key` (32 bytes), to `target`."""
    salt = random(32)
    own, commitment = _file_key(key, salt)
    header = MAGIC + bytes([VERSION]) + chunk_bytes.to_bytes(4, "big") + salt + commitment
    target.write(header)
    cipher = AESGCM(own)
    number, done, chunk = 0, 0, source.read(chunk_bytes)
    while True:
        following = source.read(chunk_bytes) if len(chunk) == chunk_bytes else b""
        target.write(cipher.encrypt(_nonce(number, not following), chunk, header))
        done += len(chunk)
        report(done)
        if not following:
            return
        number, chunk = number + 1, following


def open_file(key: bytes, source: BinaryIO, target: BinaryIO, report: Report = lambda _: None) -> None:
    """As `open_under_any`, of one key."""
    open_under_any((key,), source, target, report)


def open_under_any(keys: Sequence[bytes], source: BinaryIO, target: BinaryIO, report: Report = lambda _: None) -> None:
    """Write what `source` seals under one of `keys` to `target`. It is read once, so it may be a pipe.

    :raises InputError: not sealed here, another key, or bytes that were changed or cut off; what has been written to
        `target` until then must be thrown away
    """
    header = source.read(_HEADER_BYTES)
    chunk_bytes, own = _read_header(keys, header)
    cipher = AESGCM(own)
    number, done, sealed = 0, len(header), source.read(chunk_bytes + _TAG_BYTES)
    while True:
        following = source.read(chunk_bytes + _TAG_BYTES) if len(sealed) == chunk_bytes + _TAG_BYTES else b""
        try:
            target.write(cipher.decrypt(_nonce(number, not following), sealed, header))
        except InvalidTag as error:
            raise InputError(
                f"chunk {number} (from byte {done} on) does not open: the file was changed or cut off; "
                "use an unchanged copy"
            ) from error
        done += len(sealed)
        report(done)
        if not following:
            return
        number, sealed = number + 1, following


def _read_header(keys: Sequence[bytes], header: bytes) -> tuple[int, bytes]:
    """Chunk size and the file's own key."""
    if len(header) < _HEADER_BYTES or not is_sealed(header):
        raise InputError("not a file that `steward crypt encrypt` wrote: it does not begin with STWCRYPT and a header")
    if header[8] != VERSION:
        raise InputError(f"sealed in version {header[8]} of the format, expected {VERSION}: a newer steward wrote it")
    chunk_bytes = int.from_bytes(header[9:13], "big")
    if not 0 < chunk_bytes <= MAX_CHUNK_BYTES:
        raise InputError(f"the header names chunks of {chunk_bytes:,} bytes, expected 1 to {MAX_CHUNK_BYTES:,}")
    for key in keys:
        own, commitment = _file_key(key, header[13:45])
        if hmac.compare_digest(commitment, header[45:77]):
            return chunk_bytes, own
    raise SealedOtherwise(
        "sealed under another key, or its header was changed; give the home (or key) that it was sealed with: --home, "
        "--key"
    )


def _file_key(key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """The file's key, and the commitment to it."""
    both = HKDF(SHA256(), length=64, salt=salt, info=b"steward sealed file 1").derive(key)
    return both[:32], both[32:]


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
