"""Proofs that an entry is in the log, which anybody can check offline (C2SP's `tlog-proof`).

c2sp.org/tlog-proof@v1
index 73894
<hash in base64>           one a line, the lowest level first

<the signed checkpoint>
"""

from __future__ import annotations

import base64
from typing import Final

from steward.core.errors import InputError
from steward.security.audit.merkle import HASH_BYTES, hash_leaf, prove_inclusion, verify_inclusion
from steward.security.audit.note import open_note
from steward.security.audit.tiles import TileReader

HEADER: Final = "c2sp.org/tlog-proof@v1"


def format_proof(reader: TileReader, index: int, checkpoint: str) -> str:
    """The proof of the entry at `index` under the note `checkpoint`. :raises InputError: no such entry"""
    if not 0 <= index < reader.size:
        raise InputError(f"entry {index}: the log has entries 0 to {reader.size - 1}")
    path = [base64.b64encode(node).decode() for node in prove_inclusion(index, reader.size, reader.subtree)]
    return "\n".join([HEADER, f"index {index}", *path, "", checkpoint])


def check_proof(proof: str, entry: bytes, verifier: str) -> int:
    """The index at which `entry` stands in the log of the verifier's key.

    :raises InputError: not a proof, another entry's, or one that the key has not signed
    """
    body, separator, checkpoint = proof.partition("\n\n")
    lines = body.split("\n")
    if not separator or lines[0] != HEADER or len(lines) < 2 or not lines[1].startswith("index "):
        raise InputError(f"not a proof; expected a file that begins with '{HEADER}' and 'index N'")
    head = open_note(checkpoint, verifier)
    try:
        index = int(lines[1].removeprefix("index "))
        path = [base64.b64decode(line, validate=True) for line in lines[2:]]
    except ValueError as error:
        raise InputError("the proof is damaged: an index that is no number, or a hash that is not base64") from error
    if any(len(node) != HASH_BYTES for node in path):
        raise InputError(f"the proof is damaged: a hash that is not {HASH_BYTES} bytes long")
    if not verify_inclusion(hash_leaf(entry), index, head.size, path, head.root):
        raise InputError(f"the proof is not of this entry: it does not lead to the root of {head.size} entries")
    return index
