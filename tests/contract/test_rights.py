"""What the store holds of people: found whole, erased whole, held, corrected, and counted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.captures import CapturedExchange
from steward.core.records import Admitted, Attempt, Feedback, Settled
from steward.core.rights import AffectedSubject, Breach, Correction, LegalHold, PersonalRows, RouteEntities, StoredClass
from steward.core.traces import TracePolicy

HOLD = LegalHold(id="h1", tenant="t", subject="anna", reason="a suit", created_at=1.0, created_by="operator:1")
BREACH = Breach(
    id="b1", tenant="t", summary="a leak", known_at=5.0, since=0.0, until=10.0, routes=("m",), opened_by="operator:1"
)


def settled(name: str, **changes: Any) -> list[Admitted | Settled]:
    fields: dict[str, Any] = {
        "request_id": name, "at": 100.0, "key_id": "k", "tenant": "t", "project": "p", "subject": "anna",
        "endpoint": "/v1/chat/completions", "route": "m", "streamed": False,
    }  # fmt: skip
    end = Settled(
        request_id=name, at=101.0, outcome="ok", status=200, model="m", upstream_id=f"up-{name}", traceparent="00-x",
        attempts=(Attempt("m", 200, None, 100.0, 1.0),), masked={"email": 2},
    )  # fmt: skip
    return [Admitted(**(fields | changes)), end]


def rate(name: str, request_id: str, subject: str | None, at: float = 150.0) -> Feedback:
    return Feedback(
        id=name, at=at, key_id="k", tenant="t", project="p", request_id=request_id, score=1.0, sealed=b"x",
        subject=subject,
    )  # fmt: skip


def keep(request_id: str, subject: str | None, **changes: Any) -> CapturedExchange:
    fields: dict[str, Any] = {
        "request_id": request_id, "at": 100.0, "key_id": "k", "tenant": "t", "project": "p", "route": "m", "model": "m",
        "endpoint": "/v1/chat/completions", "streamed": False, "subject": subject, "conversation": None,
        "purpose": "support", "consent": None, "form": "masked", "rules_version": "v", "expires_at": 900.0,
        "complete": True, "sealed": b"x",
    }  # fmt: skip
    return CapturedExchange(**(fields | changes))


@pytest.fixture
def planted(store: SqlStore) -> SqlStore:
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    store.ledger.drain(
        "w", "s", 1,
        [
            *settled("r1", conversation="c"),
            *settled("r2", subject=None, conversation="c"),  # of anna's conversation
            *settled("r3", subject="bob", conversation="d"),
            *settled("r4", subject=None),
            *settled("r5", tenant="other"),
            settled("r6")[0],  # open
            rate("f1", "r9", "anna"), rate("f2", "r1", "bob"), rate("f3", "r3", "bob"),
            keep("r1", "anna"), keep("r2", None), keep("r3", "bob"), keep("r5", "anna", tenant="other"),
        ],
    )  # fmt: skip
    note = Correction(id="n1", tenant="t", project="p", subject="anna", at=160.0, actor="a", about="r1", sealed=b"x")
    store.rights.add_correction(note)
    return store


def test_everything_of_a_person_is_found_and_nothing_of_others(planted: SqlStore) -> None:
    rows = planted.rights.find(["anna"], tenant="t")
    assert rows.request_ids == ("r1", "r2") and set(rows.traces) == {"r1", "r2"}
    assert [row.id for row in rows.feedback] == ["f1", "f2"]  # hers, and what was said of her request
    assert [row.request_id for row in rows.captures] == ["r1", "r2"]
    assert [row.id for row in rows.corrections] == ["n1"] and rows.open_requests == 1
    assert rows.counts() == {
        "exchanges": 2, "open_requests": 1, "traces": 2, "feedback": 2, "captures": 2, "corrections": 1,
    }  # fmt: skip
    first = rows.exchanges[0]
    assert first["masked"] == {"email": 2} and first["attempts"] == [
        {
            "model": "m",
            "status": 200,
            "error": None,
            "started_at": 100.0,
            "duration_s": 1.0,
            "input_tokens": 0,
            "output_tokens": 0,
            "usd": None,
        }
    ]
    assert planted.rights.find(["nobody"], tenant="t") == PersonalRows()


def test_an_erased_person_is_found_nowhere_and_the_accounts_stay(planted: SqlStore) -> None:
    before = planted.exchanges.usage(0, 1e6, None, tenant="t")
    erased = planted.rights.erase(["anna"], 200.0, tenant="t")
    assert erased == {
        "exchanges": 2, "traces": 2, "open_requests": 1, "feedback": 2, "captures": 2, "corrections": 1,
    }  # fmt: skip
    assert planted.rights.find(["anna"], tenant="t").counts() == {}
    assert planted.rights.erase(["anna"], 200.0, tenant="t") == {}
    assert planted.exchanges.usage(0, 1e6, None, tenant="t") == before
    assert planted.feedback.read_sealed(["f1", "f2", "f3"], tenant="t") == [rate("f3", "r3", "bob")]
    assert planted.feedback.report(0, 9, tenant="t").count == 2  # scores stay
    assert planted.rights.find(["bob"], tenant="t").request_ids == ("r3",)
    assert planted.rights.find(["anna"], tenant="other").request_ids == ("r5",)


def test_a_request_that_settles_after_an_erasure_names_nobody(planted: SqlStore) -> None:
    planted.rights.erase(["anna"], 200.0, tenant="t")
    planted.ledger.drain("w", "s", 2, settled("r6")[1:])
    assert planted.rights.find(["anna"], tenant="t").counts() == {}
    assert len(planted.exchanges.tail(9, tenant="t")) == 5


def test_what_comes_after_an_erasure_stays(planted: SqlStore) -> None:
    planted.ledger.drain(
        "w", "s", 2, [*settled("r7", at=300.0), rate("f7", "r7", "anna", 300.0), keep("r7", "anna", at=300.0)]
    )
    planted.rights.erase(["anna"], 200.0, tenant="t")
    assert planted.rights.find(["anna"], tenant="t").counts() == {
        "exchanges": 1, "traces": 1, "feedback": 1, "captures": 1,
    }  # fmt: skip


def test_projects_are_those_that_anything_names(planted: SqlStore) -> None:
    planted.ledger.drain("w", "s", 2, [keep("r8", None, project="q")])
    assert planted.rights.list_projects(tenant="t") == ["p", "q"]
    assert planted.rights.list_projects(tenant="nobody") == []


def test_a_hold_is_in_force_until_it_is_released(store: SqlStore) -> None:
    store.rights.add_hold(HOLD)
    assert store.rights.list_holds(tenant="t") == [HOLD] and store.rights.list_holds(tenant="other") == []
    assert store.rights.release_hold("h1", 2.0, "operator:2", tenant="other") is None
    released = msgspec.structs.replace(HOLD, released_at=2.0, released_by="operator:2")
    assert store.rights.release_hold("h1", 2.0, "operator:2", tenant="t") == released
    assert store.rights.release_hold("h1", 3.0, "operator:2", tenant="t") is None
    assert store.rights.list_holds(tenant="t") == [] and store.rights.list_holds(tenant=None, all_states=True) == [
        released
    ]
    assert store.rights.erase(["anna"], 2.0, tenant="t") == {"holds": 1}  # its reason may name her


def test_the_words_of_a_feedback_can_be_replaced(planted: SqlStore) -> None:
    assert planted.rights.replace_feedback("f1", b"y", tenant="t")
    assert planted.feedback.read_sealed(["f1"], tenant="t")[0].sealed == b"y"
    assert not planted.rights.replace_feedback("f1", b"z", tenant="other")


def test_a_breach_touches_whose_requests_came_in_its_time(planted: SqlStore) -> None:
    planted.ledger.drain("w", "s", 2, settled("r7", at=120.0, route="n"))
    assert planted.rights.list_affected(100.0, 121.0, (), 9, tenant="t") == [
        AffectedSubject(project="p", subject="anna", requests=2, routes=("m", "n"), first=100.0, last=120.0),
        AffectedSubject(project="p", subject="bob", requests=1, routes=("m",), first=100.0, last=100.0),
        AffectedSubject(project="p", subject=None, requests=2, routes=("m",), first=100.0, last=100.0),
    ]
    [only] = planted.rights.list_affected(100.0, 121.0, ("n",), 9, tenant="t")
    assert (only.subject, only.requests) == ("anna", 1)
    assert planted.rights.list_affected(100.0, 100.0, (), 9, tenant="t") == []


def test_a_breach_changes_and_is_one(store: SqlStore) -> None:
    store.rights.put_breach(BREACH)
    closed = msgspec.structs.replace(BREACH, closed_at=9.0, closed_by="operator:1", notified_at=8.0, outcome="told")
    store.rights.put_breach(closed)
    assert store.rights.list_breaches(tenant="t") == [closed] and store.rights.list_breaches(tenant="other") == []


def test_the_inventory_counts_rows_and_people(planted: SqlStore) -> None:
    classes = {row.name: row for row in planted.rights.count_classes(tenant="t", people=True)}
    assert classes["requests"] == StoredClass(name="requests", rows=4, of_people=2, oldest=100.0, newest=100.0)
    assert classes["feedback texts"].rows == 3 and classes["captured exchanges"].rows == 3
    assert planted.rights.count_masked(0.0, tenant="t") == [
        RouteEntities(tenant="t", route="m", entity="email", values=8, oldest=100.0, newest=100.0)
    ]
    assert planted.rights.count_masked(100.1, tenant="t") == []


def test_requests_are_counted_as_their_rows_are_whatever_is_erased_or_swept(planted: SqlStore) -> None:
    """Beside a count of the table's rows."""

    def count(tenant: str | None, people: bool = True) -> StoredClass:
        return planted.rights.count_classes(tenant=tenant, people=people)[0]

    def check(tenants: dict[str | None, tuple[int, int]]) -> None:
        for tenant, (rows, of_people) in tenants.items():
            one = count(tenant)
            assert (one.rows, one.of_people) == (rows, of_people), tenant
            assert len(planted.exchanges.tail(99, tenant=tenant)) == rows
            assert count(tenant, people=False) == msgspec.structs.replace(one, of_people=None)

    late = [*settled("r7", at=120.0), *settled("r8", at=90.0, tenant="other"), *settled("r9", key_id="shadow")]
    planted.ledger.drain("w", "s", 2, late)
    planted.ledger.drain("w", "s", 2, late)  # once more, as after a kill
    check({"t": (6, 4), "other": (2, 2), None: (8, 6), "nobody": (0, 0)})
    assert [(count(one).oldest, count(one).newest) for one in ("t", "other", None, "nobody")] == [
        (100.0, 120.0), (90.0, 100.0), (90.0, 120.0), (None, None),
    ]  # fmt: skip
    planted.rights.erase(["anna"], 100.0, tenant="t")
    check({"t": (6, 2), "other": (2, 2)})  # bob's, and hers of after it
    planted.rights.add_hold(msgspec.structs.replace(HOLD, subject="bob"))
    planted.rights.detach_requests_before(200.0)
    check({"t": (6, 1), "other": (2, 0)})
    planted.ledger.settle_lost("w", 500.0)  # r6
    assert count("t").rows == 7


