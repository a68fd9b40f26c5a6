"""Gateway keys: `stw_<env>_<id>_<secret><crc>`.

The checksum rejects typos and noise before any I/O, the id finds the record, and the secret is compared
as an HMAC under a pepper of the deployment in constant time. Pure: no file is touched here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

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


class KeyReach(NamedTuple):
    """What somebody may do: `models` None: with all; `expires_at` None: for ever."""

    rights: frozenset[Right]
    models: frozenset[str] | None = None
    expires_at: float | None = None

    def within(self, other: KeyReach) -> KeyReach:
        """What both may do."""
        models = other.models if self.models is None else self.models
        if self.models is not None and other.models is not None:
            models = self.models & other.models
        ends = [end for end in (self.expires_at, other.expires_at) if end is not None]
        return KeyReach(self.rights & other.rights, models, min(ends, default=None))


EVERYTHING: Final = KeyReach(ALL_RIGHTS)
NOTHING: Final = KeyReach(frozenset())


def resolve_keys(
    records: Sequence[KeyRecord], reach_of: Callable[[str, KeyRecord], KeyReach] = lambda actor, key: NOTHING
) -> list[KeyRecord]:
    """The keys in force, each with what it may do now: its own, less what its creator may not do or use.

    An operator, who can read every file of the home, may do everything; what people may do, `reach_of` says by their
    actor (`person:anna`) and the key that they created. A creator that is unknown or revoked may do nothing. In the
    place of a creator that was rotated stands the key that replaced it, so that a rotation ends nothing.
    """
    by_id = {record.id: record for record in records if record.revoked_at is None}

    def reach(created: KeyRecord, seen: frozenset[str]) -> KeyReach:
        kind, _, name = created.created_by.partition(":")
        if kind == "operator":
            return EVERYTHING
        if kind != "key":
            return reach_of(created.created_by, created)
        record = by_id.get(name) if name not in seen else None
        if record is None:
            return NOTHING
        seen |= {name}
        while record.replaced_by in by_id and record.replaced_by not in seen:
            seen |= {record.replaced_by}
            record = by_id[record.replaced_by]
        return _reach_of_key(record).within(reach(record, seen))

    def resolve(record: KeyRecord) -> KeyRecord:
        may = _reach_of_key(record).within(reach(record, frozenset({record.id})))
        return msgspec.structs.replace(record, rights=may.rights, models=may.models, expires_at=may.expires_at)

    return [resolve(record) for record in by_id.values()]


def _reach_of_key(record: KeyRecord) -> KeyReach:
    return KeyReach(record.rights, record.models, record.expires_at)


_NOBODYS: Final = digest_secret("", b"")  # that an unknown key is compared with, so that it takes as long


class KeyIndex:
    """The keys in force at one moment, and the peppers that their digests were made with."""

    def __init__(self, records: Iterable[KeyRecord], peppers: Mapping[int, bytes]) -> None:
        self._records = {record.id: record for record in records if record.revoked_at is None}
        self._peppers = peppers
        self._checked: dict[bytes, KeyRecord] = {}  # by BLAKE2b of the whole key: a digest is no secret

    def find(self, text: str) -> KeyRecord | None:
        """The record of a valid key; None where it is malformed, unknown, wrong or revoked."""
        name = hashlib.blake2b(text.encode()).digest()  # in half the time of OpenSSL's SHA-256
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
        expected = record.digest if record is not None else _NOBODYS
        same = hmac.compare_digest(digest_secret(parsed.secret, pepper or b""), expected)
        if record is None or pepper is None or not same:
            return None
        self._checked[name] = record
        return record
