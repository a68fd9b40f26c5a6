"""Rows that are in memory: pandas and Polars frames, Arrow tables, Hugging Face data sets, dicts in a list or iterator.

They are written to `OUT/.input/rows.parquet` and read from there like any file, so that a killed run goes on, a report
can show examples, and several processes can share the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.core.files import make_private_folder, name_temporary, publish_file
from steward.data.run_folder import INPUT
from steward.data.summary import ROWS, read_summary

_ROWS_AT_ONCE = 10_000


def is_frame(value: object) -> bool:
    """Whether these are rows and not the path of a file, nor a list of paths."""
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "with_format") or isinstance(value, Iterator):
        return True
    return isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value)


def save_frame(value: Any, output: Path) -> Path:
    """Write the rows beside the output, and say where. :raises InputError: no rows, or no rows at all"""
    path = output / INPUT / "rows.parquet"
    make_private_folder(path.parent)
    batches = (_flatten_types(batch) for batch in _iterate_batches(value) if batch.num_rows)
    first = next(batches, None)
    if first is None:
        raise InputError("the source has no rows; expected at least one")
    temporary = name_temporary(path)
    with pq.ParquetWriter(temporary, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(_fit_schema(batch, first.schema))
    publish_file(temporary, path)
    return path


def _fit_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """:raises InputError: other columns, or values that another type would have to hold"""
    if batch.schema.equals(schema):
        return batch
    columns = {name: batch[name] if name in batch.schema.names else pa.nulls(len(batch)) for name in schema.names}
    try:
        if added := [name for name in batch.schema.names if name not in columns]:
            raise ValueError(f"column {added[0]!r}")
        return pa.RecordBatch.from_pydict(
            {name: column.cast(schema.field(name).type) for name, column in columns.items()}
        )
    except (pa.ArrowException, ValueError) as error:
        reason = cut_reason(error)
        raise InputError(
            f"later rows have other columns or types than the first {_ROWS_AT_ONCE:,} ({reason}); expected the same, "
            "or a JSON-lines file, in which rows may differ"
        ) from None


def _flatten_types(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Categories and views as plain texts, which every reader of parquet takes."""
    columns = [_flatten_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _flatten_column(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _flatten_column(column.dictionary).take(column.indices)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if pa.types.is_binary_view(kind) else column


def _iterate_batches(value: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(value, "__arrow_c_stream__"):
        try:
            yield from pa.RecordBatchReader.from_stream(value)
        except pa.ArrowInvalid as error:
            raise InputError(
                f"a {type(value).__name__} is no table ({error}); expected rows with names, such as a frame with a "
                "column text"
            ) from None
        return
    tables: Iterable[pa.Table]
    if hasattr(value, "with_format"):  # a data set of Hugging Face's `datasets`, whose rows may be a selection
        if isinstance(value, Mapping):
            raise InputError(f"a data set of the splits {', '.join(value)}; expected one of them, such as data[…]")
        tables = value.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE)
    else:
        tables = map(_make_table, _chunk(value, _ROWS_AT_ONCE if isinstance(value, Iterator) else None))
    for table in tables:
        yield from table.to_batches()


def _chunk(rows: Iterable[Any], size: int | None) -> Iterator[list[Any]]:
    """At most so many at once; None: all, so that the types of a list are those of all its rows."""
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        if stranger := next((row for row in chunk if not isinstance(row, Mapping)), None):
            raise InputError(f"a row is a {type(stranger).__name__}; expected a dict, such as {{'text': …}}")
        yield chunk


def _make_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table of dicts. :raises InputError: a column of mixed types"""
    listed = [dict(row) for row in rows]
    names = list(dict.fromkeys(name for row in listed for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in listed]) for name in names})
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise InputError(
            f"rows of mixed types ({cut_reason(error)}); expected one type a column, or a JSON-lines "
            "file, in which rows may differ"
        ) from None


def read_rows(output: str | Path) -> pa.Table:
    """The rows that a finished run wrote, as an Arrow table.

    `.to_pandas()`, `polars.from_arrow(…)` and `datasets.Dataset(…)` take it from there.

    :raises InputError: no run has finished there
    """
    folder = Path(output)
    summary = read_summary(folder)
    paths = [folder / ROWS / part.name for part in summary.parts]
    if not paths:
        return pa.table({})
    if paths[0].suffix == ".parquet":
        return pa.concat_tables([pq.read_table(path) for path in paths], promote_options="default")
    lines = [msgspec.json.decode(line) for path in paths for line in path.read_bytes().splitlines()]
    return _make_table(lines)
