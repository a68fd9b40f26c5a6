"""Compares two runs, decides a release gate, and writes reports."""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.core.errors import Unavailable
from steward.core.files import SHARED, write_file
from steward.evaluation.compare import Comparison, compare_runs, match_rows
from steward.evaluation.gate import GateDecision, decide_gate, read_gate_policy
from steward.evaluation.report import render_comparison_page, render_gate_junit, render_gate_markdown
from steward.evaluation.run import EvalRun, read_run
from steward.evaluation.run_page import render_items_page, render_run_page
from steward.evaluation.spend import TokenPrices


def read_pair(baseline: Path, candidate: Path) -> tuple[EvalRun, EvalRun]:
    """Both runs; items that are numbered by row are matched by what they ask. :raises InputError: not run folders"""
    before = read_run(baseline)
    return before, match_rows(before, read_run(candidate))


def compare_folders(baseline: Path, candidate: Path, html: Path | None) -> Comparison:
    """:raises InputError: not run folders, or runs over different data"""
    before, after = read_pair(baseline, candidate)
    comparison = compare_runs(before, after)
    if html is not None:
        write_file(html, render_comparison_page(comparison, before, after).encode(), mode=SHARED)
    return comparison


def gate_folders(
    baseline: Path, candidate: Path, policy: Path, markdown: Path | None, junit: Path | None
) -> GateDecision:
    """:raises InputError: not run folders, runs over different data, a wrong policy
    :raises Unavailable: a run in which no item was answered
    """
    before, after = read_pair(baseline, candidate)
    for folder, run in ((baseline, before), (candidate, after)):
        if all(answer.error is not None for answer in run.answers.values()):
            first = next(iter(run.answers.values()))
            raise Unavailable(f"{folder}: no item was answered ({first.error}); run the suite again")
    decision = decide_gate(before, after, read_gate_policy(policy))
    for path, render in ((markdown, render_gate_markdown), (junit, render_gate_junit)):
        if path is not None:
            write_file(path, render(decision).encode(), mode=SHARED)
    return decision


class WrittenPage(msgspec.Struct, frozen=True):
    """The page, and the one beside it with all items in full, where the first has not room for them."""

    page: Path
    items: Path | None


def write_run_page(run: Path, html: Path | None, prices: TokenPrices | None = None) -> WrittenPage:
    """Write the run's page to `html`, else to report.html in its folder; where items do not fit, all of them to
    report-items.html beside it.

    :raises InputError: not a run folder
    """
    path, found = html or run / "report.html", read_run(run)
    beside = path.with_name(f"{path.stem}-items.html")
    page = render_run_page(found, prices, beside.name)
    write_file(path, page.html.encode(), mode=SHARED)
    if page.whole:
        return WrittenPage(path, None)
    write_file(beside, render_items_page(found).encode(), mode=SHARED)
    return WrittenPage(path, beside)
