"""Where rows come from: drops what the user's own list calls unreliable, and names each row's group for balance.

The list is CSV with the header `domain,reputation,group`; the last two may be missing. A domain covers its subdomains,
the closest entry wins. What a reputation means is for the list's author to say: 0 is worst, 1 best. We ship no list.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.data.changes import column, entries, without
from steward.data.stage import Result

UNKNOWN = "unknown"


class Source(msgspec.Struct, frozen=True):
    """A line of the list."""

    reputation: float
    group: str


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`column` holds a domain or a URL. Adds the column `source_group`, for `balance` and the report."""

    file: str
    column: str = "url"
    min_reputation: float = 0.5
    unknown: Literal["keep", "drop"] = "keep"

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: the list cannot be read, or the rows have no such column."""
        if self.column not in batch.schema.names:
            raise UnknownName("column", self.column, batch.schema.names, "stage sources")
        known = load(self.file)
        groups: list[str] = []
        dropped: list[tuple[int, str, float | str, float | str]] = []
        for index, value in enumerate(batch[self.column].to_pylist()):
            source = lookup(domain(str(value or "")), known)
            groups.append(source.group if source else UNKNOWN)
            if source is None and self.unknown == "drop":
                dropped.append((index, "unknown_source", UNKNOWN, "a domain of the list"))
            elif source and source.reputation < self.min_reputation:
                dropped.append((index, "reputation", source.reputation, self.min_reputation))
        tagged = column(batch, "source_group", pa.array(groups, pa.string()))
        left = without(tagged, {index for index, *_ in dropped})
        return Result(left, tuple(entries(batch, "sources", "drop", dropped)))


def domain(value: str) -> str:
    """The host of a URL or domain, lower case, without port and `www.`.

    >>> domain("https://www.Example.co.uk:8080/a"), domain("news.example.org")
    ('example.co.uk', 'news.example.org')
    """
    try:
        host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:  # brackets that are no address
        return ""
    return host.removeprefix("www.").rstrip(".")


def lookup(host: str, known: dict[str, Source]) -> Source | None:
    """The entry of the host or of the closest domain above it."""
    while host:
        if host in known:
            return known[host]
        host = host.partition(".")[2]
    return None


@lru_cache
def load(file: str) -> dict[str, Source]:
    """:raises InputError: no such file, no column `domain`, or a reputation outside 0 to 1; names file and line."""
    path = Path(file)
    if not path.is_file():
        raise InputError(f"stage sources: no file {file!r}; expected CSV with the header domain,reputation,group")
    known: dict[str, Source] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if "domain" not in (reader.fieldnames or ()):
            raise InputError(f"{file}: header {reader.fieldnames}; expected domain,reputation,group")
        for row in reader:
            known[domain(row["domain"] or "")] = Source(_reputation(row, f"{file}:{reader.line_num}"), _group(row))
    return known


def _reputation(row: dict[str, str], where: str) -> float:
    seen = row.get("reputation") or "1"
    try:
        reputation = float(seen)
    except ValueError:
        reputation = -1.0
    if not 0 <= reputation <= 1:
        raise InputError(f"{where}: reputation {seen!r}; expected a number from 0 (worst) to 1 (best)")
    return reputation


def _group(row: dict[str, str]) -> str:
    return (row.get("group") or "").strip() or "listed"
