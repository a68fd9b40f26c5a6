"""Where a file names a person: by the name that requests carry, or by one of the pseudonyms made of it.

Decides which lines, rows or items of a text go when the person is erased. A name counts where it stands as a word of
its own, in any case; what is written otherwise (a nickname, another spelling) is not found.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from steward.core.errors import InputError

SHORTEST_NAME: Final = 3  # a shorter one would be found everywhere


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


def make_name_pattern(name: str, pseudonyms: Iterable[str]) -> re.Pattern[str]:
    """What finds a person in a text. :raises InputError: a name that is too short to be looked for

    >>> bool(make_name_pattern("anna", []).search("ask ANNA.")), bool(make_name_pattern("anna", []).search("savanna"))
    (True, False)
    """
    if len(name.strip()) < SHORTEST_NAME:
        raise InputError(
            f"a name of {len(name.strip())} characters would be found everywhere; expected {SHORTEST_NAME} or more"
        )
    words = sorted({name.strip(), *pseudonyms}, key=lambda word: (-len(word), word))
    spelled = {word for each in words for word in (each, msgspec.json.encode(each).decode()[1:-1])}
    return re.compile(rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, spelled), reverse=True))})(?!\w)", re.IGNORECASE)


def split_text(text: str, ending: str, pattern: re.Pattern[str]) -> SplitText:
    """`ending` is the file's: csv and tsv go by rows, json by the items of its list, all others by lines.

    :raises ValueError: JSON that is no list
    """
    if ending == "json":
        return _split_items(text, pattern)
    if ending in ("csv", "tsv"):
        return _split_rows(text, "\t" if ending == "tsv" else ",", pattern)
    kept, mentions = [], []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if pattern.search(line):
            mentions.append(FileMention(number, line.rstrip("\r\n")))
        else:
            kept.append(line)
    return SplitText("".join(kept), tuple(mentions))


def _split_rows(text: str, delimiter: str, pattern: re.Pattern[str]) -> SplitText:
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


def _split_items(text: str, pattern: re.Pattern[str]) -> SplitText:
    items = msgspec.json.decode(text, type=list[msgspec.Raw])
    texts = [bytes(item).decode() for item in items]
    found = [bool(pattern.search(item)) for item in texts]
    kept = ",\n".join(item for item, named in zip(texts, found, strict=True) if not named)
    mentions = tuple(
        FileMention(number, item) for number, (item, named) in enumerate(zip(texts, found, strict=True), 1) if named
    )
    return SplitText(f"[{kept}]\n" if mentions else text, mentions)
