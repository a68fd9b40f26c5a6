"""What stands in the log in the place of people's words, so that the words can be destroyed and the log still fits.

A commitment is HMAC-SHA-256 over the text under 32 random bytes, so that nobody finds a short text by trying. Words
and bytes are a file of their own, outside the log; deleting it leaves a commitment that nobody can open. Backups of a
home leave these files out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.files import make_private_folder, sync_folder, write_file

SALT_BYTES: Final = 32
PREFIX: Final = "hmac-sha256:"


class Opening(msgspec.Struct, frozen=True):
    """What a commitment was made from."""

    salt: bytes
    text: str


def commit(text: str, salt: bytes) -> str:
    """
    >>> commit("", bytes(32))[:22]
    'hmac-sha256:b613679a08'
    """
    return PREFIX + hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()


class OpeningFolder:
    """The openings of a home's commitments, a file for each."""

    def __init__(self, folder: Path, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._folder, self._random = folder, random

    def keep(self, text: str) -> str:
        """The commitment to `text`, whose opening is on the disk. :raises OSError: it cannot be written"""
        opening = Opening(self._random(SALT_BYTES), text)
        commitment = commit(text, opening.salt)
        make_private_folder(self._folder)
        write_file(self._path(commitment), msgspec.json.encode(opening), durable=True)
        return commitment

    def read(self, commitment: str) -> str | None:
        """The text; None: it was destroyed. :raises InputError: the file says something else"""
        try:
            opening = msgspec.json.decode(self._path(commitment).read_bytes(), type=Opening)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise InputError(f"{self._path(commitment)}: damaged ({error}); delete it") from error
        if not hmac.compare_digest(commit(opening.text, opening.salt), commitment):
            raise InputError(f"{self._path(commitment)}: not what was committed to; it was changed. Delete it")
        return opening.text

    def shred(self, commitment: str) -> bool:
        """Destroy an opening; False: it was destroyed before."""
        path = self._path(commitment)
        if not path.exists():
            return False
        path.unlink()
        sync_folder(self._folder)
        return True

    def _path(self, commitment: str) -> Path:
        digest = commitment.removeprefix(PREFIX)
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise InputError(f"commitment {cut_text(commitment)!r}: expected {PREFIX} and 64 hex digits")
        return self._folder / f"{digest}.json"
