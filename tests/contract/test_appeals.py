"""Appeals in the store: beside ratings, and none of them; each decided once."""

from __future__ import annotations

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.appeals import AppealRow, name_decision
from steward.core.records import Admitted, Feedback, Settled

AT = 1_795_900_000.0
DECISION = Feedback(
    id=name_decision("appeal_1"), at=AT + 9, key_id="person:ann", tenant="t", project="p", request_id="r1", score=0.0,
    label="upheld", sealed=b"y", subject="s", any_key=True, kind="decision",
)  # fmt: skip


def plant(store: SqlStore) -> None:
    """A request of key k and subject s, an appeal of it, one of a stranger, and a rating."""
    request = Admitted(
        request_id="r1", at=AT, key_id="k", tenant="t", project="p", endpoint="/v1/chat/completions",
        route="way", streamed=False, subject="s",
    )  # fmt: skip
    settled = Settled(request_id="r1", at=AT + 1, outcome="ok", status=200, model="m")
    said = Feedback(
        id="appeal_1", at=AT + 2, key_id="k", tenant="t", project="p", request_id="r1", score=0.0, label="2026-12-28",
        sealed=b"x", subject="s", kind="appeal",
    )  # fmt: skip
    other = msgspec.structs.replace(said, id="appeal_2", key_id="other", subject="nobody")
    rating = msgspec.structs.replace(said, id="fb_1", score=1.0, label="good", kind="explicit")
    store.ledger.drain("w", "s", 1, [request, settled, said, other, rating])


def list_appeals(store: SqlStore, tenant: str | None = None) -> list[AppealRow]:
    return store.feedback.list_appeals(9, tenant=tenant)


def test_appeals_of_ones_own_requests_are_listed(store: SqlStore) -> None:
    plant(store)
    (row,) = list_appeals(store)
    assert (row.id, row.model, row.route, row.decide_by) == ("appeal_1", "m", "way", "2026-12-28")
    assert store.feedback.find_appeal("appeal_1", tenant="t") == row
    assert store.feedback.find_appeal("appeal_2", tenant=None) is None  # a stranger's
    assert list_appeals(store, "another") == [] and list_appeals(store, "t") == [row]
    assert store.feedback.list_appeals(9, tenant="t", project="another") == []
    assert store.feedback.find_appeal("appeal_1", tenant="another") is None


def test_what_is_decided_or_foreign_pushes_nothing_out_of_sight(store: SqlStore) -> None:
    """With room for one, the open appeal is seen, though a stranger's and a decided one are newer."""
    plant(store)
    said = Feedback(
        id="appeal_3", at=AT + 5, key_id="k", tenant="t", project="p", request_id="r1", score=0.0, label="2026-12-28",
        sealed=b"x", subject="s", kind="appeal",
    )  # fmt: skip
    decided = msgspec.structs.replace(DECISION, id=name_decision("appeal_3"))
    foreign = msgspec.structs.replace(said, id="appeal_4", at=AT + 6, key_id="other", subject="nobody")
    store.ledger.drain("w", "s2", 1, [said, foreign])
    assert store.feedback.add_decision(decided)
    assert [row.id for row in store.feedback.list_appeals(1, tenant=None, open_only=True)] == ["appeal_1"]


def test_a_decision_is_kept_once(store: SqlStore) -> None:
    plant(store)
    assert store.feedback.add_decision(DECISION) is True
    assert store.feedback.add_decision(msgspec.structs.replace(DECISION, label="rejected")) is False
    row = next(row for row in list_appeals(store) if row.id == "appeal_1")
    assert (row.outcome, row.decided_by, row.decided_at) == ("upheld", "person:ann", AT + 9)


def test_an_appeal_is_no_rating(store: SqlStore) -> None:
    plant(store)
    report = store.feedback.report(0.0, 9, tenant="t")
    assert (report.count, report.unmatched, [row.id for row in report.last]) == (1, 0, ["fb_1"])
    assert [one.feedback.id for one in store.feedback.list_rated(tenant="t")] == ["fb_1"]
    (counted,) = store.reactions.read(0.0, tenant="t")
    names = dict(zip(("answered", "rated", "satisfied"), counted.counts, strict=False))
    assert (names["rated"], names["satisfied"]) == (1, 1)


def test_a_person_takes_both_along(store: SqlStore) -> None:
    """As a subject's feedback: found whole, and without words after an erasure."""
    plant(store)
    store.feedback.add_decision(DECISION)
    assert {one.id for one in store.rights.find(["s"], tenant="t").feedback} >= {"appeal_1", "decision_1", "fb_1"}
    store.rights.erase(["s"], AT + 99, tenant="t")
    assert store.feedback.read_sealed(["appeal_1", "decision_1"], tenant="t") == []
    assert next(row for row in list_appeals(store) if row.id == "appeal_1").has_content is False
