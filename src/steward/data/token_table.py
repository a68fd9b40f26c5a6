"""Texts as numbers: each distinct token is split into words once, and everything after that is counted from tables.

A token is what stands between white space. A process keeps the tokens it has met (`_MAX_TOKENS` of them, about 40 MB),
so a corpus costs one look-up per token in the `TokenIndex`. A word is known by the 64-bit hash of
`text.batch_tokenizer`; two words of one text that share a hash would count as one (less than one text in 10^9).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.data.token_index import TokenIndex
from steward.text.batch_tokenizer import CHUNK_CHARACTERS, TokenizedPieces, hash_word, tokenize_pieces
from steward.text.hashing import U64
from steward.text.tokenizer import LONGEST_PIECE

_MAX_TOKENS = 400_000
_MAX_CHARACTERS = 40_000_000
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Rae et al. 2021, arXiv:2112.11446, appendix A1
# What datatrove 0.10 takes for punctuation (its utils/text.py), beside the sentence ends and the control characters.
_SYMBOLS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
# Unicode's Sentence_Terminal (UAX 44), as of Unicode 15, and the three Khmer signs that datatrove adds.
_SENTENCE_TERMINALS = (
    "!.?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡𐩖𐩗𐽕𐽖𐽗𐽘𐽙𐾆𐾇𐾈𐾉𑁇𑁈"
    "𑂾𑂿𑃀𑃁𑅁𑅂𑅃𑇅𑇆𑇍𑇞𑇟𑈸𑈹𑈻𑈼𑊩𑑋𑑌𑗂𑗃𑗉𑗊𑗋𑗌𑗍𑗎𑗏𑗐𑗑𑗒𑗓𑗔𑗕𑗖𑗗𑙁𑙂𑜼𑜽𑜾𑥄𑥆𑩂𑩃𑪛𑪜𑱁𑱂𑻷𑻸\U00011f43\U00011f44𖩮𖩯𖫵𖬷𖬸𖭄𖺘𛲟𝪈"
)
LINE_ENDS = frozenset(_SENTENCE_TERMINALS)
SYMBOLS = frozenset(_SYMBOLS + _SENTENCE_TERMINALS) | {
    chr(c) for a, b in ((0, 9), (11, 32), (127, 160)) for c in range(a, b)
}
_SENTENCE_ENDS = frozenset(_SENTENCE_TERMINALS) - frozenset("؝؞࠷࠹࠽࠾។៕៖៙៚᭽᭾⹓⹔𐽕𐽖𐽗𐽘𐽙𐾆𐾇𐾈𐾉𑥄𑥆𑻷𑻸𖺘\U00011f43\U00011f44")
_LETTER, _PLAIN, _NOT_PUNCTUATION, _ENDS_SENTENCE = 1, 2, 4, 8
_WORD, _PUNCTUATION, _END = 0, 1, 2  # kinds of words, as spaCy's sentencizer sees them


class TokenizedTexts(NamedTuple):
    """The pieces of several texts, one after another."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]  # (texts + 1,): pieces before each text


class TokenFeatures(NamedTuple):
    """Of each piece. Views that hold until the next piece is met."""

    words: NDArray[np.int32]
    start: NDArray[np.int64]  # of its words among those of all pieces
    plain: NDArray[np.int32]  # words with something else than punctuation
    plain_characters: NDArray[np.int32]  # of those
    alphabetic: NDArray[np.int32]  # words with a letter
    stop_bits: NDArray[np.uint8]  # one bit for each of `STOP_WORDS`


class TokenTable:
    """The number of each piece met, and what there is to count in it."""

    def __init__(self) -> None:
        self._index = TokenIndex()
        self._features = [_GrowingArray(kind) for kind in (np.int32, np.int64, np.int32, np.int32, np.int32, np.uint8)]
        self._hashes, self._lengths, self._kinds = (
            _GrowingArray(np.uint64),
            _GrowingArray(np.int32),
            _GrowingArray(np.uint8),
        )
        self.characters = 0

    def __len__(self) -> int:
        return len(self._index)

    def tokenize(self, texts: Sequence[str]) -> TokenizedTexts:
        """One number a piece; the pieces that are new are cut, and what is in them is noted."""
        indexed = self._index.index_texts(texts)
        for chunk in _split_into_chunks(indexed.new):
            if len(chunk) == 1 and len(chunk[0]) > LONGEST_PIECE:
                self._append(_analyze_long_token(chunk[0]))
            else:
                self._append(_analyze_tokens(tokenize_pieces(chunk)))
        return TokenizedTexts(indexed.ids, indexed.offsets)

    def features(self) -> TokenFeatures:
        return TokenFeatures._make(column.view() for column in self._features)

    @property
    def hashes(self) -> U64:
        """Of every word of every piece, one after another: (words,)."""
        return self._hashes.view()

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Characters of every word of every piece: (words,)."""
        return self._lengths.view()

    def count_sentences(self, line: NDArray[np.int32], max_count: int) -> int:
        """How many sentences spaCy's sentencizer sees in a line of these pieces, (pieces,); stops at `max_count`."""
        count, ended = 1, False
        words, start, kinds = self._features[0].view(), self._features[1].view(), self._kinds.view()
        for number in line.tolist():
            first = int(start[number])
            for kind in kinds[first : first + int(words[number])].tolist():
                if kind == _END:
                    ended = True
                elif ended and kind == _WORD:
                    count, ended = count + 1, False
                    if count >= max_count:
                        return count
        return count

    def _append(self, new: _TokenWords) -> None:
        words_before = len(self._hashes.view())
        starts = words_before + np.cumsum(new.words) - new.words
        columns: list[NDArray[Any]] = [new.words, starts, new.plain, new.plain_characters]
        columns += [new.alphabetic, new.stop_bits]
        for column, values in zip(self._features, columns, strict=True):
            column.extend(values)
        self._hashes.extend(new.hashes)
        self._lengths.extend(new.lengths)
        self._kinds.extend(new.kinds)
        self.characters += int(new.lengths.sum())


