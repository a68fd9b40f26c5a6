"""Replaces values by tokens and tokens by values, whole and in pieces of any size.

A token is `EMAIL_7F3K2Q9ABC`: what it stands for, and 50 bits of a keyed HMAC over project, conversation, kind and
value in Crockford's base 32. Capitals, digits and one underscore survive JSON, HTML, Markdown and a model that copies
them; no detector takes a token for real data. No map is stored: each request makes its own again, and only
tokens that a request issued are ever restored. Knows nothing of requests, choices or dialects.
"""

from __future__ import annotations

import hashlib
import itertools
import string
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from steward.privacy.entities import KINDS, label_entity
from steward.privacy.finding import PersonalFinding
from steward.privacy.url_context import UrlContext

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [low_high[1] + low_high[0] for low_high in itertools.product(_ALPHABET, repeat=2)]  # the low five first
_BODY: Final = 10  # 50 bits: 10,000 values of one conversation collide with probability 4e-8
_PREFIXES: Final = sorted({len(kind.token) for kind in KINDS.values()}, reverse=True)
_LONGEST: Final = _PREFIXES[0] + 1 + _BODY
_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_ATTEMPTS: Final = 8


class Ambiguous(Exception):
    """The texts contain tokens of their own that no choice of new tokens can be told apart from."""


def make_token(key: bytes, scope: Sequence[str], entity: str, value: str, attempt: int = 0) -> str:
    """The token of `value`: the same for the same key, scope, entity and attempt.

    >>> make_token(b"key", ("project", "conversation"), "EMAIL_ADDRESS", "bob@example.com")
    'EMAIL_63SQZ4YMKA'
    """
    return TokenMaker(TokenKey(key), scope).make_token(entity, value, attempt)


class TokenKey:
    """A key of HMAC-SHA256 (RFC 2104, section 4) that is set up once. `hmac.digest` sets one up for each value, which
    takes longer than the hash of the value itself."""

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self.inner = hashlib.sha256(block.translate(_INNER))
        self.outer = hashlib.sha256(block.translate(_OUTER))


class TokenMaker:
    """Makes the tokens of one scope."""

    def __init__(self, key: TokenKey, scope: Sequence[str]) -> None:
        self._inner, self._outer = key.inner.copy(), key.outer
        self._inner.update(b"".join([_frame(part) for part in scope]))

    def make_token(self, entity: str, value: str, attempt: int = 0) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(_LABELS[entity] + _frame(value) + (_frame(str(attempt)) if attempt else _FIRST_ATTEMPT))
        outer.update(inner.digest())
        number = int.from_bytes(outer.digest()[:7], "big")
        return (
            f"{_TOKENS[entity]}{_PAIRS[number & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number >> 20 & 1023]}"
            f"{_PAIRS[number >> 30 & 1023]}{_PAIRS[number >> 40 & 1023]}"
        )


def _frame(part: str) -> bytes:
    """Its length and its bytes, so that no two rows of parts give the same message."""
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "big") + data


_LABELS: Final = {entity: _frame(label_entity(entity)) for entity in KINDS}
_TOKENS: Final = {entity: f"{kind.token}_" for entity, kind in KINDS.items()}
_FIRST_ATTEMPT: Final = _frame("0")
_BLOCK: Final = 64  # bytes of SHA-256's
_INNER: Final = bytes(code ^ 0x36 for code in range(256))
_OUTER: Final = bytes(code ^ 0x5C for code in range(256))


