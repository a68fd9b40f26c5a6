"""Appends to the log of a home, and reads it: one locked writer, files as the truth.

An entry is in the log when the checkpoint that covers it has been renamed into place; whatever a killed writer left
behind it is written anew. It does not know what entries say: see `entry.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from steward.core.errors import InputError, Unavailable
from steward.core.files import hold_lock, make_private_folder, write_file
from steward.security.audit.merkle import fold_roots, hash_empty, hash_leaf, reduce_full
from steward.security.audit.note import Checkpoint, Signer, open_note
from steward.security.audit.tiles import WIDTH, TileReader, pack_entries, tile_path, tile_width

CHECKPOINT: Final = "checkpoint"
HISTORY: Final = "checkpoints"  # a signed head for each full bundle, oldest first
PUBLIC_KEY: Final = "key.pub"
_LOCK: Final = "lock"


class AuditWriter:
    """Appends entries to the log in `folder` under the signer's name."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self._folder, self._signer = folder, signer
        self._size = -1  # of the log when it was last looked at
        self._edges: list[list[bytes]] = []  # hashes of each level's last tile, as far as it is filled
        self._bundle: list[bytes] = []  # entries of the last bundle

    def append(self, entries: Sequence[bytes]) -> Checkpoint:
        """Durable, and covered by the returned checkpoint, when this returns.

        :raises Unavailable: the folder cannot be written; nothing was added
        :raises InputError: the log there is damaged, or another key's
        """
        try:
            with self._hold_lock():
                self._catch_up()
                return self._append(entries)
        except OSError as error:
            self._size = -1
            raise Unavailable(
                f"{self._folder}: {error.strerror}; the act was not recorded, so it was not done. "
                "Free the disk or mend its permissions, then try again"
            ) from error

    def _catch_up(self) -> None:
        """Take in what other processes have appended."""
        path = self._folder / CHECKPOINT
        try:
            head = open_note(path.read_text(encoding="utf-8", errors="replace"), self._signer.verifier())
        except FileNotFoundError:
            if (self._folder / "tile").exists():
                raise InputError(f"{path}: missing beside tiles; restore it from a backup") from None
            (self._folder / PUBLIC_KEY).write_text(self._signer.verifier() + "\n", encoding="utf-8")
            head = Checkpoint(self._signer.name, 0, hash_empty())
        if head.size == self._size:
            return
        reader = TileReader(self._folder, head.size)
        self._edges = []
        for level in range(8):
            index = (head.size >> (8 * level)) // WIDTH
            width = tile_width(level, index, head.size)
            self._edges.append(list(reader.hashes(level, index)) if width else [])
        filled = head.size % WIDTH
        self._bundle = reader.entries(head.size // WIDTH) if filled else []
        self._size = head.size
        if self._root() != head.root:
            self._size = -1
            raise InputError(
                f"{self._folder}: the last tiles do not give the checkpoint's root; run steward audit verify"
            )

    def _append(self, entries: Sequence[bytes]) -> Checkpoint:
        before = self._size
        partial = self._partial_files()
        self._size = -1  # until all is written: a failure in between re-reads the folder
        size = before
        for entry in entries:
            self._bundle.append(entry)
            self._push(0, size // WIDTH, hash_leaf(entry))
            size += 1
            if len(self._bundle) == WIDTH:
                self._write(tile_path("entries", size // WIDTH - 1), pack_entries(self._bundle))
                self._bundle = []
        self._write_partials(size)
        head = Checkpoint(self._signer.name, size, self._root())
        self._publish(self._signer.sign(head), keep=before // WIDTH != size // WIDTH)
        self._size = size
        for path in partial - self._partial_files():
            path.unlink(missing_ok=True)
        return head

    def _push(self, level: int, tile: int, node: bytes) -> None:
        """Add a hash to a level; a tile that is full by it goes to disk, and its root to the level above."""
        edge = self._edges[level]
        edge.append(node)
        if len(edge) == WIDTH:
            self._write(tile_path(level, tile), b"".join(edge))
            self._edges[level] = []
            self._push(level + 1, tile // WIDTH, reduce_full(edge))

    def _write_partials(self, size: int) -> None:
        for level, edge in enumerate(self._edges):
            if edge:
                index = (size >> (8 * level)) // WIDTH
                self._write(tile_path(level, index, len(edge)), b"".join(edge))
        if self._bundle:
            self._write(tile_path("entries", size // WIDTH, len(self._bundle)), pack_entries(self._bundle))

    def _partial_files(self) -> set[Path]:
        if self._size == -1:
            return set()
        named = [
            tile_path(level, (self._size >> (8 * level)) // WIDTH, len(edge))
            for level, edge in enumerate(self._edges)
            if edge
        ]
        if self._bundle:
            named.append(tile_path("entries", self._size // WIDTH, len(self._bundle)))
        return {self._folder / name for name in named}

    def _root(self) -> bytes:
        """From the edges: each is full subtrees by the binary digits of its width, the largest first."""
        subtrees: list[bytes] = []
        for edge in reversed(self._edges):
            at = 0
            for bit in (128, 64, 32, 16, 8, 4, 2, 1):
                if len(edge) & bit:
                    subtrees.append(reduce_full(edge[at : at + bit]))
                    at += bit
        return fold_roots(subtrees)

    def _publish(self, note: str, keep: bool) -> None:
        if keep:
            with (self._folder / HISTORY).open("a", encoding="utf-8") as file:
                file.write(note + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._write(CHECKPOINT, note.encode())

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        make_private_folder(path.parent)
        write_file(path, data, durable=True)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        make_private_folder(self._folder)
        with hold_lock(self._folder / _LOCK):
            yield


def read_head(folder: Path) -> Checkpoint:
    """The newest signed head of the log in `folder`.

    :raises InputError: no log, or a head that its key has not signed
    """
    try:
        verifier = (folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace")
        note = (folder / CHECKPOINT).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing; is {folder} the audit folder of a home?") from error
    return open_note(note, verifier)


def read_entries(folder: Path, begin: int = 0) -> Iterator[tuple[int, bytes]]:
    """(index, entry) from `begin` to the head. :raises InputError: a damaged file"""
    reader = TileReader(folder, read_head(folder).size)
    for bundle in range(begin // WIDTH, -(-reader.size // WIDTH)):
        for offset, entry in enumerate(reader.entries(bundle)):
            if (index := bundle * WIDTH + offset) >= begin:
                yield index, entry


def read_entries_back(folder: Path, before: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(index, entry) from the one before `before`, or from the newest, back to the first.

    :raises InputError: a damaged file
    """
    reader = TileReader(folder, read_head(folder).size)
    end = reader.size if before is None else min(before, reader.size)
    for bundle in range((end - 1) // WIDTH, -1, -1):
        entries = reader.entries(bundle)[: end - bundle * WIDTH]
        for offset in range(len(entries) - 1, -1, -1):
            yield bundle * WIDTH + offset, entries[offset]
