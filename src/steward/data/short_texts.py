"""Short texts that say the same but for one slip: what `decontaminate` compares short items with, as a whole.

A slip is a letter too many, one missing, another one, or two swapped, within a word of five letters and more; or, among
six words and more, one left out or put in, or another order. Stop words do not count where three words are left without
them. Numbers, number words, operators and single letters stay as they are, in their order; `!`, `-` and `/` are
operators only beside numbers and single letters.

What it does not know: whether a word is a word. A slip that makes another one (causal, casual) passes as a slip, unless
the items use both. Two slips are not found. Ours, because candidates are found by sums of hashes, a batch at a time:
the sum of a text's words, and that sum without each of them, are the same for texts that differ in one word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.data.content_runs import keep_content_words
from steward.data.shingles import (
    OPERATORS,
    UNSPACED,
    SortedHashes,
    TextHashes,
    hash_words,
    index_hashes,
)
from steward.text.hashing import U64, mix_bits
from steward.text.lexicons import load_lexicon

MIN_WORDS = 3  # that two texts are compared by
_MIN_LETTERS = 5  # of a word that a slip of letters may be in
_MIN_COUNTED = 6  # words, one of which may be left out or put in: 5 of 6 are more than .8, as for near-duplicates
_MIN_REORDERED = 6  # words that may stand in another order
_UNSPACED = "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED)
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+|[{re.escape(OPERATORS)}]")
_NUMBER = re.compile(
    r".*\d.*|.|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+teenth|twenty|thirty|forty"
    r"|fifty|sixty|seventy|eighty|ninety|\w+tieth|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
    r"|hundred|thousand|[mbtr]\w{1,3}illion"
)
_OPERAND = re.compile(r"\d|^[a-z]$")
_OPERATOR_WORDS = frozenset(OPERATORS)
_UNSPACED_LETTER = re.compile(rf"[{_UNSPACED}]")
_UNSPACED_NUMBERS = frozenset("零〇一二三四五六七八九十百千万億亿两")


class _ShortText(NamedTuple):
    """The words that two texts are compared by, and the stop words beside them."""

    words: tuple[str, ...]
    stop_words: frozenset[str]


class ShortTexts(NamedTuple):
    """The texts of items, by the sums of their words' hashes."""

    sums: SortedHashes  # (keys,)
    texts: NDArray[np.int64]  # the text of each key, (keys,)
    owners: NDArray[np.int64]  # (texts,)
    words: list[_ShortText]
    vocabulary: frozenset[str]

    def find(
        self, strings: Sequence[str], hashed: TextHashes, content: TextHashes, max_words: int
    ) -> Iterator[tuple[int, int]]:
        """(place in `strings`, owner) of each string of at most so many words that is a text but for one slip.

        `hashed`: the strings' words, where numbers count; `content`: those of them that are no stop words.
        """
        if not self.words:
            return
        candidates: dict[int, set[int]] = {}
        is_short = np.diff(hashed.offsets) <= max_words
        for words in (hashed, content):
            keys, places = _sum_words(words, is_short)
            hit, low = self.sums.locate(keys)
            high = np.searchsorted(self.sums.values, keys[hit], side="right")
            for place, start, end in zip(places[hit].tolist(), low.tolist(), high.tolist(), strict=True):
                candidates.setdefault(place, set()).update(self.texts[start:end].tolist())
        for place in sorted(candidates):
            words_of_row = split_words(strings[place])
            content_words = drop_stop_words(words_of_row)
            for text in sorted(candidates[place]):
                compared = content_words if self.words[text].stop_words else words_of_row
                if self._is_slip(self.words[text], compared):
                    yield place, int(self.owners[text])
                    break

    def _is_slip(self, item: _ShortText, words: tuple[str, ...]) -> bool:
        if len(words) == len(item.words) + 1 and item.stop_words:
            extra = _find_extra(words, item.words)
            if extra is not None and any(is_one_edit(extra, stop_word) for stop_word in item.stop_words):
                return True
        return differ_by_slip(item.words, words, self.vocabulary)


def index_short_texts(texts: Sequence[str], owners: NDArray[np.int64]) -> ShortTexts:
    """`owners`: the item of each text. Texts of fewer than three words are left out."""
    hashed = hash_words(texts, keep_numbers=True)
    content = keep_content_words(hashed)
    has_content = np.diff(content.offsets) >= MIN_WORDS
    key_parts, text_parts = list[U64](), list[NDArray[np.int64]]()
    for words, chosen in ((content, has_content), (hashed, ~has_content)):
        keys, places = _sum_words(words, chosen)
        key_parts.append(keys)
        text_parts.append(places)
    keys, places = np.concatenate(key_parts), np.concatenate(text_parts)
    order = np.argsort(keys, kind="stable")
    split = [_split_text(text, keeps) for text, keeps in zip(texts, has_content.tolist(), strict=True)]
    return ShortTexts(
        index_hashes(keys[order]), places[order], owners, split if len(keys) else [],
        frozenset(word for text in split for word in text.words),
    )  # fmt: skip


