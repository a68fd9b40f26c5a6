"""What msgspec says of a value that has another shape than a struct, in plain words: the field, what is there, what is
expected.

Of JSON that a client sent. Files are `yaml_lines`' subject, which adds their lines. Knows nothing of HTTP. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
import msgspec.inspect

from steward.core.errors import find_nearest
from steward.core.excerpts import cut_text

MOST_SHOWN: Final = 40  # characters of a value
_TYPES: Final = {
    "int": "a whole number", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip
_SEEN: Final = {"int": "a number", "float": "a number"}  # where a type is all that is known of a value
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
OUT_OF_RANGE: Final = ("Number out of range", "Integer value out of range")  # beyond all floats; thousands of digits


class JsonIssue(msgspec.Struct, frozen=True):
    """What is wrong with a value: a sentence, the field where there is one, OpenAI's code for the kind of mistake."""

    message: str
    param: str | None
    code: str


def split_error(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and the path of the value in dots, such as `stages.0.use`; `*` is some key of a mapping."""
    what, _, path = str(error).partition(" - at ")
    path = path.removeprefix("`key` in ").strip("`").removeprefix("$")
    return what, re.sub(r"\[(\d+)\]", r".\1", path.replace("[...]", ".*")).lstrip(".")


def explain_json_error(
    error: msgspec.ValidationError, kind: Any, given: Any = None, *, quote_texts: bool = True
) -> JsonIssue:
    """Why `given` is no `kind`. `given` is JSON in bytes, or what it was decoded to. Without `quote_texts` no text of
    it is repeated.

    >>> class Vote(msgspec.Struct):
    ...     score: float
    >>> def explain(body: bytes) -> str:
    ...     try:
    ...         return str(msgspec.json.decode(body, type=Vote))
    ...     except msgspec.ValidationError as error:
    ...         return explain_json_error(error, Vote, body).message
    >>> explain(b'{"score":"good"}'), explain(b'{}')
    ("'score' must be a number, not 'good'.", "Missing required parameter: 'score'.")
    """
    what, dotted = split_error(error)
    path = dotted.split(".") if dotted else []
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        name = spell_path([*path, missing[1]])
        return JsonIssue(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what, re.DOTALL):
        return _explain_unknown(unknown[1], path, kind)
    path, value = _find_value(path, given, what)
    name = spell_path(path)
    subject = f"'{name}'" if name else "The request body"
    if "`key` in" in str(error):
        subject, value = f"Each name in {subject}", _UNKNOWN
    message, code = _say(what, subject, _spell_value(value, what, quote_texts), kind, dotted)
    return JsonIssue(message, name or None, code)


def explain_syntax(error: Exception) -> str:
    """Why a text is no JSON at all: what a decoder found and where, and no word of the text.

    >>> explain_syntax(msgspec.DecodeError("Input data was truncated"))
    'it ends too early'
    """
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos}"
    return str(error).removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")


def _explain_unknown(name: str, path: list[str], kind: Any) -> JsonIssue:
    known = list_keys(msgspec.inspect.type_info(kind), path)
    nearest = find_nearest(cut_text(name), known)
    hint = f"Did you mean '{spell_path([*path, nearest])}'?" if nearest else f"Known here: {', '.join(sorted(known))}."
    shown = spell_path([*path, cut_text(name)])
    return JsonIssue(f"Unknown parameter: '{shown}'. {hint}", shown, "unknown_parameter")


def _say(what: str, subject: str, seen: str, kind: Any, dotted: str) -> tuple[str, str]:
    """The sentence and OpenAI's code."""
    if types := re.fullmatch(r"Expected `(.+)`, got `\w+`", what):
        names = [name.strip() for name in types[1].split("|")]
        wanted = [name for name in names if name != "null"] or names
        expected = " or ".join(_TYPES.get(name, name) for name in wanted)
        return f"{subject} must be {expected}, not {seen}.", "invalid_type"
    if re.fullmatch(r"Invalid enum value .+", what, re.DOTALL):
        words = list_values(msgspec.inspect.type_info(kind), dotted.split(".") if dotted else [])
        return f"{subject} must be one of {', '.join(words)}, not {seen}.", "invalid_value"
    if bound := re.fullmatch(r"Expected `\w+` (of length )?(>=|<=|>|<) (\S+)", what):
        limit = f"{_BOUNDS[bound[2]]} {bound[3]}"
        must = f"have {limit} characters or entries" if bound[1] else f"be {limit}"
        return f"{subject} must {must}, not {seen}.", "invalid_value"
    if pattern := re.fullmatch(r"Expected `\w+` matching regex '(.+)'", what):
        return f"{subject} must be of the form {pattern[1]}, not {seen}.", "invalid_value"
    if what in OUT_OF_RANGE:
        return f"{subject} is out of range: no number of 64 bits holds it.", "invalid_value"
    return f"{subject} is not as expected: {what[:1].lower()}{what[1:]}.", "invalid_value"


def spell_path(path: list[str]) -> str:
    """
    >>> spell_path(["messages", "0", "content"])
    'messages[0].content'
    """
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path).lstrip(".")


