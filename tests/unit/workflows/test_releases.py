"""What becomes of a release step by step, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from served_home import SETTINGS, serve_home
from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.identity import operator
from steward.core.records import Admitted, Settled
from steward.core.releases import AliasMove, ReleaseRecord, RouteVariant
from steward.improvement.config import ReleaseConfig
from steward.workflows.audit import HomeAuditLog, list_acts
from steward.workflows.prompt_changes import add_prompt
from steward.workflows.prompts import PromptText
from steward.workflows.release_watch import WATCHER, find_end, is_served
from steward.workflows.releases import (
    ChangedMeanwhile,
    ReleaseDesk,
    ReleaseRequest,
    _already_open,
    _make_record,
    _refuse_unmeasured,
    _supersede,
    _Wanted,
    begin_release,
    change_release,
    list_releases,
    load_catalog,
    make_change,
    measure_slow,
    publish,
    set_weight,
    start_release,
)
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.plan import read_plan
from steward.workflows.serve.releases import read_in_effect, write_in_effect

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


QUICK: Any = "release: {shadow: {sample: 0}, steps: [0.1, 0.5], guards: {judge: {required: false}}}\n"


def release(home: Path, **wanted: Any) -> ReleaseRecord:
    return start_release(home, ReleaseRequest(route="assistant", **wanted), actor=ME, clock=lambda: 9.0).release


def test_a_release_goes_through_its_life_as_it_is_told(tmp_path: Path) -> None:
    """One that is promoted is the champion of the next, which ends it; each step is served and stands in the log."""
    with serve_home(tmp_path, SETTINGS + QUICK) as home:

        def change(step: Any, name: str = "assistant", **more: Any) -> ReleaseRecord:
            return change_release(home, name, step, actor=ME, clock=lambda: 10.0, **more).release

        with pytest.raises(UnknownName, match="release in effect"):
            change("pause")
        first = release(home, candidate="small")
        assert (first.state, first.weight, first.candidate) == ("canary", 0.1, RouteVariant(kind="model", name="small"))
        assert [one.id for one in read_in_effect(home)] == [first.id]
        with pytest.raises(InputError, match=f"has {first.id} in progress"):
            release(home, candidate="big")
        paused = change("pause", first.id, reason="lunch")
        assert (paused.state, paused.why, change("resume").why) == ("paused", "lunch", "by hand")
        assert change("promote").state == "promoted"
        with pytest.raises(InputError, match="serves model small already"):
            release(home, candidate="small")
        second = release(home, candidate="big")
        assert (second.champion, second.route_digest) == (first.candidate, first.route_digest)
        assert change("promote", second.id).state == "promoted"
        states = {one.id: one.state for one in list_releases(home, tenant="default")}
        assert states == {first.id: "superseded", second.id: "promoted"}
        assert change("roll back").state == "rolled back" and read_in_effect(home) == ()
        acts = [act.action for act in reversed(list_acts(home, 99)) if act.action.startswith("release.")]
        begun, promoted = "release.start", "release.promoted"
        assert acts == [begun, "release.paused", "release.canary", promoted, begun, promoted, "release.rolled_back"]


@pytest.mark.parametrize(
    ("wanted", "error", "said"),
    [
        ({}, InputError, "expected exactly one of --candidate and --prompt"),
        ({"candidate": "big", "prompt": "p:1"}, InputError, "expected exactly one of --candidate and --prompt"),
        ({"candidate": "huge"}, UnknownName, "model or route 'huge'"),
        ({"candidate": "new.gguf"}, InputError, r"new\.gguf is a file; register it first: steward model import"),
        ({"candidate": "bot@champion"}, UnknownName, "bot"),
        ({"prompt": "gone:1"}, InputError, "gone"),
    ],
)
def test_what_cannot_be_released_changes_nothing(
    tmp_path: Path, wanted: Any, error: type[Exception], said: str
) -> None:
    with serve_home(tmp_path, SETTINGS + QUICK) as home:
        with pytest.raises(error, match=said):
            release(home, **wanted)
        with pytest.raises(UnknownName, match="route 'support'"):
            start_release(home, ReleaseRequest(route="support", candidate="big"), actor=ME)
        assert read_in_effect(home) == () and all(
            one.state == "failed" for one in list_releases(home, tenant="default")
        )


def test_a_prompt_that_was_added_is_released_by_its_version(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + QUICK) as home:
        added = add_prompt(home, "greet", PromptText("Be brief."), 1.0, actor=ME)
        assert release(home, prompt="greet").candidate == RouteVariant(
            kind="prompt", name="greet", version=added.version
        )


def test_a_release_that_does_not_come_up_is_taken_back_whole(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + QUICK, comes_up=False) as home:
        with pytest.raises(InputError, match="model small was not released, and nothing was changed: "):
            release(home, candidate="small")
        (failed,) = list_releases(home, tenant="default")
        assert (failed.state, failed.weight, read_in_effect(home)) == ("failed", 0.0, ())
        acts = [act.action for act in list_acts(home, 99) if act.action.startswith("release.")]
        assert acts == ["release.fail", "release.start"]


def test_a_command_waits_until_a_change_serves_that_another_process_asked_for_first(tmp_path: Path) -> None:
    """The keeper looks at the store every second: it may have written the home's copy before the command does."""
    with serve_home(tmp_path, SETTINGS + QUICK) as home:
        begun = release(home, candidate="small")
        store = find_deployment(home).open_store()
        ended = msgspec.structs.replace(begun, state="rolled back", weight=0.0, ended_at=11.0, revision=2)
        assert store.releases.change(ended)
        assert is_served(begun, plan := read_plan(home / "run" / "plan.json"), home)
        assert not is_served(ended, plan, home) and not is_served(
            msgspec.structs.replace(begun, weight=0.5), plan, home
        )
        assert not is_served(begun, msgspec.structs.replace(plan, config_version=99), home)  # on its way to the workers
        write_in_effect(home, ())  # what the keeper does before it asks for the reload
        report = publish(home, store, ME)
        assert (report.outcome, report.error) == ("applied", None)
        assert is_served(ended, read_plan(home / "run" / "plan.json"), home)
        assert not is_served(begun, read_plan(home / "run" / "plan.json"), home)
        again = publish(home, store, ME)
        assert (again.outcome, again.version, again.workers) == ("unchanged", report.version, report.workers)


