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

from steward.text.many import U64, mixed

Places = NDArray[np.int64]

_ROOM = 1 << 18  # bytes looked at together: what is made of them stays in the second-level cache
_BLANKS = bytes(chr(code).isspace() for code in range(128)) + bytes(128)  # as `str.split` has it; of UTF-8, ASCII only
_NUMBER = np.uint64((1 << 24) - 1)  # the bits of a slot that hold the number
_LONG = 128  # bytes: a piece beyond is hashed alone
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)  # masks for 0 to 8 bytes
_LENGTH = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd


class Numbered(NamedTuple):
    """The pieces of several texts, one after another."""

    numbers: NDArray[np.int32]
    offsets: Places  # (texts + 1,): pieces before each text
    new: list[str]  # pieces that had no number; they have the next ones now, in this order


class Vocabulary:
    """Open addressing: a hash stands in the slot that its last bits name, or in the next free one.

    A slot holds the first bits of the hash and the number in 8 bytes, as the processor's cache misses are what a
    look-up costs; 0 is a free one.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint64)  # of each number
        self._slots = np.zeros(1 << 12, np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def number(self, texts: Sequence[str]) -> Numbered:
        counts = np.zeros(len(texts), np.int64)
        numbers, new = [np.zeros(0, np.int32)], list[str]()
        for first, load in _loads(texts):
            found = self._load(load)
            numbers.append(found.numbers)
            new += found.new
            counts[first : first + len(load)] = np.diff(found.offsets)
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return Numbered(np.concatenate(numbers), offsets, new)

    def _load(self, load: list[bytes]) -> Numbered:
        text = b"\n" + b"\n".join(load) + b"\n"
        starts, ends = _between_blanks(text)
        hashes = _hashes(text, starts, ends)
        numbers = self._find(hashes)
        new: list[str] = []
        if len(unknown := np.flatnonzero(numbers < 0)):
            distinct, firsts, which = np.unique(hashes[unknown], return_index=True, return_inverse=True)
            numbers[unknown] = len(self) + which
            self._add(distinct)
            places = unknown[firsts]
            new = [
                text[start:end].decode("utf-8", "surrogatepass")
                for start, end in zip(starts[places].tolist(), ends[places].tolist(), strict=True)
            ]
        begins = np.cumsum([0, *(len(one) + 1 for one in load)])
        return Numbered(numbers, np.searchsorted(starts, begins), new)

    def _find(self, hashes: U64) -> NDArray[np.int32]:
        """-1 for those that are not there."""
        at = self._first_slots(hashes)
        found = self._slots.take(at)
        numbers = (found & _NUMBER).astype(np.int32) - 1
        left = np.flatnonzero((found ^ hashes) > _NUMBER)
        while len(left):
            there = found[left] != 0
            numbers[left[~there]] = -1
            left = left[there]
            at[left] = self._next(at[left])
            found[left] = self._slots[at[left]]
            numbers[left] = (found[left] & _NUMBER).astype(np.int32) - 1
            left = left[(found[left] ^ hashes[left]) > _NUMBER]
        return numbers

    def _add(self, hashes: U64) -> None:
        """Distinct ones that are not there, under the next numbers. At most half of the slots are taken.

        :raises OverflowError: more than 16 million pieces
        """
        before = len(self)
        self._hashes = np.concatenate((self._hashes, hashes))
        if len(self) >= int(_NUMBER):
            raise OverflowError(f"{len(self):,} pieces; expected less than {int(_NUMBER):,}")
        if 2 * len(self) > len(self._slots):
            self._slots, before = np.zeros(1 << (2 * len(self)).bit_length(), np.uint64), 0
        numbers = np.arange(before + 1, len(self) + 1, dtype=np.uint64)  # from 1 on, so that no slot in use is 0
        self._put((self._hashes[before:] & ~_NUMBER) | numbers, self._first_slots(self._hashes[before:]))

    def _put(self, entries: U64, at: Places) -> None:
        left = np.arange(len(entries))
        while len(left):
            free = left[self._slots[at[left]] == 0]
            self._slots[at[free]] = entries[free]  # of several that want one slot the last has it
            left = left[self._slots[at[left]] != entries[left]]
            at[left] = self._next(at[left])

    def _first_slots(self, hashes: U64) -> Places:
        return (hashes & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _next(self, at: Places) -> Places:
        return (at + 1) & (len(self._slots) - 1)


def _loads(texts: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """(index of the first text, texts in UTF-8 whose only blanks are ASCII), of about `_ROOM` bytes."""
    first, load, size = 0, list[bytes](), 0
    for index, text in enumerate(texts):
        encoded = text.encode() if text.isascii() else " ".join(text.split()).encode("utf-8", "surrogatepass")
        if load and size + len(encoded) > _ROOM:
            yield first, load
            load, size = [], 0
        if not load:
            first = index
        load.append(encoded)
        size += len(encoded)
    if load:
        yield first, load


def _between_blanks(text: bytes) -> tuple[Places, Places]:
    """Where pieces start and end in a text that begins and ends with a blank."""
    blank = np.frombuffer(text.translate(_BLANKS), np.bool_)
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    return edges[0::2], edges[1::2]


def _hashes(text: bytes, starts: Places, ends: Places) -> U64:
    """Of each piece: its bytes, eight at a time, mixed into what was mixed before them."""
    eights = np.ndarray((len(text),), "<u8", text + bytes(8), strides=(1,))  # the eight bytes from each place on
    lengths = ends - starts
    found = mixed((eights[starts] & _FIRST_BYTES[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * _LENGTH)
    left, done = np.flatnonzero((lengths > 8) & (lengths <= _LONG)), 8
    while len(left):
        words = eights[starts[left] + done] & _FIRST_BYTES[np.minimum(lengths[left] - done, 8)]
        found[left] = mixed(found[left] ^ words)
        done += 8
        left = left[lengths[left] > done]
    for index in np.flatnonzero(lengths > _LONG).tolist():
        found[index] = xxhash.xxh3_64_intdigest(text[starts[index] : ends[index]])
    return found
