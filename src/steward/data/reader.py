"""Reads one shard in batches; a row that cannot be read is reported by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.formats import read_source_rows
from steward.data.read_plan import RowLayout, Shard, row_number
from steward.data.records import BadRow, convert_record, find_misfit
from steward.data.stage import Entry

BATCH_ROWS = 4096
BATCH_BYTES = 8 << 20


class ReadBatch(msgspec.Struct, frozen=True):
    """A batch, the rows beside it that could not be read, and how many lines were blank."""

    batch: pa.RecordBatch
    failed: tuple[Entry, ...] = ()
    blank: int = 0


def read_shard(shard: Shard, shape: RowLayout, source: Source) -> Iterator[ReadBatch]:
    """The shard's rows in batches. :raises InputError: a bad row, where `on_error` is fail"""
    rows: list[tuple[int, str, dict[str, Any]]] = []
    failed: list[Entry] = []
    size = blank = 0
    for line in read_source_rows(shard, source):
        if line.value is None:
            blank += 1
            continue
        number, place = row_number(shard, line.number), f"{shard.name}:{line.number}"
        value = line.value if isinstance(line.value, BadRow) else convert_record(line.value, shape)
        if isinstance(value, BadRow):
            failed.append(_fail_row(value, number, place, source))
        else:
            rows.append((number, place, value))
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


def _make_batch(
    rows: list[tuple[int, str, dict[str, Any]]], failed: list[Entry], blank: int, shape: RowLayout, source: Source
) -> ReadBatch:
    schema = shape.schema()
    try:
        return ReadBatch(_build_batch(rows, schema), tuple(failed), blank)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        pass
    good_rows = []
    for row in rows:  # one of them does not fit its column: find out which
        bad = next((bad for field in schema if (bad := find_misfit(row[2].get(field.name), field))), None)
        if bad is None:
            good_rows.append(row)
        else:
            failed.append(_fail_row(bad, row[0], row[1], source))
    return ReadBatch(_build_batch(good_rows, schema), tuple(failed), blank)


def _build_batch(rows: list[tuple[int, str, dict[str, Any]]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row for row, _, _ in rows], pa.int64())]
    columns.append(
        pa.array([value["id"] if value["id"] is not None else place for _, place, value in rows], pa.large_string())
    )
    columns += [pa.array([value.get(field.name) for _, _, value in rows], field.type) for field in list(schema)[2:]]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
