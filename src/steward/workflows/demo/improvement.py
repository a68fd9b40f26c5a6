"""The improvement side of the made-up month: data, a training, versions of a model, and a release that was rolled back.

It all says that it is made up. The proofs held for an hour, so that no check of the demonstration passes because of
them; what the guards of the release found is computed from the month's requests, as of any release.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.acts import AdministrativeAct
from steward.core.evidence import Evidence
from steward.core.extend import AuditLog
from steward.core.files import make_private_folder, write_file
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.core.series import DAY_S
from steward.improvement.dataset.manifest import MANIFEST, DatasetManifest, DatasetStep, seal_manifest
from steward.improvement.training import TrainedArtefact, TrainingRun
from steward.workflows import prompts
from steward.workflows.audit import make_act
from steward.workflows.demo.experiment import fill_experiment
from steward.workflows.demo.month import CANARY_SHARE, PROMPTS, RELEASE, find_canary
from steward.workflows.registry import import_version, move_alias
from steward.workflows.release_watch import WATCHER
from steward.workflows.train.folder import FOLDER, STATE

MADE_UP: Final = "Made up: "
TEXTS: Final = ("Answer briefly and kindly. (Made up.)", "Answer in detail, with examples. (Made up.)")
PROOF: Final = f"ev_{96:024x}"  # of the release's decision
STEPS: Final = 400  # of the training
PLACE: Final = "demonstration"  # folder of the home for what was made up
PIPELINE: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (  # stage, rows in, rows out, and why rows went
    ("parse", 12_480, 12_431, {"not JSON": 49}),
    ("dedupe_exact", 12_431, 11_020, {"the same as an earlier row": 1_411}),
    ("filter_length", 11_020, 10_874, {"shorter than 20 characters": 112, "longer than 8,000 characters": 34}),
    ("filter_language", 10_874, 10_655, {"neither German nor English": 219}),
)
SELECTION: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("consent", 10_655, 4_310, {"no consent to training": 6_345}),
    ("privacy", 4_310, 4_268, {"cannot be scrubbed": 42}),
    ("evaluation items", 4_268, 4_251, {"is an item of the suite support": 17}),
)


class DatedLog:
    """An audit log that notes each act as if it had been done at `at`."""

    def __init__(self, audit: AuditLog, at: float) -> None:
        self._audit, self._at = audit, at

    def record(self, act: AdministrativeAct) -> None:
        self._audit.record(msgspec.structs.replace(act, at=self._at))


def fill_improvement(
    home: Path, store: SqlStore, audit: AuditLog, first_day: float, now: float, *, actor: Principal
) -> None:
    """`first_day`: where the month begins. :raises Unavailable: the store does not answer"""
    began, ended = find_canary(first_day)
    data = _fill_data(home, store, first_day + 5 * DAY_S)
    _fill_training(home, first_day + 8 * DAY_S, data, now)
    fill_experiment(home, first_day + 7 * DAY_S)
    _fill_registry(home, store, audit, first_day + 9 * DAY_S, data, actor)
    for text, at in zip(TEXTS, (first_day, began - 3600), strict=True):
        prompts.add(home, "assistant", prompts.PromptText(text), at, actor=actor, audit=DatedLog(audit, at))
    _fill_release(store, audit, began, ended, actor)


def _fill_data(home: Path, store: SqlStore, at: float) -> str:
    """A run of the pipeline and the training set of its rows; returns the set's digest."""
    run, dataset = home / PLACE / "pipeline", home / PLACE / "dataset"
    stages = [
        {"name": name, "rows_in": rows_in, "rows_out": rows_out, "dropped": rows_in - rows_out, "rules": rules}
        for name, rows_in, rows_out, rules in PIPELINE
    ]
    summary = {"rows_in": PIPELINE[0][1], "rows_out": PIPELINE[-1][2], "stages": stages, "warnings": [MADE_UP[:-2]]}
    _write_json(run / "summary.json", summary)
    manifest = seal_manifest(_make_manifest(at), b"made up")
    _write_json(dataset / MANIFEST, manifest)
    for number, (check, subject, value, folder) in enumerate(
        (
            ("data.run", "pipeline support", f"{PIPELINE[0][1]:,} rows in, {PIPELINE[-1][2]:,} out", run),
            ("dataset.build", "training set support", f"{manifest.rows['train']:,} train", dataset),
        ),
        64,
    ):
        record = Evidence(
            id=f"ev_{number:024x}", check=check, subject=subject, subject_digest=manifest.digest,
            verdict="cannot tell" if check == "data.run" else "pass", value=MADE_UP + value,
            expected="" if check == "data.run" else "rows with consent, scrubbed, without evaluation items",
            source=str(folder.absolute()), produced_at=at + number, valid_until=at + 3600, command="steward up --demo",
            signer="demo",
        )  # fmt: skip
        store.evidence.add(record, tenant=DEFAULT_TENANT)
    return manifest.digest


