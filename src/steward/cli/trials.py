"""`steward eval`, second part: a judge, and what happens to answers when the question is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_server, show_json, show_lines, show_table
from steward.cli.evaluation import digits, progress_bar

if TYPE_CHECKING:
    from steward.evaluation.robustness import Trial

app = typer.Typer()

SuiteArgument = Annotated[str, typer.Argument(help="A suite's YAML file, or the built-in one's name: starter.")]
ModelOption = Annotated[str, typer.Option(help="Model or route to ask.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the runs; the same one again goes on where it ended.")]
FieldOption = Annotated[
    list[str] | None, typer.Option("--field", help="Fields of the data to change; else all that are asked.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only the first rows of the data.")]
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


@app.command()
def robustness(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change", help="typos, case, spacing, contractions, synonyms, filler, paraphrase, options-order."
        ),
    ] = None,
    field: FieldOption = None,
    words: Annotated[str, typer.Option(help="List of synonyms: a file, one set of words a line.")] = "synonyms",
    seed: Annotated[int, typer.Option(help="Of what is drawn: another one changes other places.")] = 0,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a suite again with typos, other words, another order: what is lost, item by item. Exit 4: items failed."""
    changes = change or ["typos", "case", "spacing", "contractions", "synonyms", "filler", "paraphrase"]
    _try(suite, changes, [], model, out, field, words, seed, limit, url, key, concurrency, cache, home, json)


@app.command()
def counterfactual(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    swap: Annotated[
        list[str] | None, typer.Option("--swap", help="gender, origin:GROUP or dialect:GROUP; else all of them.")
    ] = None,
    field: FieldOption = None,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a suite again about somebody else: whether answers, refusals or lengths change. Exit 4: items failed."""
    from steward.core.errors import UnknownName
    from steward.text.swaps import kinds

    for name in swap or []:
        if name not in kinds():
            raise UnknownName("swap", name, kinds())
    extra = ["refusal", "words"]
    _try(suite, swap or kinds(), extra, model, out, field, "", 0, limit, url, key, concurrency, cache, home, json)


def _try(
    suite: str,
    names: Sequence[str],
    extra: Sequence[str],
    model: str,
    out: Path,
    field: list[str] | None,
    words: str,
    seed: int,
    limit: int | None,
    url: str | None,
    key: str | None,
    concurrency: int,
    cache: Path | None,
    home: Path | None,
    json: bool,
) -> None:
    from steward.evaluation.changes import Change
    from steward.workflows import evaluate

    address, secret = find_server(url, key, home)
    server = evaluate.Server(address, model, secret, concurrency, cache)
    changes = [Change(use=name, fields=tuple(field or ()), words=words or "synonyms", seed=seed) for name in names]
    with progress_bar() as bar:
        found = evaluate.try_changes(suite, changes, server, out, limit=limit, extra=extra, progress=bar)
    if json:
        show_json(found)
    else:
        _show_trial(found)
    if found.errored or any(effect.errored for effect in found.effects):
        raise typer.Exit(4)


def _show_trial(found: Trial) -> None:
    columns = ["change", "metric", "original", "changed", "gain", "low", "high", "p (Holm)", "items", "same answer"]
    rows = []
    for effect in found.effects:
        same = None if effect.same is None else digits(effect.same.value)
        for shift in effect.shifts:
            paired = shift.paired
            numbers = (paired.baseline, paired.candidate, paired.gain, paired.low, paired.high, shift.p)
            rows.append([effect.change, paired.metric, *map(digits, numbers), paired.n, same])
    for worst in found.worst:
        numbers = (worst.original, worst.worst, worst.gain, worst.low, worst.high, None)
        rows.append(["worst of all", worst.metric, *map(digits, numbers), worst.n, None])
    show_table(columns, rows)
    for effect in found.effects:
        for example in effect.examples[:1]:
            show_lines([f"{effect.change}, item {example.id}:"])
            show_lines(
                [f"  {example.asked!r} → {example.said!r}", f"  {example.asked_after!r} → {example.said_after!r}"]
            )
    show_lines([f"{title}: touches no item" for title in found.untouching])
    failed = [(effect.change, line) for effect in found.effects for line in effect.errored]
    show_lines(
        [f"failed, {where}: {line}" for where, line in [*(("original", e) for e in found.errored), *failed][:20]]
    )
