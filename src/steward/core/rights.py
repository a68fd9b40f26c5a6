"""People's rights over what is kept of them, and what an organisation must keep account of: frozen records.

A subject is a pseudonym (`subject` of an exchange); its name is nowhere in these.
"""

from __future__ import annotations

from typing import Any

import msgspec

from steward.core.captures import CapturedExchange
from steward.core.records import Feedback


class LegalHold(msgspec.Struct, frozen=True, kw_only=True):
    """What it covers is neither erased nor swept until it is released."""

    id: str
    tenant: str = "default"
    subject: str | None  # None: everybody of the tenant
    reason: str
    created_at: float
    created_by: str
    released_at: float | None = None
    released_by: str | None = None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says is wrong in what is kept of them."""

    id: str
    tenant: str = "default"
    project: str
    subject: str
    at: float
    actor: str
    about: str  # a request or feedback; empty: the person
    sealed: bytes  # of the note


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """Personal data that went where it should not."""

    id: str
    tenant: str = "default"
    summary: str
    known_at: float  # from when the 72 hours count
    since: float  # whose requests it touches: those that arrived in [since, until)
    until: float
    routes: tuple[str, ...] = ()  # empty: all
    opened_by: str
    notified_at: float | None = None
    closed_at: float | None = None
    closed_by: str | None = None
    outcome: str = ""


class AffectedSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A person whose requests a breach touches; None: requests that named nobody."""

    project: str
    subject: str | None
    requests: int
    routes: tuple[str, ...]
    first: float
    last: float


class PersonalRows(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the store that belongs to some subjects. Texts are sealed still."""

    exchanges: tuple[dict[str, Any], ...] = ()
    open_requests: int = 0  # admitted and not settled
    traces: tuple[str, ...] = ()  # request ids
    feedback: tuple[Feedback, ...] = ()
    captures: tuple[CapturedExchange, ...] = ()
    corrections: tuple[Correction, ...] = ()

    @property
    def request_ids(self) -> tuple[str, ...]:
        return tuple(str(row["request_id"]) for row in self.exchanges)

    def counts(self) -> dict[str, int]:
        """By store, those that hold something."""
        sizes = {
            "exchanges": len(self.exchanges),
            "open_requests": self.open_requests,
            "traces": len(self.traces),
            "feedback": len(self.feedback),
            "captures": len(self.captures),
            "corrections": len(self.corrections),
        }
        return {name: count for name, count in sizes.items() if count}


class RouteEntities(msgspec.Struct, frozen=True, kw_only=True):
    """How often guards replaced a kind of personal data in the requests of a route; `entity` as receipts call it."""

    tenant: str
    route: str
    entity: str
    values: int
    oldest: float
    newest: float


class SweptRows(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did with rows or files whose time is over."""

    deleted: int
    held: int  # that stay, under a legal hold


class StoredClass(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one class of data the store holds."""

    name: str
    rows: int
    of_people: int | None  # rows that name a subject; None: not counted
    oldest: float | None
    newest: float | None
