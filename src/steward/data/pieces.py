"""Texts as numbers: every distinct piece between white space is cut into words once, and then counted from tables.

A process keeps the pieces it has met (`_LIMIT` of them, some 40 MB), so that a corpus costs one look-up a piece, in the
table of `vocabulary.py`. A word is known by the 64-bit hash of `text.many`; two words of one text that share a hash
would count as one (less than one text in 10^9).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.data.vocabulary import Vocabulary
from steward.text.many import LOAD, U64, Cut, cut_all, hash_of
from steward.text.words import LONGEST_PIECE

_LIMIT = 400_000
_LIMIT_CHARACTERS = 40_000_000
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Rae et al. 2021, arXiv:2112.11446, appendix A1
# What datatrove 0.10 takes for punctuation (its utils/text.py), beside the sentence ends and the control characters.
_SYMBOLS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
# Unicode's Sentence_Terminal (UAX 44), as of Unicode 15, and the three Khmer signs that datatrove adds.
_ENDS = (
    "!.?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡𐩖𐩗𐽕𐽖𐽗𐽘𐽙𐾆𐾇𐾈𐾉𑁇𑁈"
    "𑂾𑂿𑃀𑃁𑅁𑅂𑅃𑇅𑇆𑇍𑇞𑇟𑈸𑈹𑈻𑈼𑊩𑑋𑑌𑗂𑗃𑗉𑗊𑗋𑗌𑗍𑗎𑗏𑗐𑗑𑗒𑗓𑗔𑗕𑗖𑗗𑙁𑙂𑜼𑜽𑜾𑥄𑥆𑩂𑩃𑪛𑪜𑱁𑱂𑻷𑻸\U00011f43\U00011f44𖩮𖩯𖫵𖬷𖬸𖭄𖺘𛲟𝪈"
)
LINE_ENDS = frozenset(_ENDS)
SYMBOLS = frozenset(_SYMBOLS + _ENDS) | {chr(c) for a, b in ((0, 9), (11, 32), (127, 160)) for c in range(a, b)}
_SENTENCE_ENDS = frozenset(_ENDS) - frozenset("؝؞࠷࠹࠽࠾។៕៖៙៚᭽᭾⹓⹔𐽕𐽖𐽗𐽘𐽙𐾆𐾇𐾈𐾉𑥄𑥆𑻷𑻸𖺘\U00011f43\U00011f44")
_LETTER, _PLAIN, _MARKLESS, _ENDS_ONE = 1, 2, 4, 8
_WORD, _PUNCTUATION, _END = 0, 1, 2  # kinds of words, as spaCy's sentencizer sees them


class Numbers(NamedTuple):
    """The pieces of several texts, one after another."""

    flat: NDArray[np.int32]
    offsets: NDArray[np.int64]  # (texts + 1,): pieces before each text


class Facts(NamedTuple):
    """Of each piece. Views that hold until the next piece is met."""

    words: NDArray[np.int32]
    start: NDArray[np.int64]  # of its words among those of all pieces
    plain: NDArray[np.int32]  # words with something else than punctuation
    plain_characters: NDArray[np.int32]  # of those
    alphabetic: NDArray[np.int32]  # words with a letter
    stop_bits: NDArray[np.uint8]  # one bit for each of `STOP_WORDS`


class Pieces:
    """The number of each piece met, and what there is to count in it."""

    def __init__(self) -> None:
        self._vocabulary = Vocabulary()
        self._facts = [_Column(kind) for kind in (np.int32, np.int64, np.int32, np.int32, np.int32, np.uint8)]
        self._hashes, self._lengths, self._kinds = _Column(np.uint64), _Column(np.int32), _Column(np.uint8)
        self.characters = 0

    def __len__(self) -> int:
        return len(self._vocabulary)

    def numbers(self, texts: Sequence[str]) -> Numbers:
        """One number a piece; the pieces that are new are cut, and what is in them is noted."""
        found = self._vocabulary.number(texts)
        for load in _loads(found.new):
            if len(load) == 1 and len(load[0]) > LONGEST_PIECE:
                self._note(_long(load[0]))
            else:
                self._note(_counted(cut_all(load)))
        return Numbers(found.numbers, found.offsets)

    def facts(self) -> Facts:
        return Facts._make(column.view() for column in self._facts)

    @property
    def hashes(self) -> U64:
        """Of every word of every piece, one after another."""
        return self._hashes.view()

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Characters of every word of every piece."""
        return self._lengths.view()

    def sentences(self, line: NDArray[np.int32], enough: int) -> int:
        """How many sentences spaCy's sentencizer sees in a line of these pieces; stops counting at `enough`."""
        found, ended = 1, False
        words, start, kinds = self._facts[0].view(), self._facts[1].view(), self._kinds.view()
        for number in line.tolist():
            first = int(start[number])
            for kind in kinds[first : first + int(words[number])].tolist():
                if kind == _END:
                    ended = True
                elif ended and kind == _WORD:
                    found, ended = found + 1, False
                    if found >= enough:
                        return found
        return found

    def _note(self, found: _Found) -> None:
        before = len(self._hashes.view())
        starts = before + np.cumsum(found.words) - found.words
        facts: list[NDArray[Any]] = [found.words, starts, found.plain, found.plain_characters]
        facts += [found.alphabetic, found.stop_bits]
        for column, values in zip(self._facts, facts, strict=True):
            column.extend(values)
        self._hashes.extend(found.hashes)
        self._lengths.extend(found.lengths)
        self._kinds.extend(found.kinds)
        self.characters += int(found.lengths.sum())


