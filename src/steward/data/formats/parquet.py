"""Reads parquet by row groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.read_plan import Shard
from steward.data.records import BadRow, SourceRow, first_line


def split_parquet(whole_file: Shard, source: Source) -> list[Shard]:
    """Shards of whole row groups, of about `shard_mb` uncompressed; one of the whole file when it cannot be opened."""
    try:
        metadata = pq.ParquetFile(whole_file.path).metadata
    except (pa.ArrowException, OSError) as error:
        if source.on_error == "fail":
            raise InputError(
                f"{whole_file.name}: not a readable parquet file ({first_line(error)}); or set input.on_error: skip"
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


def read_parquet(shard: Shard, source: Source) -> Iterator[SourceRow]:
    file = pq.ParquetFile(shard.path)
    groups = range(shard.start, shard.end if shard.end >= 0 else file.metadata.num_row_groups)
    number = shard.first_line
    for batch in file.iter_batches(batch_size=1024, row_groups=list(groups)):
        size = batch.nbytes // max(1, batch.num_rows)
        for row in _convert_records(batch):
            yield SourceRow(number, row, size)
            number += 1


def _convert_records(batch: pa.RecordBatch) -> Iterable[dict[str, Any] | BadRow]:
    try:
        return [_replace_nan(row) for row in batch.to_pylist()]
    except UnicodeDecodeError:
        return [_convert_record(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _convert_record(batch: pa.RecordBatch) -> dict[str, Any] | BadRow:
    row = {}
    for name in batch.schema.names:
        try:
            row[name] = batch[name][0].as_py()
        except UnicodeDecodeError:
            return BadRow("invalid_utf8", name, "bytes that are not UTF-8", "UTF-8")
    return _replace_nan(row)


def _replace_nan(row: dict[str, Any]) -> dict[str, Any]:
    """pandas writes a missing text as NaN."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
