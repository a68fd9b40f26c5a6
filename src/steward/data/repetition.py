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

from steward.data.token_table import TokenizedTexts, TokenTable
from steward.text.hashing import HASH_BASE, HASH_FOLD

_MULTIPLIER = np.uint64(HASH_BASE)


def count_duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """The second and later copies among the parts: how many, and how many characters they have."""
    distinct = set(parts)
    if len(distinct) == len(parts):
        return 0, 0
    return len(parts) - len(distinct), sum(map(len, parts)) - sum(map(len, distinct))


class WordSequences(msgspec.Struct, frozen=True):
    """The words of several texts, one after another."""

    hashes: np.ndarray  # (words,) uint64
    starts: np.ndarray  # (words + 1,) int64: characters before each word
    offsets: np.ndarray  # (texts + 1,) int64: words before each text


def gather_words(tokenized: TokenizedTexts, table: TokenTable) -> WordSequences:
    """The words of the texts that `Pieces.numbers` has seen."""
    features = table.features()
    counts = features.words.take(tokenized.ids)
    words_before = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=words_before[1:])
    index = np.repeat(features.start.take(tokenized.ids) - words_before[:-1], counts)
    index += np.arange(len(index))
    starts = np.zeros(len(index) + 1, np.int64)
    np.cumsum(table.lengths.take(index), out=starts[1:])
    return WordSequences(table.hashes.take(index), starts, words_before.take(tokenized.offsets))


class RepeatedNgrams(msgspec.Struct, frozen=True):
    """The n-grams that a text has more than once."""

    n: int
    at: np.ndarray  # (places,) int64, ascending: word at which one starts
    texts: np.ndarray  # (places,) int64: the text that it is in
    keys: np.ndarray  # (places,) uint64: the same for the same n-gram of the same text
    rolling: np.ndarray  # (places,) uint64: hash without the text, to grow from
    order: np.ndarray  # (places,) int64: sorts places by key, then by place
    groups: np.ndarray  # (groups,) int64: where each group begins in that order


def find_repeated_bigrams(words: WordSequences) -> RepeatedNgrams:
    """Repeated 2-grams."""
    rolling = words.hashes[:-1] * _MULTIPLIER + words.hashes[1:]
    salts = np.repeat(_text_salts(words), np.diff(words.offsets))[:-1]
    inside = np.ones(len(words.hashes) + 1, bool)
    inside[words.offsets[1:] - 1] = False  # the last word of a text and the first of the next are no 2-gram
    at = _find_candidates(_ngram_keys(rolling, salts))
    at = at[inside[at]]
    texts = np.repeat(np.arange(len(words.offsets) - 1), np.diff(np.searchsorted(at, words.offsets)))
    return _find_repeats(2, at, texts, rolling[at], salts[at])


def find_longer_repeats(words: WordSequences, shorter: RepeatedNgrams) -> RepeatedNgrams:
    """Repeated n+1-grams: both n-grams inside one are repeated themselves."""
    n = shorter.n + 1
    inside = np.zeros(len(words.hashes) + 1, bool)
    inside[shorter.at] = True
    keep = np.flatnonzero(inside[shorter.at + 1] & (shorter.at + n <= words.offsets[1:][shorter.texts]))
    at, texts = shorter.at[keep], shorter.texts[keep]
    rolling = shorter.rolling[keep] * _MULTIPLIER + words.hashes[at + n - 1]
    return _find_repeats(n, at, texts, rolling, _text_salts(words)[texts])


def _text_salts(words: WordSequences) -> np.ndarray:
    """One a text, so that n-grams of two texts differ."""
    return words.offsets[1:].astype(np.uint64) * HASH_FOLD


def _ngram_keys(rolling: np.ndarray, salts: np.ndarray) -> np.ndarray:
    keys: np.ndarray = (rolling ^ (rolling >> np.uint64(29))) * _MULTIPLIER + salts
    return keys


def _find_candidates(keys: np.ndarray) -> np.ndarray:
    """The places of keys whose first bits come twice: a table of those is cheaper than sorting all keys."""
    bits = len(keys).bit_length() + 1
    slots = (keys >> np.uint64(64 - bits)).astype(np.int64)
    return np.flatnonzero(np.bincount(slots, minlength=1 << bits)[slots] > 1)


