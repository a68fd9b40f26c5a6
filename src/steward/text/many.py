"""The words of many pieces at once: what `words.cut` gives for each, from a few dozen passes over their characters.

A piece is what stands between white space. The plain rules are done here for all pieces together: marks before and
after something, units, infixes. A piece in which they meet a contraction, an abbreviation or an emoticon, and the few
with characters that are not handled here, go through `words.cut`, which is the definition; the tests hold the two
against each other. Why: of 610,000 pieces of documentation 1.4 % need it, and one costs as much there as ten here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.text import words as single

U64 = NDArray[np.uint64]
Places = NDArray[np.int64]

LOAD = 1 << 16  # characters cut at once: the arrays stay in the processor's cache
_BASE = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_PLANE = 1 << 16  # code points beyond it are cut alone
_ROUNDS = 12  # suffixes that are taken off; a piece with more is cut alone
_PRE, _SUF, _DIGIT, _UPPER, _LOWER, _QUOTE, _ODD, _DOT_AFTER = (1 << bit for bit in range(8))
_ALPHA = _UPPER | _LOWER
_ALNUM = _ALPHA | _DIGIT


class Cut(NamedTuple):
    """The words of several pieces, one after another."""

    codes: NDArray[np.uint32]  # (characters,) of all pieces
    starts: Places  # (words + 1,) of each word in `codes`
    counts: Places  # (pieces,) words
    hashes: U64  # (words,) the same for the same word in every process


def cut_all(pieces: Sequence[str]) -> Cut:
    """:raises ValueError: more than `LOAD` characters in more than one piece"""
    text = "".join(pieces)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    if len(text) > LOAD and len(pieces) > 1:
        raise ValueError(f"{len(text)} characters at once; expected at most {LOAD}")
    ends = np.cumsum(lengths)
    begins = ends - lengths
    new, alone = _plain(pieces, codes, begins, ends)
    alone |= lengths > single.LONGEST_PIECE
    starts = np.append(np.flatnonzero(new), len(codes))
    hashes = _hashes(codes, starts)
    special, joined = _special(hashes, starts, begins)
    new[starts[joined]] = False
    apart = np.flatnonzero(alone | special)
    for index in apart.tolist():
        begin = int(begins[index])
        new[begin : begin + int(lengths[index])] = False
        for word in single.cut(pieces[index]):
            new[begin] = True
            begin += len(word)
    if len(apart) or len(joined):
        starts = np.append(np.flatnonzero(new), len(codes))
        hashes = _hashes(codes, starts)
    counts = np.diff(np.searchsorted(starts, np.append(begins, len(codes))))
    return Cut(codes, starts, counts, hashes)


def hash_of(word: str) -> int:
    """What `Cut.hashes` has for this word."""
    codes = np.frombuffer(word.encode("utf-32-le", "surrogatepass"), np.uint32)
    return int(_hashes(codes, np.array([0, len(codes)]))[0])


def mixed(values: U64) -> U64:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection whose every bit depends on every bit."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _plain(
    pieces: Sequence[str], codes: NDArray[np.uint32], begins: Places, ends: Places
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where words begin by the plain rules, (characters,); and which pieces those rules do not cover, (pieces,)."""
    traits = _traits().take(codes, mode="clip")
    new = np.zeros(len(codes) + 1, bool)
    new[begins] = True
    odd = (traits & _ODD) != 0
    odd[1:] |= (codes[1:] == ord("$")) & ((traits[:-1] & _UPPER) != 0)  # US$
    odd[1:] |= (codes[1:] == ord("…")) & (codes[:-1] == ord("…"))  # one mark
    odd_before = np.append(0, np.cumsum(odd))
    alone: NDArray[np.bool_] = odd_before[ends] != odd_before[begins]

    dot = codes == ord(".")
    again = np.zeros(len(codes) + 1, bool)  # a full stop after one: the run is one mark
    again[1:-1] = dot[1:] & dot[:-1] & ~new[1:-1]
    run = again[:-1] | again[1:]
    lead = (traits & _PRE) != 0
    lead[:-1] &= (codes[:-1] != ord("+")) | ((traits[1:] & _DIGIT) == 0)
    core = np.append(np.flatnonzero(~(lead | run)), len(codes))
    first = core[np.searchsorted(core, begins)]  # of the part between the marks
    alone |= first >= ends  # nothing but marks
    first = np.minimum(first, ends - 1)
    inside = np.repeat(first, ends - begins)
    place = np.arange(len(codes))
    new[:-1] |= (place <= inside) & ~again[:-1]

    last = _suffixes(codes, traits, run, first, ends.copy(), new, alone)
    inner = (place > inside) & (place + 1 < np.repeat(last, ends - begins))
    at, dashes = _infixes(codes, traits, inner & ~run)
    alone[np.searchsorted(ends, dashes, side="right")] = True
    inner &= run
    at = np.concatenate((at, at + 1, np.flatnonzero(inner & ~again[:-1]), np.flatnonzero(inner & ~again[1:]) + 1))
    piece = np.searchsorted(ends, at, side="right")
    whole = np.zeros(len(pieces), bool)
    dots = np.append(0, np.cumsum(dot))
    for index in np.unique(piece[dots[last[piece]] > dots[first[piece]]]).tolist():
        low, high = first[index] - begins[index], last[index] - begins[index]
        whole[index] = single.is_url(pieces[index][low:high])
    new[at[~whole[piece]]] = True
    return new[:-1], alone


