"""Words and word n-grams of many texts at once, as 64-bit hashes in NumPy arrays.

Normalises as datatrove 0.10 does before MinHash (`datatrove/utils/text.py`, `simplify_text`): lower case, numbers to
one `0`, punctuation and symbols to spaces, combining marks removed. Two differences, on purpose: words end at spaces
and not where a spaCy tokeniser would cut them, and every letter of a script that is written without spaces (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) is a word of its own. Ours, because every peer loops over documents in Python;
here a batch is one array of code points. Hashes are the same on every machine and for every way to cut the rows into
batches.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.text.hashing import HASH_BASE, HASH_FOLD, U64, invert_base, list_powers, mix_bits

CHUNK_CHARACTERS = 1 << 17  # code points worked on at once: the arrays of 64-bit numbers stay near the cache
LONG_TEXT = 1 << 16  # a longer text is cut, and a word without a space there: part of what the hashes are
_PLANE = 1 << 16  # code points beyond the first plane are words of their own
_SPACE, _SEPARATOR, _LETTER, _DIGIT, _MARK, _ALONE = range(6)  # from `_LETTER` on: within a word
_CLASSES = {"Mn": _MARK, "Nd": _DIGIT} | dict.fromkeys("PSCZ", _SPACE)  # by Unicode's category, or its first letter
UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))
OPERATORS = "+-*/=<>^%&|~!±×÷√∑∫≤≥≠≈→∞"  # words where numbers count


class TextHashes(NamedTuple):
    """Of many texts: `values[offsets[i]:offsets[i + 1]]` belong to text i."""

    values: U64
    offsets: NDArray[np.int64]  # (texts + 1,)


class SortedHashes(NamedTuple):
    """Hashes to look for, ascending. Most others are ruled out by their highest bits, without a search."""

    values: U64  # (hashes,)
    present: NDArray[np.bool_]  # whether some hash begins with these bits, (2^bits,)
    shift: np.uint64

    def locate(self, hashes: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of `hashes` are among the values, and the first place of each there."""
        maybe = np.flatnonzero(self.present[hashes >> self.shift])
        at = np.searchsorted(self.values, hashes[maybe])
        same = self.values[np.minimum(at, len(self.values) - 1)] == hashes[maybe]
        return maybe[same], at[same]


def index_hashes(values: U64) -> SortedHashes:
    """`values`: ascending, of evenly distributed bits, so that an eighth of the table at most is set (of 2^22 entries,
    its most, as many as there are).
    """
    bits = min(max(len(values).bit_length() + 3, 8), 22)
    shift = np.uint64(64 - bits)
    present = np.zeros(1 << bits, bool)
    present[values >> shift] = True
    return SortedHashes(values, present, shift)


def hash_words(texts: Sequence[str], keep_numbers: bool | Sequence[bool] | NDArray[np.bool_] = False) -> TextHashes:
    """The words of each text, in their order.

    `keep_numbers`, for all texts or for each: numbers count with their digits, and operators are words, as they must in
    mathematics and code.
    """
    if isinstance(keep_numbers, bool):
        return _hash_alike(texts, keep_numbers)
    flags = np.asarray(keep_numbers, bool)
    if not len(flags) or flags.all() or not flags.any():
        return _hash_alike(texts, bool(flags.any()))
    hashes = [_hash_alike(list(compress(texts, flags == kind)), kind) for kind in (False, True)]
    counts = np.empty(len(texts), np.int64)
    counts[~flags], counts[flags] = (np.diff(part.offsets) for part in hashes)
    of_flagged = np.repeat(flags, counts)  # (words,)
    values = np.empty(len(of_flagged), np.uint64)
    values[~of_flagged], values[of_flagged] = (part.values for part in hashes)
    return TextHashes(values, _offsets(counts))