def _find_repeats(n: int, at: np.ndarray, texts: np.ndarray, rolling: np.ndarray, salts: np.ndarray) -> RepeatedNgrams:
    keys = _ngram_keys(rolling, salts)
    # Key and place in one number sort three times as fast as argsort does; the whole keys are compared after.
    low = np.uint64(len(at).bit_length())
    packed = (keys >> low << low) | np.arange(len(at), dtype=np.uint64)
    packed.sort()
    packed = packed[_find_equal_neighbours(packed >> low)]
    places = (packed & ((np.uint64(1) << low) - np.uint64(1))).astype(np.int64)
    places = places[_find_equal_neighbours(keys[places])]
    groups = np.flatnonzero(np.diff(keys[places], prepend=~keys[places[:1]]))
    is_repeated = np.zeros(len(at), bool)
    is_repeated[places] = True
    often = np.flatnonzero(is_repeated)
    order = np.cumsum(is_repeated)[places] - 1
    return RepeatedNgrams(n, at[often], texts[often], keys[often], rolling[often], order, groups)


def _find_equal_neighbours(values: np.ndarray) -> np.ndarray:
    """The places of values that are equal to one beside them."""
    equal_to_previous = np.zeros(len(values) + 1, bool)
    np.equal(values[1:], values[:-1], out=equal_to_previous[1:-1])
    return np.flatnonzero(equal_to_previous[1:] | equal_to_previous[:-1])


def count_top_ngram_characters(words: WordSequences, repeats: RepeatedNgrams, *, once: bool) -> np.ndarray:
    """Characters (with the blanks between words) of the commonest n-gram, times its count; the first wins a tie.

    `once`: an n-gram that occurs once counts, as in datatrove. (texts,) int64.
    """
    n, first_words = repeats.n, words.offsets[:-1]
    long_enough = np.diff(words.offsets) >= n
    characters = np.zeros(len(first_words), np.int64)
    if once:
        characters[long_enough] = (
            words.starts[first_words[long_enough] + n] - words.starts[first_words[long_enough]] + n - 1
        )
    if len(repeats.groups):
        places = repeats.order[repeats.groups]
        by_place = np.argsort(places)
        places = places[by_place]
        count = np.diff(np.append(repeats.groups, len(repeats.order)))[by_place]
        text = repeats.texts[places]
        begins = np.flatnonzero(np.diff(text, prepend=-1))  # of each text with repeats, its first n-gram
        most = np.repeat(np.maximum.reduceat(count, begins), np.diff(np.append(begins, len(text))))
        chosen = np.flatnonzero(count == most)
        chosen = chosen[np.flatnonzero(np.diff(text[chosen], prepend=-1))]
        first = repeats.at[places[chosen]]
        characters[text[chosen]] = (words.starts[first + n] - words.starts[first] + n - 1) * count[chosen]
    return characters


def count_repeated_characters(words: WordSequences, repeats: RepeatedNgrams, *, every_copy: bool) -> np.ndarray:
    """Characters inside repeated n-grams, each counted once; without the first copies unless `every_copy`. (texts,)"""
    at, text = repeats.at, repeats.texts
    if not every_copy and len(at):
        later = np.ones(len(at), bool)
        later[repeats.order[repeats.groups]] = False
        at, text = at[later], text[later]
    texts = len(words.offsets) - 1
    if not len(at):
        return np.zeros(texts, np.int64)
    ends = np.minimum(at + repeats.n, np.concatenate((at[1:], [len(words.hashes)])))
    characters = (words.starts[ends] - words.starts[at]).astype(np.float64)
    return np.bincount(text, characters, minlength=texts).astype(np.int64)


def count_repeated_characters_by_skipping(words: WordSequences, repeats: RepeatedNgrams, text: int) -> int:
    """Characters of repeated n-grams as datatrove counts: reads on, and jumps n words after each one seen before."""
    low, high = np.searchsorted(repeats.at, words.offsets[text : text + 2])
    seen_keys: set[int] = set()
    characters = at = 0
    for place, key in zip(repeats.at[low:high].tolist(), repeats.keys[low:high].tolist(), strict=True):
        if place < at:
            continue
        if key in seen_keys:
            characters += int(words.starts[place + repeats.n] - words.starts[place])
            at = place + repeats.n
        else:
            seen_keys.add(key)
    return characters
