"""Sealed records, version 2: the form, the key of each record, and how keys are wrapped by the level above.

    root key ─wraps─► tenant key (random, versioned) ─wraps─► subject key (random) ─HKDF with a salt─► record key

Only record keys are derived: a derived key could be derived again, so destroying it would destroy nothing. A sealed
record is

    02 "STW" | algorithm 1 | level 1 | key id 16 | salt 32 | commitment 32 | ciphertext | tag 16

HKDF-SHA256 (RFC 5869) makes the record's key, nonce and commitment of its subject's key and its own salt. AES-GCM alone
lets a text be made that opens under two keys; the commitment, which is compared first, allows one (as in C2SP's chunked
encryption). A record key seals one record, so its nonce can never repeat. The associated data name the record's place
and its key id. Version 1 is `security.seal`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steward.core.errors import InputError
from steward.security.seal import encode_owner, seal, unseal

KEY_BYTES: Final = 32
ID_BYTES: Final = 16
MAGIC: Final = b"\x02STW"
HEADER_BYTES: Final = len(MAGIC) + 2 + ID_BYTES + 32 + 32
_AES_256_GCM: Final = 1
_SALT_BYTES: Final = 32
_INFO: Final = b"steward sealed record 2 AES-256-GCM"

Level = Literal["subject", "segment"]  # whose key sealed it: a subject's, or that of one segment of the spool
_LEVELS: Final[dict[Level, int]] = {"subject": 1, "segment": 2}
_LEVEL_NAMES: Final[dict[int, Level]] = {number: name for name, number in _LEVELS.items()}


class RecordPlace(msgspec.Struct, frozen=True):
    """Where a sealed record belongs; it opens nowhere else."""

    tenant: str
    table: str
    column: str
    row: str  # the row's id
    schema: int = 1  # version of what is sealed

    def encode(self, key_id: bytes) -> bytes:
        """The associated data."""
        return encode_owner(self.tenant, self.table, self.column, self.row, str(self.schema), key_id.hex())


class RecordHeader(msgspec.Struct, frozen=True):
    """What a sealed record says of itself in clear."""

    level: Level
    key_id: bytes
    salt: bytes
    commitment: bytes


def seal_record(
    key: bytes,
    key_id: bytes,
    text: bytes,
    place: RecordPlace,
    level: Level = "subject",
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """`text` under a key derived from `key` (32 bytes), which the header names as `key_id` (16 bytes)."""
    salt = random(_SALT_BYTES)
    record_key, nonce, commitment = derive_record_key(key, salt)
    head = MAGIC + bytes((_AES_256_GCM, _LEVELS[level])) + key_id + salt + commitment
    return head + AESGCM(record_key).encrypt(nonce, text, place.encode(key_id))


def read_header(sealed: bytes) -> RecordHeader:
    """:raises InputError: not of version 2, of an unknown algorithm or level, or cut short"""
    if not is_version_2(sealed):
        raise InputError(
            f"sealed data of version {sealed[:1].hex() or 'none'}, expected 02; open it with a newer version of steward"
        )
    if len(sealed) < HEADER_BYTES + 16:
        raise InputError(f"a sealed record of {len(sealed)} bytes, expected {HEADER_BYTES + 16} or more; it was cut")
    algorithm, level = sealed[4], sealed[5]
    if algorithm != _AES_256_GCM or level not in _LEVEL_NAMES:
        raise InputError(
            f"a sealed record of algorithm {algorithm} and level {level}, expected 1 and 1 or 2; "
            "open it with a newer version of steward"
        )
    salt_at, commitment_at = 6 + ID_BYTES, 6 + ID_BYTES + _SALT_BYTES
    return RecordHeader(
        level=_LEVEL_NAMES[level],
        key_id=sealed[6:salt_at],
        salt=sealed[salt_at:commitment_at],
        commitment=sealed[commitment_at:HEADER_BYTES],
    )


def is_version_2(sealed: bytes) -> bool:
    return sealed.startswith(MAGIC)


def open_record(key: bytes, sealed: bytes, place: RecordPlace) -> bytes:
    """What was sealed. :raises InputError: another key, another place, or changed bytes"""
    header = read_header(sealed)
    record_key, nonce, commitment = derive_record_key(key, header.salt)
    if not hmac.compare_digest(commitment, header.commitment):
        raise InputError("cannot decrypt: sealed under another key, or the record was changed; restore the key backup")
    try:
        return AESGCM(record_key).decrypt(nonce, sealed[HEADER_BYTES:], place.encode(header.key_id))
    except InvalidTag as error:
        raise InputError(
            f"cannot decrypt: not the {place.column} of this row of {place.table}, or the record was changed; "
            "restore it from a backup"
        ) from error


def derive_record_key(key: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """Key (32 bytes), nonce (12) and commitment (32) of one record: HKDF-SHA256, RFC 5869, by the standard library's
    HMAC, which is eight times as fast as building `cryptography`'s object for each record."""
    extracted = hmac.digest(salt, key, "sha256")
    record_key = hmac.digest(extracted, _INFO + b"\x01", "sha256")
    commitment = hmac.digest(extracted, record_key + _INFO + b"\x02", "sha256")
    nonce = hmac.digest(extracted, commitment + _INFO + b"\x03", "sha256")
    return record_key, nonce[:12], commitment


def wrap_subject_key(tenant_key: bytes, value: bytes, tenant: str, subject: str, key_id: str, version: int) -> bytes:
    """A subject's key under version `version` of its tenant's key."""
    return seal(tenant_key, value, _describe_subject_key(tenant, subject, key_id, version))


def unwrap_subject_key(
    tenant_key: bytes, wrapped: bytes, tenant: str, subject: str, key_id: str, version: int
) -> bytes:
    """:raises InputError: another tenant's key or version, another subject, or changed bytes"""
    return unseal(tenant_key, wrapped, _describe_subject_key(tenant, subject, key_id, version))


def _describe_subject_key(tenant: str, subject: str, key_id: str, version: int) -> bytes:
    return encode_owner("subject key", tenant, subject, key_id, str(version))
