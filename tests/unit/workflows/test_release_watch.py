"""Whose answers are an arm's own, in a release that goes on and in one that has ended."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from steward.core.alerts import Alert
from steward.core.errors import Unavailable, UnknownName
from steward.core.evidence import Evidence
from steward.core.releases import AliasMove, ModelVersion, ReleaseRating, ReleaseRecord, ReleaseRow, RouteVariant
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.improvement.config import ReleaseConfig, ReleasePlan
from steward.settings import Settings
from steward.workflows.release_watch import (
    WATCHER,
    LiveRelease,
    ReleasePublisher,
    ReleaseWatch,
    describe_release,
    find_end,
    find_variant_models,
    is_served,
    show_status,
)
from steward.workflows.reload import ReloadReport
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.plan import ModelPlan
from steward.workflows.serve.releases import Catalog, RoutePlan, write_in_effect

MODEL = ModelPlan(name="shop", backend="openai", url="http://a", upstream_model="shop")
SERVED = ReloadReport(outcome="applied", version=2, previous=1)
ROUTES = (Route("support", (Target("shop"),)), Route("other", (Target("x"), Target("y"))))


@pytest.mark.parametrize(
    ("variant", "route", "models"),
    [
        (RouteVariant(), "support", {"shop"}),
        (RouteVariant(kind="prompt", name="tone", version="1"), "support", {"shop"}),
        (RouteVariant(kind="version", name="bot", version="sha256:3f", served="bot@3f"), "support", {"bot@3f"}),
        (
            RouteVariant(kind="version", name="bot", version="sha256:3f", served="bot@3f", replicas=("b",)),
            "support",
            {"bot@3f", "bot@3f+b"},
        ),
        (RouteVariant(kind="model", name="dear"), "support", {"dear"}),
        (RouteVariant(kind="route", name="other"), "support", {"x", "y"}),
        (RouteVariant(), "gone", set()),
    ],
)
def test_a_variant_knows_its_models_whatever_its_route_serves_now(
    variant: RouteVariant, route: str, models: set[str], tmp_path: Path
) -> None:
    catalog = Catalog(RoutePlan(models=(MODEL,), routes=ROUTES, prompts={}), {}, tmp_path)
    assert find_variant_models(variant, route, catalog) == models


RECORD = ReleaseRecord(
    id="rel", route="r", candidate=RouteVariant(kind="model", name="new"), state="canary", weight=0.25,
    started_at=100.0, started_by="me", step_at=100.0, route_digest="d", slow_s=2.0,
)  # fmt: skip
POLICY = ReleasePlan(
    guards=ReleaseConfig().plan().guards,
    steps=(0.25, 0.5),
    warm_up_s=0.0,
    look_every_s=60.0,
    step_minimum_s=600.0,
    step_minimum_people=2,
    minimum_duration_s=1e9,
)
OWN: dict[str, frozenset[str]] = {"champion": frozenset({"old"}), "candidate": frozenset({"new"})}


def row(name: str, at: float, **fields: Any) -> ReleaseRow:
    usual: dict[str, Any] = {
        "key_id": "k", "arm": "candidate", "weight": 0.25, "subject": f"p{name}", "outcome": "ok", "status": 200,
        "model": "new", "duration_s": 1.0, "usd": 0.1, "attempt_failed": False,
    }  # fmt: skip
    return ReleaseRow(request_id=name, settled_at=at, **usual | fields)


class Releases:
    """Rows and ratings of one release, and what was asked for."""

    def __init__(self) -> None:
        self.rows: list[ReleaseRow] = []
        self.ratings: list[ReleaseRating] = []
        self.records: list[ReleaseRecord] = []
        self.asked: list[tuple[float, float]] = []

    def read_rows(self, release: str, since: float, until: float) -> list[ReleaseRow]:
        self.asked.append((since, until))
        return [one for one in self.rows if since <= one.settled_at < until]

    def read_ratings(self, release: str, since: float, until: float) -> list[ReleaseRating]:
        return [one for one in self.ratings if since <= one.at < until]

    def list_in_effect(self) -> list[ReleaseRecord]:
        return self.records


class Store:
    """What the watch asks of a store."""

    def __init__(self) -> None:
        self.releases = Releases()
        self.alerts = self.registry = self.evidence = self
        self.firing: list[Alert] = []
        self.moves: list[AliasMove] = []
        self.versions: list[ModelVersion] = []
        self.proofs: list[Evidence] = []

    def list_alerts(self, limit: int | None = None, open_only: bool = False, outside: bool = True) -> list[Alert]:
        assert open_only and not outside  # what another system says rolls nothing back
        return self.firing

    def list_moves(self, name: str, *, tenant: str | None) -> list[AliasMove]:
        return self.moves

    def list_versions(self, name: str, *, tenant: str | None) -> list[ModelVersion]:
        return self.versions

    def add(self, proof: Evidence, *, tenant: str) -> None:
        self.proofs.append(proof)


def make_store() -> Any:
    return Store()


def test_each_row_counts_once_however_often_it_is_read() -> None:
    live, store = LiveRelease(RECORD, POLICY, OWN), make_store()
    assert live.decide() is None  # nobody has asked yet
    store.releases.rows = [row("a", 101.0), row("b", 102.0), row("c", 103.0, subject=None)]
    live.read(store, 102.5)
    assert (live.count_people(0.25), live.count_people(0.5)) == (2, 0)
    live.read(store, 200.0)
    live.read(store, 200.0)
    assert live.count_people(0.25) == 3  # a request that names nobody counts for itself
    assert live.canary.report("inconclusive", "").events == 3
    # all that there is, and then again the minute before what was read, for what came late
    assert store.releases.asked == [(-60.0, 102.5), (42.5, 200.0), (140.0, 200.0)]


@pytest.mark.parametrize("fields", [{"key_id": "shadow"}, {"arm": None}, {"weight": 0.0}, {"arm": "champion"}])
def test_only_people_with_the_candidate_are_its_people(fields: dict[str, Any]) -> None:
    live, store = LiveRelease(RECORD, POLICY, OWN), make_store()
    store.releases.rows = [row("a", 101.0, **fields)]
    live.read(store, 200.0)
    assert live.count_people(0.25) == 0
    assert live.canary.has_begun == (fields == {"arm": "champion"})


def test_a_rating_counts_at_its_share_and_without_one_not() -> None:
    live, store = LiveRelease(RECORD, POLICY, OWN), make_store()
    store.releases.rows = [row("a", 101.0), row("j", 104.0, judged=0.5, arm=None)]
    fields: dict[str, Any] = {"request_id": "a", "arm": "candidate", "subject": "pa", "score": 1.0}
    store.releases.ratings = [
        ReleaseRating(id="1", at=103.0, weight=0.25, **fields), ReleaseRating(id="2", at=103.0, weight=0.0, **fields)
    ]  # fmt: skip
    live.read(store, 200.0)
    assert live.canary.count_units("rating_rate") == {"champion": 0, "candidate": 1}
    assert live.shadows.decide().compared == 1


def test_an_ended_release_counts_until_the_look_that_ended_it() -> None:
    assert find_end(RECORD, 500.0) == 500.0
    by_guards = msgspec.structs.replace(RECORD, state="promoted", ended_at=300.0, changed_by=WATCHER.actor)
    assert find_end(by_guards, 500.0) == 299.0  # what it had read then: a second old
    assert find_end(msgspec.structs.replace(by_guards, changed_by="operator:0"), 500.0) == 300.0


def test_the_status_of_an_ended_release_is_that_of_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path, monkeypatch)
    ended = msgspec.structs.replace(RECORD, state="promoted", weight=0.99, ended_at=300.0, changed_by="operator:0")
    store = watched.store
    store.releases.rows = [
        row("a", 101.0), row("b", 102.0, weight=0.5), row("c", 103.0, weight=0.5, arm="champion"),
        *(row(f"later{number}", 400.0, weight=0.99, outcome="timeout") for number in range(500)),
    ]  # fmt: skip
    status = describe_release(tmp_path, store, ended, 500.0)
    assert status.guards is not None and (status.guards.events, status.people) == (3, 2)
    assert status.guards.why == "ended by hand" and status.guards.decision == "inconclusive"
    in_progress = describe_release(tmp_path, store, msgspec.structs.replace(RECORD, weight=0.5), 500.0)
    assert in_progress.people == 1 and in_progress.guards is not None and in_progress.guards.events == 503


@pytest.mark.parametrize(
    ("record", "plan", "accepted", "served"),
    [
        ({}, {"rel": (0.25, 0.0), "other": (0.5, 0.0)}, (1, 2), True),
        ({}, {"rel": (0.25, 0.0)}, (2, 1), False),  # another version counts
        ({}, {"rel": (0.25, 0.0)}, (), False),
        ({}, {"rel": (0.5, 0.0)}, (2,), False),
        ({}, {"other": (0.25, 0.0)}, (2,), False),
        ({"sample": 0.1}, {"rel": (0.25, 0.1)}, (2,), True),
        ({"state": "promoted", "sample": 0.1, "weight": 0.95}, {"rel": (0.95, 0.0)}, (2,), True),  # judged no more
        ({"state": "promoted", "weight": 0.95}, {}, (2,), False),
        ({"state": "rolled back"}, {}, (2,), True),
        ({"state": "rolled back"}, {"rel": (0.25, 0.0)}, (2,), False),
    ],
)
def test_a_release_is_served_once_all_workers_draw_as_its_record_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], plan: dict[str, Any],
    accepted: tuple[int, ...], served: bool,
) -> None:  # fmt: skip
    releases = [SimpleNamespace(id=name, weight=weight, sample=sample) for name, (weight, sample) in plan.items()]
    versions = [SimpleNamespace(version=version) for version in accepted]
    monkeypatch.setattr("steward.workflows.release_watch.list_accepted", lambda _: versions)
    serves: Any = SimpleNamespace(releases=releases, config_version=2)
    assert is_served(msgspec.structs.replace(RECORD, **record), serves, tmp_path) is served


def test_a_release_is_found_by_its_route_or_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = make_store(), list[tuple[int, str]]()

    def list_releases(limit: int, tenant: str) -> list[ReleaseRecord]:
        asked.append((limit, tenant))
        return [msgspec.structs.replace(RECORD, id="other", route="s"), RECORD]

    def describe(home: Path, store: Any, record: ReleaseRecord, now: float) -> str:
        return record.id

    store.releases.list_releases = list_releases
    desk: Any = nullcontext(SimpleNamespace(store=store))
    monkeypatch.setattr("steward.workflows.release_watch.open_desk", lambda _: desk)
    monkeypatch.setattr("steward.workflows.release_watch.describe_release", describe)
    assert [show_status(tmp_path, name, 1.0, tenant="acme") for name in ("r", "rel", "s")] == ["rel", "rel", "other"]
    with pytest.raises(UnknownName, match="unknown release 't'"):
        show_status(tmp_path, "t", 1.0, tenant="acme")
    assert {tenant for _, tenant in asked} == {"acme"}


class Watched:
    """A watch over one release whose changes are noted rather than served."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, record: ReleaseRecord = RECORD) -> None:
        self.store, self.now, self.changes = make_store(), 100.0, list[ReleaseRecord]()
        self.store.releases.records = [record]
        plan = make_plan(Settings.model_validate({"models": [MODEL_CONFIG]}), folder, "0")
        candidate = Route("new", (Target("new"),))
        served = ServedRelease(id="rel", route="r", candidate=candidate, weight=0.25)
        self.plan = msgspec.structs.replace(plan, release=POLICY, releases=(served,))
        monkeypatch.setattr("steward.workflows.release_watch.read_plan", lambda _: self.plan)
        monkeypatch.setattr("steward.workflows.release_watch.load_catalog", lambda _: CATALOG)
        monkeypatch.setattr("steward.workflows.release_watch.apply_change", self.apply)
        deployment: Any = SimpleNamespace(home=folder)
        audit: Any = None
        self.watch = ReleaseWatch(deployment, self.store, audit, lambda: self.now)

    def apply(self, home: Path, desk: Any, before: ReleaseRecord, after: ReleaseRecord, actor: Any) -> ReloadReport:
        self.changes.append(after)
        return SERVED

    def look(self, now: float) -> list[ReleaseRecord]:
        self.now, self.changes = now, []
        self.watch.run()
        return self.changes