def _suffixes(
    codes: NDArray[np.uint32],
    traits: NDArray[np.uint8],
    run: NDArray[np.bool_],
    first: Places,
    ends: Places,
    new: NDArray[np.bool_],
    alone: NDArray[np.bool_],
) -> Places:
    """Takes marks, 's, full stops and units off the ends, notes where each begins, gives the ends that are left."""
    digits = np.where(traits & _DIGIT, np.arange(len(codes)), -1)
    np.maximum.accumulate(digits, out=digits)
    others = np.where(run, -1, np.arange(len(codes)))
    np.maximum.accumulate(others, out=others)
    active = np.flatnonzero(~alone & (ends - first > 1))
    for _ in range(_ROUNDS):
        end = ends[active]
        char, trait = codes[end - 1], traits[end - 1]
        before = traits[end - 2]
        third = np.where(end - 2 > first[active], traits[end - 3], 0)
        off = ((trait & _SUF) != 0).astype(np.int64)
        stops = (char == ord(".")) & (
            ((before & _DOT_AFTER) != 0) | (((before & _UPPER) != 0) & ((third & _UPPER) != 0))
        )
        off[stops | ((before & _DIGIT) != 0) & ((char == ord("$")) | (char == ord("+")))] = 1
        off = np.where(run[end - 1], end - 1 - others[end - 1], off)
        genitive = (
            ((char | 32) == ord("s"))
            & ((codes[end - 2] == ord("'")) | (codes[end - 2] == ord("’")))
            & (end - 2 >= first[active])
        )
        off[genitive] = 2
        unit = end - 1 - digits[end - 1]
        maybe = np.flatnonzero((unit > 0) & (unit <= 4) & (off == 0) & (end - unit > first[active]))
        if len(maybe):
            key = np.zeros(len(maybe), np.uint64)
            for back in range(4, 0, -1):
                there = unit[maybe] >= back
                key[there] = key[there] << np.uint64(16) | codes[end[maybe[there]] - back]
            hit = maybe[_among(key, _units())]
            off[hit] = unit[hit]
        some = off > 0
        active = active[some]
        if not len(active):
            return ends
        ends[active] -= off[some]
        new[ends[active]] = True
        at_core = ends[active] - first[active] <= 1
        alone[active[(ends[active] <= first[active])]] = True
        active = active[~at_core]
    alone[active] = True
    return ends


