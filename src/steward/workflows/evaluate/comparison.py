"""Compares two runs, decides a release gate, and writes reports."""

from __future__ import annotations

from pathlib import Path

from steward.core.errors import Unavailable
from steward.evaluation.compare import Comparison, compare_runs
from steward.evaluation.gate import GateDecision, decide_gate, read_gate_policy
from steward.evaluation.report import render_comparison_page, render_gate_junit, render_gate_markdown
from steward.evaluation.run import read_run
from steward.evaluation.run_page import render_run_page


def compare_folders(baseline: Path, candidate: Path, html: Path | None) -> Comparison:
    """:raises InputError: not run folders, or runs over different data"""
    before, after = read_run(baseline), read_run(candidate)
    comparison = compare_runs(before, after)
    if html is not None:
        html.write_text(render_comparison_page(comparison, before, after))
    return comparison


def gate_folders(
    baseline: Path, candidate: Path, policy: Path, markdown: Path | None, junit: Path | None
) -> GateDecision:
    """:raises InputError: not run folders, runs over different data, a wrong policy
    :raises Unavailable: a run in which no item was answered
    """
    before, after = read_run(baseline), read_run(candidate)
    for folder, run in ((baseline, before), (candidate, after)):
        if all(answer.error is not None for answer in run.answers.values()):
            first = next(iter(run.answers.values()))
            raise Unavailable(f"{folder}: no item was answered ({first.error}); run the suite again")
    decision = decide_gate(before, after, read_gate_policy(policy))
    for path, render in ((markdown, render_gate_markdown), (junit, render_gate_junit)):
        if path is not None:
            path.write_text(render(decision))
    return decision


def write_run_page(run: Path, html: Path | None) -> Path:
    """Write the run's page to `html`, else to report.html in its folder. :raises InputError: not a run folder"""
    path = html or run / "report.html"
    path.write_text(render_run_page(read_run(run)))
    return path
