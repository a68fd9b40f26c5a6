"""Finds runs of bytes that came before, in bounded memory: exactly those that a suffix array would find.

A run of `least` bytes, a window, is repeated where another window has the same bytes. In each window the part of half
its length with the smallest hash is its anchor (minimizers: Roberts et al. 2004, Bioinformatics 20/18): equal windows
have equal anchors. So only windows whose anchor came twice are compared, by 128-bit hashes (XXH3) that go to files and
are sorted a file at a time. Of a corpus without repetition one anchor in `least`/4 bytes is written, 8 bytes each; of
what is repeated, 24 bytes for each byte.

In memory are one slice of text with its hashes (some 60 MB), the largest file (a 64th of the anchors, or a 256th of the
repeated windows), the anchors that came twice, and 8 bytes a document. What is gone from memory when a machine fails is
gone from the disk too: the files have no names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import xxhash
from numpy.typing import NDArray

from steward.text.hashing import HASH_BASE, U64, invert_base, list_powers, mix_bits

I64 = NDArray[np.int64]
Documents = Callable[[], Iterable[bytes]]
_BETWEEN = 0xFF  # a byte that UTF-8 never has
_SLICE = 1_048_576  # bytes looked at together
_MAX_SPANS, _MIN_SPAN = 400, 4_096  # parts of which it is decided together whether they go; bytes of the smallest
_PLACE = np.uint64(0xFF_FFFF)  # a place within a slice
MAX_LEAST = 1 << 20
_WINDOW = np.dtype([("high", np.uint64), ("low", np.uint64), ("place", np.int64)])


class Run(NamedTuple):
    """Bytes of one document that go: from `start` to before `end`."""

    document: int
    start: int
    end: int


def find_repeated_runs(documents: Documents, least: int) -> Iterator[Run]:
    """What stood before, in the order of the documents, which are read twice. `least` bytes, 2 to 2^20.

    Bytes are those of later copies that are in no first one.
    """
    with ExitStack() as stack:
        windows = _Files(stack, _WINDOW, 256)
        begins = _write_windows(documents, least, windows)
        size = max(_MIN_SPAN, int(begins[-1]) // _MAX_SPANS + 1)
        spans = _Files(stack, np.dtype(np.int64), int(begins[-1]) // size + 1)
        for partition in range(256):
            _sort_copies(windows.read(partition), size, spans)
        for start, end in _join(_find_gone(spans, size, least)):
            document = int(np.searchsorted(begins, start, side="right")) - 1
            yield Run(document, start - int(begins[document]), end - int(begins[document]))


class _Files:
    """Records in temporary files by a number."""

    def __init__(self, stack: ExitStack, kind: np.dtype[Any], count: int) -> None:
        self.kind, self.count, self._stack = kind, count, stack
        self._files: dict[int, BinaryIO] = {}

    def write(self, numbers: NDArray[Any], records: NDArray[Any]) -> None:
        """Each record to the file of its number."""
        if not len(records):
            return
        order = np.argsort(numbers, kind="stable")
        numbers, records = numbers[order], records[order]
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        for first, last in zip(firsts.tolist(), [*firsts[1:].tolist(), len(numbers)], strict=True):
            number = int(numbers[first])
            if number not in self._files:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
                self._files[number] = cast(BinaryIO, self._stack.enter_context(file))
            self._files[number].write(records[first:last].tobytes())

    def read(self, number: int) -> NDArray[Any]:
        """The records of a number, in the order in which they were written."""
        if (file := self._files.get(number)) is None:
            return np.empty(0, self.kind)
        file.seek(0)
        return np.frombuffer(file.read(), self.kind)


def _write_windows(documents: Documents, least: int, windows: _Files) -> I64:
    """Every window that may be repeated, by its hash. Returns where each document begins, and where the last ends."""
    repeated = _find_repeated_anchors(documents, least)
    begins: list[int] = []
    for offset, text in _cut_into_slices(documents(), least, begins):
        places, anchors, hashes = _find_anchors(text, least)
        at = np.searchsorted(repeated, hashes[anchors])
        is_repeated = repeated[np.minimum(at, len(repeated) - 1)] == hashes[anchors] if len(repeated) else at < 0
        starts = places[is_repeated]
        if not len(starts):
            continue
        content = text.tobytes()
        digest = xxhash.xxh3_128_digest
        digests = b"".join([digest(content[start : start + least]) for start in starts.tolist()])
        records = np.empty(len(starts), _WINDOW)
        records["high"], records["low"] = np.frombuffer(digests, np.uint64).reshape(len(starts), 2).T
        records["place"] = starts + offset
        windows.write((records["high"] >> np.uint64(56)).astype(np.int64), records)
    return np.array(begins, np.int64)


def _find_repeated_anchors(documents: Documents, least: int) -> U64:
    """The hashes of anchors that are at two places or more, ascending."""
    parts = [np.empty(0, np.uint64)]
    with ExitStack() as stack:
        files = _Files(stack, np.dtype(np.uint64), 64)
        for _, text in _cut_into_slices(documents(), least, []):
            _, anchors, hashes = _find_anchors(text, least)
            values = hashes[np.unique(anchors)]
            files.write((values >> np.uint64(58)).astype(np.int64), values)
        for partition in range(64):
            values = np.sort(files.read(partition))
            parts.append(np.unique(values[1:][values[1:] == values[:-1]]))
    return np.concatenate(parts)


def _cut_into_slices(
    documents: Iterable[bytes], least: int, begins: list[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(place of its first byte, text) so that each window is in one slice; `begins` gets where documents begin."""
    waiting, offset, end = bytearray(), 0, 0
    size = _SLICE + least - 1
    for document in documents:
        begins.append(end)
        waiting += document
        waiting.append(_BETWEEN)
        end += len(document) + 1
        while len(waiting) >= size:
            yield offset, np.frombuffer(bytes(waiting[:size]), np.uint8)
            del waiting[:_SLICE]
            offset += _SLICE
    begins.append(end)
    if len(waiting) >= least:
        yield offset, np.frombuffer(bytes(waiting), np.uint8)