@pytest.mark.parametrize("edit", ["models: [{name: broken", "gateway: {port: 1}\n" + SETTINGS + QUICK])
def test_a_release_is_taken_back_while_an_edit_of_the_file_cannot_serve(tmp_path: Path, edit: str) -> None:
    """The edit waits as it did, and is not served by the way."""
    with serve_home(tmp_path, "watch: false\n" + SETTINGS + QUICK) as home:
        begun = release(home, candidate="small")
        (tmp_path / "steward.yaml").write_text(edit)
        change = change_release(home, begun.id, "roll back", actor=ME, clock=lambda: 10.0)
        assert (change.release.state, change.reload.outcome) == ("rolled back", "applied")
        assert read_plan(home / "run" / "plan.json").releases == ()
        assert (tmp_path / "steward.yaml").read_text() == edit


@pytest.mark.parametrize(("step", "state"), [("roll back", "rolled back"), ("pause", "paused"), ("promote", "canary")])
def test_taking_back_holds_though_the_guards_change_the_share_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Any, state: str
) -> None:
    with serve_home(tmp_path, SETTINGS + QUICK) as home:
        begun = release(home, candidate="small")
        store = find_deployment(home).open_store()
        grown = iter([set_weight(begun, 0.5, "grown", WATCHER, 9.5)])

        def grow_first(*arguments: Any) -> ReleaseRecord:
            for record in grown:
                assert store.releases.change(record)
            return make_change(*arguments)

        monkeypatch.setattr("steward.workflows.releases.make_change", grow_first)
        if state == "canary":
            with pytest.raises(ChangedMeanwhile, match="see: steward release status assistant"):
                change_release(home, begun.id, step, actor=ME, clock=lambda: 10.0)
        else:
            change_release(home, begun.id, step, actor=ME, clock=lambda: 10.0)
        found = store.releases.find(begun.id, tenant="default")
        assert found is not None and found.state == state


def test_a_change_that_is_recorded_and_does_not_come_up_says_so(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + QUICK) as home:
        begun = release(home, candidate="small")
    with serve_home(tmp_path, SETTINGS + QUICK, comes_up=False):
        with pytest.raises(Unavailable) as caught:
            change_release(home, begun.id, "roll back", actor=ME, clock=lambda: 10.0)
    message = str(caught.value)
    assert message.startswith(f"{begun.id} is recorded as rolled back, but configuration ")
    assert "serves as before: " in message and "an engine does not start" in message and "steward reload" in message


@pytest.mark.parametrize(("tenant", "says"), [("default", "has rel in progress"), ("acme", "of another tenant")])
def test_somebody_elses_release_is_not_named(tenant: str, says: str) -> None:
    assert says in str(_already_open(record("canary", tenant=tenant), ME))


def test_a_guard_that_nobody_measures_is_told_before_the_release() -> None:
    required = ReleaseConfig.model_validate({"guards": {"judge": {"required": True}}}).plan()
    with pytest.raises(InputError, match=r"release\.guards\.judge is required, and no judge is named"):
        _refuse_unmeasured(required)
    judged = ReleaseConfig.model_validate({"guards": {"judge": {"required": True}}, "judge": {"model": "j"}}).plan()
    _refuse_unmeasured(judged)
    _refuse_unmeasured(ReleaseConfig.model_validate({"guards": {"judge": {"required": False}}}).plan())


def test_a_version_takes_over_what_the_route_is_served_with(tmp_path: Path) -> None:
    """Where a version serves already, the models of the settings below it."""
    with serve_home(tmp_path) as home:
        catalog = load_catalog(home)
        route = catalog.find_route("assistant")
        assert route is not None
        serves = RouteVariant(kind="version", served="bot@3f9c", base="small", replicas=("gpu",))
        request = ReleaseRequest(route="assistant", candidate="bot@champion")
        assert _Wanted(request, route, serves).list_bases(catalog) == ["small", "gpu"]
        assert _Wanted(request, route, RouteVariant()).list_bases(catalog)[0] == "big"
