"""Releases, the registry and the improvement circle's runs: one suite over SQLite and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import UnknownName
from steward.core.features import RequestFeatures
from steward.core.improvements import ImprovementRun
from steward.core.records import Admitted, Attempt, Feedback, Settled
from steward.core.releases import AliasMove, ArtefactFile, ModelVersion, ReleaseRecord, RouteVariant

Open = Callable[[], SqlStore]


def release(name: str, route: str = "r", at: float = 1.0, **fields: Any) -> ReleaseRecord:
    usual: dict[str, Any] = {
        "candidate": RouteVariant(kind="model", name="new"), "state": "canary", "weight": 0.25, "started_by": "me",
        "step_at": at, "route_digest": "d",
    }  # fmt: skip
    return ReleaseRecord(id=name, route=route, started_at=at, **{**usual, **fields})


def after(record: ReleaseRecord, **fields: Any) -> ReleaseRecord:
    return msgspec.structs.replace(record, revision=record.revision + 1, **fields)


def test_a_route_has_one_open_release(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    first = release("a")
    assert store.releases.start(first)
    assert not store.releases.start(release("b"))
    assert store.releases.start(release("c", route="other"))
    assert store.releases.change(after(first, state="rolled back"))
    assert store.releases.start(release("b", at=2.0))
    assert [one.id for one in store.releases.list_in_effect()] == ["c", "b"]
    assert [one.id for one in store.releases.list_releases(2, tenant="default")] == ["b", "a"]
    assert store.releases.list_releases(9, tenant="other") == []


def test_a_change_that_comes_second_is_refused(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    first = release("a")
    store.releases.start(first)
    assert store.releases.change(after(first, weight=0.5))
    assert not store.releases.change(after(first, weight=0.9))
    kept = store.releases.find("a", tenant=None)
    assert kept is not None and (kept.weight, kept.revision) == (0.5, 2)
    assert store.releases.find("a", tenant="other") is None


def test_what_was_promoted_serves_until_something_newer_is(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    for name, at in (("a", 1.0), ("b", 2.0)):
        record = release(name, at=at)
        store.releases.start(record)
        store.releases.change(after(record, state="promoted", weight=0.99))
    assert [one.id for one in store.releases.list_in_effect()] == ["b"]
    store.releases.start(release("c", at=3.0))
    assert [one.id for one in store.releases.list_in_effect()] == ["c"]


def exchange(name: str, at: float, **admitted: Any) -> list[Admitted | Settled]:
    usual: dict[str, Any] = {"release": "rel", "arm": "candidate", "arm_weight": 0.25, "subject": "s"}
    attempt = Attempt("new", 500, "down", at, 0.1)
    return [
        Admitted(request_id=name, at=at, key_id="k", project="p", endpoint="/v1/chat/completions", route="m",
                 streamed=False, **{**usual, **admitted}),
        Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="new", usd=0.5, duration_s=1.0,
                attempts=(attempt,), judged=0.5),
    ]  # fmt: skip


def test_rows_and_ratings_of_a_release(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    records = [
        *exchange("r1", 10.0),
        *exchange("r2", 20.0),
        *exchange("r3", 5.0, release=None, arm=None, arm_weight=None),
    ]
    rating = Feedback(id="f", at=30.0, key_id="k", project="p", request_id="r1", score=-1.0)
    foreign = Feedback(id="g", at=31.0, key_id="x", project="p", request_id="r1", score=1.0)
    store.ledger.drain("w", "w-000000.seg", 100, [*records, rating, foreign])
    rows = store.releases.read_rows("rel", 0.0, 21.0)
    assert [(row.request_id, row.arm, row.weight, row.attempt_failed, row.judged) for row in rows] == [
        ("r1", "candidate", 0.25, True, 0.5)
    ]
    assert len(store.releases.read_rows("rel", 0.0, 100.0)) == 2
    ratings = store.releases.read_ratings("rel", 0.0, 100.0)
    assert [(one.id, one.arm, one.score, one.subject) for one in ratings] == [("f", "candidate", -1.0, "s")]
    assert store.releases.read_durations("m", 6.0, 10) == [1.0, 1.0]
    assert sorted(store.releases.list_admissions("rel")) == [10.0, 20.0]


def test_refusals_and_objections_of_guards_are_read_with_their_requests(open_store: Open) -> None:
    store = open_store()
    store.migrate()

    def settle(name: str, **settled: Any) -> list[Admitted | Settled]:
        admitted, usual = exchange(name, 10.0)
        return [admitted, msgspec.structs.replace(usual, attempts=(), **settled)]

    def attempt(status: int) -> tuple[Attempt, ...]:
        return (Attempt("new", status, None, 10.0, 0.1),)

    records = [
        *settle("answered", features=RequestFeatures(refused=False), guards=("pii@1=allow", "pii:answer=allow")),
        *settle("declined", features=RequestFeatures(refused=True), guards=("pii:answer=allow(failed)",)),
        *settle("unread", guards=("pii@1=block",)),  # a request that a guard blocked: no answer was judged
        *settle("blocked", outcome="refused", status=400, guards=("tone:answer=block",)),
        *settle("masked", guards=("tone:answer=allow", "pii:answer=rewrite")),
        *settle("warned", guards=("tone:answer=allow(warned: rude, twice)",)),
    ]
    for status, name in ((200, "late"), (400, "filtered"), (429, "limited"), (500, "down")):
        [admitted, usual] = settle(name, outcome="refused", status=400)
        records += [admitted, msgspec.structs.replace(usual, attempts=attempt(status))]
    store.ledger.drain("w", "w-000000.seg", 100, records)
    rows = {one.request_id: (one.refused, one.guard_hit) for one in store.releases.read_rows("rel", 0.0, 100.0)}
    assert rows == {
        "answered": (False, False), "declined": (True, False), "unread": (None, None), "blocked": (None, True),
        "masked": (None, True), "warned": (None, True), "late": (None, None), "filtered": (True, None),
        "limited": (None, None), "down": (None, None),
    }  # fmt: skip


def version(digest: str, at: float = 1.0, name: str = "m") -> ModelVersion:
    return ModelVersion(
        name=name, digest=digest, kind="gguf", files=(ArtefactFile("m.gguf", digest, 1),), created_at=at,
        created_by="me", details={"seed": 1},
    )  # fmt: skip


def test_a_version_is_added_once_and_never_changed(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    assert store.registry.add_version(version("aa"))
    assert not store.registry.add_version(version("aa", at=9.0))
    assert store.registry.add_version(version("bb", at=2.0))
    assert [(one.digest, one.created_at) for one in store.registry.list_versions("m", tenant="default")] == [
        ("bb", 2.0), ("aa", 1.0)
    ]  # fmt: skip
    assert [one.digest for one in store.registry.find_by_file("aa", tenant=None)] == ["aa"]
    assert store.registry.list_versions(tenant="other") == []
    assert store.registry.mark_version("m", "aa", tainted="erased", held=None, tenant="default")
    assert store.registry.list_versions("m", tenant=None)[1].tainted == "erased"
    assert not store.registry.mark_version("m", "zz", tainted="x", held=None, tenant="default")
    assert store.registry.delete_version("m", "aa", tenant="default")
    assert not store.registry.delete_version("m", "aa", tenant="default")


def test_a_version_that_something_needs_is_not_deleted_and_a_deleted_one_not_released(open_store: Open) -> None:
    """Each is looked at in the transaction that deletes: what came since somebody chose it is heeded."""
    store = open_store()
    store.migrate()
    for digest in ("aa", "bb", "cc", "dd"):
        assert store.registry.add_version(version(digest))
    serves = RouteVariant(kind="version", name="m", version="aa", served="m@aa")
    first = release("a", candidate=serves, tenant="default")
    assert store.releases.start(first)
    move = AliasMove(name="m", alias="champion", number=1, digest="bb", at=1.0, by="me", reason="r")
    assert store.registry.move_alias(move)
    assert store.registry.mark_version("m", "cc", tainted=None, held="a lawsuit", tenant="default")
    for digest in ("aa", "bb", "cc"):
        assert not store.registry.delete_version("m", digest, tenant="default")
    assert store.registry.delete_version("m", "dd", tenant="default")
    assert store.registry.move_alias(msgspec.structs.replace(move, number=2, digest="cc"))
    assert store.registry.mark_version("m", "cc", tainted=None, held="", tenant="default")
    assert store.releases.change(after(first, state="rolled back"))
    assert not store.registry.delete_version("m", "cc", tenant="default")
    assert all(store.registry.delete_version("m", digest, tenant="default") for digest in ("aa", "bb"))
    with pytest.raises(UnknownName, match="aa"):
        store.releases.start(release("b", candidate=serves))
    assert [one.id for one in store.releases.list_releases(9, tenant=None)] == ["a"]


def test_of_two_moves_of_an_alias_from_one_place_the_second_is_refused(open_store: Open) -> None:
    store = open_store()
    store.migrate()

    def move(number: int, digest: str) -> AliasMove:
        return AliasMove(
            name="m", alias="champion", number=number, digest=digest, at=float(number), by="me", reason="r"
        )

    assert store.registry.move_alias(move(1, "aa"))
    assert store.registry.move_alias(move(2, "bb"))
    assert not store.registry.move_alias(move(2, "cc"))
    assert not store.registry.move_alias(move(4, "cc"))
    assert [one.digest for one in store.registry.list_moves("m", tenant="default")] == ["aa", "bb"]


def test_one_improvement_runs_at_a_time(open_store: Open) -> None:
    store = open_store()
    store.migrate()
    first = ImprovementRun(id="a", trigger="manual", why="", state="running", steps=(), started_at=1.0, started_by="me")
    assert store.improvements.start(first)
    second = msgspec.structs.replace(first, id="b", started_at=2.0)
    assert not store.improvements.start(second)
    assert store.improvements.change(msgspec.structs.replace(first, state="failed", revision=2))
    assert not store.improvements.change(msgspec.structs.replace(first, state="running", revision=2))
    assert store.improvements.start(second)
    assert [one.id for one in store.improvements.list_runs(9, tenant="default")] == ["b", "a"]
