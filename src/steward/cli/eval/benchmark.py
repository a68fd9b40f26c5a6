"""`steward eval benchmark`: multiple-choice benchmarks by the likelihood of their choices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.eval.options import ConcurrencyOption, LimitOption
from steward.cli.eval.output import format_numbers, progress_bar, show_problems
from steward.cli.eval.perplexity import ScorerOptions
from steward.cli.lazy import CsvRows
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.benchmarks import BenchmarkResult


def benchmark(
    data: Annotated[Path, typer.Argument(help="The benchmark's file: .jsonl, .json, .csv or .parquet.")],
    scorer: ScorerOptions,
    format: Annotated[
        str,
        typer.Option(
            help="auto, hellaswag, openbookqa, commonsense_qa, arc, piqa, winogrande, boolq, copa, sciq, "
            "truthfulqa_mc1, mmlu, mmlu_choices, mmlu_pro or generic."
        ),
    ] = "auto",
    shots: Annotated[int, typer.Option(min=0, help="Worked examples before each question.")] = 0,
    shots_data: Annotated[
        Path | None, typer.Option(help="File of the worked examples. Default: other questions of the benchmark.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the worked examples.")] = 0,
    limit: LimitOption = None,
    concurrency: ConcurrencyOption = 4,
    json: Annotated[JsonOption, CsvRows("shares")] = False,
) -> None:
    """Score a multiple-choice benchmark by the likelihood of its choices: acc and acc_norm, with intervals.

    Exits 4 if questions failed.
    """
    require_extra()
    from steward.workflows.evaluate.benchmark import run_benchmark

    with progress_bar() as bar:
        result = run_benchmark(
            scorer.resolve(), data, kind=format, shots=shots, shots_data=shots_data, seed=seed, limit=limit,
            concurrency=concurrency, progress=bar,
        )  # fmt: skip
    if json:
        show_json(result)
    else:
        _show_result(result)
    if result.errored:
        raise typer.Exit(4)


def _show_result(result: BenchmarkResult) -> None:
    rows = [
        [share.metric, share.group or "all", *format_numbers(share.value, share.low, share.high), share.n]
        for share in result.shares
    ]
    show_table(["metric", "group", "value", "95 % low", "95 % high", "questions"], rows)
    show_problems(result.errored)
    examples = f"{result.shots} example{'s' * (result.shots != 1)} each"
    show_lines([f"{result.questions} question{'s' * (result.questions != 1)} of {result.format}, {examples}"])