_UNKNOWN: Final = object()


def _find_value(path: list[str], given: Any, what: str) -> tuple[list[str], Any]:
    """The value at `path`, with the name of the key where msgspec names none; `_UNKNOWN` where it cannot be told."""
    try:
        value = msgspec.json.decode(given) if isinstance(given, bytes) else given
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        value = None  # msgspec had not read it to its end
    named: list[str] = []
    for part in path:
        if part == "*":
            part = next((key for key, each in value.items() if _is_wrong(each, what)), "") if _is_map(value) else ""
            if not part:
                return named, _UNKNOWN
        named.append(part)
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            value = _UNKNOWN
    return named, value if given is not None and value is not None else _UNKNOWN


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _is_wrong(value: Any, what: str) -> bool:
    return what.endswith(f"got `{_name_type(value)}`")


def _name_type(value: Any) -> str:
    """As msgspec calls it."""
    names = ((bool, "bool"), (int, "int"), (float, "float"), (str, "str"), (list, "array"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _spell_value(value: Any, what: str, quote_texts: bool) -> str:
    """What is there: a number or a short text as it stands, all else by its kind."""
    got = re.search(r"got `(\w+)`", what)
    kind = got[1] if got else _name_type(value)
    if value is _UNKNOWN:
        return _SEEN.get(kind, _TYPES.get(kind, kind)) if got else "what was sent"
    if isinstance(value, str):
        if not quote_texts:
            return "the text that was sent" if kind == "str" and not got else "a string"
        return repr(value[:MOST_SHOWN])
    if isinstance(value, bool | int | float):
        spelt = msgspec.json.encode(value).decode()
        return spelt if len(spelt) <= MOST_SHOWN else "a number of many digits"
    return _TYPES.get(_name_type(value), "null")


# -- what a struct's type says ----------------------------------------------------------------------------


def list_values(kind: Any, location: list[str]) -> list[str]:
    """The words that the key at `location` within `kind` may have; none where it takes others than words."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return [value for each in kind.types for value in list_values(each, location)]
    if isinstance(kind, msgspec.inspect.LiteralType):
        return [] if location else [str(value) for value in kind.values]
    if isinstance(kind, msgspec.inspect.StructType):
        fields = [field for field in kind.fields if location and field.encode_name == location[0]]
        return [value for field in fields for value in list_values(field.type, location[1:])]
    inner = getattr(kind, "item_type", getattr(kind, "value_type", None))
    return list_values(inner, location[1:]) if location else []


def list_keys(kind: Any, location: list[str]) -> list[str]:
    """The keys of the struct at `location` within `kind`; of unions, those of all their structs."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return [key for each in kind.types for key in list_keys(each, location)]
    if isinstance(kind, msgspec.inspect.StructType):
        if not location:
            return [field.encode_name for field in kind.fields]
        return [key for f in kind.fields if f.encode_name == location[0] for key in list_keys(f.type, location[1:])]
    inner = getattr(kind, "item_type", getattr(kind, "value_type", None))
    return list_keys(inner, location[1:]) if location else []
