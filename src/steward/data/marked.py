"""YAML files of the data capability, with the line of every key, so that an error says where.

Knows nothing of what the keys mean; `checked` asks a pydantic model and puts its complaints into words.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from steward.core.errors import InputError
from steward.core.marked import Lines


class Section(BaseModel):
    """A mapping whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Model = TypeVar("Model", bound=Section)


def where(file: Path, lines: Lines, dotted: str) -> str:
    """`file:line` of the key, or of the nearest section around it."""
    while dotted:
        if dotted in lines:
            return f"{file}:{lines[dotted]}"
        dotted = dotted.rpartition(".")[0]
    return str(file)


def checked(model: type[Model], tree: dict[str, Any], file: Path, lines: Lines) -> Model:
    """The tree as `model`. :raises InputError: one line an error, with file, line, key and the nearest name"""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        found = [_explain(model, item, file, lines) for item in error.errors(include_input=False, include_url=False)]
    raise InputError("\n".join(found))


_PLAIN = {
    "model_type": "expected a section: keys and their values",
    "list_type": "expected a list: lines that begin with '- ', or [a, b]",
    "dict_type": "expected keys and their values, such as {use: normalise}",
    "missing": "this key is required",
    "string_type": "expected a text; quote it if it looks like a number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
}


def _explain(model: type[BaseModel], item: Any, file: Path, lines: Lines) -> str:
    location = [part for part in item["loc"] if not str(part).startswith(("list[", "str", "dict["))]
    dotted = ".".join(str(part) for part in location)
    place = where(file, lines, dotted)
    if item["type"] == "extra_forbidden":
        known = _known(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
        return f"{place}: {dotted}: unknown key; {hint}"
    message = _PLAIN.get(item["type"], item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{place}: {dotted}: {message}"


def _known(model: type[BaseModel], location: list[Any]) -> list[str]:
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [kind for kind in _kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for inner in getattr(annotation, "__args__", ()) for kind in _kinds(inner))]
