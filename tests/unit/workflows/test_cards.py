"""Cards of a home that serves: from the plan, the registry and evidence, with words that go stale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from served_home import SETTINGS, serve_home
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.governance.approval_policy import ApprovalPolicy, ApprovalsRequirement
from steward.improvement.dataset.croissant import check_croissant
from steward.workflows import registry
from steward.workflows.audit import list_acts
from steward.workflows.card_formats import format_card, format_data_card, format_model_card
from steward.workflows.cards import (
    CardSubject,
    _list_oversight,
    collect_cards,
    collect_data_card,
    collect_model_card,
    collect_system_card,
    read_statement,
    state,
)
from steward.workflows.curate import run_pipeline
from steward.workflows.dataset.folder import read_manifest
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.releases import open_desk
from steward.workflows.serve.plan import read_plan
from training_sets import build_set, question

ME = operator(7)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    limits = "limits:\n  default: {requests_per_minute: 60}\n"
    with serve_home(tmp_path, SETTINGS + limits) as home:
        yield home


def prove(home: Path, **changes: Any) -> str:
    whole = Finding(check="evaluation.run", subject="model big on suite s", subject_digest="sha256:x", verdict="pass",
                    value="exact 0.91", of="model", name="big")  # fmt: skip
    kept = record_finding(home, msgspec.structs.replace(whole, **changes), ME, ("steward", "x"), lambda: 5.0)
    assert kept is not None
    return kept.id


def add_version(home: Path, text: bytes = b"weights", **details: Any) -> str:
    file = home.parent / "m.gguf"
    file.write_bytes(text)
    with open_desk(home) as desk:
        version = registry.import_version(home, desk.store, desk.audit, file, "support", 2.0, actor=ME, details=details)
        registry.move_alias(desk.store, desk.audit, version, "champion", 3.0, actor=ME, reason="first")
        return version.served


def section(subject: CardSubject, title: str) -> dict[str, str]:
    (found,) = [one for one in subject.card.sections if one.title == title]
    return {one.name: one.value for one in found.figures}


def test_a_served_model_has_what_was_proved_of_it_and_nothing_of_others(home: Path) -> None:
    own = prove(home)
    prove(home, subject="model small on suite s", name="small", value="exact 0.11")
    prove(home, subject="model gone", name="gone")
    subject = collect_model_card(home, "big", 9.0)
    assert section(subject, "Evaluation, gates and load") == {"evaluation.run: model big on suite s": "exact 0.91"}
    assert subject.card.sections[-1].figures[0].source == own
    assert section(subject, "Served model")["backend"] == "openai"
    plan = read_plan(home / "run" / "plan.json")
    assert plan.models[0].name == "big"
    with pytest.raises(UnknownName, match="big"):
        collect_model_card(home, "bigger", 9.0)


def test_a_registered_version_has_its_training_files_and_gates(home: Path) -> None:
    served = add_version(home, dataset={"digest": "sha256:d"}, seed=7, base={"name": "qwen"}, license="mit")
    prove(home, check="evaluation.gate", subject=f"{served} in place of big", name=served, value="met: passed")
    subject = collect_model_card(home, "support", 9.0)
    assert subject.card.name == served and subject.stated_as == "support"
    assert section(subject, "Training") == {
        "base": '{"name":"qwen"}', "dataset": '{"digest":"sha256:d"}', "seed": "7", "license": "mit",
    }  # fmt: skip
    assert section(subject, "Files")["m.gguf"].startswith("7 bytes, sha256:")
    assert section(subject, "Version")["serves in a release"] == "no"
    assert section(subject, "Evaluation, gates and load") == {
        f"evaluation.gate: {served} in place of big": "met: passed"
    }
    bom = json.loads(format_model_card(subject, "cyclonedx"))
    assert [one["type"] for one in bom["components"]] == ["file", "data"]
    assert format_model_card(subject, "hub").startswith("---\n") and "base_model: qwen" in format_model_card(
        subject, "hub"
    )
    assert json.loads(format_model_card(subject, "json"))["kind"] == "model"


def test_what_was_stated_is_kept_confirmed_and_stale_for_a_new_version(home: Path) -> None:
    add_version(home)
    with pytest.raises(InputError, match="nothing was stated"):
        state(home, collect_model_card(home, "support", 4.0), {"owner": " "}, 4.0, actor=ME)
    words = {"owner": "Anna", "intended_use": "help", "x": "y"}
    said = state(home, collect_model_card(home, "support", 4.0), words, 4.0, actor=ME)
    act = list_acts(home, 1)[0]
    assert (act.action, act.subject) == ("cards.state", "card:model:support") and said.digest in act.after
    subject = collect_model_card(home, "support", 5.0)
    assert subject.card.statement == said and subject.card.unstated == ("not_for", "limitations")
    assert not subject.card.stale and said.words == {"owner": "Anna", "intended_use": "help"}
    state(home, subject, {"not_for": "law", "limitations": "May"}, 6.0, actor=ME)
    assert collect_model_card(home, "support", 7.0).card.is_whole
    add_version(home, b"other weights")
    renewed = collect_model_card(home, "support", 8.0)
    assert renewed.card.stale and not renewed.card.is_whole and not renewed.card.unstated
    state(home, renewed, {}, 9.0, actor=ME)
    assert collect_model_card(home, "support", 9.0).card.is_whole
    next((home / "cards").glob("model-*.json")).write_text("{")
    with pytest.raises(InputError, match="state it again"):
        read_statement(home, "model", "support")


def test_the_system_has_routes_guards_limits_and_oversight(home: Path) -> None:
    prove(home, check="security.selftest", subject="gateway", of="settings", name="", value="33 held")
    subject = collect_system_card(home, 9.0)
    assert subject.card.digest.startswith("settings:")
    assert section(subject, "Routes, fallbacks and prompts") == {"assistant": "big (95), small (5); no fallback"}
    assert section(subject, "Limits") == {"keys": "requests_per_minute 60"}
    assert section(subject, "Oversight") == {
        "changes that need approval": "none", "alerts go to": "nobody", "witness of the audit log": "none",
    }  # fmt: skip
    assert section(subject, "What was proved") == {"security.selftest: gateway": "33 held"}
    assert "# System card: system" in format_card(subject.card, "md") and "<!doctype" in format_card(
        subject.card, "html"
    )
    assert [one.kind for one in collect_cards(home, 9.0)] == ["system"]


def test_a_home_that_never_served_has_no_system(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steward up"):
        collect_system_card(tmp_path, 1.0)


def test_a_training_set_has_its_rows_consents_and_steps(home: Path, tmp_path: Path) -> None:
    folder = build_set(tmp_path, DatasetHome(home), [question(n) for n in range(40)])
    manifest = read_manifest(folder)
    kept = prove(home, check="dataset.verify", subject="set", subject_digest=manifest.digest, of="", name="")
    subject = collect_data_card(home, folder, 9.0)
    assert (subject.card.name, subject.card.digest, subject.stated_as) == ("shop", manifest.digest, "shop")
    assert section(subject, "Rows") == {split: f"{count} rows" for split, count in manifest.rows.items()}
    assert section(subject, "Consent")["people in it, by pseudonym"] == str(len(manifest.subjects))
    assert list(section(subject, "Steps")) == [step.name for step in manifest.steps]
    assert subject.card.sections[-1].figures[0].source == kept
    state(home, subject, {"intended_use": "to train the help desk"}, 9.0, actor=ME)
    croissant = json.loads(format_data_card(collect_data_card(home, folder, 9.0), folder, "croissant"))
    assert croissant["description"] == "to train the help desk" and check_croissant(croissant) == []
    assert "# Data card: shop" in format_data_card(subject, folder, "md")


def test_a_pipelines_run_has_its_rows_and_no_croissant(home: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    pipeline = {
        "input": {"path": str(tmp_path / "in.jsonl")},
        "output": {"path": str(tmp_path / "out")},
        "stages": [{"use": "dedupe.exact"}],
    }
    (tmp_path / "pipeline.yaml").write_text(json.dumps(pipeline))
    run_pipeline(tmp_path / "pipeline.yaml")
    subject = collect_data_card(home, tmp_path / "out", 9.0)
    assert section(subject, "Rows") | {"rows in": "2", "rows out": "2"} == section(subject, "Rows")
    with pytest.raises(InputError, match="Croissant is of training sets"):
        format_data_card(subject, tmp_path / "out", "croissant")


def test_data_that_are_neither_set_nor_run_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steward dataset build"):
        collect_data_card(home, tmp_path, 1.0)


def test_the_system_names_what_needs_approval(home: Path) -> None:
    needed = (ApprovalsRequirement(),)
    policy = ApprovalPolicy(settings=needed, releases=needed)
    plan = msgspec.structs.replace(read_plan(home / "run" / "plan.json"), approval_policy=policy)
    assert ("changes that need approval", "settings, releases") in _list_oversight(plan)
