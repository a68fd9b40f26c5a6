"""Seals content, so that it rests on disks only as ciphertext: AES-256-GCM with a random nonce.

A sealed text is a version byte, 12 bytes of nonce, the ciphertext and its 16-byte tag. The associated data say what
the text belongs to, so that it opens nowhere else. One key may seal 2^32 texts (NIST SP 800-38D, section 8.3).
Knows nothing of where sealed texts are kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steward.core.errors import InputError

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


def encode_owner(*names: str) -> bytes:
    """Associated data that name the owner of a text; no two lists of names give the same.

    >>> encode_owner("a", "bc") == encode_owner("ab", "c")
    False
    """
    parts = [name.encode() for name in names]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def seal(key: bytes, text: bytes, owner: bytes, random: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """`text` under `key` (32 bytes), bound to `owner`."""
    nonce = random(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, text, owner)


def unseal(key: bytes, sealed: bytes, owner: bytes) -> bytes:
    """What was sealed. :raises InputError: another key, another owner, changed bytes, or an unknown version"""
    if sealed[:1] != _VERSION:
        raise InputError(
            f"sealed data of version {sealed[:1].hex() or 'none'}, expected 01; open it with a newer version of steward"
        )
    nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, text, owner)
    except (InvalidTag, ValueError) as error:
        raise InputError(
            "cannot decrypt: the root key is another one, or the data was changed; restore home/root-key from a backup"
        ) from error


def unseal_any(keys: Iterable[bytes], sealed: bytes, owner: bytes) -> bytes:
    """What was sealed under one of `keys`, which are tried in turn. :raises InputError: it opens with none of them"""
    failure = InputError("cannot decrypt: no key was given")
    for key in keys:
        try:
            return unseal(key, sealed, owner)
        except InputError as error:
            failure = error
    raise failure
