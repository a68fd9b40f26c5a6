"""1 for a text with a listed word or phrase, else 0: one of our lists, or a file (`text/lexicons`).

A list knows words, not meaning: it misses veiled abuse and hits quotation.
"""

from __future__ import annotations

from steward.text.lexicons import load_lexicon
from steward.text.mentions import count_mentions


class LexiconScorer:
    """:raises InputError: no such list"""

    def __init__(self, name: str = "toxic") -> None:
        load_lexicon(name)
        self._name = name

    def score(self, text: str) -> float:
        return float(bool(count_mentions(text, self._name)))
