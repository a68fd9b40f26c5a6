"""Finds a suite, asks a model all of its items, and keeps the answers in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from steward import starter
from steward.configuration.yaml_lines import read_struct
from steward.core.errors import UnknownName
from steward.core.extend import Engine
from steward.evaluation.metrics import is_graded
from steward.evaluation.run import Asking, RunResults, read_run, run_suite
from steward.evaluation.spend import RunEstimate, TokenPrices, estimate_run, find_prices
from steward.evaluation.suite import Suite, SuiteSpec, load_suite
from steward.workflows.evaluate.graders import Graders, load_tools, open_graders, open_user
from steward.workflows.evaluate.target import ModelTarget, Progress
from steward.workflows.models import backend_of, model_file, model_hash, open_engine

BUILT_IN: Final = {
    "starter": starter.path().parent / "suite.yaml",
    "starter-free": starter.path().parent / "suite-free.yaml",
    "starter-seen": starter.path().parent / "suite-seen.yaml",
}


def find_suite(name: Path | str) -> Path:
    """The file of that name, else the built-in suite. :raises UnknownName: neither"""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    if str(name) not in BUILT_IN:
        raise UnknownName("suite", str(name), [*BUILT_IN, "a file such as suite.yaml"])
    return BUILT_IN[str(name)]


def list_suite_files(name: Path | str) -> list[str]:
    """The suite and its rows: when one changes, what was measured was of another suite. :raises UnknownName: neither"""
    path = find_suite(name)
    return [str(path), str(path.parent / read_struct(path, SuiteSpec, such_as="metrics").data)]


def run_suite_file(
    suite: Path | str, target: ModelTarget, out: Path, *, limit: int | None, progress: Progress
) -> RunResults:
    """Run a suite, a file or a built-in one.

    :raises InputError: the suite or its data are wrong, or `out` holds another run
    """
    path = find_suite(suite)
    return run_suites([(load_suite(path, limit), out)], path.parent, target, progress)[0]


def estimate_suite_file(
    suite: Path | str,
    out: Path,
    limit: int | None,
    prices: TokenPrices | None,
    seconds_per_answer: float | None,
    concurrency: int,
) -> RunEstimate:
    """What a run would take, without asking anything; seconds an answer from an earlier run in `out`, if there is one.

    :raises InputError: the suite or its data are wrong
    """
    loaded = load_suite(find_suite(suite), limit)
    specs = loaded.spec.metric_specs()
    if seconds_per_answer is None and (out / "manifest.json").exists():
        times = [answer.latency_s for answer in read_run(out).answers.values() if answer.latency_s > 0]
        seconds_per_answer = sum(times) / len(times) if times else None
    judges = sum(is_graded(spec.name) and spec.name.partition("@")[0] not in ("python", "toxicity") for spec in specs)
    return estimate_run(loaded, prices or find_prices(specs), seconds_per_answer, concurrency, judges)


def run_suites(
    suites: Sequence[tuple[Suite, Path]], folder: Path, target: ModelTarget, progress: Progress
) -> list[RunResults]:
    """Run suites one after the other, each into its own folder. Scorers that are files lie in `folder`.

    :raises InputError: a missing secret or scorer, or an output folder that holds another run
    """
    return asyncio.run(_run_suites(suites, folder, target, progress))


async def _run_suites(
    suites: Sequence[tuple[Suite, Path]], folder: Path, target: ModelTarget, progress: Progress
) -> list[RunResults]:
    local = backend_of(target.model, target.backend, target.url) != "url"
    sha256 = model_hash(model_file(target.model)) if local else None
    results: list[RunResults] = []
    async with (
        open_engine(
            target.model, target.backend, target.url, target.key, target.concurrency, target.timeouts
        ) as engine,
        open_graders(suites[0][0].spec, engine, folder) as graders,
        open_user(suites[0][0].spec) as user,
    ):
        tools = load_tools(suites[0][0].spec, folder)
        asking = Asking(target.retries, target.stream, tools=tools, user=user)
        show = progress(sum(len(suite.items) for suite, _ in suites))
        for suite, out in suites:
            tell = _continue_progress(show, results)
            results.append(await _run_one(suite, out, engine, graders, target, sha256, tell, asking))
    return results


async def _run_one(
    suite: Suite,
    out: Path,
    engine: Engine,
    graders: Graders,
    target: ModelTarget,
    model_sha256: str | None,
    progress: Callable[[int, int], None],
    asking: Asking,
) -> RunResults:
    return await run_suite(
        suite,
        target.model,
        engine,
        out,
        model_sha256=model_sha256,
        graders=graders,
        concurrency=target.concurrency,
        cache=target.cache,
        progress=progress,
        asking=asking,
    )


def _continue_progress(show: Callable[[int, int], None], finished: Sequence[RunResults]) -> Callable[[int, int], None]:
    """Counts of the suite that runs now, on top of those of the suites that have finished."""
    failed = sum(len(results.errored) for results in finished)
    done = sum(results.items for results in finished) - failed
    return lambda more_done, more_failed: show(done + more_done, failed + more_failed)
