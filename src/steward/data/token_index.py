"""A number for every distinct piece of text between white space, for many texts at once.

Ours, because a dictionary needs a Python string, its hash and a look-up for each piece, 51 ms a megabyte and half of
the time of the filters; here a megabyte is some dozens of NumPy passes over its bytes, 14 ms on the same machine.

A piece is known by 40 bits of a hash and by where they stand in the table, which is as good as some 15 bits more: that
two of n pieces are taken for one has a probability of about n² / 2⁵⁶, one in 10⁵ for a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from steward.text.hashing import HASH_BASE, U64, mix_bits

Places = NDArray[np.int64]

_CHUNK_BYTES = 1 << 18  # bytes looked at together: what is made of them stays in the second-level cache
_IS_BLANK = bytes(chr(code).isspace() for code in range(128)) + bytes(
    128
)  # as `str.split` has it; of UTF-8, ASCII only
_ID_BITS = np.uint64((1 << 24) - 1)  # the bits of a slot that hold the number
_MAX_INLINE_BYTES = 128  # bytes: a piece beyond is hashed alone
_FIRST_BYTES_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)  # masks for 0 to 8 bytes
_LENGTH_FACTOR = np.uint64(HASH_BASE)


class IndexedTokens(NamedTuple):
    """The pieces of several texts, one after another."""

    ids: NDArray[np.int32]
    offsets: Places  # (texts + 1,): pieces before each text
    new: list[str]  # pieces that had no number; they have the next ones now, in this order


class TokenIndex:
    """Open addressing: a hash stands in the slot that its last bits name, or in the next free one.

    A slot holds the first bits of the hash and the number in 8 bytes, as the processor's cache misses are what a
    look-up costs; 0 is a free one.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint64)  # of each number
        self._slots = np.zeros(1 << 12, np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def index_texts(self, texts: Sequence[str]) -> IndexedTokens:
        counts = np.zeros(len(texts), np.int64)
        id_parts, new = [np.zeros(0, np.int32)], list[str]()
        for first, chunk in _encode_chunks(texts):
            chunk_tokens = self._index_chunk(chunk)
            id_parts.append(chunk_tokens.ids)
            new += chunk_tokens.new
            counts[first : first + len(chunk)] = np.diff(chunk_tokens.offsets)
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return IndexedTokens(np.concatenate(id_parts), offsets, new)

    def _index_chunk(self, chunk: list[bytes]) -> IndexedTokens:
        text = b"\n" + b"\n".join(chunk) + b"\n"
        starts, ends = _find_tokens(text)
        hashes = _hash_tokens(text, starts, ends)
        ids = self._find_ids(hashes)
        new: list[str] = []
        if len(unknown := np.flatnonzero(ids < 0)):
            distinct, firsts, which = np.unique(hashes[unknown], return_index=True, return_inverse=True)
            ids[unknown] = len(self) + which
            self._add_hashes(distinct)
            places = unknown[firsts]
            new = [
                text[start:end].decode("utf-8", "surrogatepass")
                for start, end in zip(starts[places].tolist(), ends[places].tolist(), strict=True)
            ]
        begins = np.cumsum([0, *(len(text_bytes) + 1 for text_bytes in chunk)])
        return IndexedTokens(ids, np.searchsorted(starts, begins), new)

    def _find_ids(self, hashes: U64) -> NDArray[np.int32]:
        """-1 for those that are not there."""
        slot_indexes = self._first_slots(hashes)
        slots = self._slots.take(slot_indexes)
        ids = (slots & _ID_BITS).astype(np.int32) - 1
        unresolved = np.flatnonzero((slots ^ hashes) > _ID_BITS)
        while len(unresolved):
            unresolved = unresolved[slots[unresolved] != 0]
            slot_indexes[unresolved] = self._next_slots(slot_indexes[unresolved])
            slots[unresolved] = self._slots[slot_indexes[unresolved]]
            ids[unresolved] = (slots[unresolved] & _ID_BITS).astype(np.int32) - 1
            unresolved = unresolved[(slots[unresolved] ^ hashes[unresolved]) > _ID_BITS]
        return ids

    def _add_hashes(self, hashes: U64) -> None:
        """Distinct ones that are not there, under the next numbers. At most half of the slots are taken.

        :raises OverflowError: more than 16 million pieces
        """
        before = len(self)
        self._hashes = np.concatenate((self._hashes, hashes))
        if len(self) >= int(_ID_BITS):
            raise OverflowError(f"{len(self):,} pieces; expected less than {int(_ID_BITS):,}")
        if 2 * len(self) > len(self._slots):
            self._slots, before = np.zeros(1 << (2 * len(self)).bit_length(), np.uint64), 0
        numbers = np.arange(before + 1, len(self) + 1, dtype=np.uint64)  # from 1 on, so that no slot in use is 0
        self._fill_slots((self._hashes[before:] & ~_ID_BITS) | numbers, self._first_slots(self._hashes[before:]))

    def _fill_slots(self, entries: U64, slot_indexes: Places) -> None:
        waiting = np.arange(len(entries))
        while len(waiting):
            free = waiting[self._slots[slot_indexes[waiting]] == 0]
            self._slots[slot_indexes[free]] = entries[free]  # of several that want one slot the last has it
            waiting = waiting[self._slots[slot_indexes[waiting]] != entries[waiting]]
            slot_indexes[waiting] = self._next_slots(slot_indexes[waiting])

    def _first_slots(self, hashes: U64) -> Places:
        return (hashes & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _next_slots(self, at: Places) -> Places:
        return (at + 1) & (len(self._slots) - 1)


def _encode_chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """(index of the first text, texts in UTF-8 whose only blanks are ASCII), of about `_ROOM` bytes."""
    first, chunk, size = 0, list[bytes](), 0
    for index, text in enumerate(texts):
        encoded = text.encode() if text.isascii() else " ".join(text.split()).encode("utf-8", "surrogatepass")
        if chunk and size + len(encoded) > _CHUNK_BYTES:
            yield first, chunk
            chunk, size = [], 0
        if not chunk:
            first = index
        chunk.append(encoded)
        size += len(encoded)
    if chunk:
        yield first, chunk


def _find_tokens(text: bytes) -> tuple[Places, Places]:
    """Where pieces start and end in a text that begins and ends with a blank."""
    blank = np.frombuffer(text.translate(_IS_BLANK), np.bool_)
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    return edges[0::2], edges[1::2]


def _hash_tokens(text: bytes, starts: Places, ends: Places) -> U64:
    """Of each piece: its bytes, eight at a time, mixed into what was mixed before them."""
    eights = np.ndarray((len(text),), "<u8", text + bytes(8), strides=(1,))  # the eight bytes from each place on
    lengths = ends - starts
    hashes = mix_bits(
        (eights[starts] & _FIRST_BYTES_MASKS[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * _LENGTH_FACTOR
    )
    unfinished, hashed_bytes = np.flatnonzero((lengths > 8) & (lengths <= _MAX_INLINE_BYTES)), 8
    while len(unfinished):
        words = (
            eights[starts[unfinished] + hashed_bytes]
            & _FIRST_BYTES_MASKS[np.minimum(lengths[unfinished] - hashed_bytes, 8)]
        )
        hashes[unfinished] = mix_bits(hashes[unfinished] ^ words)
        hashed_bytes += 8
        unfinished = unfinished[lengths[unfinished] > hashed_bytes]
    for index in np.flatnonzero(lengths > _MAX_INLINE_BYTES).tolist():
        hashes[index] = xxhash.xxh3_64_intdigest(text[starts[index] : ends[index]])
    return hashes
