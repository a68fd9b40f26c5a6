"""What only the Safe Harbor rule counts as identifying: ages, postal codes after a state, URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

_AGE: Final = re.compile(
    r"(?i)(?<![\w.-])([0-9]{1,3})(?=[ -](?:years?|yrs?)[ -]old\b| ?(?:y/o|yo)\b)"
    r"|\b(?:aged?(?: of)?|turn(?:ed|s|ing)?)[ :=]{1,3}([0-9]{1,3})(?![\w.]\w|\w| ?[%°:]| (?:percent|degrees|pages?))"
)
AGE_WORDS: Final = frozenset(("old", "age", "aged", "yo", "o", "turn", "turned", "turning", "turns"))
_STATE_ZIP: Final = re.compile(
    r"(?<!\w)(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]"
    r"|W[AIVY]),? ([0-9]{5}(?:-[0-9]{4})?)(?![\w-])"
)
_URL: Final = re.compile(r"(?<!\w)(?:https?://|www\.)[^\s\"'<>()\[\]{}|\\^`]{3,2000}")


def find_ages(text: str, words: Set[str]) -> Iterator[tuple[int, int]]:
    """`words` are those of the text, in lower case."""
    if not AGE_WORDS.isdisjoint(words):
        for match in _AGE.finditer(text):
            yield match.span(1) if match[1] else match.span(2)


def find_postal_codes(text: str) -> Iterator[tuple[int, int]]:
    """Those of the United States that stand after a state."""
    for match in _STATE_ZIP.finditer(text):
        yield match.span(1)


def find_urls(text: str) -> Iterator[tuple[int, int]]:
    """Without the mark that ends a sentence."""
    if "://" not in text and "www." not in text:
        return
    for match in _URL.finditer(text):
        yield match.start(), match.start() + len(match[0].rstrip(".,;:!?"))
