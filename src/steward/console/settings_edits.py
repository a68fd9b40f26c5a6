"""Changes of single settings, by names rather than by places in lists: what stands before them may move. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import yaml

from steward.configuration.yaml_edit import read_value, set_value
from steward.core.errors import InputError

_PART: Final = re.compile(r"([^.\[\]]+)((?:\[[^\]]*\])?)(?:\.|$)")


class SettingEdit(msgspec.Struct, frozen=True):
    """One value. `key`: `gateway.port`, or `routes[assistant].targets[big].weight`; `value` as YAML has it."""

    key: str
    value: str


def encode_edits(edits: Sequence[SettingEdit]) -> str:
    return msgspec.json.encode(edits).decode()


def decode_edits(text: str) -> list[SettingEdit]:
    """:raises InputError: not what `encode_edits` wrote"""
    try:
        return msgspec.json.decode(text, type=list[SettingEdit])
    except msgspec.MsgspecError:
        raise InputError("the form has been changed on its way; open the page again") from None


def apply_edits(text: str, edits: Sequence[SettingEdit]) -> str:
    """The file's text with all of them. :raises InputError: no such place, or a value that is none

    >>> apply_edits("models:\\n- {name: a, context: 1}\\n", [SettingEdit("models[a].context", "2")])
    'models:\\n- {name: a, context: 2}\\n'
    """
    for edit in edits:
        text = set_value(text, find_place(text, edit.key), read_value(edit.value, edit.key))
    return text


def find_place(text: str, key: str) -> str:
    """The dotted place of a key with names. :raises InputError: nothing of that name stands in the file

    >>> find_place("routes:\\n- {name: r, targets: [{model: m}]}", "routes[r].targets[m].weight")
    'routes.0.targets.0.weight'
    """
    try:
        inner: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{key}: the file is not valid YAML now; mend it in the whole file") from error
    place: list[str] = []
    for part, bracket in _PART.findall(key):
        place.append(part)
        inner = _step(inner, part)
        if bracket:
            name = bracket[1:-1]
            names = [_name_of(item) for item in inner] if isinstance(inner, list) else []
            if name not in names:
                raise InputError(f"{key}: the file has no {part} called {name!r}; it may come from elsewhere")
            place.append(str(names.index(name)))
            inner = inner[names.index(name)]
    return ".".join(place)


def _step(inner: Any, part: str) -> Any:
    if isinstance(inner, list) and part.isdigit() and int(part) < len(inner):
        return inner[int(part)]
    return inner.get(part) if isinstance(inner, dict) else None


def _name_of(item: Any) -> Any:
    return item.get("name") or item.get("model") if isinstance(item, dict) else None
