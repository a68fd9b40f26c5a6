"""1 for a text with a listed word or phrase, else 0: one of our lists, or a file (`text/lexicons`).

A list knows words, not meaning: it misses veiled abuse and hits quotation.
"""

from __future__ import annotations

from steward.text.lexicons import lexicon
from steward.text.mentions import mentions


class LexiconScorer:
    """:raises InputError: no such list"""

    def __init__(self, name: str = "toxic") -> None:
        lexicon(name)
        self._name = name

    def score(self, text: str) -> float:
        return float(bool(mentions(text, self._name)))
