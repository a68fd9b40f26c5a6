"""Where a file names a person: by the name that requests carry, by a pseudonym made of it, or by one of their requests.

Decides which lines, rows, items or texts go when the person is erased. A name counts where it stands as a word of
its own, in any case; what is written otherwise (a nickname, another spelling) is not found.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

import msgspec

from steward.core.errors import InputError

SHORTEST_NAME: Final = 3  # a shorter one would be found everywhere
ERASED: Final = "[erased]"  # what a text becomes that named somebody
_BRANCHES: Final = 3  # characters by which many requests are told apart before they are tried one by one


class PersonFinder(Protocol):
    """What `make_name_pattern` makes, or somebody who knows people in another way."""

    def search(self, text: str, /) -> object:
        """Something true where the text names the person."""
        ...


class FileMention(msgspec.Struct, frozen=True):
    """A line, row or item that names the person; numbers count from 1."""

    number: int
    text: str

    def __repr__(self) -> str:
        return f"FileMention({self.number}, ***)"


class SplitText(msgspec.Struct, frozen=True):
    """A text without its mentions, and these."""

    kept: str
    mentions: tuple[FileMention, ...]

    def __repr__(self) -> str:
        return f"SplitText({len(self.mentions)} mentions)"


def make_name_pattern(name: str, pseudonyms: Iterable[str], request_ids: Iterable[str] = ()) -> re.Pattern[str]:
    """What finds a person in a text. :raises InputError: a name that is too short to be looked for

    >>> bool(make_name_pattern("anna", []).search("ask ANNA.")), bool(make_name_pattern("anna", []).search("savanna"))
    (True, False)
    """
    if len(name.strip()) < SHORTEST_NAME:
        raise InputError(
            f"a name of {len(name.strip())} characters would be found everywhere; expected {SHORTEST_NAME} or more"
        )
    return _compile({name.strip(), *pseudonyms}, request_ids)


def _compile(names: Iterable[str], request_ids: Iterable[str]) -> re.Pattern[str]:
    words = sorted(names, key=lambda word: (-len(word), word))
    spelled = {word for each in words for word in (each, msgspec.json.encode(each).decode()[1:-1])}
    choices = sorted(map(re.escape, spelled), reverse=True)
    bodies = sorted({one.removeprefix("req_") for one in request_ids})
    if bodies:
        choices.append(f"req_(?:{_spell_branches(bodies, 0)})")
    return re.compile(rf"(?<!\w)(?:{'|'.join(choices)})(?!\w)", re.IGNORECASE)


def _spell_branches(words: Sequence[str], depth: int) -> str:
    """An alternation that looks at the first characters first, so that thousands of words take no longer than a few.

    >>> _spell_branches(["abcd", "abce", "b"], 0)
    'a(?:b(?:c(?:d|e)))|b(?:)'
    """
    if depth == _BRANCHES:
        return "|".join(re.escape(word) for word in words)
    groups = groupby(words, key=lambda word: word[:1])
    return "|".join(
        f"{re.escape(first)}(?:{_spell_branches([word[1:] for word in group], depth + 1)})" if first else ""
        for first, group in groups
    )


def split_text(text: str, ending: str, pattern: PersonFinder) -> SplitText:
    """`ending` is the file's: csv and tsv go by rows, json by the items of its list or its texts, all others by lines.

    :raises ValueError: no JSON, or too deep
    """
    if ending == "json":
        try:
            return _split_items(text, pattern)
        except RecursionError:
            raise ValueError("JSON that is nested too deeply") from None
    if ending in ("csv", "tsv"):
        return _split_rows(text, "\t" if ending == "tsv" else ",", pattern)
    kept, mentions = [], []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if pattern.search(line):
            mentions.append(FileMention(number, line.rstrip("\r\n")))
        else:
            kept.append(line)
    return SplitText("".join(kept), tuple(mentions))


def _split_rows(text: str, delimiter: str, pattern: PersonFinder) -> SplitText:
    """The head stays, whatever is in it."""
    lines = text.splitlines(keepends=True)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    kept, mentions, at = [], [], 0
    for number, row in enumerate(reader):
        whole = "".join(lines[at : reader.line_num])
        at = reader.line_num
        if number and any(pattern.search(cell) for cell in row):
            mentions.append(FileMention(number, whole.rstrip("\r\n")))
        else:
            kept.append(whole)
    return SplitText("".join(kept), tuple(mentions))


def _split_items(text: str, pattern: PersonFinder) -> SplitText:
    document = msgspec.json.decode(text, type=msgspec.Raw)
    if not bytes(document).startswith(b"["):
        return _split_document(text, pattern)
    items = msgspec.json.decode(text, type=list[msgspec.Raw])
    texts = [bytes(item).decode() for item in items]
    found = [bool(pattern.search(item)) for item in texts]
    kept = ",\n".join(item for item, named in zip(texts, found, strict=True) if not named)
    mentions = tuple(
        FileMention(number, item) for number, (item, named) in enumerate(zip(texts, found, strict=True), 1) if named
    )
    return SplitText(f"[{kept}]\n" if mentions else text, mentions)


def _split_document(text: str, pattern: PersonFinder) -> SplitText:
    """Its texts that name the person are emptied, so that whoever reads the document still can."""
    found: list[str] = []

    def empty(value: Any) -> Any:
        if isinstance(value, str) and pattern.search(value):
            found.append(value)
            return ERASED
        if isinstance(value, list):
            return [empty(item) for item in value]
        return {empty(name): empty(item) for name, item in value.items()} if isinstance(value, dict) else value

    kept = empty(msgspec.json.decode(text))
    mentions = tuple(FileMention(number, value) for number, value in enumerate(found, 1))
    return SplitText(msgspec.json.format(msgspec.json.encode(kept)).decode() if mentions else text, mentions)
