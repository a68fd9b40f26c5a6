"""`steward eval groups` and `bias`: groups of one run, and published sets about stereotypes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import RunArgument, TargetOptions
from steward.cli.eval.output import format_counts, format_numbers, progress_bar, show_problems
from steward.cli.lazy import CsvRows
from steward.core.secret import resolve
from steward.evaluation.numbers import format_number, format_p
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.bias import BiasReport
    from steward.evaluation.groups import GroupComparison
    from steward.workflows.evaluate.target import ModelTarget


def groups(
    run: RunArgument,
    by: Annotated[str, typer.Option(help="Slice of the suite whose values are the groups.")],
    positive: Annotated[
        str | None, typer.Option(help="The desired label: also compare its rates. Default: compare quality only.")
    ] = None,
    json: Annotated[JsonOption, CsvRows("groups")] = False,
) -> None:
    """Compare groups: selection, true and false positive rates and quality, and how much of it is chance."""
    require_extra()
    from steward.workflows.evaluate.fairness import compare_run_groups
    from steward.workflows.findings import describe_groups

    comparison = compare_run_groups(run, by, positive)
    keep_finding(describe_groups(comparison, run))
    if json:
        show_json(comparison)
    else:
        _show_groups(comparison)


class BiasOptions(msgspec.Struct, frozen=True):
    """A published set, and what was measured on it already."""

    benchmark: Annotated[str, typer.Argument(help="bbq, crows-pairs or stereoset.")]
    data: Annotated[Path, typer.Argument(help="The benchmark's file, which you provide: .jsonl, .csv or dev.json.")]
    scores: Annotated[
        Path | None,
        typer.Option(
            help='Log-probabilities. crows-pairs: JSON lines with "id", "sent_more", "sent_less"; stereoset: its own '
            "format."
        ),
    ] = None
    predictions: Annotated[
        Path | None, typer.Option(help='bbq: JSON lines with "id" (CATEGORY/NUMBER) and "prediction".')
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            help="Model to ask. bbq: a model or route; others: starter, a file, a folder, or a name at --url."
        ),
    ] = None
    out: Annotated[Path | None, typer.Option(help="bbq: folder for the answers.")] = None


def bias(options: BiasOptions, target: TargetOptions, json: Annotated[JsonOption, CsvRows("measures")] = False) -> None:
    """Score a published data set about stereotypes. Exits 3 if nothing could be scored, 4 if items failed."""
    require_extra()
    from steward.workflows.evaluate.fairness import measure_bias

    with progress_bar() as bar:
        report = measure_bias(
            options.benchmark,
            options.data,
            scores=options.scores,
            predictions=options.predictions,
            target=_choose_target(options, target),
            out=options.out,
            progress=bar,
        )
    if json:
        show_json(report)
    else:
        _show_bias(report)
    if report.errored:
        raise typer.Exit(4)
    if not report.n:
        raise typer.Exit(3)


def _choose_target(options: BiasOptions, target: TargetOptions) -> ModelTarget | None:
    """For likelihoods the model's name chooses the back end, and no gateway is asked."""
    from steward.workflows.evaluate.target import ModelTarget

    if options.model is None:
        return None
    if options.benchmark == "bbq":
        return target.make_target(options.model)
    key = resolve(target.key) if target.key else None
    return ModelTarget(target.url, options.model, key, target.concurrency, target.cache, target.backend or "auto")


def _show_groups(comparison: GroupComparison) -> None:
    rows: list[list[object]] = []
    for group in comparison.groups:
        rates = [group.selection, group.true_positive, group.false_positive]
        shown = [rate and format_number(rate.value) for rate in rates]
        rows.append([group.name, group.items, *shown, *(format_number(score.value) for score in group.quality)])
    names = [score.metric for score in comparison.groups[0].quality]
    show_table([comparison.field, "items", "selection", "true positive", "false positive", *names], rows)
    differences = [
        [one.measure, *format_numbers(one.value, one.low, one.high), format_p(one.p), format_p(one.p_holm)]
        for one in comparison.differences
    ]
    show_table(["between groups", "value", "low", "high", "p", "p (Holm)"], differences)
    show_problems((), comparison.unscored)
    counts = format_counts(comparison.n, len(comparison.unscored), len(comparison.errored), "items")
    show_lines([counts, comparison.signature])


def _show_bias(report: BiasReport) -> None:
    rows = [[one.part, one.measure, *format_numbers(one.value, one.low, one.high), one.n] for one in report.measures]
    show_table(["part", "measure", "value", "low", "high", "items"], rows)
    show_problems(report.errored, report.unscored)
    counts = format_counts(report.n, len(report.unscored), len(report.errored), "items")
    show_lines([counts, report.signature])
