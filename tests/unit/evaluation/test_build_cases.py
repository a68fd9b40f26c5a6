"""Runs, checks and gates as test cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steward.evaluation.build_cases import list_check_cases, list_gate_cases, list_run_cases
from steward.evaluation.checks import CheckReport, CheckResult
from steward.evaluation.gate import GateCheck, GateDecision
from studies import folder


def test_junit_of_a_run_has_a_case_for_each_item() -> None:
    cases = list_run_cases(folder("m", lambda n: None if n == 3 else f"right {n}" if n == 1 else "left", 3))
    assert [(case.name, case.status) for case in cases] == [
        ("item-1", "passed"), ("item-2", "failed"), ("item-3", "error")
    ]  # fmt: skip
    assert "exact_match 0.0000, expected 1; the answer: 'left'" in cases[1].why and "HTTP 500" in cases[2].why


def result(
    verdict: Any, share: float | None, unscored: tuple[str, ...] = (), errored: tuple[str, ...] = ()
) -> CheckResult:
    return CheckResult(
        name=verdict, kind="MFT", verdict=verdict, share=share, low=None, high=None, n=4, failed=(), unscored=unscored,
        errored=errored, at_least=0.9, examples=(),
    )  # fmt: skip


def test_junit_of_checks_takes_what_is_inconclusive_for_an_error() -> None:
    checks = (result("passed", 1.0), result("failed", 0.5), result("inconclusive", None, ("1: why",)))
    cases = list_check_cases(CheckReport(suite="s", model="m", verdict="failed", checks=checks))
    assert [(case.status, case.why) for case in cases] == [
        ("passed", ""), ("failed", "50.0% of 4 items passed, expected 90%"),
        ("error", "no item passed, expected 90%; 1 undecided"),
    ]  # fmt: skip


def test_junit_of_a_gate() -> None:
    verdicts: tuple[Any, ...] = ("passed", "regressed", "inconclusive")
    checks = tuple(GateCheck(name=verdict, verdict=verdict, why="lost") for verdict in verdicts)
    decision = GateDecision(verdict="regressed", baseline="a", candidate="b", data_sha256="d", checks=checks)
    assert [(case.status, case.why) for case in list_gate_cases(decision)] == [
        ("passed", ""), ("failed", "lost"), ("error", "lost")
    ]  # fmt: skip


def test_what_was_not_scored_and_what_failed_are_both_undecided() -> None:
    check = result("inconclusive", 0.5, ("1: why", "2: why"), ("3: HTTP 500",))
    (case,) = list_check_cases(CheckReport(suite="s", model="m", verdict="inconclusive", checks=(check,)))
    assert case.why == "50.0% of 4 items passed, expected 90%; 3 undecided"


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("bleu", 100.0), ("chrf", 100.0), ("chrf++", 100.0), ("exact_match", 1.0), ("toxicity", 0.0)],
)
def test_a_case_passes_at_the_best_value_of_its_metric(
    metric: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"a": expected, "b": expected - 5e-10 if expected else 5e-10, "c": abs(expected - 0.5), "d": 0.0}
    whole = SimpleNamespace(
        ids=("a", "b", "c"), values=[values[n] for n in "abc"], errored={}, unscored={"d": "no text"}
    )
    monkeypatch.setattr("steward.evaluation.build_cases.score_items", lambda *_: whole)
    items = [SimpleNamespace(id=name) for name in "abcd"]
    suite = SimpleNamespace(metric_specs=lambda: [SimpleNamespace(name=metric)], filters=())
    answers = {name: SimpleNamespace(prediction="so  it is") for name in "abcd"}
    run: Any = SimpleNamespace(manifest=SimpleNamespace(suite=suite), items=items, answers=answers)
    cases = list_run_cases(run)
    assert [case.status for case in cases] == ["passed", "passed", "failed", "skipped"]
    assert f"expected {expected:g}; the answer: 'so it is'" in cases[2].why and cases[3].why == f"{metric}: no text"
