"""Where rows come from: drops what the user's own list calls unreliable, and names each row's group for balance.

The list is CSV with the header `domain,reputation,group`; the last two may be missing. A domain covers its subdomains,
the closest entry wins. What a reputation means is for the list's author to say: 0 is worst, 1 best. We ship no list.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.core.file_stamp import file_stamp
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result

UNKNOWN = "unknown"


class ListedDomain(msgspec.Struct, frozen=True):
    """A line of the list."""

    reputation: float
    group: str


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`column` holds a domain or a URL. Adds the column `source_group`, for `balance` and the report."""

    adds: ClassVar = ("source_group",)
    files: ClassVar = ("file",)
    file: str
    column: str = "url"
    min_reputation: float = 0.5
    unknown: Literal["keep", "drop"] = "keep"

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: the list cannot be read, or the rows have no such column."""
        if self.column not in batch.schema.names:
            raise UnknownName("column", self.column, batch.schema.names, "stage sources")
        listed = load_list(self.file)
        groups: list[str] = []
        dropped: list[tuple[int, str, float | str, float | str]] = []
        for index, value in enumerate(batch[self.column].to_pylist()):
            entry = find_listed(parse_domain(str(value or "")), listed)
            groups.append(entry.group if entry else UNKNOWN)
            if entry is None and self.unknown == "drop":
                dropped.append((index, "unknown_source", UNKNOWN, "a domain of the list"))
            elif entry and entry.reputation < self.min_reputation:
                dropped.append((index, "reputation", entry.reputation, self.min_reputation))
        tagged = set_column(batch, "source_group", pa.array(groups, pa.string()))
        remaining = drop_rows(tagged, {index for index, *_ in dropped})
        return Result(remaining, tuple(make_entries(batch, "sources", "drop", dropped)))


def parse_domain(value: str) -> str:
    """The host of a URL or domain, lower case, without port and `www.`.

    >>> parse_domain("https://www.Example.co.uk:8080/a"), parse_domain("news.example.org")
    ('example.co.uk', 'news.example.org')
    """
    try:
        host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:  # brackets that are no address
        return ""
    return host.removeprefix("www.").rstrip(".")


def find_listed(host: str, listed: dict[str, ListedDomain]) -> ListedDomain | None:
    """The entry of the host or of the closest domain above it."""
    while host:
        if host in listed:
            return listed[host]
        host = host.partition(".")[2]
    return None


def load_list(file: str) -> dict[str, ListedDomain]:
    """:raises InputError: no such file, no column `domain`, or a reputation outside 0 to 1; names file and line."""
    return _load_list(file, file_stamp(file))


@lru_cache
def _load_list(file: str, stamp: tuple[int, int]) -> dict[str, ListedDomain]:
    path = Path(file)
    if not path.is_file():
        raise InputError(f"stage sources: no file {file!r}; expected CSV with the header domain,reputation,group")
    listed: dict[str, ListedDomain] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if "domain" not in (reader.fieldnames or ()):
            raise InputError(f"{file}: header {reader.fieldnames}; expected domain,reputation,group")
        for row in reader:
            listed[parse_domain(row["domain"] or "")] = ListedDomain(
                _parse_reputation(row, f"{file}:{reader.line_num}"), _parse_group(row)
            )
    return listed


def _parse_reputation(row: dict[str, str], where: str) -> float:
    value = row.get("reputation") or "1"
    try:
        reputation = float(value)
    except ValueError:
        reputation = -1.0
    if not 0 <= reputation <= 1:
        raise InputError(f"{where}: reputation {value!r}; expected a number from 0 (worst) to 1 (best)")
    return reputation


def _parse_group(row: dict[str, str]) -> str:
    return (row.get("group") or "").strip() or "listed"
