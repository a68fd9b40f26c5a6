"""`steward eval`: score, run, compare, and a gate that can say no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_server, show_json, show_lines, show_table
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.evaluation.score import Score


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

    options = dict(_parse_option(text) for text in option or [])
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


def run(
    suite: Annotated[
        str, typer.Argument(help="A suite's YAML file, or a built-in one's name: starter, starter-free, starter-seen.")
    ],
    model: Annotated[str, typer.Option(help="Model or route to ask; with --backend starter, a file or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one again goes on where it ended.")],
    url: Annotated[str | None, typer.Option(help="OpenAI-compatible server; else the gateway of --home.")] = None,
    key: Annotated[str | None, typer.Option(help="env:NAME or file:PATH of its key; else the first one's.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="No server, but in this process: embedded, or transformers (extra `train`).")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=4096, help="Requests at the same time.")] = 16,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows of the data.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of answers to keep and to use again.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a model every item of a suite and score it.

    Exit 4 where items failed; run again to ask those. Exit 3 where a metric could score no item.
    """
    from steward.workflows import evaluate

    local = backend in ("embedded", "transformers", "auto")
    address, secret = (url, None) if local else find_server(url, key, home)
    with progress_bar() as bar:
        found = evaluate.run_suite_file(
            suite,
            model,
            address,
            secret,
            out,
            backend=backend or "url",
            concurrency=concurrency,
            limit=limit,
            cache=cache,
            progress=bar,
        )
    if json:
        show_json(found)
    else:
        _show_scores([("all", "", score) for score in found.scores])
        _show_scores([(row.field, row.name, row.score) for row in found.slices])
        if found.repeatability:
            columns = [
                "repeats of",
                "items",
                "variance within",
                "low",
                "high",
                "between",
                "share within",
                "flaky items",
            ]
            cells = [
                [
                    row.metric,
                    row.items,
                    *map(format_number, (row.within, row.low, row.high, row.between, row.share)),
                    row.flaky,
                ]
                for row in found.repeatability
            ]
            show_table(columns, cells)
        show_lines([f"failed: {line}" for line in found.errored[:20]])
        show_lines([f"unscored: {line}" for line in found.unscored[:20]])
        show_lines([f"{found.items} items, {len(found.errored)} failed, {len(found.unscored)} unscored; kept in {out}"])
    if found.errored:
        raise typer.Exit(4)
    if any(score.value is None for score in found.scores):
        raise typer.Exit(3)


def compare(
    baseline: Annotated[Path, typer.Argument(help="Folder of the run to compare with.")],
    candidate: Annotated[Path, typer.Argument(help="Folder of the run in question.")],
    html: Annotated[Path | None, typer.Option(help="Write a report, one file, to this path.")] = None,
    json: JsonOption = False,
) -> None:
    """Compare two runs item by item: gains with intervals, and what got better and worse."""
    from steward.workflows import evaluate

    found = evaluate.compare_runs(baseline, candidate, html)
    if json:
        show_json(found)
        return
    columns = ["", "baseline", "candidate", "gain", "low", "high", "p", "items", "better", "worse"]
    rows = []
    for row in (*found.wholes, *found.slices):
        numbers = [format_number(n) for n in (row.baseline, row.candidate, row.gain, row.low, row.high, row.p)]
        rows.append([row.title, *numbers, row.n, len(row.better), len(row.worse)])
    show_table(columns, rows)
    if not found.same_prompts:
        show_lines(["The two runs used different prompts."])


def gate(
    baseline: Annotated[Path, typer.Option(help="Folder of the run of what is released now.")],
    candidate: Annotated[Path, typer.Option(help="Folder of the run of what is to be released.")],
    policy: Annotated[Path, typer.Option(help="YAML: metrics with margins, slices, coverage, must_pass.")],
    markdown: Annotated[Path | None, typer.Option(help="Write the decision as Markdown to this path.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the decision as JUnit XML to this path.")] = None,
    json: JsonOption = False,
) -> None:
    """Exit 0 where nothing got worse by more than its margin, 1 where something did, 3 where it cannot be told."""
    from steward.workflows import evaluate

    found = evaluate.gate_runs(baseline, candidate, policy, markdown, junit)
    if json:
        show_json(found)
    else:
        show_lines([f"{found.candidate} against {found.baseline}: {found.verdict}"])
        rows = [
            [
                check.name,
                check.verdict,
                format_number(check.gain),
                format_number(check.low),
                format_number(check.high),
                check.why,
            ]
            for check in found.checks
        ]
        show_table(["check", "verdict", "gain", "low", "high", "why"], rows)
    raise typer.Exit({"passed": 0, "regressed": 1, "inconclusive": 3}[found.verdict])