MODEL_CONFIG = {"name": "old", "backend": "openai", "url": "http://x"}
CATALOG = Catalog(RoutePlan(models=(), routes=(Route("r", (Target("old"),)),), prompts={}), {}, Path("/"))


def test_the_share_grows_once_it_has_lasted_and_been_met_by_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path, monkeypatch)
    watched.store.releases.rows = [row("a", 101.0), row("b", 102.0)]
    assert watched.look(700.0 - 0.1) == []  # it has not lasted 600 s
    assert watched.look(759.8) == []  # and is looked at once a minute
    (grown,) = watched.look(760.0)
    assert (grown.weight, grown.state, grown.why) == (0.5, "canary", "2 people had the candidate")


def test_an_alert_that_names_the_candidate_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path, monkeypatch)
    fields: dict[str, Any] = {"id": "1", "severity": "page", "summary": "", "evidence": ""}
    watched.store.firing = [
        Alert(rule="before", scopes=("model new",), started_at=99.9, **fields),
        Alert(rule="another", scopes=("model old",), started_at=150.0, **fields),
        Alert(rule="failures-up", scopes=("model new",), started_at=100.0, **fields),
    ]
    (changed,) = watched.look(160.0)
    assert (changed.state, changed.why) == ("rolled back", "the alert failures-up names the candidate")
    (proof,) = watched.store.proofs
    assert changed.evidence == (proof.id,) and proof.verdict == "fail" and len(proof.id) == len("ev_") + 24
    assert (proof.subject, proof.source, proof.produced_at) == ("route r, model new", "rel", 160.0)
    assert proof.command == "steward release status rel"


