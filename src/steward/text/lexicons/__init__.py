"""Small word lists of our own, and lists of the user's: one entry a line, `#` begins a comment, `[name]` a group.

In lists of rows a line is a set of words that may stand for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from steward.core.errors import InputError, UnknownName
from steward.core.file_stamp import file_stamp

OWN = ("toxic", "groups", "stop_words", "function_words")
OWN_ROWS = ("contractions", "synonyms", "gender", "dialects", "names")


def load_lexicon(name: str) -> dict[str, frozenset[str]]:
    """Entries in lower case by group ('' where there is none), of our list `name` or of the file at that path.

    :raises InputError: neither; or the file is not UTF-8, or holds no entry.
    """
    return _load_lexicon(name, file_stamp(name))


@lru_cache
def _load_lexicon(name: str, stamp: tuple[int, int]) -> dict[str, frozenset[str]]:
    text = _read(name, OWN)
    groups: dict[str, set[str]] = {}
    for group, line in _lines(text):
        words = (word.strip() for word in line.casefold().split(",") if word.strip())
        groups.setdefault(group.casefold(), set()).update(words)
    if not groups:
        raise InputError(f"lexicon {name}: no entry; expected a word or phrase a line")
    return {name: frozenset(words) for name, words in groups.items()}


def load_rows(name: str, group: str = "") -> tuple[tuple[str, ...], ...]:
    """The entries of each line of a group, in their order and case, of our list `name` or of the file at that path.

    :raises InputError: neither; or the file is not UTF-8, or has no line with two entries
    """
    return _load_rows(name, group, file_stamp(name))


@lru_cache
def _load_rows(name: str, group: str, stamp: tuple[int, int]) -> tuple[tuple[str, ...], ...]:
    lines = [
        entries
        for title, line in _lines(_read(name, OWN_ROWS))
        if title == group and len(entries := tuple(entry.strip() for entry in line.split(",") if entry.strip())) > 1
    ]
    if not lines:
        raise InputError(f"lexicon {name}: no line of two entries or more{f' in [{group}]' if group else ''}")
    return tuple(lines)


def load_titles(name: str) -> tuple[str, ...]:
    """The groups of a list of rows, in their order."""
    return _load_titles(name, file_stamp(name))


@lru_cache
def _load_titles(name: str, stamp: tuple[int, int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(title for title, _ in _lines(_read(name, OWN_ROWS))))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """(group, line) of each line with entries."""
    group = ""
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif line:
            yield group, line


def _read(name: str, own: tuple[str, ...]) -> str:
    if name in own:
        return files(__package__).joinpath(f"{name}.txt").read_text("utf-8")
    if not Path(name).is_file():
        raise UnknownName("lexicon or file", name, own)
    try:
        return Path(name).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"lexicon {name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
