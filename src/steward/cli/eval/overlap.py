"""`steward eval overlap`: a suite's items in training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import LimitOption, SuiteArgument
from steward.cli.eval.output import format_numbers
from steward.cli.lazy import CsvRows
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.overlap import OverlapReport


def overlap(
    suite: SuiteArgument,
    train: Annotated[list[str], typer.Option("--train", help="Glob pattern of training files; repeatable.")],
    run: Annotated[
        Path | None, typer.Option(help="Run folder: also compare the scores of items that overlap with the others.")
    ] = None,
    ngram: Annotated[int, typer.Option(min=2, max=64, help="Length of a copied sequence, in words.")] = 13,
    shortest: Annotated[int, typer.Option(min=1, help="Skip texts with fewer words than this.")] = 8,
    limit: LimitOption = None,
    json: Annotated[JsonOption, CsvRows("overlapping")] = False,
) -> None:
    """Search training data for a suite's items (extra `data`).

    Exits 1 if an item is there, 3 if all items are too short to look for.
    """
    require_extra()
    from steward.workflows.evaluate.overlap import search_training_data
    from steward.workflows.evaluate.suites import list_suite_files
    from steward.workflows.findings import describe_overlap

    report = search_training_data(suite, train, run, ngram=ngram, shortest=shortest, limit=limit)
    keep_finding(describe_overlap(report, Path(suite), train, list_suite_files(suite)))
    if json:
        show_json(report)
    else:
        _show_report(report)
    if report.overlapping or report.share is None:
        raise typer.Exit(1 if report.overlapping else 3)


def _show_report(report: OverlapReport) -> None:
    share = format_numbers(report.share, report.low, report.high)
    columns = ["items", "overlap", "share", "low", "high", "too short to look for"]
    show_table(columns, [[report.items, len(report.overlapping), *share, report.too_short]])
    show_lines(
        [f"item {one.id}: {one.share:.0%} of its {report.ngram}-word sequences" for one in report.overlapping[:20]]
    )
    if report.gaps:
        columns = ["metric", "overlapping", "others", "gap", "low", "high", "overlapping items", "other items"]
        rows = []
        for gap in report.gaps:
            numbers = format_numbers(gap.overlapping, gap.clean, gap.gap, gap.low, gap.high)
            rows.append([gap.metric, *numbers, gap.n_overlapping, gap.n_clean])
        show_table(columns, rows)
