"""Settings as the console lists them: every value with its origin, what it means, and how two texts differ. Pure."""

from __future__ import annotations

import difflib
import typing
from typing import Any, NamedTuple

import msgspec

from steward.configuration.section import Section
from steward.core.addresses import is_address
from steward.settings import HIDDEN, LoadedSettings, Settings, list_values


class SettingRow(NamedTuple):
    """One value. `fixed`: it comes from the environment or the command line, so that the file does not decide it."""

    key: str
    value: str
    origin: str
    description: str
    fixed: bool
    hidden: bool


def list_settings(loaded: LoadedSettings) -> list[SettingRow]:
    """Every value, in the order of the reference."""
    return [
        SettingRow(
            key=key,
            value=write_value(value),
            origin=origin,
            description=find_description(key),
            fixed=not origin.startswith(("default", loaded.path.name if loaded.path else "default")),
            hidden=value == HIDDEN or (isinstance(value, str) and is_address(value) and "…" in value),
        )
        for key, value, origin in list_values(loaded.settings, loaded.origins)
    ]


def write_value(value: object) -> str:
    """As YAML has it.

    >>> write_value(True), write_value(None), write_value("a"), write_value([1])
    ('true', 'null', 'a', '[1]')
    """
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def find_description(dotted: str) -> str:
    """What the reference says of a key; empty where it says nothing.

    >>> find_description("gateway.port"), find_description("models.0.name") != "", find_description("nothing")
    ('port to listen on; 0 takes a free one', True, '')
    """
    section: type[Section] | None = Settings
    description, is_name = "", False  # a name that whoever writes the file has chosen
    for part in dotted.split("."):
        if part.isdigit() or is_name:
            is_name = False
            continue
        field = section.model_fields.get(part) if section is not None else None
        if field is None:
            return description if section is None else ""
        description = field.description or description
        section, is_name = _find_section(field.annotation), typing.get_origin(field.annotation) is dict
    return description


def _find_section(annotation: Any) -> type[Section] | None:
    """The section within `list[Section]`, `Section | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    inner = (_find_section(part) for part in typing.get_args(annotation))
    return next((part for part in inner if part is not None), None)


def diff_texts(before: str, after: str, names: tuple[str, str] = ("now", "after")) -> list[str]:
    """A unified diff by lines; empty where both say the same.

    >>> diff_texts("a: 1\\n", "a: 2\\n")[-2:]
    ['-a: 1', '+a: 2']
    """
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), names[0], names[1], lineterm=""))
