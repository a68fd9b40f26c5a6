"""A request body of the type multipart/form-data, as the endpoints for sounds and pictures take it. Pure.

Parsing is python-multipart's. Decides what is refused before anything of a form is looked at: too many parts, heads of
parts that are too long, and fields that stand twice where readers might take either (RFC 7578 says nothing of them).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.wire import bad_request

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM: Final = "multipart/form-data"
MAX_PARTS: Final = 64  # OpenAI's edits take 16 pictures
MAX_HEAD_BYTES: Final = 4096  # of one part
MAX_VALUE_BYTES: Final = 1024 * 1024  # of a field that is no file
_ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,5}\Z")
_KIND: Final = re.compile(rb"(?im)^content-type:[ \t]*([\w!#$&^.+-]{1,64}/[\w!#$&^.+-]{1,64})(?=[;\s]|$)")
MAX_BOUNDARY: Final = 70  # characters, RFC 2046, section 5.1.1


class FormPart(msgspec.Struct):
    """One part; `head` is its header lines as they came, the empty line included."""

    name: str
    filename: str | None
    head: bytes
    value: bytes

    @property
    def base(self) -> str:
        """The field's name without the brackets of a list: `image[]` is `image`."""
        return self.name.removesuffix("[]")

    def text(self) -> str:
        """:raises Refused: 400, not UTF-8"""
        try:
            return self.value.decode()
        except UnicodeDecodeError:
            raise bad_request(
                f"The form field '{cut_text(self.name)}' is not valid UTF-8.", cut_text(self.name)
            ) from None


class Form(msgspec.Struct):
    """The parts of a form in their order."""

    parts: list[FormPart]

    def text(self, name: str) -> str | None:
        """The value of a field that is no file; None where it is absent or empty."""
        return next((part.text() for part in self.parts if part.name == name and part.filename is None), None) or None

    def files(self, name: str) -> list[FormPart]:
        """The files of a field, which may be a list (`image[]`)."""
        return [part for part in self.parts if part.base == name and part.filename is not None]

    def set(self, name: str, value: str) -> None:
        """Replace a field, or add it."""
        part = next((part for part in self.parts if part.name == name), None)
        if part is None:
            head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
            self.parts.append(FormPart(name, None, head, value.encode()))
        else:
            part.value = value.encode()

    def list_texts(self) -> list[str]:
        """Whatever a client can write into a form: of each part its name, the name of its file without what tells the
        format, and its text where it is no file. The model is compared with the configured names, and no text.
        """
        return [text for part in self.parts for text in (part.name, _split_filename(part)[0], _read_text(part))]

    def put_texts(self, texts: Sequence[str]) -> None:
        """Put others in their place, and leave out what is none of them: other headers of parts."""
        pieces = iter(texts)
        for part in self.parts:
            part.name, stem, text = next(pieces), next(pieces), next(pieces)
            if part.filename is not None:
                part.filename = stem + _split_filename(part)[1]
            elif part.name != "model":
                part.value = text.encode()
            part.head = write_head(part)

    def encode(self, random: Callable[[int], str] = secrets.token_hex) -> tuple[bytes, str]:
        """The body anew, and its content type."""
        boundary = f"steward-{random(16)}"
        lines = [b"--" + boundary.encode() + b"\r\n" + part.head + part.value + b"\r\n" for part in self.parts]
        return b"".join(lines) + b"--" + boundary.encode() + b"--\r\n", f"{FORM}; boundary={boundary}"


def _read_text(part: FormPart) -> str:
    return "" if part.filename is not None or part.name == "model" else part.text()


def _split_filename(part: FormPart) -> tuple[str, str]:
    """The name of a file, and its ending, by which servers tell its format."""
    ending = _ENDING.search(part.filename or "")
    return ((part.filename or "")[: ending.start()], ending[0]) if ending else (part.filename or "", "")


