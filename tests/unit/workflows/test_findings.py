"""What the workflows' records prove: the verdicts, and what they are of."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from steward.capacity.plan import Plan
from steward.capacity.sizing import Requirements
from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.data.contract import ContractFinding, ContractResult
from steward.evaluation.gate import GateCheck, GateDecision
from steward.evaluation.run import RunResults
from steward.evaluation.score import Score
from steward.workflows.findings import (
    describe_contract,
    describe_evaluation,
    describe_gate,
    describe_load_test,
    describe_plan,
    digest_subject,
)


def digest(*parts: bytes) -> str:
    """SHA-256 over each part's length in 8 bytes and the part."""
    return "sha256:" + hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


def test_parts_are_told_apart() -> None:
    assert digest_subject("é", b"ab") == digest("é".encode(), b"ab")
    assert digest_subject("ab", "c") != digest_subject("a", "bc")


CLIENT = ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1)


def report(**changes: Any) -> LoadReport:
    told: dict[str, Any] = {
        "url": "http://a", "model": "m", "arrival": "poisson", "started_at": 0.0, "duration_s": 1.0,
        "achieved_rate": 1.0, "valid": True, "client": CLIENT,
        "sent": 10, "answered": 9, "failed": 1, "slo": "p95 < 500 ms", "slo_met": True, "e2e_ms": Quantiles(p95=412.4),
    }  # fmt: skip
    return LoadReport(**{**told, **changes})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"),
        ({"slo_met": False}, "fail"),
        ({"slo_met": None}, "cannot tell"),
        ({"valid": False}, "cannot tell"),
        ({"partial": True}, "cannot tell"),
        ({"valid": False, "slo_met": False}, "cannot tell"),
    ],
)
def test_a_load_test_proves_what_it_decided(changes: dict[str, Any], verdict: str) -> None:
    assert describe_load_test(report(**changes), None).verdict == verdict


def test_a_load_test_says_what_it_is_of() -> None:
    finding = describe_load_test(report(), Path("r.json"))
    assert (finding.check, finding.subject, finding.subject_digest) == (
        "loadtest.run", "model m at http://a", digest(b"http://a", b"m"),
    )  # fmt: skip
    assert (finding.value, finding.expected, finding.source) == (
        "9 of 10 answered, p95 412 ms", "p95 < 500 ms", "r.json",
    )  # fmt: skip
    finding = describe_load_test(report(e2e_ms=Quantiles(), slo=None), None)
    assert (finding.value, finding.expected, finding.source) == ("9 of 10 answered, p95 unknown", "", "")


def test_a_plan_without_a_choice_proves_nothing() -> None:
    wanted = Requirements(rate=2.5, input_tokens=100, output_tokens=50)
    finding = describe_plan(Plan(at=0.0, model="m", engine="vllm", wanted=wanted, chosen=None, considered=7))
    assert (finding.verdict, finding.subject) == ("cannot tell", "hardware for m")
    assert finding.value == "7 deployments considered, none fits"
    assert finding.expected == "2.5 requests/s of 100 + 50 tokens"


def contract(passed: bool, **changes: Any) -> ContractResult:
    rules = (
        ContractFinding(rule="rows", passed=True, seen="", expected=""),
        ContractFinding(rule="pii", passed=passed, seen="3 rows", expected="none"),
    )
    return ContractResult(passed, 1234, rules, **changes)


def test_a_contract_names_what_is_broken(tmp_path: Path) -> None:
    finding = describe_contract(Path("c.yaml"), ["a", "b", "c"], contract(True, digest="sha256:1"))
    assert (finding.verdict, finding.value, finding.subject) == ("pass", "1,234 rows, broken: none", "files a, b, c")
    assert (finding.subject_digest, finding.expected, finding.source) == ("sha256:1", "contract c.yaml", "c.yaml")
    file, gone = tmp_path / "a", tmp_path / "gone"
    file.write_bytes(b"abc")
    os.utime(file, ns=(1, 7))
    finding = describe_contract(Path("c.yaml"), [str(file), str(gone)], contract(False))
    assert (finding.verdict, finding.value) == ("fail", "1,234 rows, broken: pii")
    assert finding.subject_digest == digest(f"{file} 3 7".encode(), f"{gone} ".encode())
    finding = describe_contract(Path("c.yaml"), ["a", "b", "c", "d"], contract(True, digest="sha256:1"))
    assert finding.subject == "files a, b, c and others"


def test_scores_alone_pass_nothing() -> None:
    def score(metric: str, value: float | None) -> Score:
        return Score(metric=metric, value=value, low=None, high=None, n=1, unscored=0, errored=0, signature="")

    results = RunResults(
        suite="s",
        model="m",
        items=20,
        errored=("1: x",),
        scores=(score("exact", 0.98765), score("bleu", None)),
        slices=(),
    )
    finding = describe_evaluation(results, Path("out"))
    assert (finding.verdict, finding.subject, finding.source) == ("cannot tell", "model m on suite s", "out")
    assert finding.value == "20 items, 1 failed; exact 0.988, bleu unknown"


@pytest.mark.parametrize(
    ("verdict", "proof"), [("passed", "pass"), ("regressed", "fail"), ("inconclusive", "cannot tell")]
)
def test_a_gates_verdict_is_a_proof(verdict: Any, proof: str) -> None:
    checks = (GateCheck(name="exact", verdict=verdict, why=""), GateCheck(name="cost", verdict="passed", why=""))
    decision = GateDecision(verdict=verdict, baseline="old", candidate="new", data_sha256="d", checks=checks)
    finding = describe_gate(decision, Path("gate.yaml"))
    assert (finding.verdict, finding.subject) == (proof, "new in place of old")
    assert finding.value == f"exact: {verdict}, cost: passed"
    assert finding.subject_digest == digest(b"new", b"old", b"d")
