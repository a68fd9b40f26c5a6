"""Data: pipeline runs with what was dropped and why, contracts, and what personal data is kept where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.console.pages.proofs import ProofPage, list_proof_endpoints
from steward.console.shell import Page
from steward.console.source import ConsoleSource
from steward.core.errors import InputError
from steward.core.evidence import Evidence
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.improvement.dataset.manifest import MANIFEST, parse_manifest
from steward.workflows.rights.report import read_inventory

MOST_SUMMARY: Final = 8 << 20  # bytes
MOST_RULES: Final = 20  # of a stage
ABOUT: Final = ProofPage(
    path="/data",
    title="Data",
    kinds={
        "data.run": "pipeline run",
        "data.contract": "contract",
        "dataset.build": "training set",
        "dataset.verify": "check of a training set",
        "privacy.scan": "search for personal data",
    },
    explanation="Each pipeline run and training set stands here with the rows that every step let through, dropped, "
    "merged or changed, and why; each check of a contract with the rules that were broken.",
    commands=(
        "steward data run pipeline.yaml",
        "steward data check contract.yaml train.jsonl",
        "steward dataset build dataset.yaml",
    ),
)


class StageLine(msgspec.Struct, frozen=True):
    """What a stage did, as `summary.json` of a run says it; what else stands there is left."""

    name: str
    rows_in: int = 0
    rows_out: int = 0
    added: int = 0
    dropped: int = 0
    merged: int = 0
    failed: int = 0
    changed: int = 0
    rules: dict[str, int] = {}

    def list_reasons(self) -> list[tuple[str, int]]:
        """The commonest first.

        >>> StageLine("a", rules={"drop x": 1, "drop y": 3}).list_reasons()
        [('drop y', 3), ('drop x', 1)]
        """
        return sorted(self.rules.items(), key=lambda item: (-item[1], item[0]))[:MOST_RULES]


class RunLines(msgspec.Struct, frozen=True):
    """`summary.json` of a pipeline run, as far as a page shows it."""

    rows_in: int
    rows_out: int
    stages: tuple[StageLine, ...]
    warnings: tuple[str, ...] = ()


def page(source: ConsoleSource) -> Page:
    return Page(
        list_proof_endpoints(source, ABOUT, "data.html", describe),
        title=ABOUT.title,
        group="Improve",
        words="pipeline contracts dropped rows inventory personal data retention",
    )


def describe(source: ConsoleSource, who: Principal, proof: Evidence | None) -> Mapping[str, Any]:
    """Of all, the inventory of personal data; of one run, its stages, where its folder is still there."""
    if proof is None:
        may = who.has("privacy.read")
        return {"inventory": read_inventory(source.home, source.clock(), actor=who) if may else None}
    if who.tenant != DEFAULT_TENANT:
        return {}
    if proof.check == "dataset.build":
        return {"run": read_dataset(Path(proof.source)), "more": f"steward dataset show {proof.source}"}
    if proof.check != "data.run":
        return {}
    return {"run": read_lines(Path(proof.source)), "more": f"steward data explain {proof.source} ROW"}


def read_dataset(folder: Path) -> RunLines | None:
    """The steps that chose the rows of a training set. None: none lies there any more, or one of another release."""
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MOST_SUMMARY:
            return None
        manifest = parse_manifest(file.read_bytes(), str(file))
    except (OSError, InputError):
        return None
    steps = tuple(
        StageLine(
            step.name, step.rows_in, step.rows_out, dropped=step.removed, changed=step.changed, rules=step.reasons
        )
        for step in manifest.steps
    )
    first = steps[0].rows_in if steps else 0
    return RunLines(first, sum(manifest.rows.values()), steps, manifest.warnings)


def read_lines(folder: Path) -> RunLines | None:
    """None: no run lies there any more, or one of another release."""
    file = folder / "summary.json"
    try:
        if file.stat().st_size > MOST_SUMMARY:
            return None
        return msgspec.json.decode(file.read_bytes(), type=RunLines)
    except (OSError, msgspec.MsgspecError):
        return None
