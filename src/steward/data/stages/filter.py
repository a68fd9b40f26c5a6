"""Keeps the rows of which an expression is true: `{use: filter, where: score > 0.5 and language in ("en", "de")}`.

The ledger has rule `where` with the expression as the threshold. A row on which the expression cannot be carried out,
such as a comparison of a text with a number, fails with the error's type.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

from steward.data.expression import parse_expression
from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.row_values import iterate_values, list_value_names
from steward.data.stage import Result

ROW_ERRORS = (TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError)


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`where`: see `expression.py` for operators and functions; `text` is the content of chats and pairs too."""

    where: str

    def __post_init__(self) -> None:
        """:raises InputError: not an expression"""
        parse_expression(self.where)

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises UnknownName: a column that the rows do not have"""
        expression = parse_expression(self.where)
        expression.require_columns(list_value_names(batch))
        dropped: list[tuple[int, str, None, str]] = []
        failed: list[tuple[int, str, str, str]] = []
        for index, values in enumerate(iterate_values(batch, sorted(expression.columns))):
            try:
                if not expression.evaluate(values):
                    dropped.append((index, "where", None, self.where))
            except ROW_ERRORS as error:
                failed.append((index, "where", type(error).__name__, self.where))
        removed = {index for index, *_ in (*dropped, *failed)}
        entries = (*make_entries(batch, "filter", "drop", dropped), *make_entries(batch, "filter", "fail", failed))
        return Result(drop_rows(batch, removed), entries)
