"""Reads parquet by row groups. Columns that JSON has no type for stay as they are, in Arrow's type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.core.extend import FileStore
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.locations import is_remote, open_location
from steward.data.read_plan import Shard
from steward.data.records import SourceRow


def split_parquet(whole_file: Shard, source: Source) -> list[Shard]:
    """Shards of whole row groups, of about `shard_mb` uncompressed; one of the whole file when it cannot be opened."""
    try:
        with _open_parquet(whole_file.path, source.store) as opened:
            metadata = opened.metadata
    except (pa.ArrowException, OSError) as error:
        if source.on_error == "fail":
            raise InputError(
                f"{whole_file.name}: not a readable parquet file ({cut_reason(error)}); or set input.on_error: skip"
            ) from None
        return [whole_file]
    shards: list[Shard] = []
    start, size, rows, line = 0, 0, 0, 1
    for row_group in range(metadata.num_row_groups):
        size += metadata.row_group(row_group).total_byte_size
        rows += metadata.row_group(row_group).num_rows
        if size >= source.shard_mb * (1 << 20) or row_group == metadata.num_row_groups - 1:
            shards.append(
                msgspec.structs.replace(
                    whole_file, index=whole_file.index + len(shards), start=start, end=row_group + 1, first_line=line
                )
            )
            start, size, line, rows = row_group + 1, 0, line + rows, 0
    return shards


def read_native_types(path: str, source: Source) -> dict[str, pa.DataType]:
    """The columns whose type JSON lacks (lists, structs, times, decimals, small and unsigned numbers, bytes)."""
    return {name: kind for name, kind in _read_types(path, source).items() if not _is_plain(kind)}


def read_plain_types(path: str, source: Source) -> dict[str, str]:
    """The types of the other columns, by the names that layouts have for them."""
    types = {name: kind for name, kind in _read_types(path, source).items() if _is_plain(kind)}
    names = {pa.int64(): "int64", pa.float64(): "double", pa.bool_(): "bool", pa.null(): "null"}
    inner = {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in types.items()}
    return {name: names.get(kind, "string") for name, kind in inner.items()}


def _read_types(path: str, source: Source) -> dict[str, pa.DataType]:
    """Of the columns; none of a file that cannot be opened, which is reported where its rows are read."""
    try:
        with _open_parquet(path, source.store) as opened:
            schema = opened.schema_arrow
    except (pa.ArrowException, OSError):
        return {}
    return {source.rename.get(field.name, field.name): field.type for field in schema}


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return texts or kind in (pa.int64(), pa.float64(), pa.bool_(), pa.null())


def read_parquet(shard: Shard, source: Source, native: frozenset[str] = frozenset()) -> Iterator[SourceRow]:
    """The columns of `native` come as Arrow arrays beside each row, the others as Python values within it."""
    with _open_parquet(shard.path, source.store) as file:
        yield from _read_groups(file, shard, source, native)


@contextmanager
def _open_parquet(path: str, store: FileStore | None) -> Iterator[pq.ParquetFile]:
    if not is_remote(path):
        with pq.ParquetFile(path) as file:
            yield file
        return
    with open_location(path, store) as opened, pq.ParquetFile(opened) as file:
        yield file


def _read_groups(file: pq.ParquetFile, shard: Shard, source: Source, native: frozenset[str]) -> Iterator[SourceRow]:
    groups = range(shard.start, shard.end if shard.end >= 0 else file.metadata.num_row_groups)
    number = shard.first_line
    for batch in file.iter_batches(batch_size=1024, row_groups=list(groups)):
        if source.rename:
            batch = batch.rename_columns([source.rename.get(name, name) for name in batch.schema.names])
        kept = batch.select([name for name in batch.schema.names if name in native])
        size = batch.nbytes // max(1, batch.num_rows)
        plain = batch.select([name for name in batch.schema.names if name not in native])
        for index, row in enumerate(_convert_records(plain)):
            yield SourceRow(number, row, size, (kept, index) if native else None)
            number += 1


def _convert_records(batch: pa.RecordBatch) -> Iterable[dict[str, Any] | BadRow]:
    if not batch.num_columns:
        return [{}] * batch.num_rows
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except (UnicodeDecodeError, ValueError):
        return [_convert_record(batch, index) for index in range(batch.num_rows)]


def _convert_record(batch: pa.RecordBatch, index: int) -> dict[str, Any] | BadRow:
    row = {}
    for name in batch.schema.names:
        try:
            row[name] = batch[name][index].as_py()
        except UnicodeDecodeError:
            return BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8")
        except ValueError as error:
            return BadRow("unreadable_value", name, f"a value that cannot be read ({cut_reason(error)})", "another")
    return row
