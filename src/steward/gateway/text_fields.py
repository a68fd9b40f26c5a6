"""How a dialect's texts reach whoever rewrites them: the vocabulary between `dialects/` and `guards.py`.

Decides how JSON escaping is undone in tool-call arguments, which are JSON inside a JSON string and come in fragments
that may end anywhere. Knows nothing of guards or dialects. Grammar: RFC 8259, sections 6 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

Json = dict[str, Any]
Replace = Callable[[str], str]
Emit = Callable[[int, str, bool], str]  # (number of the value, its next piece, whether it ends) -> what to write now

_PLAIN: Final = re.compile(r'[^"\\]+')
_SPACE: Final = re.compile(r"[\s{}\[\]:,]+")
_BARE: Final = re.compile(r'[^\s{}\[\]:,"]+')
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*\Z")
_BEGINNINGS: Final = "-0123456789tfn"
_LITERALS: Final = ("true", "false", "null")
_HEX: Final = "[0-9a-fA-F]"
_HIGH: Final = rf"\\u[dD][89abAB]{_HEX}{{2}}"
_ESCAPE: Final = re.compile(rf"{_HIGH}\\u[dD][c-fC-F]{_HEX}{{2}}|\\u{_HEX}{{4}}|\\[\s\S]")
_PART: Final = re.compile(rf"(?:\\|\\u{_HEX}{{0,3}}|{_HIGH}(?:\\(?:u{_HEX}{{0,3}})?)?)\Z")
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}

# Keys of a request whose strings are names, references or bytes: nobody reads them as text.
OPAQUE: Final = frozenset(
    [
        *("type", "role", "id", "name", "model", "format", "detail", "status", "phase"),
        *("url", "image_url", "file_url", "file_id", "file_data", "data", "media_type", "input_audio"),
        *("tool_use_id", "tool_call_id", "call_id", "signature", "encrypted_content", "cache_control"),
    ]
)


class TextFilter(Protocol):
    """What texts of an answer pass through. A field may be held back in part until its `last` piece."""

    def text(self, choice: int, field: str, text: str, last: bool = False) -> str:
        """Plain text."""
        ...

    def arguments(self, choice: int, field: str, text: str, last: bool = False) -> str:
        """JSON in a string: each value in it is a text of its own."""
        ...

    def flush(self, choice: int) -> list[tuple[str, str]]:
        """(field, text) still held back for a choice that ends."""
        ...


class StreamTexts(Protocol):
    """Passes one stream's texts through a filter."""

    def feed(self, event: bytes) -> bytes:
        """What to send in the place of `event`. :raises ValueError: its data is not JSON"""
        ...


def escape_json(text: str) -> str:
    """`text` as it stands inside a JSON string."""
    return msgspec.json.encode(text)[1:-1].decode()


