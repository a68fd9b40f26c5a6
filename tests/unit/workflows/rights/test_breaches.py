"""The clock of a breach: 72 hours from when it was known (Regulation (EU) 2016/679, Article 33(1))."""

from __future__ import annotations

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.rights import AffectedSubject, Breach
from steward.workflows.rights.breaches import find_state, parse_past_moment, view_breach

BREACH = Breach(id="b", summary="s", known_at=1000.0, since=0.0, until=9.0, routes=("m",), opened_by="operator:1")
HOURS_72 = 259_200.0


@pytest.mark.parametrize(
    ("changes", "now", "state"),
    [
        ({}, 1000.0 + HOURS_72, "open"),
        ({}, 1000.0 + HOURS_72 + 0.1, "late"),
        ({"notified_at": 5.0}, 1e9, "notified"),
        ({"closed_at": 5.0}, 1e9, "closed"),
        ({"closed_at": 5.0, "notified_at": 4.0}, 1e9, "notified"),
    ],
)
def test_a_breach_is_late_after_72_hours_unless_somebody_was_told(
    changes: dict[str, float], now: float, state: str
) -> None:
    assert find_state(msgspec.structs.replace(BREACH, **changes), now) == state


class Affected:
    def list_affected(self, *arguments: object, tenant: str) -> list[AffectedSubject]:
        assert arguments[:3] == (0.0, 9.0, ("m",)) and tenant == "default"
        rows = [("anna", 2), ("bob", 1), (None, 4)]
        return [
            AffectedSubject(project="p", subject=name, requests=count, routes=("m",), first=1.0, last=2.0)
            for name, count in rows
        ]


def test_a_view_counts_people_and_requests_that_name_nobody() -> None:
    view = view_breach(Affected(), BREACH, 2000.0)  # type: ignore[arg-type]
    assert (view.people, view.nameless_requests) == (2, 4)
    assert view.notify_by == 1000.0 + HOURS_72 and view.left_s == HOURS_72 - 1000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [("2h", 1e9 - 7200), ("0s", 1e9), ("2001-09-08", 999_907_200.0), ("2001-09-08T02:00+02:00", 999_907_200.0)],
)
def test_a_moment_is_a_span_back_or_a_date(text: str, at: float) -> None:
    assert parse_past_moment(text, 1e9, "--since") == at


@pytest.mark.parametrize("text", ["soon", "2001-13-01", "2001-09-10"])
def test_a_moment_that_is_none_or_to_come_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a span back such as 48h"):
        parse_past_moment(text, 1e9, "--since")
