"""Runs, checks and gates as the test cases of a build server."""

from __future__ import annotations

from math import isclose

from steward.core.build_results import BuildResult
from steward.evaluation.checks import CheckReport
from steward.evaluation.gate import GateDecision
from steward.evaluation.metrics import UNBOUNDED, higher_is_better
from steward.evaluation.numbers import format_number
from steward.evaluation.run import EvalRun, score_items


def list_run_cases(run: EvalRun) -> list[BuildResult]:
    """A case for each item, by the first metric: passed at its best value, or if scored where there is no best."""
    spec = run.manifest.suite.metric_specs()[0]
    whole = score_items(spec, run.items, run.answers, run.manifest.suite.filters)
    values = dict(zip(whole.ids, whole.values, strict=True))
    best = 100.0 if spec.name in ("bleu", "chrf", "chrf++") else 1.0 if higher_is_better(spec.name) else 0.0
    cases = []
    for item in run.items:
        if item.id in whole.errored:
            cases.append(BuildResult(item.id, "error", whole.errored[item.id]))
        elif item.id in whole.unscored:
            cases.append(BuildResult(item.id, "skipped", f"{spec.name}: {whole.unscored[item.id]}"))
        elif spec.name.partition("@")[0] in UNBOUNDED or isclose(values[item.id], best, abs_tol=1e-9):
            cases.append(BuildResult(item.id, "passed"))
        else:
            said = " ".join((run.answers[item.id].prediction or "").split())[:200]
            why = f"{spec.name} {format_number(values[item.id])}, expected {best:g}; the answer: {said!r}"
            cases.append(BuildResult(item.id, "failed", why))
    return cases


def list_check_cases(report: CheckReport) -> list[BuildResult]:
    """A case for each check; what is inconclusive is an error."""
    cases = []
    for check in report.checks:
        share = "no item" if check.share is None else f"{check.share:.1%} of {check.n} items"
        undecided = len(check.unscored) + len(check.errored)
        why = f"{share} passed, expected {check.at_least:.0%}" + (f"; {undecided} undecided" if undecided else "")
        status = {"passed": "passed", "failed": "failed", "inconclusive": "error"}[check.verdict]
        cases.append(BuildResult(check.name, status, "" if status == "passed" else why))  # type: ignore[arg-type]
    return cases


def list_gate_cases(decision: GateDecision) -> list[BuildResult]:
    """A case for each check of the policy; what is inconclusive is an error."""
    cases = []
    for check in decision.checks:
        if check.verdict == "passed":
            cases.append(BuildResult(check.name, "passed"))
        else:
            cases.append(BuildResult(check.name, "failed" if check.verdict == "regressed" else "error", check.why))
    return cases
