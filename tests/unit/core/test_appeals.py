"""Deadlines and states of appeals."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.appeals import APPEAL_DAYS, AppealRow, end_of_day, find_deadline, name_decision

CAME = 1_795_900_000.0  # 2026-11-28 21:06:40 UTC
DUE = 1_798_502_400.0  # 2026-12-28 24:00 UTC: 30 days later, at the end of the day


def row(**changes: Any) -> AppealRow:
    fields: dict[str, Any] = {
        "id": "appeal_1", "at": CAME, "decide_by": "2026-12-28", "tenant": "t", "project": "p", "key_id": "k",
        "request_id": "req_1",
    }  # fmt: skip
    return AppealRow(**{**fields, **changes})


def test_a_person_decides_by_the_end_of_the_last_day() -> None:
    assert find_deadline(CAME, 30) == "2026-12-28" and find_deadline(CAME, 1) == "2026-11-29"
    assert end_of_day("2026-12-28") == DUE


@pytest.mark.parametrize(("now", "state"), [(CAME, "open"), (DUE - 1, "open"), (DUE, "late")])
def test_what_nobody_decides_is_late(now: float, state: str) -> None:
    assert row().state_at(now) == state
    assert row(outcome="partly").state_at(now) == "partly"


def test_a_deadline_that_cannot_be_read_is_over() -> None:
    assert end_of_day("soon") == 0.0 and row(decide_by="").state_at(CAME) == "late"


def test_an_appeal_has_one_decision() -> None:
    assert name_decision("appeal_00ff") == "decision_00ff"


def test_a_person_waits_a_month_at_most_unless_the_settings_say_otherwise() -> None:
    """GDPR, Article 12(3): "within one month of receipt of the request"."""
    assert APPEAL_DAYS == 30
