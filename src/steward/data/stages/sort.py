"""`sort`: the rows that go out in the order of columns; the last stage of a pipeline.

Rows are written in that order after all stages, by buckets on the disk (`data/row_order.py`). Equal rows keep the order
of the input, and rows without a value come last, whichever way the others go.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.data.row_values import list_value_names
from steward.data.stage import Result


class Sort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`by` is a column or several; a column of numbers, texts, truth values or times, such as `tokens`."""

    orders_output: ClassVar = True  # how the run knows that rows are still to be put in order
    by: str | tuple[str, ...]
    descending: bool = False

    def __post_init__(self) -> None:
        """:raises InputError: no column"""
        if not self.list_columns():
            raise InputError("sort: by is empty; expected a column, such as tokens")

    def list_columns(self) -> tuple[str, ...]:
        return (self.by,) if isinstance(self.by, str) else self.by

    def apply(self, batch: pa.RecordBatch) -> Result:
        """The batch as it is. :raises UnknownName: no such column :raises InputError: a column without an order"""
        for name in self.list_columns():
            if name not in batch.schema.names or name == "row":
                raise UnknownName("column", name, list_value_names(batch), "stage sort, by")
            field = batch.schema.field(name)
            is_json = bool(field.metadata and b"json" in field.metadata)
            if is_json or pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
                raise InputError(
                    f"stage sort, by: column {name!r} holds values of several kinds, lists or objects, which have no "
                    "order; name the type as input.types, or derive a column with the stage `columns`"
                )
        return Result(batch)
