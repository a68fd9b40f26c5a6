"""The release of the made-up month is judged from its requests, as any other; what is made up says so."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.identity import operator
from steward.core.series import DAY_S
from steward.improvement.dataset.manifest import check_steps, digest_manifest, parse_manifest
from steward.settings import Settings
from steward.workflows.audit import list_acts
from steward.workflows.demo.improvement import MADE_UP, PLACE, TEXTS, fill_improvement
from steward.workflows.demo.month import CANARY_DAY, KEYS, PROMPTS, RELEASE, find_canary, make_day
from steward.workflows.prompts import list_versions
from steward.workflows.registry import list_views
from steward.workflows.release_watch import LiveRelease, find_end
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.train.folder import list_runs

FIRST = 1_793_404_800.0  # 2026-10-31T00:00Z, a Saturday
NOW = FIRST + 30 * DAY_S
MODELS = frozenset({"small", "large"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SqlStore]]:
    home = tmp_path_factory.mktemp("home")
    deployment = find_deployment(home)
    store = deployment.open_store()
    store.migrate()
    fill_improvement(home, store, deployment.open_audit_log(), FIRST, NOW, actor=operator(7))
    ids = {key.name: key.name for key in KEYS}
    for day in (CANARY_DAY, CANARY_DAY + 1):
        store.ledger.drain("w", f"s{day}", 1, list(make_day(FIRST, day, NOW, ids)))
    yield home, store
    store.close()


def test_the_guards_find_what_the_release_was_rolled_back_for_and_not_hours_before(
    filled: tuple[Path, SqlStore],
) -> None:
    home, store = filled
    record = store.releases.find(RELEASE, tenant=None)
    assert record is not None and record.state == "rolled back" and record.why.startswith("made up")
    began, ended = find_canary(FIRST)
    assert (record.started_at, record.ended_at) == (began, ended)

    def decide(until: float) -> tuple[str, list[str]] | None:
        live = LiveRelease(record, make_plan(Settings(), home, "0").release, {"champion": MODELS, "candidate": MODELS})
        live.read(store, until)
        decision = live.decide()
        if decision is None:
            return None
        return decision.decision, [guard.name for guard in decision.guards if guard.verdict == "regressed"]

    assert decide(ended - 4 * 3600) is None
    assert decide(find_end(record, NOW)) == ("roll back", ["slow"])


def test_the_prompts_are_those_that_requests_name(filled: tuple[Path, SqlStore]) -> None:
    home, _ = filled
    versions = list_versions(home, "assistant")
    assert [one.version for one in versions] == list(PROMPTS) and [one.system for one in versions] == list(TEXTS)
    assert versions[0].in_use


def test_models_trainings_and_data_sets_say_that_they_are_made_up(filled: tuple[Path, SqlStore]) -> None:
    home, store = filled
    views = list_views(home, store, tenant=None)
    assert sorted(alias for one in views for alias in one.aliases) == ["candidate", "champion"]
    runs = list_runs(home)
    assert [(run.id, run.state) for run in runs] == [("demo-support-v1", "succeeded"), ("demo-support-v0", "cancelled")]
    assert all("made up" in run.reason and run.base.startswith("made-up") and run.curve for run in runs)
    proofs = store.evidence.list_evidence(9, tenant=None)
    assert sorted(one.check for one in proofs) == ["data.run", "dataset.build", "release.decision"]
    assert all(one.value.startswith(MADE_UP) and (one.valid_until or NOW) < NOW for one in proofs)
    manifest = parse_manifest((home / PLACE / "dataset" / "manifest.json").read_bytes(), "manifest")
    check_steps(manifest.steps, sum(manifest.rows.values()))
    assert manifest.digest == digest_manifest(manifest) and {
        one.version.details["dataset"]["digest"] for one in views
    } == {manifest.digest}


def test_each_act_stands_on_its_day(filled: tuple[Path, SqlStore]) -> None:
    home, _ = filled
    acts = list_acts(home, 99)
    assert {act.action for act in acts} == {
        "prompts.add", "model.import", "model.alias", "release.start", "release.rollback",
    }  # fmt: skip
    assert all(FIRST <= act.at < NOW for act in acts)


def test_the_trainings_end_on_their_day_and_learn(filled: tuple[Path, SqlStore]) -> None:
    """Of the ninth day: 87 minutes to a loss that a small model of three billion parameters has."""
    done, cancelled = list_runs(filled[0])
    assert (done.started_at, done.ended_at, done.heard_at) == (FIRST + 8 * DAY_S, *[FIRST + 8 * DAY_S + 5220] * 2)
    assert (done.step, done.steps, [step for step, _ in done.curve]) == (400, 400, list(range(10, 401, 10)))
    assert (cancelled.started_at, cancelled.ended_at, cancelled.heard_at) == (
        FIRST + 8 * DAY_S - 7200, *[FIRST + 8 * DAY_S - 6600] * 2,
    )  # fmt: skip
    assert (cancelled.step, cancelled.loss, cancelled.curve[0][0], cancelled.curve[-1][0]) == (60, 3.1, 10, 60)
    assert done.loss == done.curve[-1][1] < 0.9 < 2.0 < done.curve[0][1] and done.curve != cancelled.curve


def test_each_act_and_proof_has_its_time(filled: tuple[Path, SqlStore]) -> None:
    home, store = filled
    began, ended = find_canary(FIRST)
    acts = sorted((act.at - FIRST, act.action) for act in list_acts(home, 99))
    assert acts == [
        (0.0, "prompts.add"),
        (9 * DAY_S, "model.import"),
        (9 * DAY_S + 600, "model.alias"),
        (15 * DAY_S, "model.import"),
        (15 * DAY_S + 600, "model.alias"),
        (began - 3600 - FIRST, "prompts.add"),
        (began - FIRST, "release.start"),
        (ended - FIRST, "release.rollback"),
    ]
    proofs = sorted(
        (one.produced_at, (one.valid_until or 0.0), one.check) for one in store.evidence.list_evidence(9, tenant=None)
    )
    assert proofs[-1] == (ended, ended + 3600, "release.decision")
    assert [one[2] for one in proofs[:-1]] == ["data.run", "dataset.build"]
    assert all(FIRST + 5 * DAY_S <= at < until <= FIRST + 5 * DAY_S + 3600 for at, until, _ in proofs[:-1])


def test_what_is_made_up_is_the_same_in_every_version(filled: tuple[Path, SqlStore]) -> None:
    """The pictures of the documentation are of these numbers: a version that changes them takes them anew."""
    home, store = filled
    manifest = parse_manifest((home / PLACE / "dataset" / "manifest.json").read_bytes(), "manifest")
    told = [
        [f"{step} {loss:.9g}" for run in list_runs(home) for step, loss in run.curve],
        msgspec.to_builtins((manifest.rows, manifest.origins, manifest.consents, manifest.steps)),
        f"{manifest.distinct_ngrams:g}",
        msgspec.json.decode((home / PLACE / "pipeline" / "summary.json").read_bytes()),
        msgspec.to_builtins(store.releases.find(RELEASE, tenant=None)),
        sorted((one.id, one.check, one.verdict) for one in store.evidence.list_evidence(9, tenant=None)),
    ]
    assert hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16] == "8413f0e1f2e13773"
