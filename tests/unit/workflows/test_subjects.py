"""Digests of what serves: another model, prompt, setting or channel gives another, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from served_home import serve_home
from steward.core.evidence import Evidence
from steward.core.releases import ModelVersion
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.governance.readiness import LiveSubjects
from steward.monitoring.config import ChannelPlan
from steward.workflows import history
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.readiness import collect_situation
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.subjects import bind_digest, describe_subjects, find_subjects, list_training_sets


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with serve_home(tmp_path_factory.mktemp("subjects")) as home:
        yield home


@pytest.fixture
def plan(home: Path) -> ServePlan:
    return read_plan(home / "run" / "plan.json")


def finding(**changes: Any) -> Finding:
    whole = Finding(check="loadtest.run", subject="model big", subject_digest="sha256:own", verdict="pass", value="v")
    return msgspec.structs.replace(whole, **changes)


def test_a_model_that_answers_from_elsewhere_is_another_as_are_the_routes_to_it(home: Path, plan: ServePlan) -> None:
    before = describe_subjects(plan, home).models
    assert set(before) == {"big", "small", "assistant"} and len(set(before.values())) == 3
    big, small = plan.models
    for changes in ({"url": "http://127.0.0.1:10/v1"}, {"upstream_model": "x"}, {"context": 9}):
        other = msgspec.structs.replace(big, **changes)
        after = describe_subjects(msgspec.structs.replace(plan, models=(other, small)), home).models
        assert after["big"] != before["big"] and after["assistant"] != before["assistant"]
        assert after["small"] == before["small"]
    renewed = msgspec.structs.replace(big, key_mark="another secret", socket="/run/x")
    assert describe_subjects(msgspec.structs.replace(plan, models=(renewed, small)), home).models == before


def test_another_file_behind_the_same_path_is_another_model(home: Path, plan: ServePlan, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"1")
    served = msgspec.structs.replace(plan, models=(msgspec.structs.replace(plan.models[0], path=str(file)),), routes=())
    before = describe_subjects(served, home).models
    assert describe_subjects(served, home).models == before
    file.write_bytes(b"22")
    after = describe_subjects(served, home).models
    file.unlink()
    assert len({before["big"], after["big"], describe_subjects(served, home).models["big"]}) == 3


def test_another_prompt_changes_the_route_alone(home: Path, plan: ServePlan) -> None:
    before = describe_subjects(plan, home).models
    prompt = Prompt(version="1", system="Be kind.")
    after = describe_subjects(msgspec.structs.replace(plan, prompts={"assistant": prompt}), home).models
    assert after["assistant"] != before["assistant"] and after["big"] == before["big"]


def test_a_candidate_and_its_prompt_change_the_route_that_they_are_released_on(home: Path, plan: ServePlan) -> None:
    release = ServedRelease(id="rel", route="assistant", candidate=Route("assistant", (Target("new"),)), weight=0.05)
    kind = msgspec.structs.replace(release, prompt=Prompt(version="2", system="Be kind."))
    before, new, worded = (
        describe_subjects(msgspec.structs.replace(plan, releases=releases), home).models
        for releases in ((), (release,), (kind,))
    )
    assert len({before["assistant"], new["assistant"], worded["assistant"]}) == 3
    assert {name for name in before if before[name] != new[name]} == {"assistant"}


def test_settings_are_named_by_the_version_that_serves(home: Path, plan: ServePlan) -> None:
    subjects = find_subjects(home)
    kept = next(one for one in history.list_versions(home) if one.version == plan.config_version)
    assert subjects is not None and subjects.settings == f"settings:{kept.digest}"
    assert describe_subjects(msgspec.structs.replace(plan, config_version=99), home).settings is None


def test_channels_are_of_their_addresses_too(home: Path, plan: ServePlan) -> None:
    def digest(*channels: ChannelPlan) -> str | None:
        monitoring = msgspec.structs.replace(plan.monitoring, channels=channels)
        return describe_subjects(msgspec.structs.replace(plan, monitoring=monitoring), home).channels

    ops = ChannelPlan(name="ops", kind="webhook", url="https://a.example")
    moved = msgspec.structs.replace(ops, url="https://b.example")
    assert digest() is None and len({digest(ops), digest(moved), digest(ops, moved)}) == 3


def test_a_plan_is_of_its_file_and_of_the_models_that_serve(home: Path, plan: ServePlan) -> None:
    assert describe_subjects(plan, home).plan is None
    (home / "plan").mkdir()
    file = home / "plan" / "plan.json"
    file.write_text("{}")
    first = describe_subjects(plan, home).plan
    moved = msgspec.structs.replace(plan.models[0], url="http://127.0.0.1:10/v1")
    other = describe_subjects(msgspec.structs.replace(plan, models=(moved, plan.models[1])), home).plan
    file.write_text("{ }")
    assert len({first, other, describe_subjects(plan, home).plan}) == 3
    file.unlink()


def test_a_backup_is_of_the_root_keys_and_the_place_of_the_store(home: Path, plan: ServePlan) -> None:
    before = describe_subjects(plan, home).store
    assert describe_subjects(msgspec.structs.replace(plan, store="env:URL"), home).store != before
    (home / "retired-roots").mkdir()
    assert describe_subjects(plan, home).store == before
    (home / "retired-roots" / "ab").write_bytes(b"1")
    assert describe_subjects(plan, home).store != before
    (home / "retired-roots" / "ab").unlink()


LIVE = LiveSubjects(
    models={"big": "sha256:big"},
    plan="sha256:p",
    store="sha256:s",
    settings="settings:1",
    channels="sha256:c",
    channel_names=("a", "b"),
    gateway_port=8080,
)


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "sha256:own"),
        ({"of": "model", "name": "big"}, "sha256:big"),
        ({"of": "model", "name": "other"}, "sha256:own"),
        ({"of": "model", "name": "big", "url": "http://127.0.0.1:8080/v1"}, "sha256:big"),
        ({"of": "model", "name": "big", "url": "http://localhost:9999/v1"}, "sha256:own"),
        ({"of": "model", "name": "big", "url": "https://llm.example.com/v1"}, "sha256:big"),
        ({"of": "settings", "url": "http://127.0.0.1:8080"}, "settings:1"),
        ({"of": "settings", "url": "http://127.0.0.1:81"}, "sha256:own"),
        ({"of": "channels", "name": "a, b"}, "sha256:c"),
        ({"of": "channels", "name": "a"}, "sha256:own"),
        ({"of": "plan"}, "sha256:p"),
        ({"of": "store"}, "sha256:s"),
    ],
)
def test_a_finding_is_bound_to_what_it_is_of_and_to_nothing_else(changes: dict[str, Any], digest: str) -> None:
    assert bind_digest(finding(**changes), LIVE) == digest
    assert bind_digest(finding(**changes), None) == "sha256:own"


def test_what_a_home_does_not_know_binds_nothing(tmp_path: Path) -> None:
    assert find_subjects(tmp_path) is None
    empty = LiveSubjects(gateway_port=1)
    assert bind_digest(finding(of="settings"), empty) == bind_digest(finding(of="channels"), empty) == "sha256:own"
    assert bind_digest(finding(of="plan"), empty) == bind_digest(finding(of="store"), empty) == "sha256:own"


def test_training_sets_are_those_of_versions_in_use() -> None:
    def version(digest: str, dataset: Any) -> ModelVersion:
        details = {} if dataset is None else {"dataset": dataset}
        return ModelVersion(
            name="m", digest=digest, kind="gguf", files=(), created_at=1.0, created_by="operator:1", details=details
        )

    versions = [version("a", {"digest": "sha256:1"}), version("b", {"digest": "sha256:2"}), version("c", None),
                version("d", "words"), version("e", {"name": "x"})]  # fmt: skip
    assert list_training_sets(versions, {"a", "c", "d", "e"}) == frozenset({"sha256:1"})
    assert list_training_sets(versions, set()) == frozenset()


def test_a_proof_is_kept_under_what_serves_and_read_by_its_kind(home: Path) -> None:
    kept = record_finding(home, finding(of="model", name="big"), clock=lambda: 5.0)
    seen = collect_situation(home, 6.0)
    assert isinstance(kept, Evidence) and seen.subjects is not None and seen.subjects.data == frozenset()
    assert kept.subject_digest == seen.subjects.models["big"] and kept in seen.evidence


def test_a_gate_is_of_the_model_that_answered_in_its_run(home: Path, tmp_path: Path) -> None:
    run = finding(check="evaluation.run", source=str(tmp_path / "run"), subject_digest="sha256:then")
    assert record_finding(home, run, clock=lambda: 7.0)
    gate = finding(check="evaluation.gate", of="model", name="big", run=str(tmp_path / "run"))
    kept = record_finding(home, gate, clock=lambda: 8.0)
    assert kept is not None and kept.subject_digest == "sha256:then", "not of what serves under the name today"
    unknown = record_finding(home, msgspec.structs.replace(gate, run=str(tmp_path / "other")), clock=lambda: 9.0)
    assert unknown is not None and unknown.subject_digest == "sha256:own"


def test_a_file_that_changed_after_the_proof_is_seen(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text("1")
    kept = record_finding(home, finding(check="privacy.scan", inputs=(str(file),)), clock=lambda: 5.0)
    assert kept is not None and not collect_situation(home, 6.0).changes
    file.write_text("2")
    assert collect_situation(home, 6.0).changes == {kept.id: "d.jsonl has changed since"}
