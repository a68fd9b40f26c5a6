"""Splits many pieces into words at once: the result of `tokenize_piece` for each, in a few dozen array passes.

A piece is what stands between white space. The plain rules (marks before and after, units, infixes) are applied to all
pieces together. A piece that contains a contraction, an abbreviation, an emoticon or a rare character goes through
`tokenizer.tokenize_piece`, which defines the result; the tests compare the two. Of 610,000 pieces of documentation
1.4 % need it, and one of them costs as much as ten pieces here.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.text import tokenizer as single
from steward.text.hashing import HASH_BASE, U64, invert_base, list_powers, mix_bits

Places = NDArray[np.int64]

CHUNK_CHARACTERS = 1 << 16  # characters cut at once: the arrays stay in the processor's cache
_PLANE = 1 << 16  # code points beyond it are cut alone
_PREFIX_SHIFT = np.uint64(48)
_UNIT_CHARACTERS = 4  # of the longest unit, 16 bits each in a number
_MAX_SUFFIXES = 12  # suffixes that are taken off; a piece with more is cut alone
_PRE, _SUF, _DIGIT, _UPPER, _LOWER, _QUOTE, _ODD, _DOT_AFTER = (1 << bit for bit in range(8))
_ALPHA = _UPPER | _LOWER
_ALNUM = _ALPHA | _DIGIT


class TokenizedPieces(NamedTuple):
    """The words of several pieces, one after another."""

    codes: NDArray[np.uint32]  # (characters,) of all pieces
    starts: Places  # (words + 1,) of each word in `codes`
    counts: Places  # (pieces,) words
    hashes: U64  # (words,) the same for the same word in every process


def tokenize_pieces(pieces: Sequence[str]) -> TokenizedPieces:
    """:raises ValueError: more than `LOAD` characters in more than one piece"""
    text = "".join(pieces)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    if len(text) > CHUNK_CHARACTERS and len(pieces) > 1:
        raise ValueError(f"{len(text)} characters at once; expected at most {CHUNK_CHARACTERS}")
    ends = np.cumsum(lengths)
    begins = ends - lengths
    starts_word, needs_single = _apply_plain_rules(pieces, codes, begins, ends)
    needs_single |= lengths > single.LONGEST_PIECE
    starts = np.append(np.flatnonzero(starts_word), len(codes))
    hashes = _hash_words(codes, starts)
    has_exception, joined = _find_exceptions(hashes, starts, begins)
    starts_word[starts[joined]] = False
    cut_singly = np.flatnonzero(needs_single | has_exception)
    for index in cut_singly.tolist():
        begin = int(begins[index])
        starts_word[begin : begin + int(lengths[index])] = False
        for word in single.tokenize_piece(pieces[index]):
            starts_word[begin] = True
            begin += len(word)
    if len(cut_singly) or len(joined):
        starts = np.append(np.flatnonzero(starts_word), len(codes))
        hashes = _hash_words(codes, starts)
    return TokenizedPieces(codes, starts, _count_words(starts, begins, len(codes)), hashes)


def _count_words(starts: Places, begins: Places, characters: int) -> Places:
    """Of each piece, (pieces,)."""
    begins_piece = np.zeros(characters + 1, bool)
    begins_piece[begins] = True
    firsts = np.flatnonzero(begins_piece[starts[:-1]])
    return np.diff(firsts, append=len(starts) - 1)


def hash_word(word: str) -> int:
    """What `Cut.hashes` has for this word."""
    codes = np.frombuffer(word.encode("utf-32-le", "surrogatepass"), np.uint32)
    return int(_hash_words(codes, np.array([0, len(codes)]))[0])


def _apply_plain_rules(
    pieces: Sequence[str], codes: NDArray[np.uint32], begins: Places, ends: Places
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where words begin by the plain rules, (characters,); and which pieces those rules do not cover, (pieces,)."""
    traits = _character_traits().take(codes, mode="clip")
    starts_word = np.zeros(len(codes) + 1, bool)
    starts_word[begins] = True
    odd = (traits & _ODD) != 0
    odd[1:] |= (codes[1:] == ord("$")) & ((traits[:-1] & _UPPER) != 0)  # US$
    odd[1:] |= (codes[1:] == ord("…")) & (codes[:-1] == ord("…"))  # one mark
    odd_before = np.append(0, np.cumsum(odd))
    needs_single: NDArray[np.bool_] = odd_before[ends] != odd_before[begins]

    dot = codes == ord(".")
    continues_dots = np.zeros(len(codes) + 1, bool)  # a full stop after one: the run is one mark
    continues_dots[1:-1] = dot[1:] & dot[:-1] & ~starts_word[1:-1]
    run = continues_dots[:-1] | continues_dots[1:]
    lead = (traits & _PRE) != 0
    lead[:-1] &= (codes[:-1] != ord("+")) | ((traits[1:] & _DIGIT) == 0)
    is_core = np.append(~(lead | run), True)
    core = np.flatnonzero(is_core)
    first = core[(np.cumsum(is_core) - is_core)[begins]]  # of the part between the marks
    needs_single |= first >= ends  # nothing but marks
    first = np.minimum(first, ends - 1)
    inside = np.repeat(first, ends - begins)
    place = np.arange(len(codes))
    starts_word[:-1] |= (place <= inside) & ~continues_dots[:-1]

    last = _strip_suffixes(codes, traits, run, first, ends.copy(), starts_word, needs_single)
    inner = (place > inside) & (place + 1 < np.repeat(last, ends - begins))
    at, dashes = _find_infixes(codes, traits, inner & ~run)
    needs_single[np.searchsorted(ends, dashes, side="right")] = True
    inner &= run
    at = np.concatenate(
        (at, at + 1, np.flatnonzero(inner & ~continues_dots[:-1]), np.flatnonzero(inner & ~continues_dots[1:]) + 1)
    )
    piece = np.searchsorted(ends, at, side="right")
    is_whole_url = np.zeros(len(pieces), bool)
    dots = np.append(0, np.cumsum(dot))
    for index in np.unique(piece[dots[last[piece]] > dots[first[piece]]]).tolist():
        low, high = first[index] - begins[index], last[index] - begins[index]
        is_whole_url[index] = single.is_url(pieces[index][low:high])
    starts_word[at[~is_whole_url[piece]]] = True
    return starts_word[:-1], needs_single


