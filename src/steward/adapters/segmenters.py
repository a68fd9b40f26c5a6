"""Words of languages that are written without spaces, by the libraries of the extra `languages`.

Japanese by SudachiPy with its small dictionary, Chinese by rjieba (jieba's words, in Rust), Thai by PyThaiNLP, Khmer,
Lao and Burmese by ICU's dictionaries (icu4py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from steward.core.errors import InputError
from steward.core.extras import install_command

_PIECE = 12_000  # characters: Sudachi refuses more than 49,149 bytes at once


class LibrarySegmenter(msgspec.Struct, frozen=True):
    """See `WordSegmenter`."""

    def split_words(self, text: str, language: str) -> list[str]:
        split = _load(language)
        return [word for start in range(0, len(text), _PIECE) for word in split(text[start : start + _PIECE])]


@lru_cache
def _load(language: str) -> Callable[[str], list[str]]:
    loaders = {"ja": _load_japanese, "zh": _load_chinese, "th": _load_thai}
    try:
        return loaders[language]() if language in loaders else _load_icu(language)
    except ModuleNotFoundError as error:
        raise InputError(f"words of {language} need {error.name}; {install_command('languages')}") from error


def _load_japanese() -> Callable[[str], list[str]]:
    from sudachipy import Dictionary

    dictionary = Dictionary(dict="small")
    tokenizer = dictionary.tokenizer() if hasattr(dictionary, "tokenizer") else dictionary.create()
    return lambda text: [piece.surface() for piece in tokenizer.tokenize(text)]


def _load_chinese() -> Callable[[str], list[str]]:
    import rjieba

    return lambda text: list(rjieba.cut(text))


def _load_thai() -> Callable[[str], list[str]]:
    from pythainlp.tokenize import word_tokenize

    return lambda text: list(word_tokenize(text, engine="newmm", keep_whitespace=False))


def _load_icu(language: str) -> Callable[[str], list[str]]:
    from icu4py.breakers import WordBreaker

    return lambda text: [word for word in WordBreaker(text, language) if not word.isspace()]