def _hash_alike(texts: Sequence[str], keep_numbers: bool) -> TextHashes:
    hash_parts: list[U64] = []
    counts = np.zeros(len(texts), np.int64)
    for first, chunk in _split_into_chunks(texts):
        values, lengths = _hash_chunk(chunk, keep_numbers)
        hash_parts.append(values)
        if len(chunk) == 1:
            counts[first] += lengths[0]
        else:
            counts[first : first + len(chunk)] = lengths
    return TextHashes(np.concatenate(hash_parts) if hash_parts else np.empty(0, np.uint64), _offsets(counts))


def hash_ngrams(words: TextHashes, n: int) -> TextHashes:
    """Every run of n words of each text; a shorter text that has words is one run, an empty text has none."""
    values, offsets = words
    lengths = np.diff(offsets)
    counts = np.maximum(lengths - n + 1, 0)
    runs = values[: max(len(values) - n + 1, 0)].copy()
    for k in range(1, n):
        runs *= HASH_FOLD
        runs += values[k : k + len(runs)]
    is_within = np.ones(len(values), bool)  # whether the n words from here on are of one text
    for k in range(1, n):
        is_within[offsets[1:][lengths >= k] - k] = False
    result = runs[is_within[: len(runs)]]
    short = np.flatnonzero((lengths < n) & (lengths > 0))
    if len(short):
        folded = np.zeros(len(short), np.uint64)
        for k in range(n - 1):
            has = lengths[short] > k
            folded[has] = folded[has] * HASH_FOLD + values[offsets[short[has]] + k]
        result = np.insert(result, np.cumsum(counts)[short], folded)
        counts[short] = 1
    return TextHashes(mix_bits(result), _offsets(counts))


def distinct_hashes(hashes: TextHashes) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Of each text its distinct hashes, (hashes,), ascending, cut to 32 bits, and the offsets, (texts + 1,).

    Two texts of n hashes share about n² / 2³² by chance: their Jaccard similarity is right to about n / 2³².
    """
    texts = len(hashes.offsets) - 1
    keys = np.repeat(np.arange(texts, dtype=np.uint64) << np.uint64(32), np.diff(hashes.offsets))
    keys |= hashes.values >> np.uint64(32)
    keys.sort()
    if len(keys):
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=texts)
    return keys.astype(np.uint32), _offsets(counts)


def _split_into_chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(index of the first text, texts) of about `CHUNK_CHARACTERS`; a long text in pieces, each a chunk of its own."""
    first, load, size = 0, list[str](), 0
    for index, text in enumerate(texts):
        if load and size + len(text) > CHUNK_CHARACTERS:
            yield first, load
            load, size = [], 0
        if not load:
            first = index
        if len(text) <= LONG_TEXT:
            load.append(text)
            size += len(text)
            continue
        for piece in _split_long_text(text):
            yield index, [piece]
    if load:
        yield first, load


def _split_long_text(text: str) -> Iterator[str]:
    """Cut at the last space of every `LONG_TEXT` code points; without one, in a word (the same in every run)."""
    start = 0
    while start < len(text):
        end = start + LONG_TEXT
        space = text.rfind(" ", start, end) if end < len(text) else -1
        end = space + 1 if space >= 0 else end
        yield text[start:end]
        start = end


def _hash_chunk(texts: list[str], keep_numbers: bool) -> tuple[U64, NDArray[np.int64]]:
    """The words' hashes, and how many words each text has."""
    joined = "\n".join([*texts, ""])
    ends = np.cumsum([len(text) + 1 for text in texts])
    hashed = _hash_ascii(joined, keep_numbers) if joined.isascii() else None
    if hashed is None:
        hashed, ends = _hash_letters(joined, ends, keep_numbers)
    starts, sums = hashed
    hashes = mix_bits(sums * _powers()[1].take(starts))
    return hashes, np.diff(np.searchsorted(starts, ends), prepend=0)


