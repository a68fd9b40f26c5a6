"""Why a row of a file cannot be read."""

from __future__ import annotations

import msgspec


class BadRow(msgspec.Struct, frozen=True):
    """Why a row cannot be read. `seen` never holds the row's words."""

    rule: str
    field: str
    seen: str
    expected: str


def describe_value(value: object) -> str:
    """A value's kind in JSON's words."""
    kinds = {
        str: "a text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object"
    }  # fmt: skip
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")
