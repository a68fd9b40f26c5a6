"""The head of a request as it came before on the same connection.

A client sends the same head with each of its requests, but for the length of the body. Ours because reading one anew, a
call for each of its lines, takes a tenth of a request (docs/explanation/performance.md); what has been read once is
found again by its bytes. It decides nothing: a head is known only after the parser and all bounds have let it pass.
"""

from __future__ import annotations

from typing import Any, Final

from steward.gateway.http import FIELDS

MOST_DIGITS: Final = 6  # of a length, as no longer request is looked at
_LENGTH: Final = b"content-length"


class KnownHead:
    """A head up to the digits of its length, and from their end to the body; what the parser found in it."""

    __slots__ = ("_fields", "_headers", "_length_at", "_rest", "_scope", "_start")

    def __init__(self, start: bytes, rest: bytes, scope: dict[str, Any]) -> None:
        """`scope`: of a request with this head; it has one content-length."""
        self._start, self._rest = start, rest
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._length_at = [name for name, _ in self._headers].index(_LENGTH)
        self._fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}
        self._scope = {name: value for name, value in scope.items() if name not in ("extensions", "state")}

    def split(self, data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """The scope and the body of a request with this head; None where `data` is not one of them, whole and alone."""
        start = self._start
        if not data.startswith(start):
            return None
        end = data.find(b"\r\n", len(start), len(start) + MOST_DIGITS + 2)
        digits = data[len(start) : end] if end > 0 else b""
        if not digits.isdigit() or not data.startswith(self._rest, end):
            return None
        body = data[end + len(self._rest) :]
        if not body or len(body) != int(digits):
            return None
        headers = self._headers.copy()
        headers[self._length_at] = (_LENGTH, digits)
        fields = {**self._fields, "content-length": digits.decode()}
        return {**self._scope, "headers": headers, FIELDS: fields}, body


def learn_head(data: bytes, scope: dict[str, Any]) -> KnownHead | None:
    """The head of `data`, a whole request that was read as `scope`; None for one that cannot be known by its bytes.

    >>> scope = {"path": "/x", "headers": [(b"host", b"a"), (b"content-length", b"2")]}
    >>> known = learn_head(b"POST /x HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 2\\r\\n\\r\\n{}", scope)
    >>> known.split(b"POST /x HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\nnull")[1]
    b'null'
    """
    length = next((value for name, value in scope["headers"] if name == _LENGTH), b"")
    head, end, _ = data.partition(b"\r\n\r\n")
    before, name, _ = head.lower().partition(b"\r\n" + _LENGTH + b":")
    start = len(before) + len(name)
    start += len(head) - start - len(head[start:].lstrip(b" "))
    if not name or not length.isdigit() or not (head[start:] + b"\r\n").startswith(length + b"\r\n"):
        return None
    return KnownHead(head[:start], head[start + len(length) :] + end, scope)
