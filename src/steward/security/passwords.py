"""Passwords of people: argon2id with RFC 9106's parameters for little memory, and what is too weak to be one.

The rules are NIST SP 800-63B's (section 3.1.1.2): length, and nothing that follows from the name; no mixtures of
characters and no dates of expiry.
"""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from steward.core.errors import InputError

SHORTEST: Final = 12  # characters
LONGEST: Final = 256  # hashed at all, so that nobody sends a megabyte to be hashed
_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def hash_password(password: str) -> str:
    """Takes some 50 ms and 64 MiB."""
    return _HASHER.hash(password)


def verify_password(password_hash: str, password: str) -> bool:
    """Whether the hash is of this password; a hash is never a password itself."""
    if len(password) > LONGEST:
        return False
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def check_password(password: str, name: str) -> None:
    """:raises InputError: it is too short or too long, or follows from the name"""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"password of {len(password)} characters: expected {SHORTEST} to {LONGEST}")
    plain = password.casefold().replace(name.casefold(), "")
    if len(set(plain)) < 5:
        raise InputError("password: it has fewer than 5 different characters besides the name; choose another")
