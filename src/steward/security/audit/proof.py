"""Proofs that anybody can check offline: that an entry is in the log (C2SP's `tlog-proof`), and that a log goes on
where an older head ended (what a witness gets in C2SP's `tlog-witness`: `old N`, hashes, the checkpoint).

c2sp.org/tlog-proof@v1
index 73894
<hash in base64>           one a line, the lowest level first

<the signed checkpoint>
"""

from __future__ import annotations

import base64
from typing import Final

from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.security.audit.merkle import (
    HASH_BYTES,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)
from steward.security.audit.note import Checkpoint, open_note
from steward.security.audit.tiles import TileReader

HEADER: Final = "c2sp.org/tlog-proof@v1"


def format_proof(reader: TileReader, index: int, checkpoint: str) -> str:
    """The proof of the entry at `index` under the note `checkpoint`. :raises InputError: no such entry"""
    if not 0 <= index < reader.size:
        raise InputError(f"entry {index}: the log has entries 0 to {reader.size - 1}")
    path = [base64.b64encode(node).decode() for node in prove_inclusion(index, reader.size, reader.subtree)]
    return "\n".join([HEADER, f"index {index}", *path, "", checkpoint])


def format_consistency(reader: TileReader, old: int, checkpoint: str) -> str:
    """That the log under the note `checkpoint` goes on where its head of `old` entries ended.

    :raises InputError: the log has fewer entries, or `old` is none
    """
    if not 0 < old <= reader.size:
        raise InputError(f"a head of {old} entries: the log has {reader.size}, expected 1 to that many")
    path = [base64.b64encode(node).decode() for node in prove_consistency(old, reader.size, reader.subtree)]
    return "\n".join([f"old {old}", *path, "", checkpoint])


def check_consistency(proof: str, old: Checkpoint, verifier: str) -> Checkpoint:
    """The newer head, which goes on where `old` ended. :raises InputError: it does not, or this is no such proof"""
    body, separator, checkpoint = proof.partition("\n\n")
    first, *lines = body.split("\n")
    if not separator or first != f"old {old.size}":
        raise InputError(f"not a proof of the head of {old.size} entries; expected a file that begins 'old {old.size}'")
    head, path = open_note(checkpoint, verifier), _decode_path(lines)
    if not verify_consistency(old.size, head.size, path, old.root, head.root):
        raise InputError(f"the head of {head.size} entries does not go on where that of {old.size} ended")
    return head


def check_proof(proof: str, entry: bytes, verifier: str) -> int:
    """The index at which `entry` stands in the log of the verifier's key.

    :raises InputError: not a proof, another entry's, or one that the key has not signed
    """
    body, separator, checkpoint = proof.partition("\n\n")
    lines = body.split("\n")
    if not separator or lines[0] != HEADER or len(lines) < 2 or not lines[1].startswith("index "):
        raise InputError(f"not a proof; expected a file that begins with '{HEADER}' and 'index N'")
    head = open_note(checkpoint, verifier)
    number, path = lines[1].removeprefix("index "), _decode_path(lines[2:])
    if not number.isdecimal():
        raise InputError(f"the proof is damaged: index {cut_text(number)!r} is no number")
    index = int(number)
    if not verify_inclusion(hash_leaf(entry), index, head.size, path, head.root):
        raise InputError(f"the proof is not of this entry: it does not lead to the root of {head.size} entries")
    return index


def _decode_path(lines: list[str]) -> list[bytes]:
    try:
        path = [base64.b64decode(line, validate=True) for line in lines]
    except ValueError as error:
        raise InputError("the proof is damaged: a hash that is not base64") from error
    if any(len(node) != HASH_BYTES for node in path):
        raise InputError(f"the proof is damaged: a hash that is not {HASH_BYTES} bytes long")
    return path
