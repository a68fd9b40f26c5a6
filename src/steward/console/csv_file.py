"""Tables as CSV files, for spreadsheets: names that a spreadsheet would take for a formula are made text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence, Set
from typing import Final

from starlette.responses import Response

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV Injection"


def answer_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file called `name` that a browser saves."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write_table(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """
    >>> write_table(["name", "usd"], [["=1+1", -2.5], ["a", 0]]).splitlines()
    ['name,usd', "'=1+1,-2.5", 'a,0']
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([neutralise_cell(value) for value in row] for row in rows)
    return text.getvalue()


def write_cell(value: object) -> object:
    """A value of a record as a spreadsheet takes it.

    >>> write_cell(("b", "a")), write_cell(None), write_cell(2.5), write_cell(frozenset({"b", "a"}))
    ('b, a', '', 2.5, 'a, b')
    """
    if value is None:
        return ""
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, Set):
        return ", ".join(sorted(map(str, value)))
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def neutralise_cell(value: object) -> object:
    """Numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
