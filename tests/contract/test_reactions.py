"""Which ratings and signals count, on every store."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from steward.adapters.stores.sql import SqlStore
from steward.core.minutes import COLUMNS
from steward.core.reactions import COUNTS, PersonRatings
from steward.core.records import Admitted, Feedback, Settled
from steward.core.series import SUMS

ANNA, BOB = "a" * 32, "b" * 32
DAY = 86_400.0


def ask(name: str, subject: str | None = ANNA, **changes: Any) -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id=name, at=60.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="r", streamed=False,
        subject=subject, prompt_version="p@1", route_version=2, tenant=changes.pop("tenant", "default"),
    )  # fmt: skip
    settled = {"outcome": "ok", "status": 200, "model": "m"} | changes
    return [admitted, Settled(request_id=name, at=61.0, **settled)]


def say(number: int, name: str, score: float = 1.0, **changes: Any) -> Feedback:
    fields = {"at": 70.0 + number, "tenant": "default", "subject": ANNA} | changes
    return Feedback(id=f"f{number}", key_id="k", project="p", request_id=name, score=score, **fields)


def series(store: SqlStore) -> dict[str, float]:
    rows = store.series.read(86_400, 0, 10**9, tenant=None)
    sums = {name: sum(row.sums[index] for row in rows) for index, name in enumerate(SUMS)}
    return {name: value for name, value in sums.items() if value and name in COUNTS}


def days(store: SqlStore, tenant: str | None = None) -> dict[str, int]:
    rows = store.reactions.read(0.0, tenant=tenant)
    sums = {name: sum(row.counts[index] for row in rows) for index, name in enumerate(COUNTS)}
    return {name: value for name, value in sums.items() if value}


def rated_minutes(store: SqlStore) -> float:
    return sum(row.sums[COLUMNS.index("rated")] for row in store.minutes.read(0, 10**6, tenant=None))


@pytest.mark.parametrize("reaction_first", [False, True])
def test_a_rating_and_signals_count_once_whatever_comes_first(store: SqlStore, reaction_first: bool) -> None:
    said = [
        say(1, "a"), say(2, "a", -1.0), say(3, "a", 0.0, kind="copy"), say(4, "a", 0.0, kind="copy"),
        say(5, "a", 0.0, kind="regenerate"), say(6, "a", 0.5, kind="judge"), say(7, "a", -0.5, kind="judge"),
    ]  # fmt: skip
    for number, records in enumerate([said, ask("a")] if reaction_first else [ask("a"), said]):
        store.ledger.drain("w", f"w-{number}.seg", 10, records)
        store.ledger.drain("w", f"w-{number}.seg", 10, records)  # a keeper that was killed before it knew
    expected = {"answered": 1, "rated": 1, "satisfied": 1, "copied": 1, "regenerated": 1, "scored": 2, "passed": 1}
    assert series(store) == expected and days(store) == expected and rated_minutes(store) == 1


def test_a_person_has_so_many_ratings_a_day(store: SqlStore) -> None:
    store.ledger.limit_ratings(2)
    names = [f"a{number}" for number in range(5)]
    asked = [record for name in names for record in ask(name)]
    for number, name in enumerate(names[:4]):  # each in a batch of its own
        store.ledger.drain("w", f"w-{number}.seg", 10, [*(asked if not number else []), say(number, name, -1.0)])
    assert days(store) == {"answered": 5, "rated": 2}
    store.ledger.drain("w", "w-9.seg", 10, [say(8, "a4", at=DAY + 1.0)])  # on the next day
    assert days(store)["rated"] == 3
    assert store.reactions.read_people(0.0, tenant=None) == [
        PersonRatings(model="m", route="r", prompt_version="p@1", route_version=2, ratings=3, satisfied=1)
    ]


def test_people_are_told_apart_by_subject_conversation_or_answer(store: SqlStore) -> None:
    store.ledger.limit_ratings(1)
    asked = [record for name in ("a", "b", "c", "d") for record in ask(name, None)]
    said = [say(1, "a", subject=ANNA), say(2, "b", subject=BOB), say(3, "c", subject=None), say(4, "d", subject=None)]
    store.ledger.drain("w", "w.seg", 10, [*asked, *said])
    assert days(store)["rated"] == 4
    assert sum(one.ratings for one in store.reactions.read_people(0.0, tenant=None)) == 4
    assert len(store.reactions.read_people(0.0, tenant=None)) == 4


def test_what_failed_is_no_answer_and_can_be_rated_all_the_same(store: SqlStore) -> None:
    store.ledger.drain("w", "w.seg", 10, [*ask("a", outcome="upstream_error", status=502), say(1, "a", -1.0)])
    assert days(store) == {"rated": 1}


def test_a_tenant_reads_its_own(store: SqlStore) -> None:
    store.ledger.drain("w", "w.seg", 10, [*ask("a", tenant="one"), say(1, "a", tenant="one"), *ask("b"), say(2, "b")])
    assert days(store, "one") == {"answered": 1, "rated": 1, "satisfied": 1}
    assert len(store.reactions.read_people(0.0, tenant="one")) == 1
    assert days(store, "none") == {} and store.reactions.read_people(0.0, tenant="none") == []
    assert store.reactions.read(DAY, tenant=None) == [] == store.reactions.read_people(DAY, tenant=None)


def test_what_was_said_after_the_time_that_is_asked_for_stays_out(store: SqlStore) -> None:
    """Days count whole; single ratings from one second to another."""
    said = [say(1, "a", at=DAY - 1), say(2, "b", at=DAY), say(3, "c", at=DAY + 5)]
    store.ledger.drain("w", "w.seg", 10, [*ask("a"), *ask("b"), *ask("c"), *said])
    for until, counted, newest in ((DAY, 1, 1), (DAY + 1, 3, 2), (2 * DAY, 3, 3), (2 * DAY + 1, 3, 3)):
        rows = store.reactions.read(0.0, tenant=None, until=until)
        people = store.reactions.read_people(0.0, tenant=None, until=until)
        assert sum(row.counts[COUNTS.index("rated")] for row in rows) == counted, until
        assert sum(one.ratings for one in people) == counted, until
        assert store.feedback.report(0.0, 9, tenant=None, until=until).count == newest, until


def test_ratings_of_the_release_before_count_as_persons_of_their_answers(store: SqlStore) -> None:
    store.ledger.drain("w", "w.seg", 10, ask("a"))
    row = "'f1', 70.0, 'k', 'p', 'a', 1.0"
    with store.database.write() as connection:
        connection.execute(sa.text(f"INSERT INTO feedback (id, at, key_id, project, request_id, score) VALUES ({row})"))
    (person,) = store.reactions.read_people(0.0, tenant=None)
    assert (person.ratings, person.satisfied) == (1, 1)


def test_the_report_is_of_ratings_and_lists_signals(store: SqlStore) -> None:
    store.ledger.drain("w", "w.seg", 10, [*ask("a"), say(1, "a", 0.5), say(2, "a", 0.0, kind="copy"), say(3, "x")])
    report = store.feedback.report(0.0, 9, tenant=None)
    assert (report.count, report.mean_score, report.unmatched) == (1, 0.5, 1)
    assert [row.kind for row in report.last] == ["explicit", "copy", "explicit"]
    assert [row.count for row in store.feedback.sums()] == [1]
