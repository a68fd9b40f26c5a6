"""Whether a log is what its signed checkpoints say, and where it is not.

Finds entries that were changed, removed, added or moved, tiles that do not fit, and a history that was cut off or
forked, as far as a head is known from elsewhere: who restores an old copy of a whole home, key included, leaves a log
that fits itself. `verify_audit.py` decides the same without a line of this package.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.security.audit.log import CHECKPOINT, HISTORY, PUBLIC_KEY
from steward.security.audit.merkle import compute_root, hash_leaf, reduce_full
from steward.security.audit.note import Checkpoint, open_note, split_notes
from steward.security.audit.tiles import WIDTH, TileReader, tile_width

NOT_COMPARED: Final = (
    "no head from elsewhere was given: a rollback of the whole home cannot be seen; keep a witness of checkpoints"
)


class LogVerification(msgspec.Struct, frozen=True, kw_only=True):
    """`steward audit verify --json`."""

    entries: int  # that the checkpoint covers
    verified: int  # before the first one that does not fit
    error: str | None = None
    at: int | None = None  # index of the first entry that does not fit, where that is known
    compared: bool = False  # with a head from elsewhere
    compared_with: tuple[str, ...] = ()  # where that was kept
    unreachable: tuple[str, ...] = ()  # what could not be asked, and why


def verify_log(folder: Path, known: Iterable[Checkpoint] = ()) -> LogVerification:
    """Check every entry, tile and checkpoint in `folder`; `known` are heads that were seen elsewhere.

    :raises InputError: there is no log in `folder`
    """
    try:
        verifier, note = _read_text(folder / PUBLIC_KEY), _read_text(folder / CHECKPOINT)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; is {folder} the audit folder of a home?") from error
    try:
        head = open_note(note, verifier)
        past = _read_history(folder, verifier)
    except InputError as error:
        return LogVerification(entries=0, verified=0, error=str(error))
    checked = _Check(folder, head)
    problem = checked.run([*past, *known])
    known = list(known)
    return LogVerification(
        entries=head.size,
        verified=checked.verified if problem else head.size,
        error=problem,
        at=checked.at if problem else None,
        compared=bool(known),
    )


def _read_history(folder: Path, verifier: str) -> list[Checkpoint]:
    """:raises InputError: a head that was not signed, or heads that shrink"""
    path = folder / HISTORY
    if not path.exists():
        return []
    text = _read_text(path)
    notes = split_notes(text)
    if "".join(f"{note}\n" for note in notes) != text:
        raise InputError(f"{path}: it holds more or less than notes, each with an empty line after it: it was changed")
    heads = [open_note(note, verifier) for note in notes]
    for before, after in pairwise(heads):
        if after.size < before.size:
            raise InputError(f"{path}: a head of {after.size} entries follows one of {before.size}: the log was cut")
    return heads


def _read_text(path: Path) -> str:
    """What is not UTF-8 is no note, and reads as one that nobody signed."""
    return path.read_bytes().decode("utf-8", errors="replace")


class _Check:
    def __init__(self, folder: Path, head: Checkpoint) -> None:
        self._head = head
        self._reader = TileReader(folder, head.size)
        self.verified = 0
        self.at: int | None = None

    def run(self, heads: list[Checkpoint]) -> str | None:
        """What is wrong first; None: nothing."""
        try:
            return self._entries() or self._tiles() or self._roots(heads)
        except InputError as error:
            self.at = self.verified
            return str(error)

    def _entries(self) -> str | None:
        for bundle in range(-(-self._head.size // WIDTH)):
            hashes = self._reader.hashes(0, bundle)
            for entry, expected in zip(self._reader.entries(bundle), hashes, strict=True):
                if hash_leaf(entry) != expected:
                    self.at = self.verified
                    return f"entry {self.at} is not what its hash says: it was changed"
                self.verified += 1
        return None

    def _tiles(self) -> str | None:
        level = 1
        while self._head.size >> (8 * level):
            for index in range(-(-(self._head.size >> (8 * level)) // WIDTH)):
                for offset in range(tile_width(level, index, self._head.size)):
                    if self._reader.hashes(level, index)[offset] != self._compute_below(level, index * WIDTH + offset):
                        self.at = (index * WIDTH + offset) << (8 * level)
                        self.verified = min(self.verified, self.at)
                        return f"tile {index} of level {level} does not fit the entries from {self.at} on"
            level += 1
        return None

    def _compute_below(self, level: int, index: int) -> bytes:
        return reduce_full(self._reader.hashes(level - 1, index))

    def _roots(self, heads: list[Checkpoint]) -> str | None:
        """Every signed head must be the root of a beginning of this log."""
        good = 0
        for head in sorted([*heads, self._head], key=lambda head: head.size):
            if head.size > self._head.size:
                self.at = self._head.size
                return f"a signed head has {head.size} entries, the log {self._head.size}: its end was cut off"
            if compute_root(head.size, self._reader.subtree) != head.root:
                self.at = self.verified = good
                return f"entries {good} to {head.size - 1} are not those of the signed head of {head.size} entries"
            good = head.size
        return None
