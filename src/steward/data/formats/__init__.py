"""Every file format by its name: how it is recognised, and who reads it.

Why our own readers: Arrow's take the schema from the first block and turn what does not fit into nulls or an error
without a line number, which silently loses fields of chats.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import msgspec
import pyarrow as pa

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.data.bad_row import BadRow
from steward.data.config import Format, Source
from steward.data.formats.compression import COMPRESSIONS
from steward.data.formats.delimited import read_delimited
from steward.data.formats.json_file import is_whole_json, read_json
from steward.data.formats.jsonl import read_jsonl
from steward.data.formats.parquet import read_parquet
from steward.data.formats.plain_text import read_plain_text
from steward.data.formats.warc import read_warc
from steward.data.read_plan import Shard
from steward.data.records import SourceRow

_BY_SUFFIX: dict[str, Format] = {
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "json", "parquet": "parquet", "pq": "parquet", "csv": "csv",
    "tsv": "tsv", "txt": "txt", "md": "txt", "html": "html", "htm": "html", "warc": "warc", "wet": "warc",
}  # fmt: skip
_READERS: dict[str, Callable[[Shard, Source], Iterator[SourceRow]]] = {
    "jsonl": read_jsonl, "json": read_json, "csv": read_delimited, "tsv": read_delimited, "txt": read_plain_text,
    "html": read_plain_text, "warc": read_warc,
}  # fmt: skip


def guess_format(name: str) -> Format | None:
    """By the end of the file's name, before that of its compression; None where it is unknown."""
    suffixes = [suffix for suffix in name.lower().split(".")[1:] if suffix not in COMPRESSIONS]
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def detect_format(file: str, source: Source) -> Format:
    """:raises InputError: a file whose name does not tell"""
    kind = source.format or guess_format(PurePosixPath(file).name)
    if kind is None:
        known, packed = (", ".join(f".{name}" for name in names) for names in (_BY_SUFFIX, COMPRESSIONS))
        raise InputError(
            f"{file}: unknown format; expected a name that ends in {known} ({packed}), or set input.format"
        )
    try:
        return "jsonl" if kind == "json" and not source.format and not is_whole_json(file, source) else kind
    except (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError, pa.ArrowException):
        return kind  # reported where its rows are read


def read_source_rows(shard: Shard, source: Source, native: frozenset[str] = frozenset()) -> Iterator[SourceRow]:
    """Every row of the shard as a dict, as what is wrong with it, or as None for a blank line.

    `native`: the columns of a parquet file that are passed through as Arrow arrays.
    """
    number = shard.first_line
    try:
        rows = (
            read_parquet(shard, source, native) if shard.format == "parquet" else _READERS[shard.format](shard, source)
        )
        for line in rows:
            number = line.number + 1
            yield _rename(line, source.rename) if source.rename and shard.format != "parquet" else line
    except (pa.ArrowException, EOFError, zlib.error, lzma.LZMAError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{shard.name}: {error.strerror}; expected a readable file") from error
        description = f"the file cannot be read from here on ({cut_reason(error)})"
        yield SourceRow(number, BadRow("corrupt_file", "", description, f"a whole {shard.format} file"), 0)


def _rename(row: SourceRow, names: dict[str, str]) -> SourceRow:
    if not isinstance(row.value, dict):
        return row
    renamed = {names.get(name, name): value for name, value in row.value.items()}
    if len(renamed) < len(row.value):
        taken = next(names[name] for name in row.value if name in names and names[name] in row.value)
        bad = BadRow("name_taken", taken, f"two columns of the name {taken!r}", "another name in input.rename")
        return msgspec.structs.replace(row, value=bad)
    return msgspec.structs.replace(row, value=renamed)
