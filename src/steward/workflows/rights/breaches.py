"""`steward privacy breach`: the clock of 72 hours, and whom a breach touches.

Source: Regulation (EU) 2016/679, Article 33(1): notification to the authority without undue delay and, where feasible,
not later than 72 hours after having become aware of it. Whether it must be notified is not decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from steward.core.durations import parse_span_s
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.rights import AffectedSubject, Breach
from steward.core.stores import RightsStore
from steward.workflows.audit import make_act
from steward.workflows.rights.home import open_rights_home

NOTIFY_S: Final = 72 * 3600.0
MOST_AFFECTED: Final = 100_000
MOST_WORDS: Final = 2000  # characters


class BreachView(msgspec.Struct, frozen=True, kw_only=True):
    """A breach, its clock and whom it touches."""

    breach: Breach
    notify_by: float
    left_s: float  # until the 72 hours are over; negative: they are
    state: str  # open, late, notified or closed
    people: int
    nameless_requests: int
    affected: tuple[AffectedSubject, ...]


def open_breach(
    home: Path,
    summary: str,
    since: float,
    until: float,
    now: float,
    *,
    actor: Principal,
    known_at: float | None = None,
    routes: tuple[str, ...] = (),
) -> BreachView:
    """Start the clock, from `known_at` where it was known before now.

    :raises InputError: no summary, or a window that ends before it begins
    """
    if not summary.strip() or len(summary) > MOST_WORDS:
        raise InputError(f"a summary of {len(summary)} characters: expected 1 to {MOST_WORDS}")
    if since >= until:
        raise InputError("the breach ends before it begins; expected --since to be earlier than --until")
    with open_rights_home(home, now) as opened:
        breach = Breach(
            id=make_short_id("breach"),
            tenant=actor.tenant,
            summary=summary,
            known_at=now if known_at is None else known_at,
            since=since,
            until=until,
            routes=routes,
            opened_by=actor.actor,
        )
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.breach.open", f"breach:{breach.id}"))
        opened.store.rights.put_breach(breach)
        return view_breach(opened.store.rights, breach, now)


def list_breaches(home: Path, now: float, *, actor: Principal) -> list[BreachView]:
    """Newest first."""
    with open_rights_home(home, now) as opened:
        rights = opened.store.rights
        return [view_breach(rights, breach, now) for breach in rights.list_breaches(tenant=actor.tenant)]


def show_breach(home: Path, breach_id: str, now: float, *, actor: Principal) -> BreachView:
    """:raises UnknownName: there is none with this id"""
    with open_rights_home(home, now) as opened:
        return view_breach(opened.store.rights, _find(opened.store.rights, breach_id, actor), now)


def close_breach(
    home: Path,
    breach_id: str,
    outcome: str,
    now: float,
    *,
    actor: Principal,
    notified_at: float | None = None,
) -> BreachView:
    """Stop the clock. `notified_at`: when the authority was told; None: it was not.

    :raises UnknownName: there is none with this id :raises InputError: it is closed, or no outcome
    """
    if not outcome.strip() or len(outcome) > MOST_WORDS:
        raise InputError(f"an outcome of {len(outcome)} characters: expected 1 to {MOST_WORDS}")
    with open_rights_home(home, now) as opened:
        rights = opened.store.rights
        breach = _find(rights, breach_id, actor)
        if breach.closed_at is not None:
            raise InputError(f"{breach_id} is closed already")
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.breach.close", f"breach:{breach_id}"))
        closed = msgspec.structs.replace(
            breach, closed_at=now, closed_by=actor.actor, outcome=outcome, notified_at=notified_at
        )
        rights.put_breach(closed)
        return view_breach(rights, closed, now)


def parse_past_moment(text: str, now: float, name: str) -> float:
    """A day or a time in UTC, or a span back from now, in seconds since the epoch.

    :raises InputError: neither, or in the future

    >>> parse_past_moment("1970-01-02", 1e9, "--since"), parse_past_moment("1h", 7200.0, "--since")
    (86400.0, 3600.0)
    """
    expected = "expected a span back such as 48h, or a date such as 2026-11-29 or 2026-11-29T12:00"
    try:
        at = now - parse_span_s(text)
    except InputError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise InputError(f"{name} {cut_text(text)!r}: {expected}") from None
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if at > now:
        raise InputError(f"{name} {cut_text(text)!r} is in the future; {expected}")
    return at


def _find(rights: RightsStore, breach_id: str, actor: Principal) -> Breach:
    breaches = {breach.id: breach for breach in rights.list_breaches(tenant=actor.tenant)}
    if breach_id not in breaches:
        raise UnknownName("breach", breach_id, breaches)
    return breaches[breach_id]


def view_breach(rights: RightsStore, breach: Breach, now: float) -> BreachView:
    affected = rights.list_affected(breach.since, breach.until, breach.routes, MOST_AFFECTED, tenant=breach.tenant)
    notify_by = breach.known_at + NOTIFY_S
    return BreachView(
        breach=breach,
        notify_by=notify_by,
        left_s=notify_by - now,
        state=find_state(breach, now),
        people=sum(one.subject is not None for one in affected),
        nameless_requests=sum(one.requests for one in affected if one.subject is None),
        affected=tuple(affected),
    )


def find_state(breach: Breach, now: float) -> str:
    """open, late (the 72 hours are over and nobody was told), notified, or closed (nobody had to be told)."""
    if breach.notified_at is not None:
        return "notified"
    if breach.closed_at is not None:
        return "closed"
    return "late" if now > breach.known_at + NOTIFY_S else "open"
