"""S22: which ratings count in the report, in `/metrics` and in the minutes that alerts judge."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from steward.adapters.stores.sql import SqlStore
from steward.core.keys import KeyRecord
from steward.core.minutes import COLUMNS
from steward.core.records import Admitted, Feedback, Settled

ANNA, BOB = "a" * 32, "b" * 32


def ask(key: str = "k1", subject: str | None = None, project: str = "p") -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id="req", at=60.0, key_id=key, project=project, endpoint="/v1/chat/completions", route="m",
        streamed=False, subject=subject,
    )  # fmt: skip
    return [admitted, Settled(request_id="req", at=61.0, outcome="ok", status=200, model="m")]


def rate(key: str, subject: str | None = None, any_key: bool = False, project: str = "p") -> Feedback:
    return Feedback(
        id="fb", at=70.0, key_id=key, project=project, request_id="req", score=1.0, subject=subject, any_key=any_key
    )


def counts(store: SqlStore) -> tuple[int, int, float]:
    """Of the report, of `/metrics`, of the minutes that alerts judge."""
    rows = store.minutes.read(0, 10, tenant=None)
    rated = sum(row.sums[COLUMNS.index("rated")] for row in rows)
    return store.feedback.report(0, 9, tenant=None).count, sum(row.count for row in store.feedback.sums()), rated


@pytest.mark.parametrize(
    ("asked", "rating", "counted"),
    [
        (ask("k1"), rate("k1"), 1),
        (ask("k1"), rate("k2"), 0),
        (ask("k1", ANNA), rate("k2"), 0),
        (ask("k1", ANNA), rate("k2", BOB), 0),
        (ask("k1"), rate("k2", BOB), 0),
        (ask("k1", ANNA), rate("k2", ANNA), 1),
        (ask("k1", ANNA), rate("k1", BOB), 1),
        (ask("k1"), rate("k2", any_key=True), 1),
        (ask("k1"), rate("k2", any_key=True, project="other"), 0),
        (ask("k1", ANNA), rate("k2", ANNA, project="other"), 0),
    ],
)
@pytest.mark.parametrize("rating_first", [False, True])
def test_who_may_rate(
    store: SqlStore, asked: list[Admitted | Settled], rating: Feedback, counted: int, rating_first: bool
) -> None:
    for number, records in enumerate([[rating], asked] if rating_first else [asked, [rating]]):
        store.ledger.drain("w", f"w-{number}.seg", 10, records)
    assert counts(store) == (counted, counted, counted)
    assert store.feedback.report(0, 9, tenant=None).unmatched == 1 - counted


def key(name: str, lineage: str | None) -> KeyRecord:
    return KeyRecord(id=name, name=name, digest=name * 4, project="p", created_at=1.0, lineage=lineage)


@pytest.mark.parametrize(
    ("asking", "rating", "counted"),
    [("k1", "k2", 1), ("k2", "k1", 1), ("k2", "k3", 1), ("k1", "k9", 0), ("k9", "k3", 0)],
)
def test_a_key_that_replaced_another_goes_on_for_it(store: SqlStore, asking: str, rating: str, counted: int) -> None:
    store.keys.add([key("k1", None), key("k2", "k1"), key("k3", "k1"), key("k9", None)])
    store.ledger.drain("w", "w-0.seg", 10, [*ask(asking), rate(rating)])
    assert counts(store) == (counted, counted, counted)


def test_ratings_of_the_release_before_keep_their_place(store: SqlStore) -> None:
    row = "'fb', 70, 'k2', 'p', 'req', 1"
    with store.database.write() as connection:
        connection.execute(sa.text(f"INSERT INTO feedback (id, at, key_id, project, request_id, score) VALUES ({row})"))
    store.ledger.drain("w", "w-0.seg", 10, ask("k1"))
    assert store.feedback.report(0, 9, tenant=None).count == 1


def test_a_record_that_the_release_before_wrote_is_of_its_own_key() -> None:
    written = msgspec.to_builtins(rate("k2"))
    del written["subject"], written["any_key"]
    assert msgspec.convert(written, Feedback) == rate("k2")
