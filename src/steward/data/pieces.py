"""Texts as numbers: every distinct piece between white space is cut into words once, and then counted from tables.

A process keeps the pieces it has met (`_LIMIT` of them, some 100 MB), so that a corpus costs one dictionary look-up a
piece. A word is known by its 64-bit xxh3 hash; two words of one text that share a hash would count as one (less than
one
text in 10^9).
"""

from __future__ import annotations

import unicodedata
from array import array

import numpy as np
import xxhash

from steward.text.words import cut

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
_BITS = {word: 1 << bit for bit, word in enumerate(STOP_WORDS)}


class _WordFacts(dict[str, tuple[int, int, bool, bool, int, str]]):
    """Of each word met: hash, characters, more than punctuation, has a letter, bit of the stop word, kind."""

    def __missing__(self, word: str) -> tuple[int, int, bool, bool, int, str]:
        letter = word.isalpha() or any(map(str.isalpha, word))
        plain = not SYMBOLS.issuperset(word)
        self[word] = facts = (
            xxhash.xxh3_64_intdigest(word), len(word), plain, letter, _BITS.get(word, 0), "w" if letter else _kind(word)
        )  # fmt: skip
        return facts


class Pieces(dict[str, int]):
    """The number of each piece met; a new one is cut and counted. Rows of `facts`: `COLUMNS`."""

    COLUMNS = ("words", "start", "plain", "plain_chars", "alphabetic", "stop_bits")

    def __init__(self) -> None:
        self.characters = 0
        self.facts = array("q")
        self.hashes = array("Q")  # of every word of every piece, one after another
        self.lengths = array("q")
        self._words = _WordFacts()
        self.kinds: list[str] = []  # one letter a word: e ends a sentence, p punctuation, w word

    def __missing__(self, piece: str) -> int:
        start, plain, plain_chars, alphabetic, bits = len(self.hashes), 0, 0, 0, 0
        kinds = ""
        found = cut(piece)
        for word in found:
            hashed, length, is_plain, letter, bit, kind = self._words[word]
            self.hashes.append(hashed)
            self.lengths.append(length)
            plain += is_plain
            plain_chars += length * is_plain
            alphabetic += letter
            bits |= bit
            kinds += kind
        self.facts.extend((len(found), start, plain, plain_chars, alphabetic, bits))
        self.kinds.append(kinds)
        self.characters += len(piece)
        self[piece] = number = len(self)
        return number

    def numbers(self, text: str) -> np.ndarray:
        """One number a piece of the text, int32."""
        return np.fromiter(map(self.__getitem__, text.split()), np.int32)

    def table(self) -> np.ndarray:
        """(pieces, len(COLUMNS)) int64; a view that must be let go before the next piece is met."""
        return np.frombuffer(self.facts, np.int64).reshape(-1, len(self.COLUMNS))

    def sentences(self, line: str, enough: int) -> int:
        """How many sentences spaCy's sentencizer sees in the line; stops counting at `enough`."""
        count, ended = 1, False
        for piece in line.split():
            for kind in self.kinds[self[piece]]:
                if kind == "e":
                    ended = True
                elif ended and kind == "w":
                    count, ended = count + 1, False
                    if count >= enough:
                        return count
        return count


def _kind(word: str) -> str:
    if word in _SENTENCE_ENDS:
        return "e"
    return "p" if all(unicodedata.category(c)[0] == "P" for c in word) else "w"


_pieces = Pieces()


def pieces() -> Pieces:
    """Those of this process; emptied when there are too many."""
    global _pieces
    if len(_pieces) > _LIMIT or _pieces.characters > _LIMIT_CHARACTERS:
        _pieces = Pieces()
    return _pieces
