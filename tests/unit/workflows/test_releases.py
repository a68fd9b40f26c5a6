"""What becomes of a release step by step, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import Admitted, Settled
from steward.core.releases import AliasMove, ReleaseRecord, RouteVariant
from steward.improvement.config import ReleaseConfig
from steward.workflows.audit import HomeAuditLog, list_acts
from steward.workflows.release_watch import find_end
from steward.workflows.releases import (
    ReleaseDesk,
    ReleaseRequest,
    _make_record,
    _supersede,
    begin_release,
    make_change,
    measure_slow,
    set_weight,
)

PLAN, ME = ReleaseConfig().plan(), operator(7)


def record(state: Any, **fields: Any) -> ReleaseRecord:
    usual: dict[str, Any] = {
        "id": "rel", "candidate": RouteVariant(kind="model", name="new"), "weight": 0.25, "started_at": 1.0,
        "started_by": "me", "step_at": 5.0, "route_digest": "d",
    }  # fmt: skip
    return ReleaseRecord(route="r", state=state, **{**usual, **fields})


@pytest.mark.parametrize(
    ("state", "step", "after", "weight", "ended"),
    [
        ("canary", "pause", "paused", 0.25, None),
        ("shadow", "pause", "paused", 0.25, None),
        ("canary", "promote", "promoted", 0.99, 9.0),
        ("paused", "promote", "promoted", 0.99, 9.0),
        ("canary", "roll back", "rolled back", 0.0, 9.0),
        ("promoted", "roll back", "rolled back", 0.0, 9.0),
    ],
)
def test_a_step(state: str, step: Any, after: str, weight: float, ended: float | None) -> None:
    changed = make_change(record(state), step, PLAN, "why", ME, 9.0)
    assert (changed.state, changed.weight, changed.ended_at, changed.revision) == (after, weight, ended, 2)
    assert (changed.why, changed.changed_by, changed.changed_at) == ("why", ME.actor, 9.0)


def test_a_pause_keeps_the_share_and_a_resumed_release_goes_on_where_it_was() -> None:
    for state in ("shadow", "canary"):
        paused = make_change(record(state), "pause", PLAN, "", ME, 9.0)
        assert (paused.paused_from, paused.step_at) == (state, 5.0)
        resumed = make_change(paused, "resume", PLAN, "", ME, 11.0)
        assert (resumed.state, resumed.step_at, resumed.paused_from, resumed.revision) == (state, 11.0, "", 3)


@pytest.mark.parametrize(
    ("state", "step"), [("paused", "pause"), ("promoted", "pause"), ("canary", "resume"), ("promoted", "promote")]
)
def test_a_step_that_does_not_fit_is_refused(state: str, step: Any) -> None:
    with pytest.raises(InputError, match=f"rel is {state}"):
        make_change(record(state), step, PLAN, "", ME, 9.0)


def test_a_share_grows_from_shadow_and_canary_alike() -> None:
    grown = set_weight(record("shadow", weight=0.0), 0.05, "enough", ME, 9.0)
    assert (grown.state, grown.weight, grown.step_at) == ("canary", 0.05, 9.0)


def version_move(number: int, alias: str = "champion") -> AliasMove:
    return AliasMove(name="bot", alias=alias, number=number, digest=f"sha256:{number}", at=1.0, by="me")


class EmptyStore:
    """A store with a journal of aliases, and no answers."""

    def __init__(self, *moves: AliasMove) -> None:
        self.releases = self.registry = self
        self._moves = list(moves)

    def list_moves(self, name: str, *, tenant: str | None) -> list[AliasMove]:
        return self._moves

    def read_durations(self, route: str, since: float, limit: int) -> list[float]:
        return []


def begin(store: Any, candidate: RouteVariant, **policy: Any) -> ReleaseRecord:
    plan = ReleaseConfig.model_validate(policy).plan()
    return _make_record(store, plan, "d", RouteVariant(), candidate, ReleaseRequest(route="r"), ME, 9.0)


def test_a_release_begins_with_copies_or_with_the_first_share() -> None:
    model = RouteVariant(kind="model", name="new")
    shadow = begin(EmptyStore(), model, judge={"model": "j", "sample": 0.25}, slow_s=3.0)
    assert (shadow.state, shadow.weight, shadow.sample, shadow.judged, shadow.slow_s) == ("shadow", 0.0, 0.1, 0.25, 3.0)
    assert (shadow.started_at, shadow.step_at, shadow.changed_at, shadow.changed_by) == (9.0, 9.0, 9.0, ME.actor)
    canary = begin(EmptyStore(), model, shadow={"sample": 0}, steps=[0.1, 0.5])
    assert (canary.state, canary.weight, canary.sample, canary.judged, canary.slow_s) == ("canary", 0.1, 0.0, 0.0, None)
    assert canary.route_digest == "d" and canary.id.startswith("rel_") and len(canary.id) == len("rel_") + 12


def test_a_release_remembers_where_the_champions_alias_stood() -> None:
    version = RouteVariant(kind="version", name="bot", version="sha256:9", served="bot@9")
    moves = (version_move(3), version_move(8, "candidate"), version_move(4))
    assert begin(EmptyStore(*moves), version).alias_number == 4
    assert begin(EmptyStore(), version).alias_number == 0
    assert begin(EmptyStore(*moves), RouteVariant(kind="model", name="bot")).alias_number == 0


def answers(count: int) -> list[Admitted | Settled]:
    return [
        one
        for number in range(count)
        for one in (
            Admitted(request_id=f"q{number}", at=1e3, key_id="k", project="p", endpoint="/", route="r", streamed=False),
            Settled(request_id=f"q{number}", at=1001.0, outcome="ok", status=200, model="m", duration_s=float(number)),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "slow"), [(99, None), (100, 95.0), (200, 190.0)])
def test_slow_is_the_95th_percentile_where_there_are_enough_answers(
    tmp_path: Path, count: int, slow: float | None
) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    store.ledger.drain("w", "w-000000.seg", 1, answers(count))
    assert measure_slow(store, "r", 2000.0) == slow
    assert measure_slow(store, "r", 1001.0 + 8 * 86400) is None  # older than a week
    store.close()


def test_a_superseded_release_ends_where_it_was_decided(tmp_path: Path) -> None:
    """What came while it served, of which the holdback noted arms, was no evidence of its decision."""
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    begun = record("canary")
    assert store.releases.start(begun)
    assert not store.releases.start(record("canary", id="rel_other")), "one route, one release"
    first = make_change(begun, "promote", PLAN, "every guard passed", ME, 300.0)
    assert store.releases.change(first)
    second = make_change(record("canary", id="rel2"), "promote", PLAN, "better still", operator(9), 900.0)
    _supersede(store, second, operator(9))
    (superseded,) = [one for one in store.releases.list_releases(9, tenant=None) if one.id == "rel"]
    assert (superseded.state, superseded.why, superseded.changed_at) == ("superseded", "by rel2", 900.0)
    assert (superseded.ended_at, superseded.changed_by) == (300.0, ME.actor)
    assert find_end(superseded, 999.0) == find_end(first, 999.0) == 300.0
    assert not store.releases.change(make_change(first, "roll back", PLAN, "", ME, 901.0)), "it has moved on"
    store.close()


@pytest.mark.parametrize(("is_there", "says"), [(True, "has rel_first in progress"), (False, "at the same moment")])
def test_of_two_that_begin_at_the_same_moment_the_second_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool, says: str
) -> None:
    """The first may have ended again before the second looks for it."""
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    if is_there:
        assert store.releases.start(record("canary", id="rel_first"))
    else:
        monkeypatch.setattr(store.releases, "start", lambda _: False)
    loaded, unloaded = ["adapter"], list[object]()
    monkeypatch.setattr("steward.workflows.releases.read_plan", lambda _: SimpleNamespace(models=()))
    monkeypatch.setattr("steward.workflows.releases.load_everywhere", lambda *_: loaded)
    monkeypatch.setattr("steward.workflows.releases.unload_unneeded", lambda gone, *_: unloaded.extend(gone))
    deployment: Any = None
    desk = ReleaseDesk(deployment, store, HomeAuditLog(tmp_path, bytes(32)))
    with pytest.raises(InputError, match=says):
        begin_release(tmp_path, desk, record("canary", id="rel_second"), ME)
    assert unloaded == loaded and [act.action for act in list_acts(tmp_path, 9)] == ["release.fail", "release.start"]
    assert [one.id for one in store.releases.list_releases(9, tenant=None)] == (["rel_first"] if is_there else [])
    store.close()
