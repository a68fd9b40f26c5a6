"""Texts that are not written plainly: full width letters, digits of other scripts, characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters that look like ASCII ones and are others, and those that nobody sees: full width, mathematical letters and
# digits, small and raised forms, digits of other scripts; zero width, joiners, direction marks, variation selectors.
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff"
)
_LOOKALIKE: Final = (
    "\u00b2\u00b3\u00b9\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2024\u2070-\u2089\u2460-\u2473\u24b6-\u24ea\ufe52\ufe55\ufe6b"
    "\uff01-\uff5e\U0001d400-\U0001d7ff"
)
_DISGUISED: Final = re.compile(f"[{_INVISIBLE}{_LOOKALIKE}]")
# What no European script writes. Asked first: a class without astral characters is searched for ten times faster.
_UNUSUAL: Final = re.compile("[^\x00-\xac\xae-\xb1\xb4-\xb8\xba-\u034e\u0350-\u05ff\u2013-\u2022\u20ac]")
_UNSEEN: Final = re.compile(f"[{_INVISIBLE}]")


def undisguise(text: str) -> tuple[str, list[int]] | None:
    """The text as if it had been written plainly, and where each letter of that stands; None: it was.

    >>> undisguise("b\\u200bob"), undisguise("bob")
    (('bob', [0, 2, 3]), None)
    """
    if text.isascii() or not _UNUSUAL.search(text) or not _DISGUISED.search(text):
        return None
    letters: list[str] = []
    origin: list[int] = []  # for each plain letter, where it came from
    for index, letter in enumerate(text):
        if not _UNSEEN.match(letter):
            plain = _plain(letter)
            letters.append(plain)
            origin += [index] * len(plain)
    return "".join(letters), origin


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    digit = unicodedata.digit(letter, None)
    return unicodedata.normalize("NFKC", letter) if digit is None else str(digit)
