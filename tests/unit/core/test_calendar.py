"""When something is old, where the settings do not say: as docs/reference/settings.md has it."""

from __future__ import annotations

from steward.core.calendar import CalendarPlan


def test_models_are_old_after_a_year_and_evaluations_and_baselines_after_a_quarter() -> None:
    plan = CalendarPlan()
    assert (plan.warn_days, plan.models_every_days) == (14, 365)
    assert (plan.evaluation_every_days, plan.baseline_every_days) == (90, 90)
