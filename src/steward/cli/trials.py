"""`steward eval`, second part: a judge, and what happens to answers when the question is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_server, show_json, show_lines, show_table
from steward.cli.evaluation import digits, progress_bar

app = typer.Typer()

UrlOption = Annotated[str | None, typer.Option(help="OpenAI-compatible server; else the gateway of --home.")]
KeyOption = Annotated[str | None, typer.Option(help="env:NAME or file:PATH of its key; else the first one's.")]
ConcurrencyOption = Annotated[int, typer.Option(min=1, max=4096, help="Requests at the same time.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder of answers to keep and to use again.")]


@app.command()
def judge(
    baseline: Annotated[Path, typer.Argument(help="Folder of the run to compare with.")],
    candidate: Annotated[Path, typer.Argument(help="Folder of the run in question.")],
    model: Annotated[str, typer.Option(help="The judge: model or route.")],
    rubric: Annotated[Path, typer.Option(help="Text file: what makes one answer better than another.")],
    url: UrlOption = None,
    key: KeyOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let a judge prefer one of two answers, each pair in both orders. Exit 3: none judged; 4: items failed."""
    from steward.workflows import evaluate

    address, secret = find_server(url, key, home)
    with progress_bar() as bar:
        found = evaluate.judge_folders(
            baseline, candidate, model, rubric, address, secret, concurrency=concurrency, cache=cache, progress=bar
        )
    if json:
        show_json(found)
    else:
        rate = [digits(value) for value in (found.win_rate, found.low, found.high, found.p)]
        columns = ["candidate", "win rate", "low", "high", "p", "wins", "ties", "losses", "turned with the order"]
        show_table(columns, [[found.candidate, *rate, found.wins, found.ties, found.losses, found.turned]])
        show_lines([f"unscored: {line}" for line in found.unscored[:20]])
        show_lines([f"failed: {line}" for line in found.errored[:20]])
        show_lines([f"{found.n} judged, {len(found.unscored)} unscored, {len(found.errored)} errored", found.signature])
    if found.errored:
        raise typer.Exit(4)
    if not found.n:
        raise typer.Exit(3)
