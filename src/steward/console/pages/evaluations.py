"""Evaluations: runs, comparisons, gate verdicts, robustness, fairness and studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from steward.console.pages.proofs import ProofPage, list_proof_endpoints
from steward.console.shell import Page
from steward.console.source import ConsoleSource
from steward.core.evidence import Evidence
from steward.core.identity import Principal

ABOUT: Final = ProofPage(
    path="/evaluations",
    title="Evaluations",
    kinds={
        "evaluation.run": "run",
        "evaluation.gate": "gate",
        "evaluation.robustness": "robustness",
        "evaluation.counterfactual": "counterfactual",
        "evaluation.groups": "groups",
        "evaluation.overlap": "overlap",
        "evaluation.study": "study",
        "drift.compare": "drift",
    },
    explanation="Runs of suites, comparisons of two models, the gate's verdicts, robustness, fairness and overlap with "
    "training data stand here with what they found and the report.",
    commands=(
        "steward eval run starter --model starter --out runs/first",
        "steward eval gate --baseline runs/first --candidate runs/second --policy gate.yaml",
    ),
)


def page(source: ConsoleSource) -> Page:
    return Page(
        list_proof_endpoints(source, ABOUT, "proofs.html", describe),
        title=ABOUT.title,
        group="Improve",
        words="runs gate robustness fairness studies",
    )


def describe(source: ConsoleSource, who: Principal, proof: Evidence | None) -> Mapping[str, Any]:
    """Of one run, the command that opens every item of it."""
    if proof is not None and proof.check == "evaluation.run" and proof.source:
        return {"more": f"steward eval view {proof.source}"}
    return {}
