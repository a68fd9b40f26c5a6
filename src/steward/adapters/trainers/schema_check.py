"""Holds a configuration that is written for another trainer against its schema.

Ours, because the tables use six words of JSON Schema and the library for all of it belongs to another extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError, UnknownName

KEYS: Final = Path(__file__).with_name("schemas.json")  # by scripts/trainer_schemas.py, from the packages themselves
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip


def add_known_keys(schema: dict[str, Any], package: str) -> dict[str, Any]:
    """The schema of what is written here, with every other key that the package knows in the version of `KEYS`."""
    known = msgspec.json.decode(KEYS.read_bytes())[package]["properties"]
    return {**schema, "properties": {**known, **schema["properties"]}}


def check_schema(value: Any, schema: dict[str, Any], trainer: str, where: str = "") -> None:
    """`schema`: type, enum, const, properties, required, items.

    :raises InputError: an unknown key, a missing one, or a value that may not be there
    """
    place = f"trainer {trainer}: {where or 'its configuration'}"
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        raise InputError(f"{place} is {value!r}; expected {kind}")
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if allowed is not None and value not in allowed:
        raise InputError(f"{place} is {value!r}; expected one of {', '.join(map(str, allowed))}")
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", ()):
            if name not in value:
                raise InputError(f"{place}: the key {name!r} is missing")
        for name, inner in value.items():
            if name not in schema["properties"]:
                raise UnknownName(f"key (of {trainer}'s configuration)", str(name), schema["properties"])
            check_schema(inner, schema["properties"][name], trainer, f"{where}.{name}".lstrip("."))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            check_schema(inner, schema.get("items", {}), trainer, f"{where}.{number}")
