"""`steward eval run` and `report`: ask a model every item of a suite, and show one run as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.build_results import JUnitOption, build_server_run, tell_build_server
from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import (
    NO_ESTIMATE,
    EstimateOptions,
    InputPriceOption,
    LimitOption,
    ModelOption,
    OutOption,
    OutputPriceOption,
    RunArgument,
    SuiteArgument,
    TargetOptions,
    read_prices,
)
from steward.cli.eval.output import format_numbers, progress_bar, show_problems
from steward.cli.lazy import CsvRows
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.repeatability import Repeatability
    from steward.evaluation.run import RunResults
    from steward.evaluation.score import Score


def run(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    target: TargetOptions,
    limit: LimitOption = None,
    junit: JUnitOption = None,
    estimate: EstimateOptions = NO_ESTIMATE,
    json: Annotated[JsonOption, CsvRows("scores", "slices")] = False,
) -> None:
    """Ask a model every item of a suite and score the answers.

    Exits 4 if items failed: run the command again to ask them again. Exits 3 if a metric could score no item.
    """
    require_extra()
    from steward.evaluation.build_cases import list_run_cases
    from steward.evaluation.run import read_run
    from steward.workflows.evaluate.suites import list_suite_files, run_suite_file
    from steward.workflows.findings import describe_evaluation

    if estimate.dry_run:
        _show_estimate(suite, out, target, limit, estimate, json)
        return
    with build_server_run("steward eval run", junit):
        with progress_bar() as bar:
            asked = target.make_target(model)
            results = run_suite_file(suite, asked, out, limit=limit, progress=bar)
        url = asked.url if asked.backend == "url" else None
        keep_finding(describe_evaluation(results, out, list_suite_files(suite), url))
        if json:
            show_json(results)
        else:
            _show_results(results, out)
        tell_build_server("steward eval run", list_run_cases(read_run(out)), junit)
        if results.errored:
            raise typer.Exit(4)
        if any(score.value is None for score in results.scores):
            raise typer.Exit(3)


def report(
    run: RunArgument,
    html: Annotated[Path | None, typer.Option(help="File to write. Default: report.html in the run folder.")] = None,
    input_price: InputPriceOption = None,
    output_price: OutputPriceOption = None,
    json: JsonOption = False,
) -> None:
    """Write one run as an HTML page: scores, slices, distributions, all items with a search, and the failures.

    The page stays below 500 KB. Where the items do not fit, a second page beside it has all of them in full.
    """
    require_extra()
    from steward.workflows.evaluate.comparison import write_run_page

    found = write_run_page(run, html, read_prices(input_price, output_price))
    if json:
        items = None if found.items is None else str(found.items)
        show_json({"html": str(found.page), "bytes": found.page.stat().st_size, "items": items})
    else:
        show_lines([str(found.page), *([] if found.items is None else [str(found.items)])])


def _show_estimate(
    suite: str, out: Path, target: TargetOptions, limit: int | None, options: EstimateOptions, json: bool
) -> None:
    """What the run would take; nothing is asked."""
    from steward.evaluation.spend import format_usd
    from steward.workflows.evaluate.suites import estimate_suite_file

    prices = read_prices(options.input_price, options.output_price)
    found = estimate_suite_file(suite, out, limit, prices, options.seconds_per_answer, target.concurrency)
    if json:
        show_json(found)
        return
    most = "at most " if found.output_is_limit else "about "
    cost = "unknown; give --input-price and --output-price" if found.cost_usd is None else format_usd(found.cost_usd)
    time = "unknown; give --seconds-per-answer" if found.seconds is None else f"about {found.seconds / 60:.1f} minutes"
    show_lines(
        [
            f"{found.items:,} item{'s' * (found.items != 1)}, "
            f"{found.requests:,} request{'s' * (found.requests != 1)}; nothing was asked",
            f"tokens: about {found.input_tokens:,} in, {most}{found.output_tokens:,} out",
            f"cost: {cost if found.cost_usd is None else most + cost}",
            f"time: {time}",
        ]
    )


def _show_results(results: RunResults, out: Path) -> None:
    _show_scores([("all", "", score) for score in results.scores])
    _show_scores([(row.field, row.name, row.score) for row in results.slices])
    _show_repeatability(results.repeatability)
    show_problems(results.errored, results.unscored)
    show_lines([f"warning: {line}" for line in results.warnings])
    counts = f"{len(results.errored)} failed, {len(results.unscored)} unscored"
    show_lines([f"{results.items:,} item{'s' * (results.items != 1)}, {counts}; saved in {out}"])


def _show_scores(rows: Sequence[tuple[str, str, Score]]) -> None:
    if not rows:
        return
    columns = ["slice", "", "metric", "value", "low", "high", "scored", "unscored", "failed"]
    cells = [
        [
            *(field, name, score.metric),
            *format_numbers(score.value, score.low, score.high),
            *(score.n, score.unscored, score.errored),
        ]
        for field, name, score in rows
    ]
    show_table(columns, cells)


def _show_repeatability(rows: Sequence[Repeatability]) -> None:
    if not rows:
        return
    columns = [
        *("repeats of", "items", "variance within an item", "low", "high", "between items", "share within"),
        "items that vary",
    ]
    cells = [
        [row.metric, row.items, *format_numbers(row.within, row.low, row.high, row.between, row.share), row.flaky]
        for row in rows
    ]
    show_table(columns, cells)