class _GrowingArray:
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


class _TokenWords(NamedTuple):
    """Of new pieces and of their words."""

    words: NDArray[np.int64]  # (pieces,), as are the next four
    plain: NDArray[np.int64]
    plain_characters: NDArray[np.int64]
    alphabetic: NDArray[np.int64]
    stop_bits: NDArray[np.uint8]
    hashes: U64  # (words,), as are the next two
    lengths: NDArray[np.int64]
    kinds: NDArray[np.uint8]


def _analyze_tokens(tokenized: TokenizedPieces) -> _TokenWords:
    starts, lengths = tokenized.starts[:-1], np.diff(tokenized.starts)
    traits = np.bitwise_or.reduceat(_character_traits(tokenized.codes), starts)
    letter, plain = (traits & _LETTER) != 0, (traits & _PLAIN) != 0
    kinds = np.where(letter | ((traits & _NOT_PUNCTUATION) != 0), _WORD, _PUNCTUATION).astype(np.uint8)
    kinds[~letter & (lengths == 1) & ((traits & _ENDS_SENTENCE) != 0)] = _END
    bits = np.zeros(len(starts), np.uint8)
    for bit, hashed in enumerate(_stop_word_hashes()):
        bits[tokenized.hashes == hashed] = 1 << bit
    firsts = np.cumsum(tokenized.counts) - tokenized.counts
    return _TokenWords(
        tokenized.counts,
        np.add.reduceat(plain, firsts, dtype=np.int64),
        np.add.reduceat(lengths * plain, firsts),
        np.add.reduceat(letter, firsts, dtype=np.int64),
        np.bitwise_or.reduceat(bits, firsts),
        tokenized.hashes,
        lengths,
        kinds,
    )


def _analyze_long_token(piece: str) -> _TokenWords:
    """Of one piece that is cut where no rule says so, to stay linear in the text and small in memory."""
    parts = [piece[at : at + LONGEST_PIECE] for at in range(0, len(piece), LONGEST_PIECE)]
    parsed_parts = [_analyze_tokens(tokenize_pieces(chunk)) for chunk in _split_into_chunks(parts)]
    sums = [np.array([sum(int(parsed[column].sum()) for parsed in parsed_parts)]) for column in range(4)]
    bits = np.array([np.bitwise_or.reduce(np.concatenate([parsed.stop_bits for parsed in parsed_parts]))])
    return _TokenWords._make(
        [*sums, bits, *(np.concatenate([parsed[column] for parsed in parsed_parts]) for column in (5, 6, 7))]
    )


def _split_into_chunks(tokens: Sequence[str]) -> Iterator[list[str]]:
    """At most `LOAD` characters at once; a piece longer than `LONGEST_PIECE` comes alone."""
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    ends = np.cumsum(lengths)
    is_alone = lengths > LONGEST_PIECE
    stops = np.flatnonzero(is_alone[:-1] | is_alone[1:]) + 1  # before and after those that come alone
    first = 0
    for stop in np.append(stops, len(tokens)).tolist():
        while first < stop:
            room = ends[first] - lengths[first] + CHUNK_CHARACTERS
            last = min(max(int(np.searchsorted(ends, room, side="right")), first + 1), stop)
            yield list(tokens[first:last])
            first = last


def _character_traits(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Of each character: a letter, more than punctuation for datatrove, and for Unicode, the end of a sentence."""
    table = _basic_plane_traits()
    traits = table.take(codes, mode="clip")
    if codes.max(initial=0) >= len(table):
        for code in np.unique(codes[codes >= len(table)]).tolist():
            traits[codes == code] = _character_trait(chr(code))
    return traits


@cache
def _basic_plane_traits() -> NDArray[np.uint8]:
    return np.fromiter(map(_character_trait, map(chr, range(1 << 16))), np.uint8, 1 << 16)


def _character_trait(letter: str) -> int:
    return (
        _LETTER * letter.isalpha()
        + _PLAIN * (letter not in SYMBOLS)
        + _NOT_PUNCTUATION * (unicodedata.category(letter)[0] != "P")
        + _ENDS_SENTENCE * (letter in _SENTENCE_ENDS)
    )


@cache
def _stop_word_hashes() -> tuple[np.uint64, ...]:
    return tuple(np.uint64(hash_word(word)) for word in STOP_WORDS)


_shared_table = TokenTable()


def shared_token_table() -> TokenTable:
    """Those of this process; emptied when there are too many."""
    global _shared_table
    if len(_shared_table) > _MAX_TOKENS or _shared_table.characters > _MAX_CHARACTERS:
        _shared_table = TokenTable()
    return _shared_table
