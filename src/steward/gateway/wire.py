"""The wire format, as little of it as routing, metering and errors need.

Decides what of a request is looked at (the routing fields of every dialect) and how OpenAI spells errors. Knows nothing
of HTTP servers or upstreams. Field names and error shapes: OpenAI API reference, "Create chat completion" and "Create a
model response"; Anthropic API reference, "Create a Message". What else differs by dialect stands in `dialects/`.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from steward.configuration.struct_errors import explain_json_error, explain_syntax
from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.odd_usage import read_envelope
from steward.gateway.wire_fields import AnswerEnvelope, ChunkEnvelope, MetadataField, Request

COMMON_OUTPUT_TOKENS: Final = 256  # reserved where a request declares no maximum

MAX_OUTPUT_TOKENS: Final = 10_000_000  # of one request: above every model's context, and n times it fits 63 bits
MAX_CHOICES: Final = 128  # OpenAI's own bound of `n`

JSON: Final = b"application/json"
_Body = TypeVar("_Body")


def new_request_id(now: float) -> str:
    """A name that sorts by time (milliseconds, then 52 random bits), so that the store appends where it would
    scatter: rows with random keys cost the keeper four times as much (docs/explanation/performance.md).

    >>> new_request_id(1767268800.0)[:15]
    'req_19b796dd600'
    """
    return f"req_{int(now * 1000):011x}{_random_digits.take()}"


class RandomDigits:
    """13 random hex digits at a time, from the system's source, which is slow to ask for each request."""

    _WIDTH: ClassVar[int] = 13
    _MANY: ClassVar[int] = 256

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def take(self) -> str:
        at, self._at = self._at, self._at + self._WIDTH
        if self._at > len(self._digits):
            self._digits, at, self._at = secrets.token_hex(self._WIDTH * self._MANY // 2), 0, self._WIDTH
        return self._digits[at : self._at]


_random_digits = RandomDigits()


def is_credible(count: int) -> bool:
    """Whether an upstream's count can be what one request used; others would poison sums, or overflow the store.

    >>> [is_credible(count) for count in (0, 70, -1, 10**30)]
    [True, True, False, False]
    """
    return 0 <= count <= MAX_OUTPUT_TOKENS * MAX_CHOICES


chunk_decoder = msgspec.json.Decoder(ChunkEnvelope)


def name_version(model: str | None, fingerprint: str | None) -> str | None:
    """A model's version in the words of its upstream: the name it answers with, and the fingerprint of its setup.

    >>> name_version("gpt-4o-2024-08-06", "fp_44709d6fcb"), name_version("llama", None), name_version(None, "fp_1")
    ('gpt-4o-2024-08-06 fp_44709d6fcb', 'llama', None)
    """
    return f"{model} {fingerprint}" if model and fingerprint else model or None


_request = msgspec.json.Decoder(Request)
_envelope = msgspec.json.Decoder(AnswerEnvelope)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

REQUIRED: Final = {
    "/v1/chat/completions": ("messages",),
    "/v1/completions": ("prompt",),
    "/v1/embeddings": ("input",),
    "/v1/messages": ("max_tokens", "messages"),
    "/v1/messages/count_tokens": ("messages",),
}


MAXIMA: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
COUNTS: Final = (*MAXIMA, "n", "best_of")
_NULL: Final = msgspec.Raw(b"null")


_HALF_PAIR: Final = re.compile(  # JavaScript writes such where a text is cut by its length
    rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_metadata = msgspec.json.Decoder(MetadataField)


def decode_request(endpoint: str, body: bytes) -> Request:
    """The routing fields of `body`; the rest of it is valid JSON in UTF-8, and no more is known.

    :raises Refused: 400, with `param` naming the field that is wrong
    """
    request = decode_body(_request, body)
    if not body.isascii():
        _check_utf8(body)
    for needed in REQUIRED.get(endpoint, ()):
        if getattr(request, needed) in (msgspec.UNSET, None, _NULL):
            raise bad_request(f"Missing required parameter: '{needed}'.", needed, "missing_required_parameter")
    least = 0 if endpoint == "/v1/completions" else 1  # there, a prompt may be echoed alone
    for name in MAXIMA:
        limit = getattr(request, name)
        if limit is not None and not least <= limit <= MAX_OUTPUT_TOKENS:
            raise _out_of_bounds(name, limit, least, MAX_OUTPUT_TOKENS)
    for name in ("n", "best_of"):
        count = getattr(request, name)
        if count is not None and not 1 <= count <= MAX_CHOICES:
            raise _out_of_bounds(name, count, 1, MAX_CHOICES)
    if endpoint == "/v1/messages" and body.find(b'"user_id"') >= 0:
        person = decode_body(_metadata, body).metadata
        request.user = person.user_id if person else None
    return request


def _out_of_bounds(name: str, value: int, least: int, most: int) -> Refused:
    code = "integer_below_min_value" if value < least else "integer_above_max_value"  # OpenAI's
    return bad_request(f"{name} must be between {least} and {most}, not {_format_short(value)}.", name, code)


def write_whole_numbers(body: bytes) -> bytes:
    """`body` with counts such as 100.0 written as 100, as JavaScript and some template languages mean them.

    :raises Refused: 400, a count that is not a whole number

    >>> write_whole_numbers(b'{"max_tokens":1e2,"n":1}')
    b'{"max_tokens":100,"n":1}'
    """
    fields = _fields.decode(body)
    changes: dict[str, Any] = {}
    for name in COUNTS:
        try:
            value = msgspec.json.decode(fields[name]) if name in fields else None
        except msgspec.DecodeError as error:  # thousands of digits, or an exponent beyond all floats
            raise bad_request(f"'{name}' is out of range.", name, "invalid_value") from error
        if type(value) is float and value.is_integer():
            changes[name] = int(value)
        elif value is not None and type(value) is not int:
            written = cut_text(bytes(fields[name]).decode("utf-8", "replace"))
            raise bad_request(f"'{name}' must be a whole number, not {written}.", name, "invalid_type")
    return rewrite(body, changes) if changes else body


def decode_body(decoder: msgspec.json.Decoder[_Body], body: bytes, *, quote_texts: bool = True) -> _Body:
    """A request's body, or what the gateway reads of it. Without `quote_texts` no text of it is repeated in an error.

    :raises Refused: 400, naming the field that is wrong, what it is and what is expected
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        issue = explain_json_error(error, decoder.type, body, quote_texts=quote_texts)
        raise bad_request(issue.message, issue.param, issue.code) from (error if quote_texts else None)
    except RecursionError as error:
        raise bad_request("The request body is nested too deeply; the limit is about 900 levels.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if half := _HALF_PAIR.search(body):
            raise bad_request(
                f"The request body has {half[1].decode()} at byte {half.start(1)}, which is half of a character (a "
                "surrogate without its other half). Some text was cut in the middle of a character, such as an emoji; "
                "cut it elsewhere."
            ) from error
        raise invalid_json(error) from (error if quote_texts else None)


def invalid_json(error: Exception) -> Refused:
    """400, with what a decoder found and where, and without a word of the body."""
    return bad_request(f"The request body is not valid JSON: {explain_syntax(error)}. Send a JSON object in UTF-8.")


def find_invalid(body: bytes, error: ValueError) -> Refused:
    """400 for a `body` in which a field cannot be decoded that nothing has looked at yet."""
    if isinstance(error, msgspec.ValidationError):  # a number: nothing else is of no type at all
        for name, raw in _fields.decode(body).items():
            try:
                msgspec.json.decode(raw)
            except msgspec.ValidationError:
                shown = name[:100]
                words = f"'{shown}' has a number that is out of range: no number of 64 bits holds it."
                return bad_request(words, shown, "invalid_value")
    return invalid_json(error)


def _check_utf8(body: bytes) -> None:
    """msgspec skips the strings of undecoded fields without looking at their encoding."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise bad_request(f"The request body is not valid UTF-8: {error.reason} at byte {error.start}.") from error


def _format_short(number: int) -> str:
    """A number of any size, at a readable length (Python refuses to print more than 4,300 digits)."""
    return str(number) if abs(number) < 10**20 else f"a number of {number.bit_length()} bits"


def rewrite(body: bytes, changes: dict[str, Any]) -> bytes:
    """`body` with the top-level fields in `changes` set; every other field keeps its bytes."""
    fields: dict[str, Any] = dict(_fields.decode(body))
    fields.update(changes)
    return msgspec.json.encode(fields)


def rename_field(body: bytes, old: str, new: str) -> bytes:
    """`body` with the value of a top-level field under another name.

    >>> rename_field(b'{"a":1,"b":2}', "a", "c")
    b'{"b":2,"c":1}'
    """
    fields: dict[str, Any] = dict(_fields.decode(body))
    fields[new] = fields.pop(old)
    return msgspec.json.encode(fields)


def request_usage(body: bytes) -> bytes:
    """`body` asking for the stream's usage; its other stream options stay."""
    options = msgspec.json.decode(_fields.decode(body).get("stream_options", b"null"))
    return rewrite(body, {"stream_options": {**(options or {}), "include_usage": True}})


def decode_answer(body: bytes) -> AnswerEnvelope:
    """Id and usage of a whole answer; empty where the upstream sent something else."""
    try:
        envelope = _envelope.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        envelope = read_envelope(body)
    if envelope.usage is not None and envelope.service_tier is not None:
        envelope.usage.service_tier = envelope.service_tier
    return envelope


def upstream_error(message: str, code: str) -> Refused:
    """The upstream broke its side of the protocol."""
    return Refused(f"{message[0].upper()}{message[1:]}.", status=502, type="api_error", code=code)


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Refused:
    return Refused(message, status=400, type="invalid_request_error", param=param, code=code)


def error_body(error: Refused) -> bytes:
    """OpenAI's error object."""
    inner = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": inner})


def error_event(error: Refused) -> bytes:
    """An error in the middle of a stream, then its end; the SDKs raise on a chunk with `error`."""
    return b"data: " + error_body(error) + b"\n\ndata: [DONE]\n\n"
