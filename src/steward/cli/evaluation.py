"""`steward eval`: score, run, compare, and a gate that can say no."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines
from steward.core.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Evaluate models: scores, runs, comparisons, release gates.")


@app.callback()
def root() -> None:
    """Evaluate models: scores, runs, comparisons, release gates (extra `eval`)."""


@app.command()
def score(
    metric: Annotated[str, typer.Option(help="The metric's name, such as bleu, squad_f1 or ndcg@10.")],
    predictions: Annotated[Path, typer.Option(help='JSON lines {"id", "prediction"}.')],
    references: Annotated[Path, typer.Option(help='JSON lines {"id", "references": […]}.')],
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="Of the metric: average=macro, tokenize=zh.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Score predictions against references, with an interval. Exit 3 where no item could be scored."""
    from steward.workflows import evaluate

    options = dict(_pair(text) for text in option or [])
    found = evaluate.score_files(metric, predictions, references, options)
    if json:
        show_json(found)
    else:
        value = "no item could be scored" if found.value is None else f"{found.value:.4f}"
        interval = "" if found.low is None or found.high is None else f"  [{found.low:.4f}, {found.high:.4f}]"
        show_lines([f"{found.metric}  {value}{interval}"])
        show_lines([f"{found.n} scored, {found.unscored} unscored, {found.errored} errored", found.signature])
    if found.value is None:
        raise typer.Exit(3)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--option {text!r}: expected name=value, such as average=macro")
    return name, value
