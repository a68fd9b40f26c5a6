"""`steward eval score`: predictions against references, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines
from steward.cli.eval.output import format_counts, format_interval
from steward.core.errors import InputError
from steward.workflows.evaluate.extra import require_extra


def score(
    metric: Annotated[str, typer.Option(help="Name of the metric, such as bleu, squad_f1 or ndcg@10.")],
    predictions: Annotated[Path, typer.Option(help='JSON lines with "id" and "prediction".')],
    references: Annotated[Path, typer.Option(help='JSON lines with "id" and "references", a list.')],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Option of the metric, such as average=macro or tokenize=zh; repeatable."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Score predictions against references, with a confidence interval. Exits 3 if no item could be scored."""
    require_extra()
    from steward.workflows.evaluate.scoring import score_files

    result = score_files(metric, predictions, references, dict(_parse_option(text) for text in option or []))
    if json:
        show_json(result)
    else:
        value = "no item could be scored" if result.value is None else f"{result.value:.4f}"
        show_lines([f"{result.metric}  {value}{format_interval(result.low, result.high)}"])
        show_lines([format_counts(result.n, result.unscored, result.errored), result.signature])
    if result.value is None:
        raise typer.Exit(3)


def _parse_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--option {text!r}: expected name=value, such as average=macro")
    return name, value
