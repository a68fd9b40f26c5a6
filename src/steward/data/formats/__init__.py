"""Every file format by its name: how it is recognised, and who reads it.

Why our own readers: Arrow's take the schema from the first block and turn what does not fit into nulls or an error
without a line number, which silently loses fields of chats.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.formats.delimited import read_csv
from steward.data.formats.jsonl import read_jsonl
from steward.data.formats.parquet import read_parquet
from steward.data.read_plan import Format, Shard
from steward.data.records import BadRow, SourceRow, first_line

_FORMATS: dict[str, Format] = {
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet", "pq": "parquet", "csv": "csv"
}  # fmt: skip


def detect_format(file: Path, source: Source) -> Format:
    suffixes = [suffix for suffix in file.name.lower().split(".")[1:] if suffix not in ("gz", "zst")]
    kind = source.format or (_FORMATS.get(suffixes[-1]) if suffixes else None)
    if kind is None:
        raise InputError(
            f"{file}: unknown kind of file; expected .jsonl, .parquet or .csv (.gz, .zst), or give input.format"
        )
    return kind


def read_source_rows(shard: Shard, source: Source) -> Iterator[SourceRow]:
    """Every row of the shard as a dict, as what is wrong with it, or as None for a blank line."""
    number = shard.first_line
    try:
        for line in {"jsonl": read_jsonl, "csv": read_csv, "parquet": read_parquet}[shard.format](shard, source):
            number = line.number + 1
            yield line
    except (pa.ArrowException, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{shard.name}: {error.strerror}; expected a readable file") from error
        description = f"the file cannot be read from here on ({first_line(error)})"
        yield SourceRow(number, BadRow("corrupt_file", "", description, f"a whole {shard.format} file"), 0)
