"""Payment cards: length by issuer number and Luhn's check digit (ISO/IEC 7812-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_DIGITS: Final = re.compile("[0-9]++")
_RUN: Final = re.compile(r"(?<!\w)(?<![0-9][.,])[0-9]++(?:[ \u00a0-][0-9]++)*+")
# Issuer numbers and lengths as the networks publish them: American Express, Diners Club, Discover, JCB, Maestro,
# Mastercard, Mir, RuPay, UnionPay, Visa.
_ISSUERS: Final = re.compile(
    r"3[47][0-9]{13}"
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"
    r"|(?:6011|6[45][0-9]{2})[0-9]{12,15}"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|220[0-4][0-9]{12,15}"
    r"|(?:60|65|81|82)[0-9]{14}|508[0-9]{13}"
    r"|62[0-9]{14,17}"
    r"|4[0-9]{12}(?:[0-9]{3}){0,2}"
)
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_SINGLE: Final = bytes.maketrans(b"0123456789", bytes(range(10)))


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    row = digits.encode("ascii")[::-1]
    return (sum(row[::2].translate(_SINGLE)) + sum(row[1::2].translate(_DOUBLED))) % 10 == 0


def read_cards(text: str, start: int) -> tuple[list[tuple[int, int]], int]:
    """The cards in the row of digit groups that begins at `start`, and where that row ends; `start` where none does."""
    run = _RUN.match(text, start)
    if run is None:
        return [], start
    return list(_find_cards(text, run)) if run.end() - start >= 12 else [], run.end()


def _find_cards(text: str, run: re.Match[str]) -> Iterator[tuple[int, int]]:
    groups = [group.span() for group in _DIGITS.finditer(text, *run.span())]
    first = 0
    while first < len(groups):
        last = _find_last_group(text, groups, first)
        if last is None:
            first += 1
        else:
            yield groups[first][0], groups[last][1]
            first = last + 1


def _find_last_group(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the groups from `first` on that make up a card number, the longest possible; else None."""
    digits, last_end = "", None
    for last, (start, end) in enumerate(groups[first : first + 6], first):  # of 4 digits and five times 3
        if end - start < 3 or groups[first][1] - groups[first][0] < 4 or end - start > 19:
            break
        digits += text[start:end]
        if len(digits) > 19:
            break
        if not is_word(text, end) and _ISSUERS.fullmatch(digits) and luhn(digits):
            last_end = last
    return last_end


_BARE: Final = re.compile(r"[0-9](?<!\w[0-9])[0-9]{11,18}+(?!\w)")
_NEAR: Final = re.compile(r"(?i)\b(?:cards?|visa|mastercard|amex|karte|carte|tarjeta|carta)\b[^0-9]{0,40}$")


def find_named_cards(text: str) -> Iterator[tuple[int, int]]:
    """Digits of any issuer that pass Luhn's check after a word for a card, which the caller knows to be there."""
    for match in _BARE.finditer(text):
        if luhn(match[0]) and _NEAR.search(text, max(0, match.start() - 60), match.start()):
            yield match.span()


def is_word(text: str, at: int) -> bool:
    """Whether a letter, digit or underscore stands at `at`."""
    return at < len(text) and (text[at].isalnum() or text[at] == "_")
