"""What must be renewed in time: the frozen records of the maintenance calendar."""

from __future__ import annotations

from typing import Literal

import msgspec

CalendarKind = Literal[
    "model", "evaluation", "baseline", "certificate", "key", "licence", "advisory", "backup", "drill", "other"
]
CalendarState = Literal["in time", "due soon", "overdue", "not known"]


class CalendarItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person wrote down. It is due on a day, or so many days after it was last done."""

    name: str
    kind: CalendarKind
    owner: str | None = None
    due_at: float | None = None  # seconds since the epoch
    every_days: int | None = None
    last_at: float | None = None


class CalendarPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The section `calendar`."""

    owner: str | None = None  # of all that has none of its own
    owners: dict[str, str] = {}  # by kind
    warn_days: int = 14
    models_every_days: int | None = 365
    evaluation_every_days: int | None = 90
    baseline_every_days: int | None = 90
    advisories: str | None = None  # a file
    items: tuple[CalendarItem, ...] = ()


class CalendarEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `steward maintenance list --json`."""

    kind: CalendarKind
    name: str
    state: CalendarState
    owner: str | None  # None: nobody was named
    due_at: float | None
    days_left: float | None  # below 0: overdue
    age_days: float | None
    detail: str
    next_step: str  # a command, or what to do