def _hash_ascii(joined: str, keep_numbers: bool) -> tuple[NDArray[np.int64], U64] | None:
    """Where words begin and the sums of their letters, (words,) each; None where signs are words of their own.

    Two letters at once, from a table: what stands beside a word counts as 0, so it does not matter on which side of
    the pair the word begins or ends.
    """
    folding, kinds_of_bytes, pairs = _ascii_tables(keep_numbers)
    data = joined.encode() + b"\n" * (len(joined) % 2)
    kinds = np.frombuffer(bytearray(data).translate(kinds_of_bytes), np.uint8)
    if keep_numbers and (kinds == _ALONE).any():
        return None
    letters = np.frombuffer(bytearray(data).translate(folding), np.uint8)
    _fold_numbers(kinds, letters, ord("0"))
    starts, stops = _find_words(kinds)
    sums = np.zeros(len(letters) // 2 + 1, np.uint64)
    values = pairs.take(letters.view("<u2"))
    np.multiply(values, _powers()[2][: len(values)], out=values)
    np.cumsum(values, out=sums[1:])
    return starts, sums.take((stops + 1) >> 1) - sums.take(starts >> 1)


def _hash_letters(
    joined: str, ends: NDArray[np.int64], keep_numbers: bool
) -> tuple[tuple[NDArray[np.int64], U64], NDArray[np.int64]]:
    """As `_hash_ascii`, of any text; and `ends`, where the texts end, (texts,), without the marks that are left out."""
    classes, values = _number_tables() if keep_numbers else _tables()
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds, letters = classes.take(codes, mode="clip"), values.take(codes, mode="clip")
    if codes.max() >= _PLANE:
        beyond = np.flatnonzero(codes >= _PLANE)
        kinds[beyond], letters[beyond] = _ALONE, mix_bits(codes[beyond].astype(np.uint64))
    _fold_numbers(kinds, letters, values[ord("0")])
    if (is_mark := kinds == _MARK).any():
        where = np.flatnonzero(~is_mark)
        kinds, letters, ends = kinds.take(where), letters.take(where), np.searchsorted(where, ends)
    starts, stops = _find_words(kinds)
    sums = np.zeros(len(kinds) + 1, np.uint64)
    np.multiply(letters, _powers()[0][: len(letters)], out=letters)
    np.cumsum(letters, out=sums[1:])
    return (starts, sums.take(stops) - sums.take(starts)), ends


def _find_words(kinds: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where words begin and where they end, (words,) each. `kinds`: (characters,)"""
    inside = np.zeros(len(kinds) + 2, bool)
    np.greater_equal(kinds, _LETTER, out=inside[1:-1])
    is_edge = inside[1:] != inside[:-1]  # (characters + 1,)
    alone = kinds == _ALONE
    if not alone.any():
        edges = np.flatnonzero(is_edge)
        return edges[::2], edges[1::2]
    is_edge[:-1] |= alone
    is_edge[1:] |= alone
    return np.flatnonzero(inside[1:] & is_edge), np.flatnonzero(inside[:-1] & is_edge)


def _fold_numbers(kinds: NDArray[np.uint8], letters: U64 | NDArray[np.uint8], zero: np.uint64 | int) -> None:
    """Make every number (1,234.5 is one) the word `0`: its first digit gets that value, the others and the separators
    the value 0, which adds nothing to the hash of a word. Digits within a word, as in `w123`, stay.

    Changes `kinds` and `letters`, (characters,) each.
    """
    digits = np.flatnonzero(kinds == _DIGIT)
    if not len(digits):
        return
    is_edge = np.ones(len(digits) + 1, bool)  # between two runs of digits; (digits + 1,)
    np.greater(digits[1:], digits[:-1] + 1, out=is_edge[1:-1])
    starts, lasts = digits[is_edge[:-1]], digits[is_edge[1:]]  # (runs,)
    before = kinds.take(starts - 1, mode="clip")  # of a run at the edge of the chunk, a digit itself
    after = kinds.take(lasts + 1, mode="clip")
    is_number = (before != _LETTER) & (after != _LETTER)
    goes_on = np.zeros(len(starts), bool)  # after a separator and another number
    goes_on[1:] = (starts[1:] == lasts[:-1] + 2) & (after[:-1] == _SEPARATOR) & is_number[1:] & is_number[:-1]
    letters[digits[np.repeat(is_number, lasts - starts + 1)]] = 0
    letters[starts[is_number & ~goes_on]] = zero
    separators = starts[goes_on] - 1
    letters[separators], kinds[separators] = 0, _DIGIT


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))


@cache
def _powers() -> tuple[U64, U64, U64]:
    """Powers of the base, of its inverse, and every other one of the base, modulo 2⁶⁴."""
    room = 2 * CHUNK_CHARACTERS + 4  # as many separators as letters, at the most: a load of empty texts
    powers, inverses = list_powers(HASH_BASE, room), list_powers(invert_base(), room)
    return powers, inverses, powers[::2].copy()


@cache
def _ascii_tables(keep_numbers: bool) -> tuple[bytes, bytes, U64]:
    """Of each byte the letter that counts for it (0 for what is no part of a word) and its class; and of each two such
    letters their sum."""
    classes, values = _classify(range(128))
    if keep_numbers:
        classes, values = _count_numbers(classes, values)
    letters = np.frombuffer(bytes(range(128)).lower(), np.uint8)
    letters = np.where((classes == _LETTER) | (classes == _DIGIT), letters, 0).astype(np.uint8)
    of_letter = np.zeros(256, np.uint64)
    of_letter[letters] = np.where(letters > 0, values, 0)
    pairs = (of_letter + np.uint64(HASH_BASE) * of_letter[:, None]).ravel()  # the second letter in the upper byte
    rest = bytes(128)
    return letters.tobytes() + rest, classes.tobytes() + rest, pairs


@cache
def _tables() -> tuple[NDArray[np.uint8], U64]:
    """Of each code point of the first plane its class and its letter's number."""
    return _classify(range(_PLANE))


@cache
def _number_tables() -> tuple[NDArray[np.uint8], U64]:
    """As `_tables`, where digits are letters and operators words."""
    return _count_numbers(*_tables())


def _count_numbers(classes: NDArray[np.uint8], values: U64) -> tuple[NDArray[np.uint8], U64]:
    """Both, (code points,), for texts in which numbers count."""
    classes, values = classes.copy(), values.copy()
    classes[classes == _DIGIT] = _LETTER
    operators = np.array([code for code in sorted(map(ord, OPERATORS)) if code < len(classes)])
    classes[operators], values[operators] = _ALONE, mix_bits(operators.astype(np.uint64) + np.uint64(1))
    return classes, values


def _classify(codes: range) -> tuple[NDArray[np.uint8], U64]:
    """Of each code point its class and its letter's number, (code points,)."""
    characters = list(map(chr, codes))
    letters = [unicodedata.normalize("NFD", character)[0] for character in characters]
    letters[0xAC00:0xD7A4] = characters[0xAC00:0xD7A4]  # Hangul stays
    kinds = map(unicodedata.category, letters)
    classes = np.array([_CLASSES.get(kind, _CLASSES.get(kind[0], _LETTER)) for kind in kinds], np.uint8)
    classes[[ord("."), ord(",")]] = _SEPARATOR
    lower = np.array([ord(letter.lower()[0]) for letter in letters], np.uint64)
    for low, high in UNSPACED:
        for code in range(low, min(high + 1, len(characters))):
            if unicodedata.category(characters[code])[0] in "LM":
                classes[code] = _ALONE
    values = np.where((classes == _LETTER) | (classes == _SPACE), lower, np.arange(len(characters), dtype=np.uint64))
    return classes, mix_bits(values + np.uint64(1))