class JsonFragments:
    """Finds the strings and numbers in JSON that arrives in fragments, and writes their replacements.

    What is not JSON is shown as it stands, so that nothing passes unseen.

    >>> upper = JsonFragments(lambda number, text, last: text.upper())
    >>> upper.feed('{"a":"x') + upper.feed('\\\\u00e9"}', last=True)
    '{"A":"XÉ"}'
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._number = 0
        self._in_string = False
        self._raw = False
        self._bare = ""  # a number or literal that may go on
        self._escape = ""  # an escape that may go on

    def feed(self, fragment: str, last: bool = False) -> str:
        out: list[str] = []
        at = 0
        fragment, self._escape = self._escape + fragment, ""
        while at < len(fragment):
            if self._raw:
                out.append(self._emit(self._number, fragment[at:], False))
                at = len(fragment)
            elif self._in_string:
                at = self._string(fragment, at, out)
            else:
                at = self._read_outside(fragment, at, out)
        if last:
            self._end(out)
        return "".join(out)

    def _read_outside(self, text: str, at: int, out: list[str]) -> int:
        if space := _SPACE.match(text, at):
            self._end_bare(out)
            out.append(space[0])
            return space.end()
        if text[at] == '"':
            self._end_bare(out)
            self._in_string = True
            out.append('"')
            return at + 1
        if not self._bare and text[at] not in _BEGINNINGS:
            self._raw = True
            return at
        bare = _BARE.match(text, at)
        assert bare is not None
        self._bare += bare[0]
        return bare.end()

    def _end_bare(self, out: list[str]) -> None:
        token, self._bare = self._bare, ""
        if not token or token in _LITERALS:
            out.append(token)
            return
        seen = self._emit(self._number, token, True)
        self._number += 1
        changed = seen != token and _NUMBER.match(token)
        out.append(f'"{escape_json(seen)}"' if changed else seen)

    def _string(self, text: str, at: int, out: list[str]) -> int:
        """Up to the string's end or the fragment's, whichever comes first."""
        value: list[str] = []
        while at < len(text):
            if plain := _PLAIN.match(text, at):
                value.append(plain[0])
                at = plain.end()
            elif text[at] == '"':
                out.append(escape_json(self._emit(self._number, "".join(value), True)) + '"')
                self._number += 1
                self._in_string = False
                return at + 1
            elif _PART.match(text, at):
                self._escape = text[at:]
                at = len(text)
            else:
                escape = _ESCAPE.match(text, at)
                assert escape is not None
                value.append(_unescape(escape[0]))
                at = escape.end()
        if value:
            out.append(escape_json(self._emit(self._number, "".join(value), False)))
        return at

    def _end(self, out: list[str]) -> None:
        """The JSON broke off, or what was shown as it stands has ended."""
        if self._in_string:
            out.append(escape_json(self._emit(self._number, "", True)) + self._escape)
        elif self._raw:
            out.append(self._emit(self._number, "", True))
        self._end_bare(out)
        self._in_string = self._raw = False
        self._escape = ""


def _unescape(escape: str) -> str:
    """The character; an escape that JSON does not know stays as it is, half of a surrogate pair is none."""
    if len(escape) == 2:
        return _ESCAPES.get(escape[1], escape)
    units = [int(unit, 16) for unit in escape.split("\\u")[1:]]
    return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be", "replace")


def replace_arguments(text: str, replace: Replace) -> str:
    """`text` (JSON in a string) with each of its values replaced."""
    parts: dict[int, str] = {}

    def emit(number: int, piece: str, last: bool) -> str:
        parts[number] = parts.get(number, "") + piece
        return replace(parts.pop(number)) if last else ""

    return JsonFragments(emit).feed(text, last=True)


_BYTES: Final = frozenset({"data", "file_data", "input_audio", "signature", "encrypted_content"})
_LINKS: Final = frozenset(
    {"url", "image_url", "file_url"}
)  # a link is text; with its content in it ("data:") it is not
_WORDS: Final = frozenset({"type", "role", "format", "detail", "status", "phase", "media_type", "object"})
_NOT_PLAIN: Final = _BYTES | _LINKS | _WORDS | {"arguments"}  # all other strings are texts
_WORD: Final = re.compile(
    r"(?=(?:\D*\d){0,8}\D*\Z)[A-Za-z_]\w{0,60}(?:[/.-]\w{1,40})?", re.ASCII
)  # such as `input_text`: no data of anybody
_TELLING: Final = re.compile(r"[@0-9]|[^\x00-\x7f]")  # in a key: nothing else is personal data
_USUAL_FIELDS: Final = frozenset({"model", "messages", "input", "stream", "max_tokens", "temperature", "tools"})
_NUMBERS: Final = (int, float)
_SHORT: Final = 1_000_000  # a number below is no card's, telephone's or account's
_SEEDS: Final = ("seed", "random_seed")
_ENCODED_LINK: Final = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=_.\-\r\n]")
_USUAL_NAMES: Final = frozenset({"role", "content", "type", "text", "name"})  # which tell nothing, known at one look
_USUAL_WORDS: Final = frozenset({"user", "assistant", "system", "developer", "tool", "text"})  # as `_WORD` matches


def replace_request_texts(body: Json, replace: Replace) -> frozenset[str]:
    """Put `replace(text)` in the place of every text of a request: whatever a client can write, in any field, goes to
    the upstream. -> names of the fields that nobody can read as text
    """
    unread: set[str] = set()
    telling: list[str] = []
    for key, value in body.items():
        # "model" is compared with the configured names, and goes no further; a seed may be any number
        if key != "model" and (isinstance(value, str | list | dict) or (is_long_number(value) and key not in _SEEDS)):
            body[key] = _replace_field(key, value, replace, unread)
        if key not in _USUAL_FIELDS and _TELLING.search(key):
            telling.append(key)
    for key in telling:
        body[replace(key)] = body.pop(key)
    return frozenset(unread)


def is_long_number(value: Any) -> bool:
    """Whether a number may be somebody's, as of a card or a telephone.

    >>> is_long_number(4111111111111111), is_long_number(0.7), is_long_number(True), is_long_number(None)
    (True, False, False, False)
    """
    return value.__class__ in _NUMBERS and not -_SHORT < value < _SHORT


def _replace_field(key: str, value: Any, replace: Replace, unread: set[str]) -> Any:
    if isinstance(value, str):
        if key not in _NOT_PLAIN:
            return replace(value)
        if value and (key in _BYTES or (key in _LINKS and value[:5].lower() == "data:")):
            if not is_encoded(value):
                return replace(value)
            unread.add(key)
            return value
        if key in _WORDS and (value in _USUAL_WORDS or _WORD.fullmatch(value)):
            return value
        return replace_arguments(value, replace) if key == "arguments" else replace(value)
    if isinstance(value, list):
        inner = "" if key == "input" else key  # a list of messages, where an object is a call's arguments
        return [_replace_field(inner, item, replace, unread) for item in value]
    if isinstance(value, dict):
        if key == "input":
            return replace_values(value, replace)
        plain = value.get("type") == "text"  # a document whose data are its text
        return {
            name if name in _USUAL_NAMES or not _TELLING.search(name) else replace(name): (
                replace(item)
                if name == "content" and isinstance(item, str)
                else _replace_field("text" if name == "data" and plain else name, item, replace, unread)
            )
            for name, item in value.items()
        }
    return _replace_number(value, replace) if is_long_number(value) else value


def is_encoded(value: str) -> bool:
    """Whether a field of bytes has bytes: in base64, or in a link that holds them. What else stands there is text.

    >>> [is_encoded(value) for value in ("iVBORw0K", "data:image/png;base64,iVBORw0K", "data:,to bob", "a@b")]
    [True, True, False, False]
    """
    start = value.partition(",")[2] if _ENCODED_LINK.match(value) else value
    return _NOT_BASE64.search(start) is None


def replace_strings(value: Any, replace: Replace, opaque: frozenset[str] = OPAQUE) -> Any:
    """`value` with every string replaced, but for those under `opaque` keys; JSON inside `arguments` is unpacked."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [replace_strings(item, replace, opaque) for item in value]
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "arguments" and isinstance(item, str):
                value[key] = replace_arguments(item, replace)
            elif key == "input" and isinstance(item, dict):
                value[key] = replace_values(item, replace)
            elif key not in opaque or (key == "data" and value.get("type") == "text"):
                value[key] = replace_strings(item, replace, opaque)
    return value


def replace_values(value: Any, replace: Replace) -> Any:
    """Plain JSON with every key, string and number replaced; a number that changes becomes a string."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [replace_values(item, replace) for item in value]
    if isinstance(value, dict):
        return {replace(key): replace_values(item, replace) for key, item in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _replace_number(value, replace)
    return value


def _replace_number(value: float, replace: Replace) -> Any:
    text = msgspec.json.encode(value).decode().removesuffix(".0")
    seen = replace(text)
    return value if seen == text else seen