def test_old_words_and_pseudonyms_are_swept_unless_they_are_held(planted: SqlStore) -> None:
    planted.rights.add_hold(HOLD)
    assert planted.rights.empty_feedback_before(150.0) == (0, 0)
    assert planted.rights.empty_feedback_before(150.1) == (2, 1)
    assert planted.rights.detach_requests_before(100.1) == (
        3,
        1,
    )  # r2 by its conversation, r3, and r5 of another tenant
    assert planted.rights.find(["anna"], tenant="t").request_ids == ("r1",)
    assert planted.rights.find(["bob"], tenant="t").request_ids == ()


def appeal_of(name: str, request_id: str, **changes: Any) -> Feedback:
    said = msgspec.structs.replace(rate(name, request_id, "bob"), kind="appeal", label="2026-12-28", score=0.0)
    return msgspec.structs.replace(said, **changes)


def test_an_appeal_that_waits_keeps_what_its_decision_needs(planted: SqlStore) -> None:
    """However short the retention is: its words, whose request it is, and the exchange itself."""
    planted.ledger.drain("w", "s", 2, [appeal_of("appeal_1", "r3")])
    assert planted.rights.empty_feedback_before(200.0) == (3, 1)
    assert [one.sealed for one in planted.feedback.read_sealed(["appeal_1"], tenant="t")] == [b"x"]
    assert planted.rights.detach_requests_before(200.0) == (3, 1)  # r3 of bob stays
    assert planted.rights.find(["bob"], tenant="t").request_ids == ("r3",)
    expired = planted.captures.delete_expired(900.0)
    assert (expired.deleted, expired.held) == (3, 1)
    assert planted.captures.find("r3", tenant="t") is not None


def test_a_decided_appeal_is_swept_like_any_feedback(planted: SqlStore) -> None:
    planted.ledger.drain("w", "s", 2, [appeal_of("appeal_1", "r3")])
    assert planted.feedback.add_decision(
        msgspec.structs.replace(appeal_of("decision_1", "r3"), kind="decision", label="upheld", any_key=True)
    )
    assert planted.rights.empty_feedback_before(200.0) == (5, 0)
    assert planted.rights.detach_requests_before(200.0) == (4, 0)
    assert planted.captures.delete_expired(900.0).held == 0


def test_a_strangers_appeal_keeps_nothing(planted: SqlStore) -> None:
    """Nobody can decide it, so it must not keep other people's data for ever."""
    planted.ledger.drain("w", "s", 2, [appeal_of("appeal_1", "r3", key_id="x", subject="eve")])
    assert planted.rights.empty_feedback_before(200.0) == (4, 0)
    assert planted.rights.detach_requests_before(200.0) == (4, 0)
    assert planted.captures.delete_expired(900.0).held == 0