def _find_anchors(text: NDArray[np.uint8], least: int) -> tuple[I64, I64, U64]:
    """Where windows within one document begin, (windows,), where their anchors are, and the hash at each place."""
    part = max(1, least // 2)
    hashes = _hash_parts(text, part)
    keys = (hashes & ~_PLACE) | np.arange(len(hashes), dtype=np.uint64)  # of equal ones the first
    anchors = (_slide_minimum(keys, least - part + 1) & _PLACE).astype(np.int64)
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(text == _BETWEEN)))
    places = np.flatnonzero(ends[least:] == ends[:-least])
    return places, anchors[places], hashes


def _hash_parts(text: NDArray[np.uint8], length: int) -> U64:
    """Of the bytes from each place on."""
    letters, powers, inverses = _tables()
    sums = np.zeros(len(text) + 1, np.uint64)
    np.cumsum(letters[text] * powers[: len(text)], out=sums[1:])
    return mix_bits((sums[length:] - sums[:-length]) * inverses[: len(sums) - length])


def _slide_minimum(values: U64, width: int) -> U64:
    """Of each `width` values in a row (van Herk 1992, Pattern Recognition Letters 13/7)."""
    blocks = -(-len(values) // width)
    padded = np.full(blocks * width, ~np.uint64(0))
    padded[: len(values)] = values
    rows = padded.reshape(blocks, width)
    forward = np.minimum.accumulate(rows, axis=1).ravel()
    backward = np.minimum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    count = len(values) - width + 1
    return np.minimum(backward[:count], forward[width - 1 : width - 1 + count])


@lru_cache(maxsize=1)
def _tables() -> tuple[U64, U64, U64]:
    """Of each byte its number; powers of the base and of its inverse, modulo 2⁶⁴."""
    room = _SLICE + MAX_LEAST
    powers, inverses = list_powers(HASH_BASE, room), list_powers(invert_base(), room)
    return mix_bits(np.arange(1, 257, dtype=np.uint64)), powers, inverses


def _sort_copies(windows: NDArray[Any], size: int, spans: _Files) -> None:
    """Of windows that are equal: to the files of `spans` each one's place, twice; and one more for the first."""
    order = np.lexsort((windows["place"], windows["low"], windows["high"]))
    windows = windows[order]
    is_new = np.ones(len(windows) + 1, bool)
    is_new[1:-1] = (np.diff(windows["high"]) != 0) | (np.diff(windows["low"]) != 0)
    in_group = ~(is_new[:-1] & is_new[1:])
    places = windows["place"][in_group]
    spans.write(places // size, places * 2 + is_new[:-1][in_group])


def _find_gone(spans: _Files, size: int, least: int) -> Iterator[tuple[int, int]]:
    """From where to where bytes go, ascending; what crosses the end of a span comes in two parts."""
    before = np.empty(0, np.int64)
    for span in range(spans.count):
        marks = np.concatenate((before, spans.read(span)))
        low = span * size
        starts, is_first = marks // 2, marks % 2 == 1
        gone = _cover(starts[~is_first] - low, least, size) & ~_cover(starts[is_first] - low, least, size)
        edges = low + np.flatnonzero(np.diff(gone.astype(np.int8), prepend=0, append=0))
        yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        before = marks[starts > low + size - least]


def _cover(starts: I64, length: int, size: int) -> NDArray[np.bool_]:
    """Which of `size` bytes are within `length` of a start, which may stand before them."""
    lows, highs = np.clip(starts, 0, size), np.clip(starts + length, 0, size)
    changes = np.bincount(lows, minlength=size + 1) - np.bincount(highs, minlength=size + 1)
    return np.cumsum(changes[:size]) > 0


def _join(runs: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Parts that meet as one."""
    begun, reached = -1, -1
    for start, end in runs:
        if start != reached:
            if begun >= 0:
                yield begun, reached
            begun = start
        reached = end
    if begun >= 0:
        yield begun, reached
