"""The section `calendar` of steward.yaml."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from steward.configuration.section import Section
from steward.core.calendar import CalendarItem, CalendarKind, CalendarPlan

_USUAL: Final = CalendarPlan()


class CalendarItemConfig(Section):
    """Something of your own that must be done in time."""

    name: str = Field(min_length=1, max_length=100, description="what it is")
    kind: CalendarKind = Field("other", description="licence, drill, model, other and so on")
    owner: str | None = Field(None, description="whose task it is; unset: calendar.owners, then calendar.owner")
    due: date | None = Field(None, description="the day by which it must be done, such as 2027-03-01")
    every_days: int | None = Field(None, ge=1, le=3660, description="or: so many days after `last`")
    last: date | None = Field(None, description="the day on which it was last done")

    @model_validator(mode="after")
    def _is_due_in_one_way(self) -> CalendarItemConfig:
        if (self.due is None) == (self.every_days is None):
            raise ValueError(f"{self.name} needs either due: 2027-03-01, or every_days: 90 and last: 2026-11-01")
        if self.every_days is not None and self.last is None:
            raise ValueError(f"{self.name} is due every {self.every_days} days; since when? Add last: 2026-11-01")
        return self

    def item(self) -> CalendarItem:
        return CalendarItem(
            name=self.name,
            kind=self.kind,
            owner=self.owner,
            due_at=_begin(self.due),
            every_days=self.every_days,
            last_at=_begin(self.last),
        )


class CalendarConfig(Section):
    """What must be renewed in time, and whose task that is."""

    owner: str | None = Field(None, description="of everything that has no other owner, such as ops@example.org")
    owners: dict[CalendarKind, str] = Field(default={}, description="by kind, such as certificate: net@example.org")
    warn_days: int = Field(
        _USUAL.warn_days, ge=1, le=365, description="days before its time that something is due soon"
    )
    models_every_days: int | None = Field(
        _USUAL.models_every_days, ge=1, le=3660, description="days after which a model is old; null: never"
    )
    evaluation_every_days: int | None = Field(
        _USUAL.evaluation_every_days, ge=1, le=3660, description="days after which a model is to be evaluated again"
    )
    baseline_every_days: int | None = Field(
        _USUAL.baseline_every_days, ge=1, le=3660, description="days after which the baseline of drift is old"
    )
    advisories: str | None = Field(
        None,
        description="file that `pip-audit --format json` wrote, relative to this one; held against what is installed",
    )
    items: list[CalendarItemConfig] = Field(default=[], description="what you add yourself: licences, drills")

    def plan(self) -> CalendarPlan:
        return CalendarPlan(
            owner=self.owner,
            owners={str(kind): owner for kind, owner in self.owners.items()},
            warn_days=self.warn_days,
            models_every_days=self.models_every_days,
            evaluation_every_days=self.evaluation_every_days,
            baseline_every_days=self.baseline_every_days,
            advisories=str(Path(self.advisories).absolute()) if self.advisories else None,
            items=tuple(item.item() for item in self.items),
        )


def _begin(day: date | None) -> float | None:
    """When a day begins, in UTC."""
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
