"""`blocklist`: drops rows by your own lists of addresses and of words. No list is shipped.

Addresses are known as FineWeb's filter knows them (Penedo et al. 2024, arXiv:2406.17557, 3.1): by domain, by the
beginning of the address, and by words within it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.core.file_stamp import file_stamp
from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.row_values import list_value_names
from steward.data.stage import Result, get_texts
from steward.data.stages.dedupe_exact import normalise_url
from steward.text.mentions import count_mentions

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_PART = re.compile(r"[^\W_]+")
Finding = tuple[int, str, float | str | None, float | str | None]


class Blocklist(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `listed_url`, `listed_url_words` and `listed_words`. Each list is a file: an entry a line, `#` comments.

    `urls`: domains, which cover their subdomains, and beginnings of addresses. `url_words`: words of an address, of
    which `min_url_words` drop it. `words`: words and phrases of the text, of which more than `max_words` drop it.
    """

    files: ClassVar = ("urls", "url_words", "words")
    urls: str | None = None
    url_words: str | None = None
    words: str | None = None
    column: str = "url"
    min_url_words: Annotated[int, msgspec.Meta(ge=1)] = 1
    max_words: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        """:raises InputError: no list"""
        if not (self.urls or self.url_words or self.words):
            raise InputError("blocklist: no list is named; expected urls, url_words or words, each a file")

    def check(self) -> list[str]:
        """:raises InputError: a list that cannot be read, or holds nothing"""
        for file in filter(None, (self.urls, self.url_words, self.words)):
            load_entries(file)
        return []

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises UnknownName: the rows have no column of addresses"""
        found: dict[int, Finding] = {}
        if self.urls or self.url_words:
            if self.column not in batch.schema.names:
                raise UnknownName("column", self.column, list_value_names(batch), "stage blocklist, column")
            for index, url in enumerate(batch[self.column].to_pylist()):
                if url and (rule := self._judge_url(str(url))):
                    found[index] = (index, *rule)
        if self.words:
            for index, text in enumerate(get_texts(batch).to_pylist()):
                count = count_listed_words(text, self.words) if index not in found else 0
                if count > self.max_words:
                    found[index] = (index, "listed_words", float(count), float(self.max_words))
        rules = [found[index] for index in sorted(found)]
        return Result(drop_rows(batch, set(found)), tuple(make_entries(batch, "blocklist", "drop", rules)))

    def _judge_url(self, url: str) -> tuple[str, float | str | None, float | str | None] | None:
        address = normalise_url(url)
        if self.urls and (entry := find_entry(address, load_entries(self.urls))):
            return "listed_url", entry, None
        if self.url_words:
            listed = load_entries(self.url_words)
            count = sum(part in listed for part in _PART.findall(address.casefold()))
            if count >= self.min_url_words:
                return "listed_url_words", float(count), float(self.min_url_words)
        return None


def find_entry(address: str, entries: frozenset[str]) -> str | None:
    """The entry that an address falls under: its domain or one above it, or the beginning of the address.

    >>> find_entry("blog.example.com/a/b", frozenset({"example.com"}))
    'example.com'
    >>> listed = frozenset({"example.com/a"})
    >>> find_entry("example.com/a/b", listed), find_entry("example.com/ab", listed)
    ('example.com/a', None)
    """
    host, _, path = address.casefold().partition("/")
    parts = host.partition("?")[0].partition(":")[0].split(".")
    domains = (".".join(parts[start:]) for start in range(len(parts)))
    steps = re.split(r"(?=[/?&])", f"/{path}") if path else []
    beginnings = (host + "".join(steps[: length + 1]) for length in range(1, len(steps)))
    return next((entry for entry in (*domains, *beginnings) if entry in entries), None)


def count_listed_words(text: str, file: str) -> int:
    """How often entries of the list stand in the text, as whole words; of scripts without spaces, anywhere."""
    unspaced = _load_unspaced(file, file_stamp(file))
    if not unspaced:
        return count_mentions(text, file).total()
    folded = text.casefold()
    spaced = _UNSPACED.sub(" ", text)  # an entry that stands alone is counted once
    return count_mentions(spaced, file).total() + sum(folded.count(entry) for entry in unspaced)


def load_entries(file: str) -> frozenset[str]:
    """The entries in lower case, addresses without scheme and `www.`. :raises InputError: no file, or nothing in it"""
    return _load_entries(file, file_stamp(file))


@lru_cache
def _load_entries(file: str, stamp: tuple[int, int]) -> frozenset[str]:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"blocklist: {file} cannot be read ({error}); expected UTF-8, an entry a line") from None
    written = (line.partition("#")[0].strip().casefold() for line in lines)
    entries = frozenset(re.sub(r"^(?:[a-z]+://)?(?:www\.)?|/+$", "", entry) for entry in written if entry)
    if not entries:
        raise InputError(f"blocklist: {file} has no entry; expected one a line")
    return entries


@lru_cache
def _load_unspaced(file: str, stamp: tuple[int, int]) -> tuple[str, ...]:
    return tuple(sorted(entry for entry in load_entries(file) if _UNSPACED.search(entry)))