def _strip_suffixes(
    codes: NDArray[np.uint32],
    traits: NDArray[np.uint8],
    run: NDArray[np.bool_],
    first: Places,
    ends: Places,
    starts_word: NDArray[np.bool_],
    needs_single: NDArray[np.bool_],
) -> Places:
    """Takes marks, 's, full stops and units off the ends, notes where each begins, gives the ends that are left."""
    digits = np.where(traits & _DIGIT, np.arange(len(codes)), -1)
    np.maximum.accumulate(digits, out=digits)
    last_other = np.where(run, -1, np.arange(len(codes)))
    np.maximum.accumulate(last_other, out=last_other)
    active = np.flatnonzero(~needs_single & (ends - first > 1))
    for _ in range(_MAX_SUFFIXES):
        end = ends[active]
        char, trait = codes[end - 1], traits[end - 1]
        before = traits[end - 2]
        third = np.where(end - 2 > first[active], traits[end - 3], 0)
        suffix_lengths = ((trait & _SUF) != 0).astype(np.int64)
        stops = (char == ord(".")) & (
            ((before & _DOT_AFTER) != 0) | (((before & _UPPER) != 0) & ((third & _UPPER) != 0))
        )
        suffix_lengths[stops | ((before & _DIGIT) != 0) & ((char == ord("$")) | (char == ord("+")))] = 1
        suffix_lengths = np.where(run[end - 1], end - 1 - last_other[end - 1], suffix_lengths)
        genitive = ((char | 32) == ord("s")) & ((codes[end - 2] == ord("'")) | (codes[end - 2] == ord("’")))
        suffix_lengths[genitive] = 2
        unit = end - 1 - digits[end - 1]
        maybe = np.flatnonzero(
            (unit > 0) & (unit <= _UNIT_CHARACTERS) & (suffix_lengths == 0) & (end - unit > first[active])
        )
        if len(maybe):
            key = np.zeros(len(maybe), np.uint64)
            for back in range(_UNIT_CHARACTERS, 0, -1):
                has_character = unit[maybe] >= back
                key[has_character] = key[has_character] << np.uint64(16) | codes[end[maybe[has_character]] - back]
            hit = maybe[_is_in_sorted(key, _unit_keys())]
            suffix_lengths[hit] = unit[hit]
        has_suffix = suffix_lengths > 0
        active = active[has_suffix]
        if not len(active):
            return ends
        ends[active] -= suffix_lengths[has_suffix]
        starts_word[ends[active]] = True
        at_core = ends[active] - first[active] <= 1
        active = active[~at_core]
    needs_single[active] = True
    return ends


