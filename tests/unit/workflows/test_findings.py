"""What the workflows' records prove: the verdicts, and what they are of."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from improvement_manifests import make_manifest
from steward.capacity.headroom import HeadroomStatus
from steward.capacity.plan import Plan
from steward.capacity.sizing import Requirements
from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.data.contract import ContractFinding, ContractResult
from steward.data.profile import LengthStatistics
from steward.data.summary import Summary
from steward.evaluation.gate import GateCheck, GateDecision
from steward.evaluation.groups import GroupComparison, GroupDifference
from steward.evaluation.overlap import OverlappingItem, OverlapReport
from steward.evaluation.robustness import ChangeEffect, RobustnessReport
from steward.evaluation.run import RunResults
from steward.evaluation.score import Score
from steward.improvement.experiment import ExperimentReport, SecondLook
from steward.improvement.training import TrainingRun
from steward.monitoring.drift import Drift, FeatureDrift
from steward.security.access_matrix import AccessFault, AccessRow
from steward.workflows import findings
from steward.workflows.access_matrix import AccessMatrix
from steward.workflows.alerting import ChannelTest
from steward.workflows.dataset.build import DatasetBuild
from steward.workflows.dataset.folder import DatasetVerification
from steward.workflows.findings import (
    describe_contract,
    describe_data_run,
    describe_evaluation,
    describe_gate,
    describe_load_test,
    describe_plan,
    describe_scan,
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
    plan = Plan(at=0.0, model="m", engine="vllm", wanted=wanted, chosen=None, considered=7)
    finding = describe_plan(plan, kept=True)
    assert finding.of == ""
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
    assert (finding.subject_digest, finding.expected, finding.source) == (
        "sha256:1",
        "contract c.yaml",
        str(Path("c.yaml").absolute()),
    )
    assert finding.inputs == ("c.yaml", "a", "b", "c")
    file, gone = tmp_path / "a", tmp_path / "gone"
    file.write_bytes(b"abc")
    os.utime(file, ns=(1, 7))
    finding = describe_contract(Path("c.yaml"), [str(file), str(gone)], contract(False))
    assert (finding.verdict, finding.value) == ("fail", "1,234 rows, broken: pii")
    assert finding.subject_digest == digest(f"{file} 3 7".encode(), f"{gone} ".encode())
    finding = describe_contract(Path("c.yaml"), ["a", "b", "c", "d"], contract(True, digest="sha256:1"))
    assert finding.subject == "files a, b, c and others"


def test_a_pipeline_run_says_what_was_lost_and_proves_nothing() -> None:
    numbers = {"rows_in": 1000, "rows_out": 900, "added": 0, "dropped": 70, "merged": 30, "failed": 0}
    summary = Summary(
        **numbers, blank_lines=0, empty_files=0, stages=(), digest="ab", parts=(), inputs=(), key="k", kind="text",
        before=LengthStatistics(), after=LengthStatistics(),
    )  # fmt: skip
    finding = describe_data_run(summary, Path("p.yaml"), Path("/out"))
    assert (finding.check, finding.subject, finding.verdict) == ("data.run", "pipeline p.yaml", "cannot tell")
    assert finding.value == "1,000 rows in, 900 out; 70 dropped, 30 merged"
    assert (finding.subject_digest, finding.source) == ("sha256:ab", "/out")
    whole = msgspec.structs.replace(summary, dropped=0, merged=0)
    assert describe_data_run(whole, Path("p.yaml"), Path("/out")).value == "1,000 rows in, 900 out"


def test_a_run_passes_when_every_item_was_answered_and_every_metric_scored() -> None:
    def score(metric: str, value: float | None) -> Score:
        return Score(metric=metric, value=value, low=None, high=None, n=1, unscored=0, errored=0, signature="")

    def run(items: int, errored: tuple[str, ...], *scores: Score) -> RunResults:
        return RunResults(suite="s", model="m", items=items, errored=errored, scores=scores, slices=())

    def verdict(results: RunResults) -> str:
        return describe_evaluation(results, Path("out")).verdict

    assert verdict(run(1, (), score("exact", 0.0))) == "pass"
    assert verdict(run(0, (), score("exact", 0.0))) == verdict(run(1, ())) == "cannot tell"
    assert verdict(run(2, ("1: x",), score("exact", 1.0))) == "cannot tell"
    assert verdict(run(2, (), score("exact", 1.0), score("bleu", None))) == "cannot tell"

    results = RunResults(
        suite="s",
        model="m",
        items=20,
        errored=("1: x",),
        scores=(score("exact", 0.98765), score("bleu", None)),
        slices=(),
    )
    finding = describe_evaluation(results, Path("out"))
    out = str(Path("out").absolute())
    assert (finding.verdict, finding.subject, finding.source) == ("cannot tell", "model m on suite s", out)
    asked = describe_evaluation(results, Path("out"), ["s.yaml", "d.jsonl"], "http://a")
    assert (finding.of, asked.of, asked.url, asked.inputs) == ("model", "model", "http://a", ("s.yaml", "d.jsonl"))
    assert describe_evaluation(results, Path("out"), url=None).of == "", "a model in this process is not what serves"
    assert finding.value == "20 items, 1 failed; exact 0.988, bleu unknown"


@pytest.mark.parametrize(
    ("verdict", "proof"), [("passed", "pass"), ("regressed", "fail"), ("inconclusive", "cannot tell")]
)
def test_a_gates_verdict_is_a_proof(verdict: Any, proof: str) -> None:
    checks = (GateCheck(name="exact", verdict=verdict, why=""), GateCheck(name="cost", verdict="passed", why=""))
    decision = GateDecision(verdict=verdict, baseline="old", candidate="new", data_sha256="d", checks=checks)
    finding = describe_gate(decision, Path("gate.yaml"), Path("a"), Path("b"))
    assert finding.run == str(Path("b").absolute())
    assert finding.inputs == ("gate.yaml", "a/results.json", "b/results.json")
    assert (finding.verdict, finding.subject) == (proof, "new in place of old")
    assert finding.value == f"exact: {verdict}, cost: passed"
    assert finding.subject_digest == digest(b"new", b"old", b"d")


@pytest.mark.parametrize(
    ("state", "verdict"), [("holds", "pass"), ("soon", "fail"), ("outgrown", "fail"), ("unknown", "cannot tell")]
)
def test_traffic_that_fits_the_plan(state: Any, verdict: str) -> None:
    found = findings.describe_headroom(HeadroomStatus(state=state, why="58 % free"))
    assert (found.check, found.verdict, found.value, found.of) == ("capacity.watch", verdict, "58 % free", "plan")


def test_a_rehearsed_restore() -> None:
    fine = findings.describe_restore("home.tar", "/r", 12, ())
    assert (fine.check, fine.verdict, fine.value, fine.of) == ("backup.restored", "pass", "12 files", "store")
    broken = findings.describe_restore("home.tar", "/r", 12, ("row 3 is gone", "no log"))
    assert (broken.verdict, broken.value) == ("fail", "row 3 is gone; no log")


def changed(verdict: Any, margin: float | None = 0.1, errored: tuple[str, ...] = ()) -> RobustnessReport:
    effect = ChangeEffect(change="typos", items=9, untouched=1, shifts=(), same=None, examples=(), errored=())
    return RobustnessReport(
        suite="s", model="m", items=10, effects=(effect,), worst=(), untouching=(), errored=errored, margin=margin,
        verdict=verdict,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (changed("passed"), "pass"),
        (changed("moved"), "fail"),
        (changed("inconclusive"), "cannot tell"),
        (changed(None, None), "cannot tell"),
        (changed("passed", errored=("3",)), "cannot tell"),
    ],
)
def test_changes_that_change_nothing(report: RobustnessReport, verdict: str) -> None:
    found = findings.describe_changes(report, "evaluation.robustness")
    assert (found.check, found.verdict) == ("evaluation.robustness", verdict) and "typos" in found.value
    assert found.expected == ("no change beyond 0.1" if report.margin else "")
    there = findings.describe_changes(report, "evaluation.robustness", ["s.yaml"], "http://a")
    assert (found.of, there.of, there.url, there.inputs) == ("model", "model", "http://a", ("s.yaml",))
    assert findings.describe_changes(report, "evaluation.robustness", url=None).of == ""


@pytest.mark.parametrize(
    ("overlapping", "too_short", "share", "verdict"),
    [(1, 0, 0.1, "fail"), (0, 0, 0.0, "pass"), (0, 1, 0.0, "cannot tell"), (0, 10, None, "cannot tell")],
)
def test_items_that_training_data_hold(overlapping: int, too_short: int, share: float | None, verdict: str) -> None:
    report = OverlapReport(
        items=10, too_short=too_short, share=share, low=None, high=None,
        overlapping=(OverlappingItem("1", 1.0),) * overlapping, gaps=(), ngram=13, shortest=8,
    )  # fmt: skip
    found = findings.describe_overlap(report, Path("s.yaml"), ["t.jsonl"], ["s.yaml", "d.jsonl"])
    assert (found.verdict, found.inputs) == (verdict, ("s.yaml", "d.jsonl", "t.jsonl"))


@pytest.mark.parametrize(
    ("p", "verdict"), [((0.049, 0.9), "fail"), ((0.05, 0.9), "pass"), ((None,), "cannot tell"), ((), "cannot tell")]
)
def test_groups_that_are_treated_alike(p: tuple[float | None, ...], verdict: str) -> None:
    differences = tuple(GroupDifference(measure="accuracy", value=0.1, low=0, high=1, p=one, p_holm=one) for one in p)
    comparison = GroupComparison(
        suite="s", model="m", field="language", positive=None, groups=(), differences=differences, n=300, unscored=(),
        errored=(), signature="",
    )  # fmt: skip
    found = findings.describe_groups(comparison, Path("r"))
    assert (found.verdict, found.run, found.inputs) == (verdict, str(Path("r").absolute()), ("r/results.json",))


def test_files_without_personal_data(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}")
    clean, found = findings.describe_scan([file], 0, "gdpr"), findings.describe_scan([file], 3, "gdpr")
    assert (clean.verdict, found.verdict, found.value) == ("pass", "fail", "3 values found")
    assert clean.subject_digest == found.subject_digest
    file.write_text("{} ")
    assert findings.describe_scan([file], 0, "gdpr").subject_digest != clean.subject_digest


def test_channels_that_take_a_message() -> None:
    fine, broken = ChannelTest(channel="ops", delivered=True), ChannelTest(channel="mail", delivered=False, error="x")
    assert findings.describe_alert_test([fine]).verdict == "pass"
    assert findings.describe_alert_test([]).verdict == "cannot tell"
    found = findings.describe_alert_test([fine, broken])
    assert (found.verdict, found.value) == ("fail", "not delivered: mail")


@pytest.mark.parametrize(
    ("features", "verdict"),
    [([(True, 0.01)], "fail"), ([(False, 0.5)], "pass"), ([(False, None)], "cannot tell"), ([], "cannot tell")],
)
def test_traffic_like_the_baselines(features: list[tuple[bool, float | None]], verdict: str) -> None:
    drift = Drift(
        features=tuple(
            FeatureDrift(name="language", kind="word", effect=None, p=p, p_adjusted=p, drifted=drifted)
            for drifted, p in features
        ),
        drifted=any(drifted for drifted, _ in features),
        baseline_events=9,
        current_events=8,
    )
    assert findings.describe_drift(drift, Path("a"), Path("b")).verdict == verdict


def test_a_scan_names_three_files_and_says_that_there_are_others(tmp_path: Path) -> None:
    paths = [Path(name) for name in "abcd"]
    finding = describe_scan(paths[:3], 0, "gdpr")
    assert (finding.subject, finding.verdict, finding.value) == ("files a, b, c", "pass", "0 values found")
    assert finding.expected == "nothing that profile gdpr looks for"
    finding = describe_scan(paths, 1_234, "gdpr")
    assert (finding.subject, finding.verdict, finding.value) == (
        "files a, b, c and others", "fail", "1,234 values found",
    )  # fmt: skip
    assert finding.subject_digest == digest(b"gdpr", b"a ", b"b ", b"c ", b"d ")


@pytest.mark.parametrize(
    ("held", "failed", "cannot_tell", "verdict"),
    [(19, 0, 0, "pass"), (18, 1, 0, "fail"), (18, 0, 1, "cannot tell"), (0, 0, 0, "cannot tell")],
)
def test_advisories_that_do_not_repeat(held: int, failed: int, cannot_tell: int, verdict: str) -> None:
    found = findings.describe_selftest("http://gateway", held, failed, cannot_tell)
    assert (found.check, found.verdict) == ("security.selftest", verdict)


def test_a_training_set_that_was_built_passes_and_one_that_was_refused_proves_nothing() -> None:
    manifest = make_manifest(rows={"train": 1200, "judge": 3}, digest="sha256:ab")
    built = findings.describe_dataset(
        DatasetBuild(folder="sets/x", refused=None, manifest=manifest, steps=()), Path("d.yaml")
    )
    assert (built.check, built.verdict, built.subject_digest) == ("dataset.build", "pass", "sha256:ab")
    assert built.value == "1,200 train, 3 judge" and built.source == "sets/x"
    refused = findings.describe_dataset(
        DatasetBuild(folder=None, refused="too few", manifest=None, steps=()), Path("d.yaml")
    )
    assert (refused.verdict, refused.value, refused.source) == ("cannot tell", "too few", "d.yaml")


def test_an_altered_training_set_fails() -> None:
    given = dict(folder="f", digest="sha256:ab", files=5, rows=9)
    intact = DatasetVerification(intact=True, problems=(), seal="valid", **given)
    assert findings.describe_dataset_check(intact).verdict == "pass"
    assert findings.describe_dataset_check(intact).value == "9 rows, 5 files, seal valid; nothing altered"
    altered = DatasetVerification(intact=False, problems=("a", "b", "c", "d"), seal="broken", **given)
    assert findings.describe_dataset_check(altered).verdict == "fail"
    assert findings.describe_dataset_check(altered).value.endswith("a; b; c")


def test_a_training_run_passes_fails_or_tells_nothing() -> None:
    def describe(state: str) -> str:
        run = TrainingRun(
            id="tr_1", trainer="trl", method="sft", base="b", dataset="d", state=state, reason="", started_at=0.0,
            heard_at=0.0, step=1500, loss=0.5,
        )  # fmt: skip
        finding = findings.describe_training(run)
        assert finding.value == "1,500 steps, loss 0.5000, 0 artefacts"
        return finding.verdict

    states = ("succeeded", "failed", "stopped", "cancelled", "lost")
    assert [describe(state) for state in states] == ["pass", "fail", "cannot tell", "cannot tell", "cannot tell"]


def test_an_experiment_proves_by_its_second_score_alone() -> None:
    look = SecondLook(number=2, items=300, value=0.8, low=0.7, high=0.9)
    report = ExperimentReport(
        id="ex_1", name="e", folder="f", state="finished", goal="maximize", trials=(), broken={}, pareto=(),
        importance={}, winner=2, first_score=look, second_score=look, verdict="better",
    )  # fmt: skip
    finding = findings.describe_experiment(report)
    assert (finding.verdict, finding.value) == ("pass", "trial 2: 0.8000 on 300 unseen items")
    nobody = msgspec.structs.replace(report, winner=None, second_score=None, verdict="cannot tell")
    assert findings.describe_experiment(nobody).verdict == "cannot tell"
    assert findings.describe_experiment(nobody).value == "no winner"
    assert findings.describe_experiment(msgspec.structs.replace(report, verdict="worse")).verdict == "fail"


def test_a_matrix_of_access_passes_fails_or_tells_nothing() -> None:
    public = AccessRow(who="anonymous", at="*", rights=("public",))
    rows = [
        AccessRow(who=who, at=at, rights=()) for who, at in (("person:a", "x"), ("person:a", "y"), ("group:b", "x"))
    ]
    fault = AccessFault(rule="left", who="person:a", problem="is disabled", fix="steward users list")

    def describe(faults: int, *shown: AccessRow, apart: Any = ()) -> findings.Finding:
        return findings.describe_access(
            AccessMatrix(rows=(*shown, public), faults=(fault,) * faults, apart=apart, digest="sha256:ab")
        )

    fine = describe(0, *rows, apart=(("infer", "keys.manage"),))
    assert (fine.check, fine.verdict, fine.subject_digest) == ("access.matrix", "pass", "sha256:ab")
    assert fine.value == "subjects: 2, places: 2; no rule broken"
    assert fine.expected == "every rule of access holds; infer and keys.manage apart"
    assert describe(0).verdict == "cannot tell"
    assert describe(1, *rows).verdict == "fail" and describe(0, *rows).expected == "every rule of access holds"
    assert describe(1, *rows).value == "subjects: 2, places: 2; person:a is disabled"
    assert describe(5, *rows).value.endswith("person:a is disabled; person:a is disabled and 2 more")
    assert describe(3, *rows).value.endswith("person:a is disabled; person:a is disabled; person:a is disabled")
