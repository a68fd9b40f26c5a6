"""`--csv` beside `--json`: the rows of the same record, with the same names.

Whether a command has the option, and which part of its record the rows are, its parameter `json` says with a
`CsvRows` (`cli/lazy.py`, which adds the option); `show_json` prints one or the other. Numbers are plain, what is
missing is empty, and what is a list or an object within a row is JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from steward.cli.terminal_text import neutralise_for_terminal
from steward.core.errors import Contradiction


class _Output:
    """What a command prints as CSV; the first rows decide on the columns."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = fields
        self.columns: list[str] | None = None


_output: ContextVar[_Output | None] = ContextVar("csv output", default=None)


@contextmanager
def print_as_csv(fields: Sequence[str]) -> Iterator[None]:
    """Within it, records are printed as CSV. `fields`: as those of `CsvRows`."""
    token = _output.set(_Output(fields))
    try:
        yield
    finally:
        _output.reset(token)


def format_record(record: object) -> str | None:
    """The lines of a record, with a head where none was printed yet; None where JSON is asked for."""
    output = _output.get()
    if output is None:
        return None
    rows = select_rows(msgspec.to_builtins(record, str_keys=True), output.fields)
    head = output.columns is None and bool(rows)
    if head:
        output.columns = list(dict.fromkeys(name for row in rows for name in row))
    return write_csv(output.columns or [], rows, head)


def select_rows(record: Any, fields: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows of a record: of a list its items, of an object of objects these with their names, else the object.

    >>> select_rows({"by": [{"name": "a"}], "total": 1}, ["by"])
    [{'name': 'a'}]

    :raises Contradiction: none of `fields` is there
    """
    if fields and not any(field in record for field in fields):
        raise Contradiction(f"the record has none of the fields {', '.join(fields)}, only {', '.join(record)}")
    parts = [record[field] for field in fields if record.get(field) is not None] if fields else [record]
    return [row for part in parts for row in _list_rows(part)]


def _list_rows(part: Any) -> list[Mapping[str, Any]]:
    if isinstance(part, list | tuple):
        return [row if isinstance(row, dict) else {"value": row} for row in part]
    if part and all(isinstance(row, dict) for row in part.values()):
        return [{"name": name, **row} for name, row in part.items()]
    return [part] if part else []


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], head: bool = True) -> str:
    """Lines that end in LF (RFC 4180 otherwise)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if head:
        writer.writerow(columns)
    writer.writerows([_format_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _format_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | tuple):
        return msgspec.json.encode(value).decode()
    return neutralise_for_terminal(value) if isinstance(value, str) else str(value)
