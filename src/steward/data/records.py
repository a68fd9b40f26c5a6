"""Turns one record of a file into a row under the names of the run's columns, or says why it cannot be read.

A column that is neither text, whole number, number nor truth value keeps its JSON as text. Keys that the first rows of
a file did not have are kept together, as JSON, in the column `more`.
"""

from __future__ import annotations

import datetime
from types import NoneType
from typing import Any

import msgspec
import pyarrow as pa

from steward.data.bad_row import BadRow, describe_value
from steward.data.chat_formats import to_messages
from steward.data.messages import MORE, convert_messages
from steward.data.read_plan import RowLayout
from steward.data.stage import PAIR

_EXACT = 1 << 53  # up to here a double holds every whole number


class SourceRow(msgspec.Struct, frozen=True):
    """One row as the file has it; `number` counts from the file's first line, `size` is in bytes."""

    number: int
    value: Any  # dict | _Bad
    size: int
    native: tuple[Any, int] | None = None  # an Arrow batch with the columns that are passed through, and the row in it
    other: Any = None  # what JSON has here, where it is no object


def convert_record(record: dict[str, Any], shape: RowLayout) -> dict[str, Any] | BadRow:
    """The row under the names of the shape's schema."""
    if shape.chat_format is not None:
        record = to_messages(record, shape.chat_format)
    identity = record.pop(shape.id, None) if shape.id else None
    row: dict[str, Any] = {"id": identity if identity is None or isinstance(identity, str) else str(identity)}
    content = (shape.text,) if shape.kind == "text" else ("messages",) if shape.kind == "messages" else PAIR
    for name in content:
        value = record.pop(name, None)
        if value is None and name == "prompt":  # TRL's implicit prompt
            value = [] if shape.kind == "message-pair" else ""
        if shape.kind == "messages":
            value = convert_messages(value, name, shape.roles)
        elif shape.kind == "message-pair":
            value = _convert_side(value, name, shape.roles)
        elif not isinstance(value, str):
            description = "null or missing" if value is None else describe_value(value)
            value = BadRow("missing_text" if value is None else "not_text", name, description, "a text")
        if isinstance(value, BadRow):
            return value
        row["text" if shape.kind == "text" else name] = value
    for name, kind in shape.columns:
        if kind == "native":
            continue
        value = record.pop(name, None)
        if kind == "json":
            value = None if value is None else msgspec.json.encode(value).decode()
        elif isinstance(value, datetime.date | datetime.time):
            value = value.isoformat()
        row[name] = value
    more = record.pop(MORE, None)
    if isinstance(more, str) and more.startswith("{"):  # steward's own output comes in again
        record.update(msgspec.json.decode(more))
    elif more is not None:
        record[MORE] = more
    row[MORE] = msgspec.json.encode(record).decode() if record else None
    return row


def _convert_side(value: object, name: str, roles: dict[str, str]) -> list[dict[str, str | None]] | BadRow:
    """One side of a pair of lists of messages; among such, a text is one message, and a prompt may be empty."""
    if isinstance(value, str):
        value = [{"role": "user" if name == "prompt" else "assistant", "content": value}]
    if isinstance(value, dict):
        value = [value]
    return [] if name == "prompt" and value == [] else convert_messages(value, name, roles)


def fits(values: list[Any], kind: pa.DataType) -> bool:
    """Whether Arrow makes an array of this type without altering a value: it would cut 0.87 to the whole number 0."""
    if kind == pa.int64():
        return set(map(type, values)) <= {int, NoneType}
    if kind != pa.float64():
        return True  # Arrow refuses what is of another type
    types = set(map(type, values))
    if not types <= {float, int, NoneType}:
        return False
    return int not in types or all(abs(value) <= _EXACT for value in values if type(value) is int)


def find_misfit(value: object, field: pa.Field) -> BadRow | None:
    """What is wrong with a value that its column cannot hold unaltered."""
    try:
        if fits([value], field.type):
            pa.array([value], field.type)
            return None
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        pass
    better = {float: "double", str: "string", int: "json"}.get(type(value), "json")
    expected = f"{field.type} as in the first rows; or set input.types: {{{field.name}: {better}}}"
    return BadRow("mixed_schema", field.name, _describe_misfit(value, field.type), expected)


def _describe_misfit(value: object, kind: pa.DataType) -> str:
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return "half of a surrogate pair"
    if isinstance(value, float) and kind == pa.int64():
        return "a number with a fraction"
    is_number = kind in (pa.int64(), pa.float64())
    return "a number too large for it" if type(value) is int and is_number else describe_value(value)


def value_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime.date | datetime.time):
        return "string"
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        return "json"
    return {str: "string", bool: "bool", int: "int64", float: "double"}.get(type(value), "json")


def common_type(types: set[str]) -> str:
    """The type that holds all of them."""
    without_null = types - {"null"}
    if without_null == {"int64", "double"}:
        return "double"
    return without_null.pop() if len(without_null) == 1 else "json"