class Pseudonyms:
    """The tokens that one request issued, and the way back."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._prefixes: dict[str, list[int]] = {}  # how long the kinds before a body are; made when one is looked for
        self._sorted: list[str] = []  # these three serve pieces that others follow, and are made with the first
        self._firsts: set[str] = set()
        self._begins: set[str] = set()

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

    def feed(self, text: str, last: bool, context: UrlContext | None = None) -> tuple[str, str]:
        """(what can be emitted, what must be put before the next piece).

        `context` has followed what was emitted before, and follows what is emitted now: a token within a URL stays a
        token, since whoever is asked for the URL would learn the value. After the last piece it is of no more use.

        Held back is only the end of `text` that an issued token may begin with, 15 characters at most; what only
        looked like one is emitted as soon as that shows.
        """
        if last and "_" not in text:  # as each token has one
            return text, ""
        context = context or UrlContext()
        if not last:
            self._prepare_pieces()
            if self._begins.isdisjoint(text):  # no token begins here, so that none ends here either
                context.follow(text)
                return text, ""
        out: list[str] = []
        position = 0
        while True:
            place = self._find_issued(text, position)
            held = len(text) if last else self._find_begun(text, position)
            start, end = place if place is not None and held >= place[0] else (held, held)
            context.follow(text[position:start])
            out.append(text[position:start])
            if start == end:
                return "".join(out), text[held:]
            emitted = text[start:end] if context.is_in_url() else self._value(text[start:end])
            context.follow(emitted)
            out.append(emitted)
            position = end

    def _prepare_pieces(self) -> None:
        if not self._sorted:
            self._sorted = sorted(self._values)
            self._firsts = {issued[0] for issued in self._sorted}
            self._begins = self._firsts | {letter.lower() for letter in self._firsts}

    def have_a_body_each(self) -> bool:
        """Whether no two tokens end alike, so that the end of one tells which it is."""
        return len({issued[-_BODY:] for issued in self._values}) == len(self._values)

    def _value(self, issued: str) -> str:
        value = self._values.get(issued)
        return self._values[issued.translate(_UPPER)] if value is None else value

    def _find_issued(self, text: str, position: int) -> tuple[int, int] | None:
        """Where the next issued token is. Each has one underscore, between its kind and its body."""
        joint = text.find("_", position)
        if joint >= 0 and not self._prefixes:
            for issued in self._values:
                self._prefixes.setdefault(issued[-_BODY:], []).append(len(issued) - _BODY - 1)
        while joint >= 0:
            end = joint + 1 + _BODY
            body = text[joint + 1 : end]
            lengths = self._prefixes.get(body) or self._prefixes.get(body.translate(_UPPER)) or []
            for length in sorted(lengths, reverse=True) if len(lengths) > 1 else lengths:
                start = joint - length
                if start >= position and text[start:end].translate(_UPPER) in self._values:
                    return start, end
            joint = text.find("_", joint + 1)
        return None

    def _find_begun(self, text: str, position: int) -> int:
        """Where the first issued token begins of which `text` ends before it does; its length where none does."""
        end = text[max(position, len(text) - _LONGEST + 1) :].translate(_UPPER)
        for offset, letter in enumerate(end):
            if letter in self._firsts:
                beginning = end[offset:]
                at = bisect_left(self._sorted, beginning)
                if at < len(self._sorted) and self._sorted[at].startswith(beginning) and self._sorted[at] != beginning:
                    return len(text) - len(beginning)
        return len(text)


def replace(text: str, findings: Sequence[PersonalFinding], replacement: Callable[[PersonalFinding, str], str]) -> str:
    """`text` with each of `findings` (sorted, apart) replaced; `replacement` gets the value, too."""
    if not findings:
        return text
    out: list[str] = []
    position = 0
    for finding in findings:
        out += (text[position : finding.start], replacement(finding, text[finding.start : finding.end]))
        position = finding.end
    return "".join([*out, text[position:]])


Value = tuple[str, str]  # an entity and what stands in a text
Make = Callable[[str, str, int], str]  # the token of an entity, a value and an attempt
Change = Callable[[str, str], str | None]  # what an entity's value becomes for good; None: a token


class WayBack(Protocol):
    """From what one request issued to its values: `Pseudonyms`, or `surrogates.Surrogates`."""

    def restore(self, text: str) -> str: ...

    def feed(self, text: str, last: bool, context: UrlContext | None = None) -> tuple[str, str]: ...

    def have_a_body_each(self) -> bool: ...


def mask(
    texts: Sequence[str],
    findings: Sequence[Sequence[PersonalFinding]],
    make: Make,
    change: Change | None,
    open_back: Callable[[Mapping[str, str]], WayBack] = Pseudonyms,
) -> tuple[tuple[str, ...], WayBack]:
    """The texts with tokens and changes in place, and the way back, which is proved on the spot.

    Texts may hold tokens themselves; where one would be taken for an issued token, all are made anew with the next
    attempt. `change`: None where every value becomes a token.
    :raises Ambiguous: after eight attempts
    """
    for attempt in range(_ATTEMPTS):
        replacer = _Replacer(make, change, attempt)
        masked = tuple(
            [replacer.replace(text, row) if row else text for text, row in zip(texts, findings, strict=True)]
        )
        back = open_back(replacer.issued)
        if _restore_alike(texts, findings, replacer.changed, masked, back):
            return masked, back
    raise Ambiguous


class _Replacer:
    """What stands in the place of each value, in one attempt: `issued` are tokens and their values, `changed` is what
    was changed for good."""

    def __init__(self, make: Make, change: Change | None, attempt: int) -> None:
        self._make, self._change, self._attempt = make, change, attempt
        self._new: dict[Value, str] = {}
        self.issued: dict[str, str] = {}
        self.changed: dict[Value, str] = {}

    def replace(self, text: str, findings: Sequence[PersonalFinding]) -> str:
        """`text` with each of `findings` (sorted, apart) replaced."""
        out: list[str] = []
        position = 0
        for finding in findings:
            start, end = finding.start, finding.end
            pair = finding.entity, text[start:end]
            new = self._new.get(pair)
            if new is None:
                new = self._new[pair] = self._make_new(pair)
            out += (text[position:start], new)
            position = end
        out.append(text[position:])
        return "".join(out)

    def _make_new(self, pair: Value) -> str:
        entity, value = pair
        if self._change is not None and (new := self._change(entity, value)) is not None:
            self.changed[pair] = new
            return new
        new = self._make(entity, value, self._attempt)
        self.issued[new] = value
        return new


def _restore_alike(
    texts: Sequence[str],
    findings: Sequence[Sequence[PersonalFinding]],
    changed: Mapping[Value, str],
    masked: Sequence[str],
    back: WayBack,
) -> bool:
    """Whether the masked texts give back the texts, with what was changed for good. Each token has one underscore:
    where nothing else has any, and no two tokens have one body, nothing else can be taken for a token."""
    if back.have_a_body_each() and not _have_underscores(texts) and not _have_underscores(changed.values()):
        return True

    def expect(finding: PersonalFinding, value: str) -> str:
        return changed.get((finding.entity, value), value)

    return all(
        back.restore(out) == replace(text, row, expect) for text, row, out in zip(texts, findings, masked, strict=True)
    )


def _have_underscores(texts: Iterable[str]) -> bool:
    return any("_" in text for text in texts)