def test_who_moves_the_champion_by_hand_pauses_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = RouteVariant(kind="version", name="bot", version="sha256:1", served="bot@1")
    record = msgspec.structs.replace(RECORD, candidate=version, alias_number=4)
    watched = Watched(tmp_path, monkeypatch, record)
    move = AliasMove(name="bot", alias="champion", number=4, digest="d", at=0.0, by="person:anna")
    other = msgspec.structs.replace(move, alias="canary", number=9)
    watched.store.moves = [move, other]
    assert watched.look(160.0) == []
    watched.store.moves = [move, msgspec.structs.replace(move, number=5), other]
    (paused,) = watched.look(220.0)
    assert paused.state == "paused" and paused.why.startswith("person:anna moved the alias bot@champion meanwhile")
    assert watched.store.proofs[0].verdict == "cannot tell"
    watched.store.releases.records = [paused]
    assert watched.look(280.0) == []  # once


def test_an_erasure_in_mid_canary_pauses_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = RouteVariant(kind="version", name="bot", version="sha256:1", served="bot@1")
    watched = Watched(tmp_path, monkeypatch, msgspec.structs.replace(RECORD, candidate=variant))
    version = ModelVersion(
        name="bot", digest="sha256:1", kind="gguf", files=(), created_at=1.0, created_by="me", tainted="an erasure"
    )
    watched.store.versions = [msgspec.structs.replace(version, digest="sha256:2"), version]
    (paused,) = watched.look(160.0)
    assert (paused.state, paused.why) == ("paused", "bot@1 is tainted: an erasure; roll back by hand")
    watched.store.versions = []
    assert watched.look(220.0) == []