def _find_infixes(
    codes: NDArray[np.uint32], traits: NDArray[np.uint8], inner: NDArray[np.bool_]
) -> tuple[Places, Places]:
    """Where the part between the marks, `inner`, is cut; and where it has runs of dashes, which are cut alone."""
    kinds = _infix_kinds().take(codes, mode="clip")
    at = np.flatnonzero(inner & (kinds != 0))
    kind, before, after = kinds[at], traits[at - 1], traits[at + 1]
    dashes = ((kind & 8) != 0) & (codes[at] == codes[at + 1]) & ((before & _ALNUM) != 0)
    is_infix = (kind & 16) != 0
    is_infix |= ((kind & 1) != 0) & ((before & _DIGIT) != 0) & (((after & _DIGIT) != 0) | (codes[at + 1] == ord("-")))
    is_infix |= ((kind & 2) != 0) & ((before & (_LOWER | _QUOTE)) != 0) & ((after & (_UPPER | _QUOTE)) != 0)
    is_infix |= ((kind & 4) != 0) & ((before & _ALPHA) != 0) & ((after & _ALPHA) != 0)
    is_infix |= ((kind & 8) != 0) & ((before & _ALNUM) != 0) & ((after & _ALPHA) != 0)
    return at[is_infix], at[dashes]


def _hash_words(codes: NDArray[np.uint32], starts: Places) -> U64:
    """Σ value(character) · base^place of each word, modulo 2⁶⁴, mixed; two words share one with a chance of 2⁻⁶⁴."""
    powers, inverses = _powers(1 << max(16, len(codes).bit_length()))
    values = _character_values().take(codes, mode="clip")
    if len(codes) and codes.max() >= _PLANE:
        beyond = np.flatnonzero(codes >= _PLANE)
        values[beyond] = mix_bits(codes[beyond].astype(np.uint64) + np.uint64(1))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values * powers[: len(codes)], out=sums[1:])
    return mix_bits((sums[starts[1:]] - sums[starts[:-1]]) * inverses[starts[:-1]])


def _find_exceptions(hashes: U64, starts: Places, begins: Places) -> tuple[NDArray[np.bool_], Places]:
    """Pieces in which exceptions of `words.exceptions` are met, (pieces,); and words that one joins to the word before.

    The second are only of pieces with no other such pair; pieces with a whole exception as well are among the first.
    """
    whole_hashes, pairs, joined = _exception_hashes()
    keys = hashes[:-1] * np.uint64(HASH_BASE) + hashes[1:]
    hit, both = _find_members(hashes, *whole_hashes), _find_members(keys, *pairs)
    piece = np.searchsorted(begins, starts[both], side="right") - 1
    is_within = np.append(begins, starts[-1])[piece + 1] > starts[both + 1]
    both, piece = both[is_within], piece[is_within]
    times = np.bincount(piece, minlength=len(begins))
    simple = _is_in_sorted(keys[both], joined) & (times[piece] == 1)
    has_exception = np.zeros(len(begins), bool)
    has_exception[np.searchsorted(begins, starts[hit], side="right") - 1] = True
    has_exception[piece[~simple]] = True
    return has_exception, both[simple] + 1


def _is_in_sorted(values: U64, table: U64) -> NDArray[np.bool_]:
    """As np.isin with a table that is sorted once."""
    is_member: NDArray[np.bool_] = table[np.minimum(np.searchsorted(table, values), len(table) - 1)] == values
    return is_member


