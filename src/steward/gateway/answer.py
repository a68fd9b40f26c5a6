"""An answer on its way back up the middleware: a whole body, or a stream of events.

Knows nothing of where a stream comes from (`stream.py`) or what passes through it (guards, budgets).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

from steward.gateway.upstream_errors import ErrorClass


class EventFilter(Protocol):
    """Changes whole events; after an error of its own it is over, and nothing may follow."""

    @property
    def over(self) -> bool: ...

    def feed(self, events: bytes) -> bytes: ...

    def end(self) -> bytes:
        """What is still to come when nothing follows."""
        ...


class _JoinedFilters:
    """Two filters, of which the second sees what the first lets through."""

    def __init__(self, first: EventFilter, second: EventFilter) -> None:
        self._first, self._second = first, second

    @property
    def over(self) -> bool:
        return self._first.over or self._second.over

    def feed(self, events: bytes) -> bytes:
        passed = self._first.feed(events)
        return self._second.feed(passed) if passed else passed

    def end(self) -> bytes:
        last = self._first.end()
        passed = self._second.feed(last) if last else last
        return passed + self._second.end()


def join_filters(inner: EventFilter | None, outer: EventFilter) -> EventFilter:
    """`outer` behind what a stream's events pass through already."""
    return outer if inner is None else _JoinedFilters(inner, outer)


class TokenBudget(Protocol):
    """Knows how many tokens the stream may still use."""

    def count_missing(self, events: bytes) -> int:
        """Tokens that are not reserved, with `events`."""
        ...

    async def grow(self, tokens: int) -> bool:
        """Reserve more; false where no more can be had."""
        ...

    def cut_off(self) -> bytes:
        """What the client gets instead of `events`."""
        ...


class AnswerStream(Protocol):
    """The events that the client gets."""

    filter: EventFilter | None
    budget: TokenBudget | None

    @property
    def ended(self) -> bool:
        """Nothing more would have come."""
        ...

    @property
    def broke(self) -> bool:
        """By a mistake of ours."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes:
        """Whole events, one or more."""
        ...

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        """Pass on what arrives in the moment it arrives, until something must be waited for."""
        ...


class Answer:
    """Status, headers and either a whole body or a stream of whole events."""

    __slots__ = ("body", "content_type", "error_class", "headers", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        stream: AnswerStream | None = None,
        content_type: bytes = b"application/json",
    ) -> None:
        self.status = status
        self.body = body
        self.stream = stream
        self.content_type = content_type
        self.headers: list[tuple[bytes, bytes]] = []
        self.error_class: ErrorClass | None = None  # of an upstream's error that another model might not give