def test_a_clock_that_jumps_counts_nothing_twice_and_promotes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path, monkeypatch)
    watched.store.releases.rows = [row("a", 101.0), row("b", 102.0)]
    assert watched.look(200.0) == []
    assert watched.look(-5000.0) == []  # back before the release began: the shares stay
    assert watched.look(201.0) == []  # and forth again
    (grown,) = watched.look(1e7)  # months ahead: one step of the share, and no decision that nobody's requests back
    assert (grown.state, grown.weight) == ("canary", 0.5)
    assert watched.store.proofs == []
    live = LiveRelease(RECORD, POLICY, OWN)
    for until in (200.0, 1e7, 150.0, 300.0):
        live.read(watched.store, until)
    assert live.canary.report("inconclusive", "").events == 2


def test_what_settles_after_a_clock_went_back_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path, monkeypatch)
    rows = watched.store.releases.rows
    rows.extend(row(f"a{n}", 101.0 + n) for n in range(20))
    assert watched.look(180.0) == []
    rows.append(row("jump", 50_000.0))
    watched.look(50_100.0)  # half a day ahead
    assert watched.look(240.0) == []  # and right again
    rows.extend(row(f"b{n}", 241.0 + n, outcome="timeout") for n in range(40))
    for now in (290.0, 300.0, 310.0):
        watched.look(now)
    (_, live) = watched.watch._live["rel"]
    assert live.canary.report("inconclusive", "").events == 60
    assert live.canary.count_units("errors")["candidate"] == 60


