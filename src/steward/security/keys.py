"""Gateway keys: `stw_<env>_<id>_<secret><crc>`.

The checksum rejects typos and noise before any I/O, the id finds the record, and the secret is compared
as an HMAC under a pepper of the deployment in constant time. Pure: no file is touched here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from steward.core.identity import ALL_RIGHTS, Right
from steward.core.keys import KeyRecord

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CRC_CHARS: Final = 6  # 62^6 > 2^32
_FORM: Final = re.compile(r"stw_([a-z0-9]{1,16})_([0-9A-Za-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
ID_BYTES: Final = 9
SECRET_BYTES: Final = 24


class ParsedKey(msgspec.Struct, frozen=True):
    """A well-formed key, not yet known to be valid."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"ParsedKey(id={self.id!r}, secret=***)"


def encode_base62(data: bytes, width: int) -> str:
    """The last `width` base-62 digits of `data` as a big-endian number."""
    number, digits = int.from_bytes(data, "big"), []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def mint_key(env: str, id_bytes: bytes, secret_bytes: bytes) -> str:
    """A new key from random bytes (`ID_BYTES` and `SECRET_BYTES` of them).

    >>> parse_key(mint_key("live", bytes(9), bytes(24))).id
    '000000000000'
    """
    body = f"stw_{env}_{encode_base62(id_bytes, 12)}_{encode_base62(secret_bytes, 32)}"
    return body + compute_checksum(body)


def compute_checksum(body: str) -> str:
    return encode_base62(zlib.crc32(body.encode()).to_bytes(4, "big"), _CRC_CHARS)


def parse_key(text: str) -> ParsedKey | None:
    """The parts of a well-formed key; None for anything else."""
    match = _FORM.fullmatch(text)
    if match is None or compute_checksum(text[:-_CRC_CHARS]) != match[4]:
        return None
    return ParsedKey(match[2], match[3])


def digest_secret(secret: str, pepper: bytes) -> str:
    """Hex HMAC-SHA256; a fast hash suffices for a secret of 190 random bits."""
    return hmac.digest(pepper, secret.encode(), "sha256").hex()


def resolve_keys(records: Sequence[KeyRecord]) -> list[KeyRecord]:
    """The keys in force, with the rights that each has now: its own, less those that its creator has not.

    An operator, who can read every file of the home, has all rights; a creator that is unknown or revoked has none.
    """
    by_id = {record.id: record for record in records if record.revoked_at is None}

    def rights(actor: str, seen: frozenset[str]) -> frozenset[Right]:
        kind, _, name = actor.partition(":")
        if kind == "operator":
            return ALL_RIGHTS
        record = by_id.get(name) if kind == "key" and name not in seen else None
        if record is None:
            return frozenset()
        return record.rights & rights(record.created_by, seen | {name})

    return [
        msgspec.structs.replace(record, rights=record.rights & rights(record.created_by, frozenset({record.id})))
        for record in by_id.values()
    ]


class KeyIndex:
    """The keys in force at one moment, and the peppers that their digests were made with."""

    def __init__(self, records: Iterable[KeyRecord], peppers: Mapping[int, bytes]) -> None:
        self._records = {record.id: record for record in records if record.revoked_at is None}
        self._peppers = peppers
        self._checked: dict[bytes, KeyRecord] = {}  # by SHA-256 of the whole key: a digest is no secret

    def find(self, text: str) -> KeyRecord | None:
        """The record of a valid key; None where it is malformed, unknown, wrong or revoked."""
        name = hashlib.sha256(text.encode()).digest()
        return self._checked.get(name) or self._check(text, name)

    def get(self, key_id: str) -> KeyRecord | None:
        """The record of a key in force, by its id."""
        return self._records.get(key_id)

    def _check(self, text: str, name: bytes) -> KeyRecord | None:
        parsed = parse_key(text)
        if parsed is None:
            return None
        record = self._records.get(parsed.id)
        pepper = self._peppers.get(record.pepper_version) if record is not None else None
        expected = record.digest if record is not None else "0" * 64
        same = hmac.compare_digest(digest_secret(parsed.secret, pepper or b""), expected)
        if record is None or pepper is None or not same:
            return None
        self._checked[name] = record
        return record