class _Column:
    """An array that grows at its end."""

    def __init__(self, kind: type[np.generic]) -> None:
        self._values = np.zeros(1024, kind)
        self._size = 0

    def extend(self, values: NDArray[np.generic]) -> None:
        size = self._size + len(values)
        if size > len(self._values):
            grown = np.zeros(max(size, 2 * len(self._values)), self._values.dtype)
            grown[: self._size] = self._values[: self._size]
            self._values = grown
        self._values[self._size : size] = values
        self._size = size

    def view(self) -> NDArray[Any]:
        return self._values[: self._size]


class _Found(NamedTuple):
    """Of new pieces and of their words."""

    words: NDArray[np.int64]  # (pieces,), as are the next four
    plain: NDArray[np.int64]
    plain_characters: NDArray[np.int64]
    alphabetic: NDArray[np.int64]
    stop_bits: NDArray[np.uint8]
    hashes: U64  # (words,), as are the next two
    lengths: NDArray[np.int64]
    kinds: NDArray[np.uint8]


def _counted(cut: Cut) -> _Found:
    starts, lengths = cut.starts[:-1], np.diff(cut.starts)
    traits = np.bitwise_or.reduceat(_traits(cut.codes), starts)
    letter, plain = (traits & _LETTER) != 0, (traits & _PLAIN) != 0
    kinds = np.where(letter | ((traits & _MARKLESS) != 0), _WORD, _PUNCTUATION).astype(np.uint8)
    kinds[~letter & (lengths == 1) & ((traits & _ENDS_ONE) != 0)] = _END
    bits = np.zeros(len(starts), np.uint8)
    for bit, hashed in enumerate(_stop_hashes()):
        bits[cut.hashes == hashed] = 1 << bit
    firsts = np.cumsum(cut.counts) - cut.counts
    return _Found(
        cut.counts,
        np.add.reduceat(plain, firsts, dtype=np.int64),
        np.add.reduceat(lengths * plain, firsts),
        np.add.reduceat(letter, firsts, dtype=np.int64),
        np.bitwise_or.reduceat(bits, firsts),
        cut.hashes,
        lengths,
        kinds,
    )


def _long(piece: str) -> _Found:
    """Of one piece that is cut where no rule says so, to stay linear in the text and small in memory."""
    parts = [piece[at : at + LONGEST_PIECE] for at in range(0, len(piece), LONGEST_PIECE)]
    found = [_counted(cut_all(load)) for load in _loads(parts)]
    sums = [np.array([sum(int(one[column].sum()) for one in found)]) for column in range(4)]
    bits = np.array([np.bitwise_or.reduce(np.concatenate([one.stop_bits for one in found]))])
    return _Found._make([*sums, bits, *(np.concatenate([one[column] for one in found]) for column in (5, 6, 7))])


def _loads(pieces: Sequence[str]) -> Iterator[list[str]]:
    """At most `LOAD` characters at once; a piece longer than `LONGEST_PIECE` comes alone."""
    load: list[str] = []
    size = 0
    for piece in pieces:
        long = len(piece) > LONGEST_PIECE
        if load and (long or size + len(piece) > LOAD):
            yield load
            load, size = [], 0
        if long:
            yield [piece]
            continue
        load.append(piece)
        size += len(piece)
    if load:
        yield load


def _traits(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Of each character: a letter, more than punctuation for datatrove, and for Unicode, the end of a sentence."""
    table = _first_plane()
    found = table.take(codes, mode="clip")
    if codes.max(initial=0) >= len(table):
        for code in np.unique(codes[codes >= len(table)]).tolist():
            found[codes == code] = _trait(chr(code))
    return found


@lru_cache(maxsize=1)
def _first_plane() -> NDArray[np.uint8]:
    return np.fromiter(map(_trait, map(chr, range(1 << 16))), np.uint8, 1 << 16)


def _trait(letter: str) -> int:
    return (
        _LETTER * letter.isalpha()
        + _PLAIN * (letter not in SYMBOLS)
        + _MARKLESS * (unicodedata.category(letter)[0] != "P")
        + _ENDS_ONE * (letter in _SENTENCE_ENDS)
    )


@lru_cache(maxsize=1)
def _stop_hashes() -> tuple[np.uint64, ...]:
    return tuple(np.uint64(hash_of(word)) for word in STOP_WORDS)


_pieces = Pieces()


def pieces() -> Pieces:
    """Those of this process; emptied when there are too many."""
    global _pieces
    if len(_pieces) > _LIMIT or _pieces.characters > _LIMIT_CHARACTERS:
        _pieces = Pieces()
    return _pieces
