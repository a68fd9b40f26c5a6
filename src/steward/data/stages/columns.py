"""Chooses, renames and derives the columns beside the content: `{use: columns, drop: [raw], derive: {n: len(text)}}`.

The content (`text`, `messages`, `prompt`, `chosen`, `rejected`) and `id` stay. A row on which a derived value cannot
be carried out fails with the error's type. Derived columns hold texts, numbers or truth values; of mixed ones, and of
lists, the JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_reason
from steward.data.expression import parse_expression
from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.messages import MORE
from steward.data.row_values import iterate_values, list_value_names
from steward.data.stage import Result, list_content_columns
from steward.data.stages.filter import ROW_ERRORS

_TYPES = {"string": pa.large_string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keep` names the columns that stay, or `drop` those that go; then `rename` {old: new}; then `derive` {new: …}.

    `types` {new: string, int64, double or bool} says what a derived column holds; default a text.
    """

    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    derive: dict[str, str] = {}
    types: dict[str, str] = {}

    def __post_init__(self) -> None:
        """:raises InputError: an expression or a type that is not known, both of keep and drop"""
        if self.keep is not None and self.drop:
            raise InputError("columns: keep and drop are given; expected one of them")
        for source in self.derive.values():
            parse_expression(source)
        for name, kind in self.types.items():
            if name not in self.derive:
                raise UnknownName("derived column", name, list(self.derive), "stage columns, types")
            if kind not in _TYPES:
                raise UnknownName("type", kind, list(_TYPES), "stage columns, types")

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: a column that is not there, or a new one that is there already"""
        values, failed = self._derive_values(batch)
        kept = {index for index, *_ in failed}
        changed = self._rename_columns(self._choose_columns(drop_rows(batch, kept) if kept else batch))
        for name, column in values.items():
            if name in changed.schema.names:
                raise InputError(f"columns: {name!r} is there already; expected a new name, or drop it first")
            kind = _TYPES[self.types.get(name, "string")]
            changed = changed.append_column(name, _make_array(name, column, kind))
        return Result(changed, tuple(make_entries(batch, "columns", "fail", failed)))

    def _derive_values(self, batch: pa.RecordBatch) -> tuple[dict[str, list[Any]], list[tuple[int, str, str, str]]]:
        expressions = {name: parse_expression(source) for name, source in self.derive.items()}
        for expression in expressions.values():
            expression.require_columns(list_value_names(batch))
        names = sorted({name for expression in expressions.values() for name in expression.columns})
        columns: dict[str, list[Any]] = {name: [] for name in expressions}
        failed: list[tuple[int, str, str, str]] = []
        for index, values in enumerate(iterate_values(batch, names) if expressions else ()):
            try:
                row = [expression.evaluate(values) for expression in expressions.values()]
            except ROW_ERRORS as error:
                failed.append((index, "derive", type(error).__name__, "; ".join(self.derive.values())))
                continue
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
        return columns, failed

    def _choose_columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        fixed = {"row", "id", MORE, *list_content_columns(batch)}
        others = [name for name in batch.schema.names if name not in fixed]
        for name in (*(self.keep or ()), *self.drop, *self.rename):
            if name not in others:
                raise UnknownName("column", name, others, "stage columns")
        gone = set(self.drop) if self.keep is None else set(others) - set(self.keep)
        return batch.select([name for name in batch.schema.names if name not in gone])

    def _rename_columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = [self.rename.get(name, name) for name in batch.schema.names]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise InputError(f"columns: {repeated[0]!r} would be there twice; expected different names")
        fields = [field.with_name(name) for field, name in zip(batch.schema, names, strict=True)]
        return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _make_array(name: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.large_string():
        values = [
            value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
            for value in values
        ]
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise InputError(f"columns: derived column {name!r} is no {kind} in each row ({cut_reason(error)})") from None
