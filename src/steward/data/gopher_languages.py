"""The Gopher rules in many languages: each with its own words, function words and lengths of words.

The rules are those of `filter_like_datatrove`; what a word is, which function words there are and
how long words may be belongs to the language. The bounds of the mean length of words follow FineWeb2's idea that
thresholds come from statistics of each language (Penedo et al. 2025, arXiv:2506.20920), by ratio of medians: the
paper's bounds for English times the language's median over that of English. The medians are measured on Debian's
manual pages by `benchmarks/measure_languages.py`, of Khmer, Lao and Burmese on catalogues of messages (Lao has few: the
names of countries); languages without either take those of a relative, or English's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from steward.core.errors import InputError
from steward.core.extend import WordSegmenter
from steward.data.gopher import LIMITS, WordCounts, filter_words
from steward.data.violation import Violation
from steward.text.lexicons import load_lexicon

SEGMENTED = ("ja", "zh", "th", "km", "lo", "my")  # written without spaces: words come from a library
_MEDIANS = {
    "da": 5.18, "de": 5.72, "en": 5.10, "es": 5.01, "fr": 4.80, "hu": 5.82, "id": 5.79, "it": 4.95, "ja": 1.94,
    "ko": 3.26, "nl": 5.57, "pl": 5.49, "pt": 4.63, "ro": 5.29, "ru": 5.40, "sr": 5.53, "sv": 4.83, "tr": 6.51,
    "uk": 5.82, "zh": 1.84,
    "km": 4.66, "lo": 4.29, "my": 3.99,  # of message catalogues: 25,520, 430 and 39,235 words
}  # fmt: skip
_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


def list_languages() -> list[str]:
    """The languages that have function words here."""
    return sorted(load_lexicon("function_words"))


def limits_of(language: str) -> dict[str, float]:
    """The thresholds of a language. Those of `gopher.py` but for the mean length of words and, where there are no
    function words, those."""
    ratio = _MEDIANS.get(language, _MEDIANS["en"]) / _MEDIANS["en"]
    limits = LIMITS | {"gopher_below_avg_threshold": 3 * ratio, "gopher_above_avg_threshold": 10 * ratio}
    if language not in load_lexicon("function_words"):
        limits["gopher_enough_stop_words"] = 0
    return limits


def split_words(text: str, language: str, segmenter: WordSegmenter | None) -> list[str]:
    """The words of a text: runs of letters and digits, as the language has them. Punctuation is none.

    :raises InputError: a language without spaces, and no segmenter or no library for it

    >>> split_words("It's the 2nd e-mail!", "en", None)
    ["It's", 'the', '2nd', 'e-mail']
    """
    if language in SEGMENTED:
        if segmenter is None:
            raise InputError(
                f"gopher@language: words of {language} need a segmenter; run it with `steward data run`, or pass "
                "segmenter=… in Python"
            )
        return [word for word in segmenter.split_words(text, language) if any(map(str.isalnum, word))]
    return _WORD.findall(text)


def filter_by_language(
    texts: Sequence[str], languages: Sequence[str], limits: dict[str, float], segmenter: WordSegmenter | None
) -> list[Violation | str]:
    """A verdict for each text that breaks a rule of its language, the text itself for the others.

    `limits` replace the thresholds of every language.
    """
    words = [split_words(text, language, segmenter) for text, language in zip(texts, languages, strict=True)]
    lists = load_lexicon("function_words")
    counts = [
        _count_words(split, lists.get(language, frozenset()), language)
        for split, language in zip(words, languages, strict=True)
    ]
    return filter_words(texts, words, counts, [limits_of(language) | limits for language in languages])


def measure_words(words: list[str], language: str) -> tuple[int, int]:
    """How many words there are and how many characters they have; in languages without spaces without those of ASCII,
    such as names of commands, which are so much longer."""
    own = [word for word in words if not word.isascii()] if language in SEGMENTED else words
    return len(own), sum(map(len, own))


def _count_words(words: list[str], function_words: frozenset[str], language: str) -> WordCounts:
    alphabetic = sum(any(map(str.isalpha, word)) for word in words)
    found = len(function_words.intersection(word.casefold() for word in words))
    own, characters = measure_words(words, language)
    return WordCounts(len(words), own, characters, alphabetic, found)
