"""Evaluation's composition root: files in, records out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steward import starter
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.secret import Secret

if TYPE_CHECKING:
    from steward.evaluation.compare import Comparison
    from steward.evaluation.gate import Decision
    from steward.evaluation.run import Results
    from steward.evaluation.score import Score

BUILT_IN: Final = {"starter": starter.path().parent / "suite.yaml"}


def score_files(metric: str, predictions: Path, references: Path, options: Mapping[str, str]) -> Score:
    """:raises InputError: a row of another kind, by its item; or the extra is not installed"""
    need_extra()
    from steward.evaluation.score import read_predictions, read_references, score

    return score(metric, read_predictions(predictions), read_references(references), options).score


def need_extra() -> None:
    """:raises InputError: the extra `eval` is not installed"""
    import importlib.util

    missing = [
        name for name in ("numpy", "sacrebleu", "rouge_score", "jsonschema") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise InputError(f"steward eval needs {', '.join(missing)}: pip install 'llm-steward[eval]'")


def run_file(
    suite: Path | str,
    model: str,
    url: str,
    key: Secret | None,
    out: Path,
    *,
    concurrency: int,
    limit: int | None,
    cache: Path | None,
    progress: Callable[[int], Callable[[int, int], None]],
) -> Results:
    """Run a suite, a file's or a built-in one's, against an OpenAI-compatible server.

    :raises InputError: the suite or its data are wrong, or `out` holds another run
    """
    need_extra()
    from steward.adapters.engines.http import HttpEngine
    from steward.evaluation.run import run_suite
    from steward.evaluation.suite import load_suite

    loaded = load_suite(find_suite(suite), limit)

    async def go() -> Results:
        engine = HttpEngine(url, key)
        shown = progress(len(loaded.items))
        try:
            return await run_suite(loaded, model, engine, out, concurrency=concurrency, cache=cache, progress=shown)
        finally:
            await engine.close()

    return asyncio.run(go())


def find_suite(given: Path | str) -> Path:
    """A file, else a built-in suite of that name. :raises UnknownName: neither"""
    path = Path(given)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    if str(given) not in BUILT_IN:
        raise UnknownName("suite", str(given), [*BUILT_IN, "a file such as suite.yaml"])
    return BUILT_IN[str(given)]


def compare_folders(baseline: Path, candidate: Path, html: Path | None) -> Comparison:
    """:raises InputError: no runs, or runs over different data"""
    need_extra()
    from steward.evaluation.compare import compare
    from steward.evaluation.report import comparison_page
    from steward.evaluation.run import read_folder

    one, other = read_folder(baseline), read_folder(candidate)
    found = compare(one, other)
    if html is not None:
        html.write_text(comparison_page(found, one, other))
    return found


def report_folder(run: Path, html: Path | None) -> Path:
    """Write the run's page, `report.html` in its folder if no other place is given. :raises InputError: no run"""
    need_extra()
    from steward.evaluation.run import read_folder
    from steward.evaluation.run_page import run_page

    place = html or run / "report.html"
    place.write_text(run_page(read_folder(run)))
    return place


def gate_folders(baseline: Path, candidate: Path, policy: Path, markdown: Path | None, junit: Path | None) -> Decision:
    """:raises InputError: no runs, runs over different data, a wrong policy
    :raises Unavailable: a run in which no item was answered
    """
    need_extra()
    from steward.evaluation.gate import decide, load_policy
    from steward.evaluation.report import decision_junit, decision_markdown
    from steward.evaluation.run import read_folder

    runs = [read_folder(path) for path in (baseline, candidate)]
    for path, run in zip((baseline, candidate), runs, strict=True):
        if all(answer.error is not None for answer in run.answers.values()):
            first = next(iter(run.answers.values()))
            raise Unavailable(f"{path}: no item was answered ({first.error}); run the suite again")
    found = decide(runs[0], runs[1], load_policy(policy))
    for place, write in ((markdown, decision_markdown), (junit, decision_junit)):
        if place is not None:
            place.write_text(write(found))
    return found
