"""Reads one shard in batches; a row that cannot be read is reported by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
import pyarrow as pa

from steward.core.errors import Contradiction, InputError
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.formats import read_source_rows
from steward.data.read_plan import RowLayout, Shard, row_number
from steward.data.records import convert_record, find_misfit, fits
from steward.data.stage import Entry

BATCH_ROWS = 4096
BATCH_BYTES = 8 << 20


class ReadBatch(msgspec.Struct, frozen=True):
    """A batch, the rows beside it that could not be read, and how many lines were blank."""

    batch: pa.RecordBatch
    failed: tuple[Entry, ...] = ()
    blank: int = 0


# A row that can be read: its number, file:line, its values, and the Arrow batch with its other columns and its place in
# that. A plain tuple, since a named one takes a tenth of the time of reading.
_Row = tuple[int, str, dict[str, Any], tuple[pa.RecordBatch, int] | None]


def read_shard(shard: Shard, shape: RowLayout, source: Source) -> Iterator[ReadBatch]:
    """The shard's rows in batches. :raises InputError: a bad row, where `on_error` is fail"""
    rows: list[_Row] = []
    failed: list[Entry] = []
    size = blank = 0
    native = frozenset(name for name, kind in shape.columns if kind == "native")
    for line in read_source_rows(shard, source, native):
        if line.value is None:
            blank += 1
            continue
        number, place = row_number(shard, line.number), f"{shard.name}:{line.number}"
        value = line.value if isinstance(line.value, BadRow) else convert_record(line.value, shape)
        if isinstance(value, BadRow):
            failed.append(_fail_row(value, number, place, source))
        else:
            rows.append((number, place, value, line.native))
            size += line.size
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES or len(failed) >= BATCH_ROWS:
            yield _make_batch(rows, failed, blank, shape, source)
            rows, failed, size, blank = [], [], 0, 0
    if rows or failed or blank:
        yield _make_batch(rows, failed, blank, shape, source)


def _fail_row(problem: BadRow, row: int, place: str, source: Source) -> Entry:
    if source.on_error == "fail":
        field = f"field {problem.field!r}: " if problem.field else ""
        raise InputError(
            f"{place}: {field}{problem.seen}; expected {problem.expected}; repair it, or set input.on_error: skip"
        )
    return Entry(
        row=row, id=place, stage="read", action="fail", rule=problem.rule, value=problem.seen,
        threshold=problem.expected, where=f"{place} {problem.field}".rstrip(),
    )  # fmt: skip


def _make_batch(rows: list[_Row], failed: list[Entry], blank: int, shape: RowLayout, source: Source) -> ReadBatch:
    schema = shape.schema()
    try:
        if (batch := _build_batch(rows, schema)) is not None:
            return ReadBatch(batch, tuple(failed), blank)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        pass
    good_rows = []
    for row in rows:  # one of them does not fit its column: find out which
        bad = next((bad for field in schema if (bad := find_misfit(row[2].get(field.name), field))), None)
        if bad is None:
            good_rows.append(row)
        else:
            failed.append(_fail_row(bad, row[0], row[1], source))
    batch = _build_batch(good_rows, schema)
    if batch is None:
        raise Contradiction(f"{rows[0][1]}: rows that fit their columns one by one do not fit together")
    return ReadBatch(batch, tuple(failed), blank)


def _build_batch(rows: list[_Row], schema: pa.Schema) -> pa.RecordBatch | None:
    """None where a value would have to be altered to fit its column."""
    ids = [values["id"] if values["id"] is not None else place for _, place, values, _ in rows]
    columns = [pa.array([row[0] for row in rows], pa.int64()), pa.array(ids, pa.large_string())]
    native = rows[0][3][0].schema.names if rows and rows[0][3] is not None else ()
    for field in list(schema)[2:]:
        if field.name in native:
            columns.append(_take_native(rows, field))
            continue
        values = [row[2].get(field.name) for row in rows]
        if not fits(values, field.type):
            return None
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _take_native(rows: list[_Row], field: pa.Field) -> pa.Array:
    """The column of these rows, out of the Arrow batches that they came in."""
    parts = []
    for _, group in groupby(rows, key=lambda row: id(row[3][0]) if row[3] else 0):
        pairs = [row[3] for row in group if row[3]]
        parts.append(pairs[0][0][field.name].take(pa.array([index for _, index in pairs], pa.int64())))
    return pa.concat_arrays(parts).cast(field.type)