@pytest.mark.parametrize("began", [100.0, 50_000.0])  # before the clock was ahead, or while it was
def test_a_share_grows_though_its_step_began_while_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: float
) -> None:
    watched = Watched(tmp_path, monkeypatch, msgspec.structs.replace(RECORD, started_at=began, step_at=50_000.0))
    watched.store.releases.rows = [row("a", 301.0), row("b", 302.0)]
    assert watched.look(400.0) == []  # 600 s at least, from when it was seen
    assert watched.look(999.9) == []
    (grown,) = watched.look(1059.9)
    assert (grown.weight, grown.why) == (0.5, "2 people had the candidate")


def test_an_alert_takes_back_what_began_while_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path, monkeypatch, msgspec.structs.replace(RECORD, started_at=50_000.0, step_at=50_000.0))
    fields: dict[str, Any] = {"id": "1", "severity": "page", "summary": "", "evidence": "", "scopes": ("model new",)}
    watched.store.firing = [Alert(rule="before", started_at=399.0, **fields)]
    assert watched.look(400.0) == []
    watched.store.firing.append(Alert(rule="failures-up", started_at=401.0, **fields))
    (changed,) = watched.look(460.0)
    assert (changed.state, changed.why) == ("rolled back", "the alert failures-up names the candidate")


def test_what_is_not_served_here_yet_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path, monkeypatch)
    watched.plan = msgspec.structs.replace(watched.plan, releases=())
    assert watched.look(9999.0) == [] and watched.store.releases.asked == []
    drill = msgspec.structs.replace(RECORD, is_drill=True)
    watched.store.releases.records = [drill, msgspec.structs.replace(RECORD, state="promoted")]
    assert watched.look(9999.0) == [] and watched.store.releases.asked == []


def test_what_could_not_be_served_is_tried_again_after_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    moments = iter((10.0, 10.0, 39.9, 40.0, 40.1, 40.2))  # the second one: when it had failed
    store = make_store()
    store.releases.records = [RECORD]

    def publish(home: Path, *_: Any) -> ReloadReport:
        write_in_effect(home, (RECORD,))
        tries.append(1)
        if len(tries) == 1:
            raise Unavailable("away")
        return SERVED

    monkeypatch.setattr("steward.workflows.release_watch.publish", publish)
    publisher = ReleasePublisher(tmp_path, store, lambda: next(moments))
    with pytest.raises(Unavailable):
        publisher.run()
    publisher.run()  # after 29.9 s
    assert len(tries) == 1
    publisher.run()  # the home's copy was written the first time, and yet nobody has served it
    assert len(tries) == 2
    publisher.run()
    assert len(tries) == 2
    (tmp_path / "releases.json").write_text("{}")  # damaged by hand
    publisher.run()
    assert len(tries) == 3
