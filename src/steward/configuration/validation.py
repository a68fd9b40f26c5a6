"""Checks a tree of values against a section and puts pydantic's complaints into words.

Knows nothing of files: it is told how to say where a key stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from steward.configuration.section import Section, list_kinds
from steward.configuration.yaml_lines import put_value
from steward.core.errors import InputError, find_nearest

Model = TypeVar("Model", bound=Section)
NO_WORDS: Final[Mapping[str, str]] = MappingProxyType({})
Place = Callable[[str], str]  # dotted key → "steward.yaml:3"


def validate(model: type[Model], tree: Any, place: Place, words: Mapping[str, str] = NO_WORDS) -> Model:
    """The tree as `model`. `words`: by dotted key, what was written where YAML reads a truth value (`off`).

    :raises InputError: one line an error, with its place, key and the next step
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    meant = [dotted for item in errors if (dotted := _dotted(item)) in words and item["type"] in _WANT_WORDS]
    if meant:
        for dotted in meant:
            put_value(tree, dotted, words[dotted])
        return validate(model, tree, place, {key: word for key, word in words.items() if key not in meant})
    raise InputError("\n".join(_explain(model, items, place) for items in _group(errors)))


def _group(errors: Sequence[Any]) -> list[list[Any]]:
    """The errors of each place. Of one value that may be several things, a sentence of ours says it all."""
    places: dict[str, list[Any]] = {}
    for item in errors:
        places.setdefault(_dotted(item), []).append(item)
    return [[item for item in items if item["type"] == "value_error"][:1] or items for items in places.values()]


_MEMBER: Final = re.compile(r"(list|dict|function-[a-z]+)\[|constrained-|(str|bool)$")
_BOUNDS: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"})
_WANT_WORDS = ("literal_error", "string_type", "enum")
_UNITS = {"_ms": "milliseconds", "_s": "seconds", "_days": "days", "_bytes": "bytes", "_mb": "MB", "_gb": "GB"}
_PLAIN_WORDS = {  # where pydantic's speak of Python
    "model_type": "expected a section: keys and their values",
    "model_attributes_type": "expected a section: keys and their values",
    "list_type": "expected a list: lines that begin with '- ', or [a, b]",
    "dict_type": "expected keys and their values, such as {use: normalise}",
    "missing": "this key is required",
    "string_type": "expected a text; quote it if it looks like a number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
}


def _explain(model: type[BaseModel], items: Sequence[Any], place: Place) -> str:
    dotted = _dotted(items[0])
    said = {_say(model, item, _location(item)) for item in items}  # Python may keep a union in another order
    words = "; or ".join(sorted(said))
    return ": ".join(filter(None, (place(dotted), dotted, words)))


def _location(item: Any) -> list[Any]:
    """Without the names of a union's members, such as `function-after[check_url(), constrained-str]`."""
    return [part for part in item["loc"] if not _MEMBER.match(str(part))]


def _dotted(item: Any) -> str:
    return ".".join(str(part) for part in _location(item))


def _say(model: type[BaseModel], item: Any, location: Sequence[Any]) -> str:
    if item["type"] == "extra_forbidden":
        known = _list_keys(model, location[:-1])
        nearest = find_nearest(str(location[-1]), known, cutoff=0.5)
        return "unknown key; " + (
            f"did you mean {nearest!r}?" if nearest else f"known here: {', '.join(sorted(known))}"
        )
    if item["type"] == "string_pattern_mismatch":
        pattern = str(item["ctx"]["pattern"])
        if "env:" in pattern:
            return "a secret must be a reference, env:NAME or file:PATH, never the value itself"
        return f"expected {_describe_pattern(pattern)}"
    words: str = _PLAIN_WORDS.get(item["type"], item["msg"])
    if item["type"] in ("int_parsing", "float_parsing"):
        unit = next((unit for ending, unit in _UNITS.items() if str(location[-1]).endswith(ending)), "")
        return f"{words}{unit and f' of {unit}, without a unit'}"
    if item["type"] in ("model_type", "model_attributes_type"):
        first = next(iter(_list_keys(model, location)), "")
        return f"{words}{first and f', such as {{{first}: …}}'}"
    seen = f", not {item['input']}" if item["type"] in _BOUNDS and isinstance(item["input"], int | float) else ""
    return words.removeprefix("Value error, ").removeprefix("Input ") + seen + _find_meant(item)


def _describe_pattern(pattern: str) -> str:
    """What a text may be made of.

    >>> _describe_pattern("^[a-z0-9][a-z0-9_-]{0,39}$"), _describe_pattern("^(a|b)$")
    ('small letters, digits and _ -', 'a text of the form ^(a|b)$')
    """
    if "http" in pattern:
        return "http://… or https://…"
    allowed = re.findall(r"\[([^]^]+)]", pattern.replace("\\w", "A-Za-z0-9_"))
    if not allowed or "|" in pattern or "://" in pattern:
        return f"a text of the form {pattern}"
    kinds = ["letters" if "A-Z" in allowed[-1] else "small letters", *(["digits"] if "0-9" in allowed[-1] else [])]
    signs = " ".join(re.sub("[A-Za-z0-9]-[A-Za-z0-9]", "", allowed[-1]))
    return f"{', '.join(kinds)} and {signs}"


def _find_meant(item: Any) -> str:
    """The nearest of the words that are known; what is there is not repeated (it may be a secret)."""
    if item["type"] != "literal_error" or not isinstance(item["input"], str):
        return ""
    nearest = find_nearest(item["input"], re.findall(r"'([^']+)'", item["ctx"]["expected"]))
    return f"; did you mean {nearest!r}?" if nearest else ""


def _list_keys(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """The keys of the section at `location`; none where it is no section."""
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [kind for kind in list_kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]
