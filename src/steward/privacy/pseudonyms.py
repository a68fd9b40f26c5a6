"""Replaces values by tokens and tokens by values, whole and in pieces of any size.

A token is `EMAIL_7F3K2Q9ABC`: what it stands for, and 50 bits of a keyed HMAC over project, conversation, kind and
value in Crockford's base 32. Capitals, digits and one underscore survive JSON, HTML, Markdown and a model that copies
them; no detector takes a token for real data. No map is stored: each request makes its own again, and only
tokens that a request issued are ever restored. Knows nothing of requests, choices or dialects.
"""

from __future__ import annotations

import hmac
import re
import string
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from steward.privacy.detectors import Kind, PersonalSpan

NAMES: Final[Mapping[Kind, str]] = {"email": "EMAIL", "phone": "PHONE", "payment_card": "CARD", "ip_address": "IP"}
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BODY: Final = 10  # 50 bits: 10,000 values of one conversation collide with probability 4e-8
_SHAPE: Final = re.compile(rf"(?:{'|'.join(NAMES.values())})_[{_ALPHABET}]{{{_BODY}}}", re.IGNORECASE | re.ASCII)
_LONGEST: Final = max(map(len, NAMES.values())) + 1 + _BODY
_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_ATTEMPTS: Final = 8


class Ambiguous(Exception):
    """The texts contain tokens of their own that no choice of new tokens can be told apart from."""


def make_token(key: bytes, scope: Sequence[str], kind: Kind, value: str, attempt: int = 0) -> str:
    """The token of `value`: the same for the same key, scope, kind and attempt.

    >>> make_token(b"key", ("project", "conversation"), "email", "bob@example.com")
    'EMAIL_63SQZ4YMKA'
    """
    parts = [part.encode("utf-8", "surrogatepass") for part in (*scope, kind, value, str(attempt))]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    number = int.from_bytes(hmac.digest(key, message, "sha256")[:7], "big")
    body = "".join(_ALPHABET[number >> shift & 31] for shift in range(0, 5 * _BODY, 5))
    return f"{NAMES[kind]}_{body}"


class Pseudonyms:
    """The tokens that one request issued, and the way back."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._sorted = sorted(values)

    def restore(self, text: str) -> str:
        """`text` with every issued token replaced by its value, within URLs too; upper and lower case are the same.
        What `mask` proves on the request's own texts, where a value may stand in a URL.
        """
        out: list[str] = []
        position = 0
        while (place := self._find_issued(text, position)) is not None:
            out += (text[position : place[0]], self._value(text[place[0] : place[1]]))
            position = place[1]
        return "".join([*out, text[position:]])

    def feed(self, text: str, last: bool, before: str = "") -> tuple[str, str]:
        """(what can be emitted, what must be put before the next piece).

        `before` is the end of what was emitted: a token within a URL stays a token, since whoever is asked for the URL
        would learn the value.

        Held back is only the end of `text` that an issued token may begin with, 15 characters at most; what only
        looked like one is emitted as soon as that shows.
        """
        out: list[str] = []
        position = 0
        while True:
            place = self._find_issued(text, position)
            held = len(text) if last else self._find_begun(text, position)
            if place is None or held < place[0]:
                return "".join([*out, text[position:held]]), text[held:]
            start, end = place
            near = text[max(0, start - LOOK_BACK) : start]
            in_url = is_in_url(before + near if start < LOOK_BACK else near)
            restored = text[start:end] if in_url else self._value(text[start:end])
            out += (text[position:start], restored)
            position = end

    def _value(self, issued: str) -> str:
        return self._values[issued.translate(_UPPER)]

    def _find_issued(self, text: str, position: int) -> tuple[int, int] | None:
        """Where the next issued token is."""
        while match := _SHAPE.search(text, position):
            if match[0].translate(_UPPER) in self._values:
                return match.span()
            position = match.start() + 1  # another may begin within what only has the shape
        return None

    def _find_begun(self, text: str, position: int) -> int:
        """Where the first issued token begins of which `text` ends before it does; its length where none does."""
        for start in range(max(position, len(text) - _LONGEST + 1), len(text)):
            beginning = text[start:].translate(_UPPER)
            at = bisect_left(self._sorted, beginning)
            if at < len(self._sorted) and self._sorted[at].startswith(beginning) and self._sorted[at] != beginning:
                return start
        return len(text)


LOOK_BACK: Final = 4096  # characters before a token that may make it a part of a URL
_WORD_ENDS: Final = re.compile(r"[\s\"'`<>]")
_URL: Final = re.compile(r"//|\\\\|:[/\\]|^www\.|[\w-]+\.[a-z]{2,}[/?#]|^\(?data:", re.IGNORECASE)


def is_in_url(before: str) -> bool:
    """Whether what follows `before` would be a part of a URL, in plain text, Markdown or HTML.

    >>> is_in_url("![x](https://evil.example/?d="), is_in_url("Write to "), is_in_url("<img src='//e/?a=b ")
    (True, False, True)
    """
    tail = before[-LOOK_BACK:]
    if _URL.search(_WORD_ENDS.split(tail)[-1].lstrip("([{*_!]")) is not None:
        return True
    tag = tail.rpartition("<")[2] if "<" in tail else ""  # in brackets or a tag, blanks end no URL
    return ">" not in tag and "\n\n" not in tag and _URL.search(tag) is not None


def replace(text: str, spans: Sequence[PersonalSpan], replacement: Callable[[PersonalSpan], str]) -> str:
    """`text` with each of `spans` (sorted, apart) replaced."""
    out: list[str] = []
    position = 0
    for span in spans:
        out += (text[position : span.start], replacement(span))
        position = span.end
    return "".join([*out, text[position:]])


def redaction(span: PersonalSpan) -> str:
    return f"[{NAMES[span.kind]} REDACTED]"


def mask(
    texts: Sequence[str],
    pseudonymise: Sequence[Sequence[PersonalSpan]],
    redact: Sequence[Sequence[PersonalSpan]],
    make: Callable[[Kind, str, int], str],
) -> tuple[tuple[str, ...], Pseudonyms]:
    """The texts with tokens and redactions in place, and the way back, which is proved on the spot.

    `make(kind, value, attempt)` is the token of a value. Texts may hold tokens themselves; where one would be
    taken for an issued token, all are made anew with the next attempt.
    :raises Ambiguous: after eight attempts
    """
    expected = [replace(text, spans, redaction) for text, spans in zip(texts, redact, strict=True)]
    for attempt in range(_ATTEMPTS):
        tokens: dict[tuple[Kind, str], str] = {}
        for text, spans in zip(texts, pseudonymise, strict=True):
            for span in spans:
                value = text[span.start : span.end]
                tokens.setdefault((span.kind, value), make(span.kind, value, attempt))
        back = Pseudonyms({issued: value for (_, value), issued in tokens.items()})
        masked = tuple(_mask_spans(*each, tokens) for each in zip(texts, pseudonymise, redact, strict=True))
        if all(back.restore(out) == text for out, text in zip(masked, expected, strict=True)):
            return masked, back
    raise Ambiguous


def _mask_spans(
    text: str,
    pseudonymise: Sequence[PersonalSpan],
    redact: Sequence[PersonalSpan],
    tokens: Mapping[tuple[Kind, str], str],
) -> str:
    removed = set(redact)

    def replacement(span: PersonalSpan) -> str:
        return redaction(span) if span in removed else tokens[span.kind, text[span.start : span.end]]

    return replace(text, sorted([*pseudonymise, *redact]), replacement)
