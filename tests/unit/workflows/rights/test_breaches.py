"""The clock of a breach: 72 hours from when it was known (Regulation (EU) 2016/679, Article 33(1))."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.rights import AffectedSubject, Breach
from steward.workflows.rights.breaches import (
    close_breach,
    find_state,
    list_breaches,
    open_breach,
    parse_past_moment,
    show_breach,
    view_breach,
)

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


ME = operator(7)


@pytest.mark.parametrize("words", ["", "  ", "x" * 2001])
def test_a_summary_and_an_outcome_have_one_to_two_thousand_characters(tmp_path: Path, words: str) -> None:
    with pytest.raises(InputError, match=f"a summary of {len(words)} characters: expected 1 to 2000"):
        open_breach(tmp_path, words, 1.0, 2.0, 3.0, actor=ME)
    with pytest.raises(InputError, match=f"an outcome of {len(words)} characters: expected 1 to 2000"):
        close_breach(tmp_path, "breach_1", words, 3.0, actor=ME)


def test_a_breach_ends_after_it_began(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the breach ends before it begins"):
        open_breach(tmp_path, "s", 2.0, 2.0, 3.0, actor=ME)


def test_a_breach_is_opened_listed_and_closed_once(tmp_path: Path) -> None:
    first = open_breach(tmp_path, "x" * 2000, 1.0, 2.0, 3.0, actor=ME)
    second = open_breach(tmp_path, "later", 1.0, 2.0, 9.0, actor=ME, known_at=5.0, routes=("r",))
    assert (first.breach.known_at, second.breach.known_at, second.breach.routes) == (3.0, 5.0, ("r",))
    assert first.breach.opened_by == "operator:7" and len(first.breach.id) == len("breach_") + 12
    assert [one.breach.id for one in list_breaches(tmp_path, 10.0, actor=ME)] == [second.breach.id, first.breach.id]
    closed = close_breach(tmp_path, first.breach.id, "y" * 2000, 11.0, actor=ME, notified_at=10.0)
    assert (closed.breach.closed_at, closed.breach.closed_by, closed.breach.notified_at) == (11.0, "operator:7", 10.0)
    assert show_breach(tmp_path, first.breach.id, 12.0, actor=ME).state == "notified"
    with pytest.raises(InputError, match="is closed already"):
        close_breach(tmp_path, first.breach.id, "again", 13.0, actor=ME)
    with pytest.raises(UnknownName):
        show_breach(tmp_path, "breach_0", 12.0, actor=ME)
