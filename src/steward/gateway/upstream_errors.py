"""What an upstream's error says, whatever its shape, and which status it stands for.

Decides the status of errors that come with HTTP 200, as the whole answer, inside a choice, or as an event of a stream:
servers that have begun a stream can tell of a failure in no other way, and some proxies always do so. The upstream's
words reach the client, bounded; markup is taken out. Shapes: OpenAI, Anthropic, Google (a list), FastAPI (`detail`),
OpenRouter (inside a choice), plain text and HTML.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.text_fields import Json

MAX_WORDS: Final = 1_000  # characters of an upstream's message that are passed on
_STATUS: Final = {  # by the error's type, code or status name
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "INVALID_ARGUMENT": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "server_error": 500,
    "api_error": 500,
    "InternalServerError": 500,
    "overloaded_error": 529,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
}
_ERROR: Final = re.compile(rb'"error"\s*:\s*[{"\[]')
_INVISIBLE: Final = re.compile(r"<(script|style|head|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")


def read_upstream_error(status: int, body: bytes) -> Refused:
    """The error that a body tells of.

    >>> read_upstream_error(429, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}').code
    'rate_limit_exceeded'
    >>> read_upstream_error(502, b"<html><title>502 Bad Gateway</title></html>").message
    '502 Bad Gateway'
    """
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _refused(status, {}, _plain_words(body))
    return _from_json(status, seen)


def find_embedded_error(body: bytes) -> Refused | None:
    """The error that an answer with status 200 carries in the place of an answer, or inside a choice.

    >>> find_embedded_error(b'{"error":{"message":"too many","code":429}}').status
    429
    >>> find_embedded_error(b'{"choices":[{"message":{"content":"fine"}}],"error":null}') is None
    True
    """
    if b'"error"' not in body or not _ERROR.search(body):
        return None
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return embedded_error_of(seen)


def embedded_error_of(seen: Any) -> Refused | None:
    """As `find_embedded_error`, of a body that has been decoded."""
    if not isinstance(seen, dict):
        return None
    if seen.get("error"):
        return _from_json(find_status(seen), seen)
    choices = seen.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("error"):
            return _from_json(find_status(choice), choice)
    return None


def is_error_object(body: bytes) -> bool:
    """Whether a body is an error as OpenAI and Anthropic spell it, with words that a client can show."""
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    error = seen.get("error") if isinstance(seen, dict) else None
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def find_status(seen: Json) -> int:
    """The HTTP status that an error names or its type stands for; 502 where neither tells."""
    inner = seen["error"] if isinstance(seen.get("error"), dict) else {}
    told = [inner.get("code"), inner.get("status"), inner.get("status_code"), seen.get("code"), seen.get("status")]
    for value in told:
        number = int(value) if isinstance(value, str) and value.isdigit() and len(value) == 3 else value
        if type(number) is int and 400 <= number <= 599:
            return number
    names = [inner.get("type"), inner.get("code"), inner.get("status"), seen.get("type")]
    return next((_STATUS[name] for name in names if isinstance(name, str) and name in _STATUS), 502)


def _from_json(status: int, seen: Any) -> Refused:
    """Of whatever JSON an upstream answered with."""
    if isinstance(seen, list) and seen:
        return _from_json(status, seen[0])
    if not isinstance(seen, dict):
        return _refused(status, {}, seen if isinstance(seen, str) else "")
    error = seen.get("error")
    inner: Json = error if isinstance(error, dict) else {}
    candidates = (inner.get("message"), error, seen.get("message"), seen.get("detail"), seen.get("errors"), inner)
    return _refused(status, inner, next((words for value in candidates if (words := _words(value))), ""))


def _words(value: Any) -> str:
    """A message as text: what is nested is looked into for one, else spelt out."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        for field in ("message", "msg", "detail", "error", "description"):
            if isinstance(value.get(field), str) and value[field].strip():
                return str(value[field]).strip()
        return msgspec.json.encode(value).decode() if value else ""
    if isinstance(value, list):
        return "; ".join(words for item in value[:10] if (words := _words(item)))
    return ""


def _refused(status: int, inner: Json, words: str) -> Refused:
    kind, code = inner.get("type"), inner.get("code")
    return Refused(
        _shorten(words) or f"The upstream answered with status {status} and no explanation.",
        status=status,
        type=kind if isinstance(kind, str) and kind else "invalid_request_error" if status < 500 else "api_error",
        code=None if code is None or isinstance(code, dict | list) else str(code)[:200],
    )


def _plain_words(body: bytes) -> str:
    """Text as it is; of HTML the title and what would be read on the page."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    if "<" not in text[:200]:
        return " ".join(text.split())
    title = _TITLE.search(text)
    shown = _TAG.sub(" ", _INVISIBLE.sub(" ", text))
    words = unescape(f"{title[1] if title else ''} {shown}")
    return " ".join(words.split())


def _shorten(words: str) -> str:
    """What can be printed, at a bounded length."""
    printable = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in words)
    return printable if len(printable) <= MAX_WORDS else f"{printable[: MAX_WORDS - 1]}…"
