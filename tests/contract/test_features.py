"""Features of sampled requests on every store: once, without copies, by tenant; and baselines."""

from __future__ import annotations

from typing import Any

from steward.adapters.stores.sql import SqlStore
from steward.core.features import DriftBaseline, FeatureRow, RequestFeatures
from steward.core.records import Admitted, Feedback, Settled
from steward.core.rights import LegalHold, SweptRows
from steward.core.traces import TracePolicy

FEATURES = RequestFeatures(prompt_chars=5, language="de", refused=False)


def ask(name: str, at: float, features: RequestFeatures | None = FEATURES, **changes: Any) -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id=name, at=at, key_id=changes.pop("key_id", "k"), project="p", endpoint="/v1/chat/completions",
        route="r", streamed=False, tenant=changes.pop("tenant", "default"), subject=changes.pop("subject", None),
    )  # fmt: skip
    return [admitted, Settled(request_id=name, at=at, outcome="ok", status=200, model="m", features=features)]


def test_sampled_requests_are_kept_once(store: SqlStore) -> None:
    records = [*ask("a", 1.0), *ask("b", 2.0, None), *ask("c", 3.0, key_id="shadow"), *ask("d", 4.0, tenant="one")]
    store.ledger.drain("w", "w.seg", 1, records)
    store.ledger.drain("w", "w.seg", 1, records)
    row = FeatureRow(1.0, "m", "r", FEATURES)
    assert store.features.read(0.0, 9.0, tenant=None) == [row, FeatureRow(4.0, "m", "r", FEATURES)]
    assert store.features.read(0.0, 9.0, tenant="default") == [row]
    assert store.features.read(1.1, 4.0, tenant=None) == [] == store.features.read(0.0, 1.0, tenant=None)
    assert store.features.delete_before(4.0).deleted == 1
    assert [each.at for each in store.features.read(0.0, 9.0, tenant=None)] == [4.0]


def test_what_is_under_a_legal_hold_outlives_its_time(store: SqlStore) -> None:
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    store.ledger.drain("w", "w.seg", 1, [*ask("a", 1.0), *ask("b", 2.0, tenant="one")])
    kept = store.series.read(60, 0, 10**6, tenant=None)
    assert len(kept) == 2
    hold = LegalHold(id="h", tenant="one", subject=None, reason="r", created_at=1.0, created_by="operator:1")
    store.rights.add_hold(hold)
    once = SweptRows(deleted=1, held=1)
    assert store.series.delete_before(60, 10**6) == once
    assert store.features.delete_before(9.0) == once == store.traces.delete_before(9.0)
    assert len(store.series.read(60, 0, 10**6, tenant="one")) == 1 == len(store.series.read(60, 0, 10**6, tenant=None))
    store.rights.release_hold("h", 3.0, "operator:1", tenant="one")
    rest = SweptRows(deleted=1, held=0)
    assert store.series.delete_before(60, 10**6) == rest
    assert store.features.delete_before(9.0) == rest == store.traces.delete_before(9.0)


def test_the_newest_baseline_is_in_force(store: SqlStore) -> None:
    assert store.features.newest_baseline() is None
    rows = tuple(FeatureRow(float(number), "m", "r", FEATURES) for number in range(300))
    for at in (2.0, 1.0):
        store.features.add_baseline(
            DriftBaseline(created_at=at, created_by="operator:0", since=0.0, until=299.0, rows=rows[: int(at)])
        )
    newest = store.features.newest_baseline()
    assert newest is not None and (newest.created_at, newest.rows) == (2.0, rows[:2])


def test_what_an_erased_person_asked_leaves_no_features(store: SqlStore) -> None:
    store.ledger.drain("w", "w.seg", 1, [*ask("a", 1.0, subject="anna"), *ask("b", 2.0, subject="bob")])
    assert store.rights.erase(["anna"], 9.0, tenant="default")["features"] == 1
    assert [row.at for row in store.features.read(0.0, 9.0, tenant=None)] == [2.0]


def test_outcomes_say_who_asked_how_it_ended_and_what_was_said(store: SqlStore) -> None:
    failed = Settled(request_id="b", at=2.0, outcome="timeout", status=504, model="m", features=FEATURES)
    said = [
        Feedback(id=f"f{number}", at=5.0, key_id="k", project="p", request_id="a", score=score, kind=kind)
        for number, (score, kind) in enumerate([(1.0, "explicit"), (0.0, "explicit"), (-1.0, "judge"), (0.0, "appeal")])
    ]
    records = [*ask("a", 1.0, subject="anna"), ask("b", 2.0)[0], failed, *ask("c", 3.0, None), *said]
    store.ledger.drain("w", "w.seg", 1, records)
    first, second = store.features.read_outcomes(0.0, 9.0, tenant="default")
    assert (first.person, first.error, first.score, first.features) == ("anna", False, 0.5, FEATURES)
    assert (second.person, second.error, second.score) == ("b", True, None)
    assert store.features.read_outcomes(0.0, 9.0, tenant="other") == []
    assert store.features.read_outcomes(0.0, 9.0, tenant="default", newest=1) == [second]
    assert [one.person for one in store.features.read_outcomes(1.1, 2.1, tenant=None)] == ["b"]
