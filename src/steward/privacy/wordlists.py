"""The words that detectors know, read from the files beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
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
    return word in KNOWN or (word.endswith("s") and word[:-1] in KNOWN)
