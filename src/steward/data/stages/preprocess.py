"""The preparation that classic models want: words apart, lower case, no stop words, stems or lemmas, by NLTK.

Treebank tokens and the Porter (1980) and Snowball stemmers work as NLTK ships them; the lemmatiser needs WordNet,
which the user must have put on the machine (`python -m nltk.downloader wordnet`): nothing is fetched here. For
language models leave this stage out: they want the text as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

import msgspec
import pyarrow as pa

from steward.core.errors import InputError
from steward.core.extras import name_python
from steward.data.ledger_entries import rewrite_texts
from steward.data.stage import Result
from steward.text.lexicons import load_lexicon
from steward.text.sentences import split_sentences

_WORDS = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


class Preprocess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tokens`: treebank keeps punctuation as tokens, words leaves it out. Stop words: `stop_words` is ours, or a file.

    The tokens of a sentence stay on one line, a blank between them.
    """

    files: ClassVar = ("stop_words",)
    tokens: Literal["treebank", "words"] = "words"
    lower: bool = True
    stop_words: str | None = "stop_words"
    stem: Literal["snowball", "porter"] | None = None
    lemmatise: bool = False
    language: str = "english"  # of the Snowball stemmer

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: a word list, WordNet or the language's stemmer is missing."""
        change = self._make_change()
        after, changes = rewrite_texts(batch, "preprocess", "preprocess", change)
        return Result(after, tuple(changes))

    def _make_change(self) -> Callable[[str], str]:
        tokenise: Callable[[str], list[str]] = (
            _load_treebank().tokenize if self.tokens == "treebank" else _WORDS.findall
        )
        stops = frozenset[str]().union(*load_lexicon(self.stop_words).values()) if self.stop_words else frozenset[str]()
        base = self._choose_reducer()

        def line(tokens: Iterable[str]) -> str:
            cased = ((token.lower() if self.lower else token) for token in tokens)
            return " ".join(base(token) for token in cased if token.casefold() not in stops)

        def change(text: str) -> str:
            lines = (line(tokenise(sentence)) for sentence in split_sentences(text))
            return "\n".join(filled for filled in lines if filled)

        return change

    def _choose_reducer(self) -> Callable[[str], str]:
        if self.lemmatise:
            return _load_lemmatiser()
        return _load_stemmer(self.stem, self.language) if self.stem else str


@cache
def _load_treebank() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache
def _load_stemmer(kind: str, language: str) -> Callable[[str], str]:
    from nltk.stem import PorterStemmer, SnowballStemmer

    if kind == "porter":
        return lru_cache(100_000)(PorterStemmer().stem)
    if language not in SnowballStemmer.languages:
        languages = ", ".join(SnowballStemmer.languages)
        raise InputError(f"stage preprocess: no Snowball stemmer for {language!r}; expected one of {languages}")
    return lru_cache(100_000)(SnowballStemmer(language).stem)


@cache
def _load_lemmatiser() -> Callable[[str], str]:
    from nltk.stem import WordNetLemmatizer

    lemmatise = WordNetLemmatizer().lemmatize
    try:
        lemmatise("words")
    except LookupError as error:
        raise InputError(
            "stage preprocess: lemmatise needs WordNet, which is not on this machine; run "
            f"`{name_python()} -m nltk.downloader wordnet`, or use stem: snowball, which needs nothing"
        ) from error
    return lru_cache(100_000)(lambda word: str(lemmatise(word)))