def _find_members(values: U64, table: U64, prefixes: NDArray[np.bool_]) -> Places:
    """The places of values that are in the table; most are ruled out by their first 16 bits."""
    maybe = np.flatnonzero(prefixes[values >> _PREFIX_SHIFT])
    return maybe[_is_in_sorted(values[maybe], table)]


def _list_prefixes(table: U64) -> NDArray[np.bool_]:
    """Which first 16 bits a hash of the table has, (65536,)."""
    prefixes = np.zeros(1 << 16, bool)
    prefixes[table >> _PREFIX_SHIFT] = True
    return prefixes


@cache
def _exception_hashes() -> tuple[tuple[U64, NDArray[np.bool_]], tuple[U64, NDArray[np.bool_]], U64]:
    """Hashes of exceptions, ascending: those that the plain rules leave whole, of those that they cut the first two
    words, both with their prefixes, and of these the pairs that become one word and begin no longer exception."""
    whole_hashes = [
        hash_word(word)
        for word, parts in single.exceptions().items()
        if len(single.tokenize_by_rules(word)) == 1 != len(parts)
    ]
    joins = single.joined_exceptions()
    firsts = {words[:2] for words in joins}
    longer = {words[:2] for words in joins if len(words) > 2}
    single_word_pairs: set[tuple[str, ...]] = {
        words for words, parts in joins.items() if (len(words), len(parts)) == (2, 1)
    }
    single_word_pairs -= longer

    def keys(pairs: Iterable[tuple[str, ...]]) -> U64:
        return np.array(sorted((hash_word(a) * HASH_BASE + hash_word(b)) % (1 << 64) for a, b in pairs), np.uint64)

    whole, pairs = np.array(sorted(whole_hashes), np.uint64), keys(firsts)
    return (whole, _list_prefixes(whole)), (pairs, _list_prefixes(pairs)), keys(single_word_pairs)


@cache
def _character_traits() -> NDArray[np.uint8]:
    """Of each character of the first plane what the rules ask of it; the last entry is for all beyond."""
    traits = np.full(_PLANE + 1, _ODD, np.uint8)
    traits[list(map(ord, string.printable))] = 0
    for low, high in single.CASED:
        for code in range(low, high + 1):
            traits[code] = _UPPER if chr(code).isupper() else _LOWER | _DOT_AFTER
    for low, high in single.uncased_ranges():
        traits[low : high + 1] = _UPPER | _LOWER | _DOT_AFTER
    for characters, trait in (
        (single.PUNCT, _PRE | _SUF | _DOT_AFTER),
        (single.QUOTES, _PRE | _SUF | _DOT_AFTER | _QUOTE),
        ("%=+$–—", _PRE),
        ("–—", _SUF),
        ("0123456789", _DIGIT),
        ("0123456789%-+|", _DOT_AFTER),
    ):
        codes = list(map(ord, characters))
        traits[codes] = (traits[codes] & ~np.uint8(_ODD)) | np.uint8(trait)
    traits[np.minimum(single.icon_codes(), _PLANE)] |= np.uint8(_ODD)
    return traits


@cache
def _infix_kinds() -> NDArray[np.uint8]:
    """Bits: 1 between digits, 2 between lower and upper case, 4 between letters, 8 before a letter, 16 anywhere."""
    kinds = np.zeros_like(_character_traits())
    for bit, characters in ((1, "+-*^"), (2, "."), (4, ","), (8, "-–—~:<>=/"), (16, "…")):
        kinds[list(map(ord, characters))] |= bit
    return kinds


@cache
def _unit_keys() -> U64:
    """Units as numbers, 16 bits a character."""
    names = single.UNITS.split()
    return np.array(
        sorted(sum(ord(c) << 16 * (len(name) - 1 - at) for at, c in enumerate(name)) for name in names), np.uint64
    )


@cache
def _character_values() -> U64:
    return mix_bits(np.arange(1, _PLANE + 1, dtype=np.uint64))


@lru_cache(maxsize=2)
def _powers(room: int) -> tuple[U64, U64]:
    """Of the base and of its inverse, modulo 2⁶⁴."""
    return list_powers(HASH_BASE, room + 1), list_powers(invert_base(), room + 1)
