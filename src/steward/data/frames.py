"""Rows that are in memory: pandas and Polars frames, Arrow tables, Hugging Face data sets, lists of dicts.

They are written to `OUT/.input/rows.parquet` and read from there like any file, so that a killed run goes on, a report
can show examples, and several processes can share the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.core.files import name_temporary, publish_file
from steward.data.run_folder import INPUT
from steward.data.summary import ROWS, read_summary

_ROWS_AT_ONCE = 10_000


def is_frame(value: object) -> bool:
    """Whether these are rows and not the path of a file."""
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "with_format"):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def save_frame(value: Any, output: Path) -> Path:
    """Write the rows beside the output, and say where. :raises InputError: no rows, or no rows at all"""
    path = output / INPUT / "rows.parquet"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    batches = (batch for batch in _iterate_batches(value) if batch.num_rows)
    first = next(batches, None)
    if first is None:
        raise InputError("the source has no rows; expected at least one")
    temporary = name_temporary(path)
    with pq.ParquetWriter(temporary, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
    publish_file(temporary, path)
    return path


def _iterate_batches(value: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(value, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(value)
        return
    tables: Iterable[pa.Table]
    if hasattr(value, "with_format"):  # a data set of Hugging Face's `datasets`, whose rows may be a selection
        tables = value.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE)
    else:
        tables = [_make_table(value)]
    for table in tables:
        yield from table.to_batches()


def _make_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table of dicts; columns of mixed types are told by the row that does not fit."""
    listed = [dict(row) for row in rows]
    names = list(dict.fromkeys(name for row in listed for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in listed]) for name in names})
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise InputError(
            f"rows of mixed types ({str(error).splitlines()[0][:160]}); expected one type a column, or a JSON-lines "
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
