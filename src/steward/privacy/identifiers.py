"""Numbers that name somebody: a shape, the issuer's check digit, and the words around them.

A shape that anything could have counts only where a whole word near it says what it is ("SSN", "NHS number"), and
not at all where a word says that it is something else ("order", "sha256"). Every pattern is linear in the text.
A shape is looked for only where it can be: at numbers whose first digits are as many as it begins with, or, if it
counts by its words alone, in texts that have one of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from string import ascii_uppercase
from typing import Final

from steward.privacy import check_digits
from steward.privacy.number_shapes import SHAPES, NumberShape

Find = tuple[int, int, str, float]
WINDOW: Final = 48  # characters before a find that are looked at for words; half as many after it
_NEXT_TO: Final = 12  # characters
LEAST: Final = 0.5  # a find that is less sure counts for nothing

_OTHER: Final = re.compile(
    r"(?i)\b(?:order|invoice|tracking|ticket|case|sku|part|model|serial|commit|sha(?:1|256|512)?|md5|hash|uuid|isbn|issn"
    r"|doi|version|build|port|bug|issue|pull|pid|epoch|timestamp|checksum|bestellung|rechnung|commande|pedido)\b"
)
_CLAUSE: Final = re.compile(r"[^,;.|\n]*")  # what follows a number and still speaks of it
_JOINTS: Final = str.maketrans("", "", " .-/\u00a0")


_BITCOIN: Final = re.compile(r"[13](?<!\w.)[1-9A-HJ-NP-Za-km-z]{25,33}(?!\w)")
_SEGWIT: Final = re.compile(r"bc1(?<!\w.{3})[qp][02-9ac-hj-np-z]{38,58}(?!\w)")
_MAC: Final = re.compile(r"(?<![\w.+/=:-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
_WITHOUT_RUN: Final = tuple(shape for shape in SHAPES if not shape.runs and shape.score < LEAST)
LETTERED_WORDS: Final = frozenset().union(*(shape.gates for shape in _WITHOUT_RUN))
_BY_WORDS: Final = tuple(shape for shape in SHAPES if shape.runs and shape.score < LEAST)
_GATES: Final = frozenset().union(*(shape.gates for shape in _BY_WORDS))
NUMBER_WORDS: Final = frozenset().union(*(shape.gates for shape in SHAPES))  # one of these names each such number


def _index_runs(shapes: Iterable[NumberShape]) -> Mapping[int, Sequence[NumberShape]]:
    table: defaultdict[int, list[NumberShape]] = defaultdict(list)
    for shape in shapes:
        for run in shape.runs:
            table[run].append(shape)
    return dict(table)


BY_RUN: Final = _index_runs(shape for shape in SHAPES if shape.score >= LEAST and shape.letters is None)
_BY_LETTERED_RUN: Final = _index_runs(shape for shape in SHAPES if shape.score >= LEAST and shape.letters is not None)
NamedShapes = Mapping[int, Sequence[NumberShape]]  # by the length of their first row of digits


_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?<!\w.{4})(?= ?[A-Z0-9]{4})")
_IBAN_RESTS: Final = {  # what follows the first four, by the length of the whole
    length: re.compile(rf"(?:[ \u00a0]?[A-Z0-9]){{{length - 4}}}(?![^\W_])") for length in range(15, 35)
}
_BLANKS: Final = str.maketrans("", "", " \u00a0")


def read_iban(text: str, start: int) -> Find | None:
    """The one that begins at `start`, of the length that its country gives it, whatever follows: `DE89 3704 0044 0532
    0130 00 BIC` ends before BIC."""
    match = _IBAN.match(text, start)
    if match is None:
        return None
    rest = _IBAN_RESTS.get(check_digits.iban_length(match[0][:2]), _IBAN_RESTS[15]).match(text, match.end())
    if rest is None or not check_digits.is_iban((match[0] + rest[0]).translate(_BLANKS)):
        return None
    return start, rest.end(), "IBAN_CODE", 0.98


def read_identifiers(text: str, start: int, run: int, second: int | None = None) -> Iterator[Find]:
    """Numbers that begin with `run` digits at `start`, before a row of `second` ones, and need no word beside them.
    `second`: 0 where none follows, None where nobody counted."""
    for shape in BY_RUN.get(run, ()):
        if (
            (second is None or shape.second in (0, second))
            and (match := shape.pattern.match(text, start))
            and (find := _judge(shape, text, match))
        ):
            yield find


def read_lettered(text: str, start: int, run: int) -> Iterator[Find]:
    """Numbers that begin with capitals before the `run` digits at `start`."""
    if start >= 2 <= run and (iban := read_iban(text, start - 2)):
        yield iban
    for shape in _BY_LETTERED_RUN.get(run, ()):
        if find := read_named(text, start, shape):
            yield find


def read_named(text: str, start: int, shape: NumberShape) -> Find | None:
    """A number of this shape whose first digit is at `start`."""
    begin = start if shape.letters is None else _find_letters(text, start, shape.letters)
    match = shape.pattern.match(text, begin)
    return _judge(shape, text, match) if match else None


def read_wallet(text: str, start: int) -> Find | None:
    """A Bitcoin address whose first digits are at `start`."""
    if (match := _BITCOIN.match(text, start)) and check_digits.is_bitcoin_address(match[0]):
        return *match.span(), "CRYPTO", 0.99
    match = _SEGWIT.match(text, start - 2) if text.startswith("bc", start - 2) and start >= 2 else None
    return (*match.span(), "CRYPTO", 0.9) if match else None


def find_identifiers(text: str, words: Set[str]) -> Iterator[Find]:
    """Those that no row of digits begins: long ones of letters and digits."""
    if text.count(":") >= 5 or text.count("-") >= 5:
        for match in _MAC.finditer(text):
            yield *match.span(), "MAC_ADDRESS", 0.9
    for shape in _WITHOUT_RUN if words else ():
        if not shape.gates.isdisjoint(words):
            yield from _find_shape(shape, text)


def _find_shape(shape: NumberShape, text: str) -> Iterator[Find]:
    for match in shape.pattern.finditer(text):
        if find := _judge(shape, text, match):
            yield find


def choose_named(words: Set[str]) -> NamedShapes:
    """The shapes that count by their words alone and that a text with `words` may have."""
    return {} if _GATES.isdisjoint(words) else _choose_named(_GATES & words)


@lru_cache(maxsize=1024)
def _choose_named(gates: frozenset[str]) -> NamedShapes:
    return _index_runs(shape for shape in _BY_WORDS if not shape.gates.isdisjoint(gates))


def _find_letters(text: str, start: int, most: int) -> int:
    """Where the capitals and the hyphen before the digits at `start` begin."""
    end = start - text.endswith("-", 0, start)
    before = text[max(0, end - most) : end]
    return end - len(before) + len(before.rstrip(ascii_uppercase))


def _judge(shape: NumberShape, text: str, match: re.Match[str]) -> Find | None:
    """Start, end, entity and score, where the check digit fits."""
    if shape.check is not None and not shape.check(match[0].translate(_JOINTS)):
        return None
    start, end = match.span()
    score = _score(shape, text, start, end)
    return (start, end, shape.entity, score) if score >= LEAST else None


def _score(shape: NumberShape, text: str, start: int, end: int) -> float:
    line = text[max(0, start - WINDOW) : start].rpartition("\n")[2]
    if shape.words is not None:
        after = _CLAUSE.match(text, end, end + WINDOW // 2)
        before = [phrase.end() for phrase in shape.words.finditer(line)]
        if before:  # of several kinds the one that is named next to the number
            return shape.named - 0.003 * max(0, len(line) - before[-1] - _NEXT_TO)
        if after is not None and shape.words.search(after[0]):
            return shape.named
    return shape.score * 0.4 if _OTHER.search(line[-24:]) else shape.score
