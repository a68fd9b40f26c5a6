from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.core.calendar import CalendarItem, CalendarPlan
from steward.monitoring.calendar_config import CalendarConfig, CalendarItemConfig


def test_days_begin_in_utc() -> None:
    config = CalendarItemConfig(name="x", kind="licence", due=date(2027, 3, 1), owner="legal")
    assert config.item() == CalendarItem(name="x", kind="licence", owner="legal", due_at=1_803_859_200.0)
    again = CalendarItemConfig(name="x", every_days=90, last=date(1970, 1, 2)).item()
    assert (again.every_days, again.last_at, again.due_at, again.kind) == (90, 86_400.0, None, "other")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "needs either due"),
        ({"due": "2027-03-01", "every_days": 5, "last": "2026-01-01"}, "needs either due"),
        ({"every_days": 5}, "since when"),
        ({"due": "tomorrow"}, "due"),
        ({"due": "2027-03-01", "kind": "licens"}, "kind"),
    ],
)
def test_what_cannot_be_due_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CalendarItemConfig.model_validate({"name": "x", **values})


def test_the_section_becomes_the_plan() -> None:
    assert CalendarConfig().plan() == CalendarPlan()
    plan = CalendarConfig.model_validate(
        {"owner": "ops", "owners": {"key": "sec"}, "models_every_days": None, "advisories": "a.json", "warn_days": 7}
    ).plan()
    assert (plan.owner, plan.owners, plan.models_every_days, plan.warn_days) == ("ops", {"key": "sec"}, None, 7)
    assert plan.advisories == str(Path("a.json").absolute())


def test_ranges_of_days() -> None:
    assert read_ranges(CalendarItemConfig) == {"every_days": "1 <= x <= 3660"}  # ten years
    assert read_ranges(CalendarConfig) == {
        "warn_days": "1 <= x <= 365",
        "models_every_days": "1 <= x <= 3660",
        "evaluation_every_days": "1 <= x <= 3660",
        "baseline_every_days": "1 <= x <= 3660",
    }
