"""`steward data classifier train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_progress, show_table
from steward.cli.data import FilesArgument, require_extra


def train(
    files: FilesArgument,
    label: Annotated[str, typer.Option(help="Column that holds the label.")],
    good: Annotated[list[str], typer.Option(help="Label of rows to keep. May be repeated; all others are not good.")],
    output: Annotated[Path, typer.Option(help="File to write, such as good.npz.")],
    text: Annotated[str | None, typer.Option(help="Column that holds the text. Default: `text`.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another choice of the rows that are held out.")] = 0,
    json: JsonOption = False,
) -> None:
    """Train a classifier of texts from labelled rows. Exits with 1 if it is no better than guessing."""
    with require_extra(), show_progress(hidden=json) as progress:
        from steward.workflows.classify import train_from_files

        record = train_from_files(
            files,
            label=label,
            good=good,
            output=output,
            text=text,
            seed=seed,
            progress=lambda step, steps: progress(step, steps, "training"),
        )
    held_out = record.held_out
    if json:
        show_json(record)
    else:
        interval = f"{held_out.accuracy:.1%} (95 %: {held_out.low:.1%} to {held_out.high:.1%})"
        precision = "none scores 0.5 or more" if held_out.precision is None else f"{held_out.precision:.1%}"
        facts: list[list[object]] = [
            ["rows with a label", record.rows],
            ["of which good", record.good],
            ["rows without a label", record.skipped],
            ["rows that cannot be read", record.failed],
            ["rows held out", held_out.rows],
            ["accuracy on them", interval],
            ["accuracy of guessing", f"{held_out.guess:.1%}"],
            ["precision at 0.5", precision],
            ["recall at 0.5", f"{held_out.recall:.1%}"],
            ["AUC", f"{held_out.auc:.3f}"],
            ["written to", record.output],
        ]
        show_table(["", "found"], facts)
    if not held_out.is_better_than_guessing:
        typer.echo(
            f"error: on {held_out.rows:,} held-out rows the classifier is not surely better than guessing; "
            "label more rows, or check the labels",
            err=True,
        )
        raise typer.Exit(1)