def _make_manifest(at: float) -> DatasetManifest:
    rows = {"train": 3_826, "select": 212, "judge": 213}
    return DatasetManifest(
        format=1, name="support", version="demonstration", created_at=at, tenant=DEFAULT_TENANT, project="default",
        key="made up", parameters={"made_up": True},
        steps=tuple(
            DatasetStep(name=name, rows_in=rows_in, rows_out=rows_out, removed=rows_in - rows_out, reasons=reasons)
            for name, rows_in, rows_out, reasons in SELECTION
        ),
        rows=rows, origins={"feedback": 1_204, "corrected": 318, "pipeline": 2_729},
        consents={"contract, training": sum(rows.values())}, groups={}, replay_share=0.0, model_share=0.0,
        distinct_ngrams=0.83, subjects=(), sources=(), files=(), warnings=(MADE_UP[:-2],),
    )  # fmt: skip


def _fill_training(home: Path, at: float, data: str, now: float) -> None:
    """One that came to its end, and one that a person ended."""
    losses = [
        (step, 0.78 + 1.6 * math.exp(-step / 70) + 0.05 * math.sin(step / 3)) for step in range(10, STEPS + 1, 10)
    ]
    done = TrainingRun(
        id="demo-support-v1", trainer="trl", method="lora", base="made-up-3b", dataset=data, state="succeeded",
        reason="made up", started_at=at, ended_at=at + 5220, heard_at=at + 5220, step=STEPS, steps=STEPS,
        loss=losses[-1][1], curve=tuple(losses), folder=str(home / FOLDER / "demo-support-v1"),
        artefacts=(TrainedArtefact("adapter_config.json", 20, hashlib.sha256(data.encode()).hexdigest()),),
    )  # fmt: skip
    ended = msgspec.structs.replace(
        done, id="demo-support-v0", state="cancelled", reason="made up: the learning rate was too high",
        started_at=at - 7200, ended_at=at - 6600, heard_at=at - 6600, step=60, loss=3.1, artefacts=(),
        curve=tuple((step, 2.4 + step / 85) for step in range(10, 70, 10)),
        folder=str(home / FOLDER / "demo-support-v0"),
    )  # fmt: skip
    for run in (done, ended):
        _write_json(home / FOLDER / run.id / STATE, run)


def _fill_registry(home: Path, store: SqlStore, audit: AuditLog, at: float, data: str, actor: Principal) -> None:
    """Two versions of one model; what the second was tested for, it did not hold."""
    versions = []
    for number, why in enumerate(("first version", "longer training"), 1):
        folder = home / PLACE / f"support-v{number}"
        _write_json(folder / "adapter_config.json", {"made_up": True, "version": number})
        details = {"trainer": "trl", "base": {"name": "made-up-3b"}, "dataset": {"digest": data}, "note": why}
        when = at + (number - 1) * 6 * DAY_S
        version = import_version(
            home, store, DatedLog(audit, when), folder, "support", when, kind="adapter", details=details, actor=actor
        )
        versions.append((version, when))
    (first, begun), (second, later) = versions
    for version, alias, when, reason in (
        (first, "champion", begun + 600, "made up: accuracy 0.91, the gate passed"),
        (second, "candidate", later + 600, "made up: the gate failed with accuracy 0.87"),
    ):
        move_alias(store, DatedLog(audit, when), version, alias, when, actor=actor, reason=reason)


def _fill_release(store: SqlStore, audit: AuditLog, began: float, ended: float, actor: Principal) -> None:
    record = ReleaseRecord(
        id=RELEASE, route="assistant", champion=RouteVariant(kind="prompt", name="assistant", version=PROMPTS[0]),
        candidate=RouteVariant(kind="prompt", name="assistant", version=PROMPTS[1]), state="rolled back",
        weight=0.0, started_at=began, started_by=actor.actor, step_at=began, route_digest="made up", slow_s=8.0,
        why="made up: answers are slow more often than allowed", changed_by=WATCHER.actor, changed_at=ended,
        ended_at=ended, revision=3, evidence=(PROOF,),
    )  # fmt: skip
    store.releases.start(record)
    proof = Evidence(
        id=PROOF, check="release.decision", subject="release assistant", subject_digest=record.route_digest,
        verdict="fail", value=f"{MADE_UP}rolled back: slow answers regressed", expected="no guard regresses",
        source="", produced_at=ended, valid_until=ended + 3600, command="steward up --demo", signer="demo",
    )  # fmt: skip
    store.evidence.add(proof, tenant=DEFAULT_TENANT)
    share = f"{CANARY_SHARE:.0%} of people"
    for at, action, after in (
        (began, "release.start", f"made up: canary, {share}"),
        (ended, "release.rollback", "made up: slow answers regressed"),
    ):
        DatedLog(audit, at).record(make_act(actor, action, "release:assistant", after=after))


def _write_json(file: Path, value: Mapping[str, Any] | msgspec.Struct) -> None:
    make_private_folder(file.parent)
    write_file(file, msgspec.json.encode(value))
