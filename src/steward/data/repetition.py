"""How much of a text repeats itself: lines, paragraphs and word n-grams of a batch of texts at once.

Rae et al. 2021 (Gopher, arXiv:2112.11446) table A1 names the thresholds; the measures are datatrove 0.10's, or the
paper's own where `every_copy` is set. The n-grams of all texts are hashed together in NumPy; each longer n-gram is
looked
for only where the shorter ones were repeated, which in prose leaves a few places in a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from steward.data.pieces import Numbers, Pieces

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: odd, bits well spread
_SALT = np.uint64(0xD1B54A32D192ED03)


def repeated(parts: Sequence[str]) -> tuple[int, int]:
    """The second and later copies among the parts: how many, and how many characters they have."""
    distinct = set(parts)
    if len(distinct) == len(parts):
        return 0, 0
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


class Words(msgspec.Struct, frozen=True):
    """The words of several texts, one after another."""

    hashes: np.ndarray  # (words,) uint64
    starts: np.ndarray  # (words + 1,) int64: characters before each word
    offsets: np.ndarray  # (texts + 1,) int64: words before each text


def words_of(numbers: Numbers, pieces: Pieces) -> Words:
    """The words of the texts that `Pieces.numbers` has seen."""
    facts = pieces.facts()
    counts = facts.words[numbers.flat]
    before = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=before[1:])
    index = np.repeat(facts.start[numbers.flat] - before[:-1], counts) + np.arange(before[-1])
    starts = np.zeros(len(index) + 1, np.int64)
    np.cumsum(pieces.lengths[index], out=starts[1:])
    return Words(pieces.hashes[index], starts, before[numbers.offsets])


class Repeats(msgspec.Struct, frozen=True):
    """The n-grams that a text has more than once."""

    n: int
    at: np.ndarray  # (places,) int64, ascending: word at which one starts
    keys: np.ndarray  # (places,) uint64: the same for the same n-gram of the same text
    rolling: np.ndarray  # (places,) uint64: hash without the text, to grow from
    order: np.ndarray  # (places,) int64: sorts places by key, then by place
    groups: np.ndarray  # (groups,) int64: where each group begins in that order


def pairs(words: Words) -> Repeats:
    """Repeated 2-grams."""
    ends = np.repeat(words.offsets[1:], np.diff(words.offsets))
    at = np.flatnonzero(np.arange(len(words.hashes)) + 2 <= ends)
    return _repeats(2, at, words.hashes[at] * _MULTIPLIER + words.hashes[at + 1], ends)


def longer(words: Words, shorter: Repeats) -> Repeats:
    """Repeated n+1-grams: both n-grams inside one are repeated themselves."""
    ends = np.repeat(words.offsets[1:], np.diff(words.offsets))
    n = shorter.n + 1
    inside = np.zeros(len(words.hashes) + 1, bool)
    inside[shorter.at] = True
    keep = inside[shorter.at + 1] & (shorter.at + n <= ends[shorter.at])
    at = shorter.at[keep]
    return _repeats(n, at, shorter.rolling[keep] * _MULTIPLIER + words.hashes[at + n - 1], ends)


def _repeats(n: int, at: np.ndarray, rolling: np.ndarray, ends: np.ndarray) -> Repeats:
    keys = (rolling ^ (rolling >> np.uint64(29))) * _MULTIPLIER + ends[at].astype(np.uint64) * _SALT
    if len(at):  # a table of the keys' first bits finds most of those that occur once, cheaper than sorting them
        bits = len(at).bit_length() + 1
        slots = (keys >> np.uint64(64 - bits)).astype(np.int64)
        keep = np.bincount(slots, minlength=1 << bits)[slots] > 1
        at, rolling, keys = at[keep], rolling[keep], keys[keep]
    # Key and place in one number sort three times as fast as argsort does; the whole keys are compared after.
    low = np.uint64(len(at).bit_length())
    packed = (keys >> low << low) | np.arange(len(at), dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << low) - np.uint64(1))).astype(np.int64)
    ranked = keys[order]
    new = np.concatenate(([True], ranked[1:] != ranked[:-1])) if len(order) else np.empty(0, bool)
    starts = np.flatnonzero(new)
    sizes = np.diff(np.concatenate((starts, [len(order)])))
    often = np.empty(len(order), bool)
    often[order] = np.repeat(sizes > 1, sizes)
    at, rolling, keys = at[often], rolling[often], keys[often]
    renumbered = np.cumsum(often) - 1
    order = renumbered[order[np.repeat(sizes > 1, sizes)]]
    kept = sizes[sizes > 1]
    return Repeats(n, at, keys, rolling, order, np.concatenate(([0], np.cumsum(kept)))[:-1])


def top(words: Words, repeats: Repeats, *, once: bool) -> np.ndarray:
    """Characters (with the blanks between words) of the commonest n-gram, times its count; the first wins a tie.

    `once`: an n-gram that occurs once counts, as in datatrove. (texts,) int64.
    """
    n, first_words = repeats.n, words.offsets[:-1]
    enough = np.diff(words.offsets) >= n
    found = np.zeros(len(first_words), np.int64)
    if once:
        found[enough] = words.starts[first_words[enough] + n] - words.starts[first_words[enough]] + n - 1
    if len(repeats.groups):
        first = repeats.at[repeats.order[repeats.groups]]
        count = np.diff(np.concatenate((repeats.groups, [len(repeats.order)])))
        text = np.searchsorted(words.offsets, first, side="right") - 1
        best = np.lexsort((first, -count, text))
        texts, where = np.unique(text[best], return_index=True)
        chosen = best[where]
        length = words.starts[first[chosen] + n] - words.starts[first[chosen]] + n - 1
        found[texts] = length * count[chosen]
    return found


def covered(words: Words, repeats: Repeats, *, every_copy: bool) -> np.ndarray:
    """Characters inside repeated n-grams, each counted once; without the first copies unless `every_copy`. (texts,)"""
    at = repeats.at
    if not every_copy and len(at):
        later = np.ones(len(at), bool)
        later[repeats.order[repeats.groups]] = False
        at = at[later]
    texts = len(words.offsets) - 1
    if not len(at):
        return np.zeros(texts, np.int64)
    until = np.minimum(at + repeats.n, np.concatenate((at[1:], [len(words.hashes)])))
    text = np.searchsorted(words.offsets, at, side="right") - 1
    characters = (words.starts[until] - words.starts[at]).astype(np.float64)
    return np.bincount(text, characters, minlength=texts).astype(np.int64)


def skipping(words: Words, repeats: Repeats, text: int) -> int:
    """Characters of repeated n-grams as datatrove counts: reads on, and jumps n words after each one seen before."""
    low, high = np.searchsorted(repeats.at, words.offsets[text : text + 2])
    seen: set[int] = set()
    characters = at = 0
    for place, key in zip(repeats.at[low:high].tolist(), repeats.keys[low:high].tolist(), strict=True):
        if place < at:
            continue
        if key in seen:
            characters += int(words.starts[place + repeats.n] - words.starts[place])
            at = place + repeats.n
        else:
            seen.add(key)
    return characters
