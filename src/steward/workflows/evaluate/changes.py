"""Runs a suite as it is and under changes to its questions: robustness, counterfactual swaps and checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from steward.core.errors import InputError
from steward.evaluation.changes import rewrite_suite
from steward.evaluation.checks import CheckReport, evaluate_checks
from steward.evaluation.robustness import RobustnessReport, measure_robustness
from steward.evaluation.run import read_run
from steward.evaluation.suite import MetricSpec, QuestionChange, load_suite
from steward.workflows.evaluate.suites import find_suite, run_suites
from steward.workflows.evaluate.target import ModelTarget, Progress


def run_robustness(
    suite: Path | str,
    changes: Sequence[QuestionChange],
    target: ModelTarget,
    out: Path,
    *,
    limit: int | None,
    extra: Sequence[str],
    margin: float | None = None,
    progress: Progress,
) -> RobustnessReport:
    """Run the suite as it is and under each change, into subfolders of `out`, and measure what the changes did.

    `extra`: metrics beside the suite's. `margin`: how much the suite's metrics may change, for a verdict. A killed
    run continues where it stopped.

    :raises InputError: the suite or a change is wrong, or no item can be changed
    """
    path = find_suite(suite)
    original = load_suite(path, limit)
    titles = [change.title for change in changes]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"the change {twice[0]!r} is given twice")
    rewritten = [(change, rewrite_suite(path, change, limit)) for change in changes]
    touching = [(change, changed) for change, changed in rewritten if changed.items]
    if not touching:
        raise InputError(
            f"{path}: no item can be changed by {', '.join(titles)}; choose other changes, or other fields with --field"
        )
    folders = [out / "original", *(out / make_folder_name(change.title) for change, _ in touching)]
    suites = [original, *(changed for _, changed in touching)]
    run_suites(list(zip(suites, folders, strict=True)), path.parent, target, progress)
    original_run, *changed_runs = map(read_run, folders)
    own = {metric.name for metric in original.spec.metric_specs()}
    return measure_robustness(
        original_run,
        {change.title: (change, run) for (change, _), run in zip(touching, changed_runs, strict=True)},
        [MetricSpec(name) for name in extra if name not in own],
        tuple(change.title for change, changed in rewritten if not changed.items),
        margin,
    )


def run_checks(
    suite: Path | str, target: ModelTarget, out: Path, *, limit: int | None, progress: Progress
) -> CheckReport:
    """Run the suite, and what its checks change in it, into subfolders of `out`.

    :raises InputError: the suite is wrong or has no checks
    """
    path = find_suite(suite)
    original = load_suite(path, limit)
    if not original.spec.checks:
        raise InputError(f"{path}: the suite has no checks; add a key `checks` with a list of MFT, INV and DIR tests")
    rewritten = {check.name: rewrite_suite(path, check.change, limit) for check in original.spec.checks if check.change}
    touching = {name: changed for name, changed in rewritten.items() if changed.items}
    folders = {name: out / make_folder_name(name) for name in touching}
    suites = [(original, out / "original"), *((changed, folders[name]) for name, changed in touching.items())]
    run_suites(suites, path.parent, target, progress)
    return evaluate_checks(read_run(out / "original"), {name: read_run(folder) for name, folder in folders.items()})


def make_folder_name(title: str) -> str:
    """Readable, safe as a file name, and different for each title."""
    safe = re.sub(r"[^a-z0-9-]+", "-", title.lower()).strip("-")
    return safe if safe == title else f"{safe[:40]}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"