def perplexity(
    model: Annotated[str, typer.Option(help="starter, a .gguf file, a checkpoint's folder, or a name at --url.")],
    file: Annotated[Path, typer.Option(help="Held-out text: .txt, or .jsonl with a document in each row.")],
    split: Annotated[str, typer.Option(help="A .txt's documents: between blank lines, each line, or file.")] = "blank",
    field: Annotated[str, typer.Option(help="The text's field in a .jsonl.")] = "text",
    backend: Annotated[str, typer.Option(help="auto, embedded, transformers (extra `train`) or url.")] = "auto",
    url: Annotated[str | None, typer.Option(help="Server with echo and logprobs on /v1/completions.")] = None,
    key: Annotated[str | None, typer.Option(help="env:NAME or file:PATH of its key.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer.json of a server that tells no tokens.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Tokens shown at most; else the model's own.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Tokens scored by a window; else all of it.")] = None,
    prefix_token: Annotated[
        str | None, typer.Option(help="Before a text's first token: a number, or none; else BOS or EOS, of --url none.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=4096, help="Documents at the same time, of --url.")] = 16,
    against: Annotated[Path | None, typer.Option(help="What --json printed for another model on this text.")] = None,
    json: JsonOption = False,
) -> None:
    """How well a model predicts a text: token, word and byte perplexity, bits per byte, with intervals.

    Refused where a question with a known answer shows that the log-probabilities are not the text's. Exit 4 where
    documents failed.
    """
    from steward.core.secret import resolve
    from steward.workflows.perplexity import PerplexityOptions, measure_perplexity

    asked = PerplexityOptions(
        model,
        backend=backend,
        url=url,
        key=resolve(key) if key else None,
        tokenizer=tokenizer,
        window=window,
        stride=stride,
        prefix_token=prefix_token,
    )
    with progress_bar() as bar:
        found = measure_perplexity(
            asked, file, split=split, field=field, concurrency=concurrency, progress=bar, against=against
        )
    if json:
        show_json(found)
    else:
        names = ("token_perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte")
        estimates = [(name, getattr(found, name)) for name in names]
        rows = [
            [name, *map(format_number, (e.value, e.low, e.high))] if e is not None else [name, "too large", None, None]
            for name, e in estimates
        ]
        show_table(["", "value", "low", "high"], rows)
        sizes = f"{found.tokens:,} tokens, {found.words:,} words, {found.bytes:,} bytes"
        counts = f"{found.documents} scored, {found.unscored} unscored, {len(found.errored)} errored"
        show_lines([f"{sizes}; documents: {counts}", found.signature])
        if found.against is not None:
            saved = found.against
            ends = "" if saved.low is None else f" [{format_number(saved.low)}, {format_number(saved.high)}]"
            show_lines([f"bits per byte saved against {saved.model}: {format_number(saved.bits_per_byte)}{ends}"])
        show_lines([f"failed: {line}" for line in found.errored[:20]])
    if found.errored:
        raise typer.Exit(4)


@contextmanager
def progress_bar() -> Iterator[Callable[[int], Callable[[int, int], None]]]:
    """A progress bar with the time left, on a terminal's standard error; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def begin(total: int) -> Callable[[int, int], None]:
            task = progress.add_task("", total=total, failed=0)
            return lambda done, failed: progress.update(task, completed=done + failed, failed=failed)

        yield begin


def _show_scores(rows: Sequence[tuple[str, str, Score]]) -> None:
    if rows:
        columns = ["slice", "", "metric", "value", "low", "high", "scored", "unscored", "errored"]
        cells = []
        for field, name, score in rows:
            numbers = [format_number(value) for value in (score.value, score.low, score.high)]
            cells.append([field, name, score.metric, *numbers, score.n, score.unscored, score.errored])
        show_table(columns, cells)


def format_number(value: float | None) -> str | None:
    """Four decimals, without the sign of -0.0; four digits of what is smaller, a cost say, or very large."""
    if value is None:
        return None
    return f"{value + 0.0:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"


def _parse_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InputError(f"--option {text!r}: expected name=value, such as average=macro")
    return name, value