def _infixes(codes: NDArray[np.uint32], traits: NDArray[np.uint8], inner: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Where the part between the marks, `inner`, is cut; and where it has runs of dashes, which are cut alone."""
    kinds = _infix_kinds().take(codes, mode="clip")
    at = np.flatnonzero(inner & (kinds != 0))
    kind, before, after = kinds[at], traits[at - 1], traits[at + 1]
    dashes = ((kind & 8) != 0) & (codes[at] == codes[at + 1]) & ((before & _ALNUM) != 0)
    found = (kind & 16) != 0
    found |= ((kind & 1) != 0) & ((before & _DIGIT) != 0) & (((after & _DIGIT) != 0) | (codes[at + 1] == ord("-")))
    found |= ((kind & 2) != 0) & ((before & (_LOWER | _QUOTE)) != 0) & ((after & (_UPPER | _QUOTE)) != 0)
    found |= ((kind & 4) != 0) & ((before & _ALPHA) != 0) & ((after & _ALPHA) != 0)
    found |= ((kind & 8) != 0) & ((before & _ALNUM) != 0) & ((after & _ALPHA) != 0)
    return at[found], at[dashes]


def _hashes(codes: NDArray[np.uint32], starts: Places) -> U64:
    """Σ value(character) · base^place of each word, modulo 2⁶⁴, mixed; two words share one with a chance of 2⁻⁶⁴."""
    powers, inverses = _powers(1 << max(16, len(codes).bit_length()))
    values = _values().take(codes, mode="clip")
    if len(codes) and codes.max() >= _PLANE:
        beyond = np.flatnonzero(codes >= _PLANE)
        values[beyond] = mixed(codes[beyond].astype(np.uint64) + np.uint64(1))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values * powers[: len(codes)], out=sums[1:])
    return mixed((sums[starts[1:]] - sums[starts[:-1]]) * inverses[starts[:-1]])


def _special(hashes: U64, starts: Places, begins: Places) -> tuple[NDArray[np.bool_], Places]:
    """Pieces in which exceptions of `words.exceptions` are met, (pieces,); and words that one joins to the word before.

    The second are only of pieces with that one exception.
    """
    whole, pairs, joined = _exceptions()
    hit = _among(hashes, whole)
    keys = hashes[:-1] * np.uint64(_BASE) + hashes[1:]
    both = np.flatnonzero(_among(keys, pairs))
    piece = np.searchsorted(begins, starts[:-1], side="right") - 1
    both = both[piece[both] == piece[both + 1]]
    times = np.bincount(piece[both], minlength=len(begins))
    simple = _among(keys[both], joined) & (times[piece[both]] == 1) & ~hit[both] & ~hit[both + 1]
    found = np.zeros(len(begins), bool)
    found[piece[hit]] = True
    found[piece[both[~simple]]] = True
    return found, both[simple] + 1


def _among(values: U64, table: U64) -> NDArray[np.bool_]:
    """As np.isin with a table that is sorted once."""
    found: NDArray[np.bool_] = table[np.minimum(np.searchsorted(table, values), len(table) - 1)] == values
    return found


@lru_cache(maxsize=1)
def _exceptions() -> tuple[U64, U64, U64]:
    """Hashes of exceptions, ascending: those that the plain rules leave whole, of those that they cut the first two
    words, and of these the pairs that become one word and begin no longer exception."""
    whole = [hash_of(word) for word, parts in single.exceptions().items() if len(single.plain(word)) == 1 != len(parts)]
    joins = single.joins()
    firsts = {words[:2] for words in joins}
    longer = {words[:2] for words in joins if len(words) > 2}
    one: set[tuple[str, ...]] = {words for words, parts in joins.items() if (len(words), len(parts)) == (2, 1)}
    one -= longer

    def keys(pairs: Iterable[tuple[str, ...]]) -> U64:
        return np.array(sorted((hash_of(a) * _BASE + hash_of(b)) % (1 << 64) for a, b in pairs), np.uint64)

    return np.array(sorted(whole), np.uint64), keys(firsts), keys(one)


@lru_cache(maxsize=1)
def _traits() -> NDArray[np.uint8]:
    """Of each character of the first plane what the rules ask of it; the last entry is for all beyond."""
    found = np.full(_PLANE + 1, _ODD, np.uint8)
    found[:128] = 0
    for low, high in single.CASED:
        for code in range(low, high + 1):
            found[code] = _UPPER if chr(code).isupper() else _LOWER | _DOT_AFTER
    for low, high in single.uncased():
        found[low : high + 1] = _UPPER | _LOWER | _DOT_AFTER
    for characters, trait in (
        (single.PUNCT, _PRE | _SUF | _DOT_AFTER),
        (single.QUOTES, _PRE | _SUF | _DOT_AFTER | _QUOTE),
        ("%=+$–—", _PRE),
        ("–—", _SUF),
        ("0123456789", _DIGIT),
        ("0123456789%-+|", _DOT_AFTER),
    ):
        codes = list(map(ord, characters))
        found[codes] = (found[codes] & ~np.uint8(_ODD)) | np.uint8(trait)
    return found


@lru_cache(maxsize=1)
def _infix_kinds() -> NDArray[np.uint8]:
    """Bits: 1 between digits, 2 between lower and upper case, 4 between letters, 8 before a letter, 16 anywhere."""
    found = np.zeros(_PLANE + 1, np.uint8)
    for bit, characters in ((1, "+-*^"), (2, "."), (4, ","), (8, "-–—~:<>=/"), (16, "…")):
        found[list(map(ord, characters))] |= bit
    return found


@lru_cache(maxsize=1)
def _units() -> U64:
    """Units as numbers, 16 bits a character."""
    names = [name for name in single.UNITS.split() if len(name) <= 4]
    return np.array(
        sorted(sum(ord(c) << 16 * (len(name) - 1 - at) for at, c in enumerate(name)) for name in names), np.uint64
    )


@lru_cache(maxsize=1)
def _values() -> U64:
    return mixed(np.arange(1, _PLANE + 1, dtype=np.uint64))


@lru_cache(maxsize=2)
def _powers(room: int) -> tuple[U64, U64]:
    """Of the base and of its inverse, modulo 2⁶⁴."""
    powers, inverses = np.full(room + 1, _BASE, np.uint64), np.full(room + 1, pow(_BASE, -1, 1 << 64), np.uint64)
    powers[0] = inverses[0] = 1
    return np.cumprod(powers, dtype=np.uint64), np.cumprod(inverses, dtype=np.uint64)
