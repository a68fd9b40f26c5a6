"""`steward eval judge`: a judge model compares the answers of two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.eval.options import BaselineArgument, CandidateArgument, EvalServerOptions
from steward.cli.eval.output import format_counts, format_numbers, progress_bar, show_problems
from steward.evaluation.numbers import format_p
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.judge import JudgeComparison


def judge(
    baseline: BaselineArgument,
    candidate: CandidateArgument,
    model: Annotated[str, typer.Option(help="The judge: a model or route.")],
    rubric: Annotated[Path, typer.Option(help="Text file that describes what makes one answer better than another.")],
    server: EvalServerOptions,
    temperature: Annotated[
        str, typer.Option(help="Temperature of the judge; empty for models that do not accept one.")
    ] = "0",
    json: JsonOption = False,
) -> None:
    """Let a judge choose the better of two answers, each pair in both orders.

    Exits 3 if no pair was judged, 4 if items failed.
    """
    require_extra()
    from steward.workflows.evaluate.judging import judge_folders

    with progress_bar() as bar:
        comparison = judge_folders(
            baseline, candidate, server.make_target(model), rubric, temperature=temperature, progress=bar
        )
    if json:
        show_json(comparison)
    else:
        _show_comparison(comparison)
    if comparison.errored:
        raise typer.Exit(4)
    if not comparison.n:
        raise typer.Exit(3)


def _show_comparison(comparison: JudgeComparison) -> None:
    columns = ["candidate", "win rate", "low", "high", "p", "wins", "ties", "losses", "verdict follows the order"]
    numbers = [*format_numbers(comparison.win_rate, comparison.low, comparison.high), format_p(comparison.p)]
    counts = [comparison.wins, comparison.ties, comparison.losses, comparison.turned]
    show_table(columns, [[comparison.candidate, *numbers, *counts]])
    show_problems(comparison.errored, comparison.unscored)
    totals = format_counts(comparison.n, len(comparison.unscored), len(comparison.errored), "judged")
    show_lines([totals, comparison.signature])
