"""The words that detectors know, read from the files beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "words"


def read_words(name: str) -> frozenset[str]:
    """Those of a text file, without its comments."""
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def read_lines(name: str) -> list[str]:
    """Those of a text file, without its comments."""
    return [line for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _read_cues() -> Mapping[str, frozenset[str]]:
    lists = tomllib.loads((_FOLDER / "cues.toml").read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in lists.items()}


def lower_letters(text: str) -> str:
    """In lower case and of the same length: of a letter whose small form is two, such as the Turkish dotted I, one."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join([letter.lower()[0] for letter in text])


def find_beginnings(text: str, words: Iterable[str]) -> list[int]:
    """Where `words` (in lower case) stand, from left to right, in any case: a pattern that begins with one of them is
    tried there alone, since a search for it would try each letter.

    >>> find_beginnings("Meet or ship, ship", ("ship", "meet"))
    [0, 8, 14]
    """
    lowered = lower_letters(text)
    places: set[int] = set()
    for word in words:
        at = lowered.find(word)
        while at >= 0:
            places.add(at)
            at = lowered.find(word, at + 1)
    return sorted(places)


CUES: Final = _read_cues()
NOT_NAMES: Final = read_words("not_names.txt")
# What streets are called in addresses of the United States (Postal Service, Publication 28, appendix C1).
STREET_TYPES: Final = frozenset(word for name in CUES["street_types"] for word in (name.capitalize(), name.upper()))
KNOWN: Final = read_words("known.txt")
COUNTRIES: Final = frozenset(read_lines("countries.txt"))


def is_known(word: str) -> bool:
    """Whether a word in lower case is an ordinary one, or the plural of one.

    >>> is_known("cards"), is_known("kowalczyk")
    (True, False)
    """
    return word in KNOWN or word.removesuffix("s") in KNOWN
