"""Signed notes and checkpoints, as C2SP's `signed-note` and `tlog-checkpoint` spell them. Pure.

A checkpoint is three lines: the log's name, the number of entries, the root hash in base64. A note is its text, an
empty line, and a line for each signature: an em dash, the key's name, and base64 of key id (4 bytes) and signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from steward.core.errors import InputError

_ED25519: Final = b"\x01"
_DASH: Final = "\u2014 "


class Checkpoint(msgspec.Struct, frozen=True):
    """The head of a log: how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes


class Signer:
    """Signs checkpoints under a name. `seed`: 32 random bytes."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> str:
        """The note that carries the checkpoint and its signature."""
        return self.sign_text(format_checkpoint(checkpoint))

    def sign_text(self, text: str) -> str:
        """The note of any text that ends with a newline; it must never look like a checkpoint of the log."""
        signature = key_id(self.name, self._public) + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{self.name} {base64.b64encode(signature).decode()}\n"

    def verifier(self) -> str:
        """What others need to check signatures: `name+key id+public key`."""
        encoded = base64.b64encode(_ED25519 + self._public).decode()
        return f"{self.name}+{key_id(self.name, self._public).hex()}+{encoded}"


def key_id(name: str, public: bytes) -> bytes:
    """The first 4 bytes of SHA-256 over name, newline, algorithm and public key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """
    >>> format_checkpoint(Checkpoint("example.org/log", 1, bytes(32))).splitlines()[1]
    '1'
    """
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def open_note(note: str, verifier: str) -> Checkpoint:
    """The checkpoint of a note that the verifier's key has signed.

    :raises InputError: not a note, another key's, or changed after it was signed
    """
    return parse_checkpoint(open_text(note, verifier))


def open_text(note: str, verifier: str) -> str:
    """The text of a note that the verifier's key has signed. :raises InputError: as `open_note`"""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not note.endswith("\n"):
        raise InputError("the checkpoint is no signed note: no empty line before its signatures, or its end is cut off")
    text += "\n"
    name, identifier, public = parse_verifier(verifier)
    for line in signatures.split("\n"):
        signer, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or signer != name:
            continue
        signature = _decode(encoded)
        if signature[:4] == identifier:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
            except InvalidSignature as error:
                raise InputError("the checkpoint's signature does not match: it was changed after signing") from error
            return text
    raise InputError(f"the checkpoint carries no signature of {name}+{identifier.hex()}")


def parse_verifier(verifier: str) -> tuple[str, bytes, bytes]:
    """Name, key id (4 bytes) and Ed25519 public key (32 bytes).

    :raises InputError: not of the form `name+key id+key`, or an id that is not the key's
    """
    name, _, rest = verifier.removesuffix("\n").partition("+")
    identifier, _, encoded = rest.partition("+")
    key = _decode(encoded)
    if len(key) != 33 or key[:1] != _ED25519 or key_id(name, key[1:]).hex() != identifier:
        raise InputError("the log's public key is damaged; expected 'name+8 hex digits+base64 of an Ed25519 key'")
    return name, bytes.fromhex(identifier), key[1:]


def parse_checkpoint(text: str) -> Checkpoint:
    """:raises InputError: not a checkpoint"""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not lines[1].isdigit() or (lines[1] != "0" and lines[1][0] == "0"):
        raise InputError("not a checkpoint; expected three lines: name, number of entries, root hash")
    root = _decode(lines[2])
    if len(root) != 32:
        raise InputError(f"the checkpoint's root hash has {len(root)} bytes, expected 32")
    return Checkpoint(lines[0], int(lines[1]), root)


def split_notes(text: str) -> list[str]:
    """The notes of a file in which they follow one another, an empty line after each."""
    blocks = text.strip("\n").split("\n\n") if text.strip("\n") else []
    return [f"{text}\n\n{signatures}\n" for text, signatures in zip(blocks[::2], blocks[1::2], strict=False)]


def _decode(encoded: str) -> bytes:
    """Only the one spelling that encoding gives: unused bits of the last letter are zero."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("a checkpoint or key is damaged: not base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise InputError("a checkpoint or key is damaged: not the base64 of anything")
    return data
