"""`steward eval robustness` and `counterfactual`: what happens to answers when the question is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import (
    FieldOption,
    LimitOption,
    MarginOption,
    ModelOption,
    OutOption,
    SuiteArgument,
    TargetOptions,
)
from steward.cli.eval.output import format_numbers, progress_bar
from steward.cli.lazy import CsvRows
from steward.core.errors import UnknownName
from steward.evaluation.numbers import format_number, format_p
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.robustness import RobustnessReport
    from steward.evaluation.suite import QuestionChange

DEFAULT_CHANGES: Final = ("typos", "case", "spacing", "contractions", "synonyms", "filler", "paraphrase")
_MOST_LINES: Final = 20


class ChangeOptions(msgspec.Struct, frozen=True):
    """What is asked, of which model, with which changes to the questions."""

    suite: SuiteArgument
    model: ModelOption
    out: OutOption
    field: FieldOption = None
    margin: MarginOption = None
    limit: LimitOption = None


def robustness(
    options: ChangeOptions,
    target: TargetOptions,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            help="typos, case, spacing, contractions, synonyms, filler, paraphrase or options-order; repeatable. "
            "Default: all but options-order.",
        ),
    ] = None,
    words: Annotated[str, typer.Option(help="Synonym list: a file with one set of words per line.")] = "synonyms",
    seed: Annotated[int, typer.Option(help="Seed of the places that are changed.")] = 0,
    json: Annotated[JsonOption, CsvRows("effects")] = False,
) -> None:
    """Ask a suite again with typos, synonyms or another order of options, and measure what is lost, item by item.

    With --margin: exits 1 if a change certainly loses more than the margin, 3 if the data do not decide it.
    Exits 4 if items failed.
    """
    require_extra()
    from steward.evaluation.suite import QuestionChange

    fields = tuple(options.field or ())
    changes = [QuestionChange(use=name, fields=fields, words=words, seed=seed) for name in change or DEFAULT_CHANGES]
    _run_changes(options, target, changes, [], "evaluation.robustness", json)


def counterfactual(
    options: ChangeOptions,
    target: TargetOptions,
    swap: Annotated[
        list[str] | None,
        typer.Option("--swap", help="gender, origin:GROUP or dialect:GROUP; repeatable. Default: all."),
    ] = None,
    json: Annotated[JsonOption, CsvRows("effects")] = False,
) -> None:
    """Ask a suite again about another person, and measure whether answers, refusals or lengths change.

    With --margin: exits 1 if a swap certainly changes more than the margin, 3 if the data do not decide it.
    Exits 4 if items failed.
    """
    require_extra()
    from steward.evaluation.suite import QuestionChange
    from steward.text.swaps import swap_kinds

    for name in swap or []:
        if name not in swap_kinds():
            raise UnknownName("swap", name, swap_kinds())
    changes = [QuestionChange(use=name, fields=tuple(options.field or ())) for name in swap or swap_kinds()]
    _run_changes(options, target, changes, ["refusal", "words"], "evaluation.counterfactual", json)


def _run_changes(
    options: ChangeOptions,
    target: TargetOptions,
    changes: Sequence[QuestionChange],
    extra: Sequence[str],
    check: str,
    json: bool,
) -> None:
    from steward.workflows.evaluate.changes import run_robustness
    from steward.workflows.evaluate.suites import list_suite_files
    from steward.workflows.findings import describe_changes

    asked = target.make_target(options.model)
    with progress_bar() as bar:
        report = run_robustness(
            options.suite,
            changes,
            asked,
            options.out,
            limit=options.limit,
            extra=extra,
            margin=options.margin,
            progress=bar,
        )
    url = asked.url if asked.backend == "url" else None
    keep_finding(describe_changes(report, check, list_suite_files(options.suite), url), target.home)
    if json:
        show_json(report)
    else:
        _show_report(report)
    if report.errored or any(effect.errored for effect in report.effects):
        raise typer.Exit(4)
    if report.verdict is not None:
        raise typer.Exit({"passed": 0, "moved": 1, "inconclusive": 3}[report.verdict])


def _show_report(report: RobustnessReport) -> None:
    if report.verdict is not None:
        show_lines([f"{report.model}, margin {report.margin:g}: {report.verdict}"])
    columns = ["change", "metric", "original", "changed", "gain", "low", "high", "p (Holm)", "items", "same answer"]
    rows: list[list[object]] = []
    for effect in report.effects:
        same = None if effect.same is None else format_number(effect.same.value)
        for shift in effect.shifts:
            paired = shift.paired
            numbers = format_numbers(paired.baseline, paired.candidate, paired.gain, shift.low, shift.high)
            rows.append([effect.change, paired.metric, *numbers, format_p(shift.p), paired.n, same])
    for worst in report.worst:
        numbers = format_numbers(worst.original, worst.worst, worst.gain, worst.low, worst.high, None)
        rows.append(["worst of all", worst.metric, *numbers, worst.n, None])
    show_table(columns, rows)
    _show_examples(report)


def _show_examples(report: RobustnessReport) -> None:
    for effect in report.effects:
        for example in effect.examples[:1]:
            show_lines([f"{effect.change}, item {example.id}:"])
            show_lines([f"  {example.asked!r} → {example.said!r}"])
            show_lines([f"  {example.asked_after!r} → {example.said_after!r}"])
    show_lines([f"{title}: changes no item" for title in report.untouching])
    failed = [("original", line) for line in report.errored]
    failed += [(effect.change, line) for effect in report.effects for line in effect.errored]
    show_lines([f"failed, {where}: {line}" for where, line in failed[:_MOST_LINES]])
