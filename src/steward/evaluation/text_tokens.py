"""Tokens of text in any script, for metrics that count what two texts share.

Words and marks where words stand apart; characters where one of the two texts has letters of a script that writes
without spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan): a whole sentence would otherwise be one word. Vowel
signs, viramas and points belong to their letter (Unicode Standard Annex 29, rule WB4): दिन and दान are two words. All
text is composed (NFC) and lower case.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, Final

_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def unify_line_ends(value: Any) -> Any:
    """Text with "\\n" for every line end, "\\r\\n" and "\\r" too, inside lists and objects as well."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, list):
        return [unify_line_ends(each) for each in value]
    if isinstance(value, dict):
        return {name: unify_line_ends(each) for name, each in value.items()}
    return value


def compose(text: str) -> str:
    """Unicode's composed form (NFC), with one kind of line end."""
    return unicodedata.normalize("NFC", str(unify_line_ends(text)))


def is_latin(text: str) -> bool:
    """Whether every letter of the text is a Latin one, with or without accents."""
    if text.isascii():
        return True
    letters = (character for character in text if character.isalpha() and not character.isascii())
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)


def has_unspaced(text: str) -> bool:
    """Whether a letter is of a script that writes without spaces."""
    return not text.isascii() and _UNSPACED.search(text) is not None


@lru_cache(maxsize=4)
def _compile_token(unspaced: bool, marks: bool) -> re.Pattern[str]:
    planes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    signs = "".join(sign for sign in map(chr, planes) if unicodedata.category(sign) in ("Mn", "Mc", "Me"))
    word = rf"\w[{signs}]*" if unspaced else rf"\w[\w{signs}]*"
    return re.compile(rf"{word}|[^\w\s]" if marks else word)


def tokenise_pair(one: str, other: str, marks: bool = True) -> tuple[list[str], list[str]]:
    """Tokens of both texts, cut in one way. `marks`: punctuation marks are tokens too.

    >>> tokenise_pair("A cat.", "the cat")
    (['a', 'cat', '.'], ['the', 'cat'])
    >>> tokenise_pair("天气 24", "天", marks=False)
    (['天', '气', '2', '4'], ['天'])
    """
    texts = [compose(text).lower() for text in (one, other)]
    pattern = _compile_token(any(map(has_unspaced, texts)), marks)
    first, second = (pattern.findall(text) for text in texts)
    return first, second
