"""When a run of the circle is due."""

from __future__ import annotations

from typing import Any

import pytest

from steward.improvement.triggers import ImprovePlan, QualityWindow, TriggerFacts, choose_trigger, count_drops

DAY = 86400.0
GOOD, BAD = QualityWindow(100, 90), QualityWindow(100, 60)
BEFORE = QualityWindow(1000, 900)


def due(mode: Any = "act", **fields: Any) -> Any:
    plan = {name: fields.pop(name) for name in ("every_s", "on_drop") if name in fields}
    usual: dict[str, Any] = {"now": 100 * DAY, "last_at": 80 * DAY, "new_rows": 200, "last_rows": 0}
    return choose_trigger(ImprovePlan(mode=mode, **plan), TriggerFacts(**{**usual, **fields}))


def test_new_rows_alone_have_to_wait_until_there_is_a_reason() -> None:
    assert due().kind is None and due().why == "200 new ratings, and quality has not dropped"
    assert due(last_at=70 * DAY).kind == "new rows"  # thirty days
    assert due(last_at=70 * DAY + 1).kind is None
    assert due(last_at=None).kind == "new rows"


def test_a_drop_in_two_of_three_days_is_a_reason() -> None:
    assert due(windows=(GOOD, BAD, BAD), before=BEFORE).kind == "drift"
    assert due(windows=(BAD, GOOD, GOOD), before=BEFORE).kind is None
    assert due(windows=(BAD, BAD, BAD), before=BEFORE, on_drop=False).kind is None
    assert due(windows=(BAD, BAD, BAD), before=BEFORE, new_rows=199).kind is None


@pytest.mark.parametrize(("last_rows", "new_rows", "enough"), [(0, 199, False), (1001, 200, False), (1001, 201, True)])
def test_how_many_rows_are_needed(last_rows: int, new_rows: int, enough: bool) -> None:
    assert (due(last_at=None, last_rows=last_rows, new_rows=new_rows).kind is not None) == enough


def test_nothing_begins_while_it_cools_down_or_is_off() -> None:
    assert due(last_at=93 * DAY + 1, windows=(BAD, BAD, BAD), before=BEFORE).kind is None
    assert due(last_at=93 * DAY, windows=(BAD, BAD, BAD), before=BEFORE).kind == "drift"
    assert due("off", last_at=None).kind is None
    assert due("propose", last_at=None).kind == "new rows"


def test_a_last_run_of_a_time_to_come_is_told_of() -> None:
    """A clock was ahead, or is behind: which one, nobody knows, so that people decide."""
    result = due(last_at=100 * DAY + 1, every_s=1.0)
    assert result.kind is None and "a time that is yet to come" in result.why
    assert result.why.endswith("begin by hand: steward improve run")


def test_a_schedule_needs_no_rows() -> None:
    begun = due(every_s=20 * DAY, new_rows=0)
    assert (begun.kind, begun.why) == ("schedule", "improve.every_days: 20 days have passed")  # the settings' own key
    assert due(every_s=20 * DAY + 1, new_rows=0).kind is None


def test_a_clock_that_was_set_back_begins_nothing() -> None:
    assert due(last_at=101 * DAY, every_s=1.0).kind is None


def test_a_drop_is_one_that_chance_would_seldom_make() -> None:
    # two proportions, pooled: 83 of 100 against 900 of 1000 gives z = 2.16, 85 gives 1.55; one-sided 5 % is 1.645
    assert count_drops([QualityWindow(100, 83)], BEFORE) == 1
    assert count_drops([QualityWindow(100, 85)], BEFORE) == 0
    assert count_drops([QualityWindow(19, 0)], BEFORE) == 0  # too few to say
    assert count_drops([BAD], QualityWindow(19, 19)) == 0
    assert count_drops([BAD, BAD, BAD, GOOD, GOOD, GOOD], BEFORE) == 0  # the last three