@cache
def _hash_operators() -> SortedHashes:
    return index_hashes(np.unique(hash_words([OPERATORS], keep_numbers=True).values))


def _split_text(text: str, by_content: bool) -> _ShortText:
    words = split_words(text)
    content = drop_stop_words(words)
    return _ShortText(content, frozenset(words) - frozenset(content)) if by_content else _ShortText(words, frozenset())


def _sum_words(words: TextHashes, chosen: NDArray[np.bool_]) -> tuple[U64, NDArray[np.int64]]:
    """Of each of the chosen texts, (texts,), that has three words the sum of their hashes, and that sum without each
    word: the keys and the texts that they belong to, (keys,) each."""
    lengths = np.diff(words.offsets)
    is_short = chosen & (lengths >= MIN_WORDS)
    mixed = mix_bits(words.values)
    mixed[_hash_operators().locate(words.values)[0]] = 0  # which are looked at word by word
    before = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)))
    sums = before[words.offsets[1:]] - before[words.offsets[:-1]]  # modulo 2^64, (texts,)
    texts = np.arange(len(lengths))
    of_words = np.repeat(texts, lengths)  # (words,)
    inside = is_short[of_words]
    keys = np.concatenate((sums[is_short], sums[of_words[inside]] - mixed[inside]))
    return mix_bits(keys), np.concatenate((texts[is_short], of_words[inside]))


def split_words(text: str) -> tuple[str, ...]:
    """The words as `hash_words` has them where numbers count; operators only beside numbers and single letters.

    >>> split_words("What's 3+x, well-known Zoë!")
    ('what', 's', '3', '+', 'x', 'well', 'known', 'zoe')
    """
    text = text.casefold()
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFD", text) if unicodedata.category(letter) != "Mn")
    words = _WORD.findall(unicodedata.normalize("NFC", text))
    if _OPERATOR_WORDS.isdisjoint(words):
        return tuple(words)
    around = zip(["", *words], words, [*words[1:], ""], strict=False)
    return tuple(word for before, word, after in around if word not in _OPERATOR_WORDS or _is_operand(before, after))


def _is_operand(*words: str) -> bool:
    return any(_OPERAND.search(word) is not None for word in words)


def drop_stop_words(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _list_stop_words())


@cache
def _list_stop_words() -> frozenset[str]:
    return frozenset(split_words(" ".join(load_lexicon("stop_words")[""])))


def differ_by_slip(one: tuple[str, ...], other: tuple[str, ...], vocabulary: frozenset[str] = frozenset()) -> bool:
    """Whether two lists of words are the same but for one slip. A word of `vocabulary` in `other` is no slip.

    >>> differ_by_slip(("wrote", "iliad", "poem"), ("wrote", "illiad", "poem"))
    True
    >>> differ_by_slip(("12", "plus", "7"), ("12", "plus", "8"))
    False
    """
    if one == other:
        return True
    if [word for word in one if _is_fixed(word)] != [word for word in other if _is_fixed(word)]:
        return False
    if len(one) == len(other):
        pairs = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
        if len(pairs) == 1:
            return pairs[0][1] not in vocabulary and _is_typo(*pairs[0])
        can_move = sum(map(_is_fixed, one)) <= 1 and not _UNSPACED_LETTER.search("".join(one))
        return len(one) >= _MIN_REORDERED and can_move and sorted(one) == sorted(other)
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return len(longer) >= _MIN_COUNTED and _find_extra(longer, shorter) is not None


def _find_extra(longer: Sequence[str], shorter: Sequence[str]) -> str | None:
    """The one word that `longer` has beside those of `shorter`."""
    if len(longer) != len(shorter) + 1:
        return None
    place = next((at for at, word in enumerate(shorter) if word != longer[at]), len(shorter))
    return longer[place] if tuple(longer[place + 1 :]) == tuple(shorter[place:]) else None


def _is_fixed(word: str) -> bool:
    if len(word) == 1 and _UNSPACED_LETTER.match(word):
        return word in _UNSPACED_NUMBERS
    return _NUMBER.fullmatch(word) is not None


def _is_typo(one: str, other: str) -> bool:
    """A stop word may be of any length; the first letter is seldom mistyped, and often makes another word."""
    long_enough = min(len(one), len(other)) >= _MIN_LETTERS - 1 and max(len(one), len(other)) >= _MIN_LETTERS
    if not (long_enough or one in _list_stop_words()):
        return False
    return one[0] == other[0] and one.isalpha() and other.isalpha() and is_one_edit(one, other)


def is_one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, make one word of the other.

    >>> is_one_edit("iliad", "illiad"), is_one_edit("wrote", "wrtoe"), is_one_edit("iran", "oman")
    (True, True, False)
    """
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, other_rest = one[start:], other[start:]
    if len(rest) != len(other_rest):
        longer, shorter = (rest, other_rest) if len(rest) > len(other_rest) else (other_rest, rest)
        return longer[1:] == shorter
    return rest[1:] == other_rest[1:] or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
