"""Which fields that only the gateway puts into a request an upstream does not take.

The gateway asks every stream for its usage, writes a maximum of tokens under one of two names, and says how much to
think where another dialect said it otherwise. Some servers refuse a field that they do not know, and the client, who
has not sent it, could do nothing about it. So such a request is sent again without the field, and what was learned is
remembered for a while: servers are updated. Pure: the clock is an argument.

A field that the client sent itself is never left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

REMEMBERED_S: Final = 3600.0  # after which the field is tried again
TELLING: Final = frozenset({400, 405, 415, 422, 500, 501})  # statuses of servers that do not take a field
UNEXPLAINED: Final = frozenset({400, 422})  # statuses of a refusal that may mean a field without saying so
OTHER_NAME: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_NOTHING: Final[frozenset[str]] = frozenset()
_NOT_TAKEN: Final = re.compile(
    rb"un(?:supported|recogni[sz]ed|known|expected|permitted)"
    rb"|not[ _](?:supported|permitted|allowed|recogni[sz]ed|accepted)|does not (?:support|accept|allow)"
    rb"|extra[ _](?:fields?|inputs?|forbidden)|additional propert|invalid (?:field|param|argument)",
    re.IGNORECASE,
)
_SPELT: Final = {  # how else servers name a field that they do not take
    "stream_options": ("stream_options", "include_usage", "streamOptions", "includeUsage"),
    "reasoning_effort": ("reasoning_effort", "reasoningEffort"),
}
_UNEXPLAINED: Final = re.compile(  # a refusal that says nothing but that it is one
    rb"[\s{}\[\]\":,.0-9]*(?:(?:error|message|detail|code|status|type|msg|param|null|invalid_request_error|bad request"
    rb"|badrequest|bad_request|unprocessable (?:entity|content)|invalid request(?: body)?"
    rb"|(?:request )?validation (?:error|failed))[\s{}\[\]\":,.0-9]*)*",
    re.IGNORECASE,
)
_FIELD: Final = re.compile(
    rb"field|param|argument|input|propert|\bkeys?\b|option", re.IGNORECASE
)  # what it is that is not taken


def find_refused_fields(status: int, body: bytes, added: Collection[str], sent: Collection[str]) -> frozenset[str]:
    """Those of the fields that the gateway `added` because of which an upstream answered with this error.

    An error that names one of them means that one. One that only says that some field is unknown, and names none that
    the client `sent`, may mean any; so may one that explains nothing. What has another name is refused only where the
    error says that it is not taken: "max_tokens is too large" is about its value.

    >>> find_refused_fields(422, b'{"detail":"Unknown field: stream_options"}', ["stream_options"], ["model"])
    frozenset({'stream_options'})
    """
    if status not in TELLING or not added:
        return _NOTHING
    not_taken = _NOT_TAKEN.search(body) is not None
    named = frozenset(field for field in added if _names(body, field) and (not_taken or field not in OTHER_NAME))
    if named:
        return named
    vague = not_taken and _FIELD.search(body) is not None and not any(_names(body, field) for field in sent)
    vague = vague or (status in UNEXPLAINED and len(body) < 500 and _UNEXPLAINED.fullmatch(body) is not None)
    return frozenset(field for field in added if field not in OTHER_NAME) if vague else _NOTHING


def _names(body: bytes, field: str) -> bool:
    spellings = b"|".join(re.escape(name.encode()) for name in _SPELT.get(field, (field,)))
    return re.search(rb"(?<![A-Za-z0-9_])(?:%b)(?![A-Za-z0-9_])" % spellings, body) is not None


class RefusedFields:
    """What was learned about one upstream.

    >>> learned = RefusedFields()
    >>> learned.add(frozenset({"stream_options"}), now=0.0)
    >>> learned.current(now=60.0), learned.current(now=3600.0)
    (frozenset({'stream_options'}), frozenset())
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def add(self, fields: frozenset[str], now: float) -> None:
        self._until.update(dict.fromkeys(fields, now + REMEMBERED_S))

    def current(self, now: float) -> frozenset[str]:
        if not self._until:
            return _NOTHING
        self._until = {field: until for field, until in self._until.items() if now < until}
        return frozenset(self._until)