def write_head(part: FormPart) -> bytes:
    """The headers of a part and the empty line: its name, its file's name and type, and no more. Escapes: the HTML
    standard, section 4.10.21.8 ("Multipart form data").

    >>> write_head(FormPart("a", 'x".wav', b"content-type: audio/wav; n=1\\r\\nX-A: b\\r\\n\\r\\n", b""))
    b'Content-Disposition: form-data; name="a"; filename="x%22.wav"\\r\\nContent-Type: audio/wav\\r\\n\\r\\n'
    """
    named = f'name="{_escape(part.name)}"'
    kind = _KIND.search(part.head)
    if part.filename is None:
        return f"Content-Disposition: form-data; {named}\r\n\r\n".encode()
    line = b"Content-Type: " + (kind[1] if kind else b"application/octet-stream") + b"\r\n\r\n"
    return f'Content-Disposition: form-data; {named}; filename="{_escape(part.filename)}"\r\n'.encode() + line


def _escape(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


class _Collector:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[FormPart] = []
        self.ended = False
        self._head: list[bytes] = []
        self._field: list[bytes] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._value: list[bytes] = []
        self._data: list[bytes] = []

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.append(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.append(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise bad_request(f"The form has more than {MAX_PARTS} parts; send fewer.")
        self._fields, self._data = [], []

    def _end_header(self) -> None:
        self._fields.append((b"".join(self._field), b"".join(self._value)))
        self._field, self._value = [], []
        if sum(len(name) + len(value) for name, value in self._fields) > MAX_HEAD_BYTES:
            raise bad_request(f"The headers of a form's part are longer than {MAX_HEAD_BYTES:,} bytes.")

    def _end_part(self) -> None:
        by_name = {name.lower(): value for name, value in self._fields}
        kind, options = parse_options_header(by_name.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise bad_request("A part of the form has no name: send 'Content-Disposition: form-data; name=\"…\"'.")
        filename = options.get(b"filename")
        value = b"".join(self._data)
        if filename is None and len(value) > MAX_VALUE_BYTES:
            raise bad_request(
                f"The form field '{cut_text(name)}' has {len(value):,} bytes; the limit is {MAX_VALUE_BYTES:,}."
            )
        head = b"".join(field + b": " + text + b"\r\n" for field, text in self._fields) + b"\r\n"
        self.parts.append(
            FormPart(name, None if filename is None else filename.decode("utf-8", "replace"), head, value)
        )

    def _end(self) -> None:
        self.ended = True


def parse_form(body: bytes, content_type: str) -> Form:
    """:raises Refused: 400, no form, one that breaks off, or one that names a field twice"""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        raise bad_request(
            f"The content type names no boundary of 1 to {MAX_BOUNDARY} characters; let the client set it."
        )
    collector = _Collector()
    try:
        MultipartParser(boundary, collector.callbacks()).write(body)
    except MultipartParseError as error:
        raise bad_request(f"The request body is not a valid form: {error}") from error
    if not collector.ended:
        raise bad_request("The form breaks off before its last boundary.")
    _check_names(collector.parts)
    return Form(collector.parts)


def _check_names(parts: list[FormPart]) -> None:
    """What the gateway believes must be what the upstream reads: a field stands once, unless it is a list of files."""
    seen: set[str] = set()
    for part in parts:
        plain = part.name.casefold()
        if plain in seen and part.filename is None and not part.name.endswith("[]"):
            raise bad_request(
                f"The form names '{cut_text(part.name)}' twice; send it once.", cut_text(part.name), "repeated_field"
            )
        seen.add(plain)


def require_text(form: Form, name: str) -> str:
    """:raises Refused: 400, it is missing"""
    value = form.text(name)
    if value is None:
        raise missing_field(name)
    return value


def missing_field(name: str) -> Refused:
    return bad_request(f"Missing required parameter: '{name}'.", name)


def text_fields(form: Form) -> Mapping[str, str]:
    """All fields that are no files; of a list (`name[]`) the first."""
    return {part.base: part.text() for part in reversed(form.parts) if part.filename is None}
