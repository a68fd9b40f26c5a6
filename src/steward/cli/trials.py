"""`steward eval`, second part: a judge, and what happens to answers when the question is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_server, show_json, show_lines, show_table
from steward.cli.evaluation import format_number, progress_bar
from steward.core.secret import resolve

if TYPE_CHECKING:
    from steward.evaluation.robustness import RobustnessReport
    from steward.workflows.evaluate import ModelTarget

SuiteArgument = Annotated[
    str, typer.Argument(help="A suite's YAML file, or a built-in one's name: starter, starter-free.")
]
ModelOption = Annotated[str, typer.Option(help="Model or route to ask.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the runs; the same one again goes on where it ended.")]
FieldOption = Annotated[
    list[str] | None, typer.Option("--field", help="Fields of the data to change; else all that are asked.")
]
MarginOption = Annotated[float | None, typer.Option(min=0, help="Of the suite's metrics: how much may change.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Only the first rows of the data.")]
UrlOption = Annotated[str | None, typer.Option(help="OpenAI-compatible server; else the gateway of --home.")]
KeyOption = Annotated[str | None, typer.Option(help="env:NAME or file:PATH of its key; else the first one's.")]
BackendOption = Annotated[
    str | None, typer.Option(help="No server, but in this process: embedded, or transformers (extra `train`).")
]
ConcurrencyOption = Annotated[int, typer.Option(min=1, max=4096, help="Requests at the same time.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder of answers to keep and to use again.")]


def judge(
    baseline: Annotated[Path, typer.Argument(help="Folder of the run to compare with.")],
    candidate: Annotated[Path, typer.Argument(help="Folder of the run in question.")],
    model: Annotated[str, typer.Option(help="The judge: model or route.")],
    rubric: Annotated[Path, typer.Option(help="Text file: what makes one answer better than another.")],
    temperature: Annotated[str, typer.Option(help="Of the judge; empty for models that refuse to be given one.")] = "0",
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
        found = evaluate.judge_runs(
            baseline,
            candidate,
            model,
            rubric,
            address,
            secret,
            temperature=temperature,
            concurrency=concurrency,
            cache=cache,
            progress=bar,
        )
    if json:
        show_json(found)
    else:
        rate = [format_number(value) for value in (found.win_rate, found.low, found.high, found.p)]
        columns = ["candidate", "win rate", "low", "high", "p", "wins", "ties", "losses", "turned with the order"]
        show_table(columns, [[found.candidate, *rate, found.wins, found.ties, found.losses, found.turned]])
        show_lines([f"unscored: {line}" for line in found.unscored[:20]])
        show_lines([f"failed: {line}" for line in found.errored[:20]])
        show_lines([f"{found.n} judged, {len(found.unscored)} unscored, {len(found.errored)} errored", found.signature])
    if found.errored:
        raise typer.Exit(4)
    if not found.n:
        raise typer.Exit(3)


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
    margin: MarginOption = None,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    backend: BackendOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a suite again with typos, other words, another order: what is lost, item by item.

    With --margin, exit 1 where a change loses more for sure, 3 where it cannot be told. Exit 4: items failed.
    """
    changes = change or ["typos", "case", "spacing", "contractions", "synonyms", "filler", "paraphrase"]
    server = _make_target(model, backend, url, key, concurrency, cache, home)
    _run_changes(suite, changes, [], out, field, words, seed, margin, limit, server, json)


def counterfactual(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    swap: Annotated[
        list[str] | None, typer.Option("--swap", help="gender, origin:GROUP or dialect:GROUP; else all of them.")
    ] = None,
    field: FieldOption = None,
    margin: MarginOption = None,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    backend: BackendOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a suite again about somebody else: whether answers, refusals or lengths change.

    With --margin, exit 1 where a swap changes more for sure, 3 where it cannot be told. Exit 4: items failed.
    """
    from steward.core.errors import UnknownName
    from steward.text.swaps import swap_kinds

    for name in swap or []:
        if name not in swap_kinds():
            raise UnknownName("swap", name, swap_kinds())
    extra = ["refusal", "words"]
    swaps = swap or swap_kinds()
    server = _make_target(model, backend, url, key, concurrency, cache, home)
    _run_changes(suite, swaps, extra, out, field, "synonyms", 0, margin, limit, server, json)


def checks(
    suite: SuiteArgument,
    model: ModelOption,
    out: OutOption,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    backend: BackendOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Run a suite's MFT, INV and DIR checks. Exit 1: one failed; 3: items without a value leave it open."""
    from steward.workflows import evaluate

    server = _make_target(model, backend, url, key, concurrency, cache, home)
    with progress_bar() as bar:
        found = evaluate.run_checks(suite, server, out, limit=limit, progress=bar)
    if json:
        show_json(found)
    else:
        columns = ["check", "kind", "verdict", "share", "low", "high", "at least", "items", "failed", "open"]
        rows = []
        for one in found.checks:
            numbers = [format_number(value) for value in (one.share, one.low, one.high, one.at_least)]
            counts = [one.n, len(one.failed), len(one.unscored) + len(one.errored)]
            rows.append([one.name, one.kind, one.verdict, *numbers, *counts])
        show_table(columns, rows)
        for one in found.checks:
            for example in one.examples[:1]:
                show_lines([f"{one.name}, item {example.id}: {example.asked!r} → {example.said!r}"])
                show_lines([f"  {example.asked_after!r} → {example.said_after!r}"] if example.asked_after else [])
            show_lines([f"{one.name}, open: {line}" for line in [*one.errored, *one.unscored][:5]])
    raise typer.Exit({"passed": 0, "failed": 1, "inconclusive": 3}[found.verdict])


def overlap(
    suite: SuiteArgument,
    train: Annotated[list[str], typer.Option("--train", help="Training files, by glob pattern.")],
    run: Annotated[Path | None, typer.Option(help="Folder of a run: also how scores differ on what overlaps.")] = None,
    ngram: Annotated[int, typer.Option(min=2, max=64, help="Words in a run that count as a copy.")] = 13,
    shortest: Annotated[int, typer.Option(min=1, help="Texts of fewer words are not looked for.")] = 8,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Look for a suite's items in training data (extra `data`). Exit 1: one is there; 3: all are too short."""
    from steward.workflows import evaluate

    found = evaluate.find_overlap(suite, train, run, ngram=ngram, shortest=shortest, limit=limit)
    if json:
        show_json(found)
    else:
        share = [format_number(value) for value in (found.share, found.low, found.high)]
        columns = ["items", "overlap", "share", "low", "high", "too short to look for"]
        show_table(columns, [[found.items, len(found.overlapping), *share, found.too_short]])
        show_lines([f"item {one.id}: {one.share:.0%} of its runs of {found.ngram}" for one in found.overlapping[:20]])
        if found.gaps:
            columns = ["metric", "overlapping", "others", "gap", "low", "high", "overlapping items", "other items"]
            rows = []
            for gap in found.gaps:
                numbers = [format_number(value) for value in (gap.overlapping, gap.clean, gap.gap, gap.low, gap.high)]
                rows.append([gap.metric, *numbers, gap.n_overlapping, gap.n_clean])
            show_table(columns, rows)
    if found.overlapping or found.share is None:
        raise typer.Exit(1 if found.overlapping else 3)


def groups(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    by: Annotated[str, typer.Option(help="Slice of the suite whose values are the groups.")],
    positive: Annotated[
        str | None, typer.Option(help="The label that people want: rates of it by group; else quality only.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare groups: selection, true and false positive rates, quality, and how much chance makes of it."""
    from steward.workflows import evaluate

    found = evaluate.compare_groups(run, by, positive)
    if json:
        show_json(found)
        return
    rows = []
    for group in found.groups:
        rates = [group.selection, group.true_positive, group.false_positive]
        rows.append([group.name, group.items, *(rate and format_number(rate.value) for rate in rates)])
        rows[-1] += [format_number(score.value) for score in group.quality]
    names = [score.metric for score in found.groups[0].quality]
    show_table([found.field, "items", "selection", "true positive", "false positive", *names], rows)
    rows = [
        [one.measure, *(format_number(number) for number in (one.value, one.low, one.high, one.p, one.p_holm))]
        for one in found.differences
    ]
    show_table(["between groups", "value", "low", "high", "p", "p (Holm)"], rows)
    show_lines([f"unscored: {line}" for line in found.unscored[:20]])
    show_lines([f"{found.n} items, {len(found.unscored)} unscored, {len(found.errored)} errored", found.signature])


def bias(
    benchmark: Annotated[str, typer.Argument(help="bbq, crows-pairs or stereoset.")],
    data: Annotated[Path, typer.Argument(help="Its file, which you bring: .jsonl, .csv or dev.json.")],
    scores: Annotated[
        Path | None,
        typer.Option(
            help='Log-probabilities: crows-pairs {"id", "sent_more", "sent_less"} a line; stereoset, its own.'
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help='bbq: JSON lines {"id": "CATEGORY/NUMBER", "prediction"}.')
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="To ask: for bbq a model or route; else starter, a file, a folder, or a name at --url."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="bbq: folder of the run.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    backend: BackendOption = None,
    concurrency: ConcurrencyOption = 16,
    cache: CacheOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Score a published set about stereotypes. Exit 3: nothing could be scored; 4: items failed."""
    from steward.workflows import evaluate

    server = None
    if model is not None and benchmark == "bbq":
        server = _make_target(model, backend, url, key, concurrency, cache, home)
    elif model is not None:
        server = evaluate.ModelTarget(url, model, resolve(key) if key else None, concurrency, cache, backend or "auto")
    with progress_bar() as bar:
        found = evaluate.measure_bias(
            benchmark, data, scores=scores, predictions=predictions, server=server, out=out, progress=bar
        )
    if json:
        show_json(found)
    else:
        rows = [
            [one.part, one.measure, *map(format_number, (one.value, one.low, one.high)), one.n]
            for one in found.measures
        ]
        show_table(["part", "measure", "value", "low", "high", "items"], rows)
        show_lines([f"failed: {line}" for line in found.errored[:20]])
        show_lines([f"unscored: {line}" for line in found.unscored[:20]])
        show_lines([f"{found.n} items, {len(found.unscored)} unscored, {len(found.errored)} errored", found.signature])
    if found.errored:
        raise typer.Exit(4)
    if not found.n:
        raise typer.Exit(3)


def _make_target(
    model: str,
    backend: str | None,
    url: str | None,
    key: str | None,
    concurrency: int,
    cache: Path | None,
    home: Path | None,
) -> ModelTarget:
    from steward.workflows.evaluate import ModelTarget

    address, secret = (url, None) if backend not in (None, "url") else find_server(url, key, home)
    return ModelTarget(address, model, secret, concurrency, cache, backend or "url")


def _run_changes(
    suite: str,
    names: Sequence[str],
    extra: Sequence[str],
    out: Path,
    field: list[str] | None,
    words: str,
    seed: int,
    margin: float | None,
    limit: int | None,
    server: ModelTarget,
    json: bool,
) -> None:
    from steward.evaluation.suite import QuestionChange
    from steward.workflows import evaluate

    changes = [QuestionChange(use=name, fields=tuple(field or ()), words=words, seed=seed) for name in names]
    with progress_bar() as bar:
        found = evaluate.run_robustness(
            suite, changes, server, out, limit=limit, extra=extra, margin=margin, progress=bar
        )
    if json:
        show_json(found)
    else:
        _show_robustness(found)
    if found.errored or any(effect.errored for effect in found.effects):
        raise typer.Exit(4)
    if found.verdict is not None:
        raise typer.Exit({"passed": 0, "moved": 1, "inconclusive": 3}[found.verdict])


def _show_robustness(found: RobustnessReport) -> None:
    if found.verdict is not None:
        show_lines([f"{found.model}, margin {found.margin:g}: {found.verdict}"])
    columns = ["change", "metric", "original", "changed", "gain", "low", "high", "p (Holm)", "items", "same answer"]
    rows = []
    for effect in found.effects:
        same = None if effect.same is None else format_number(effect.same.value)
        for shift in effect.shifts:
            paired = shift.paired
            numbers = (paired.baseline, paired.candidate, paired.gain, shift.low, shift.high, shift.p)
            rows.append([effect.change, paired.metric, *map(format_number, numbers), paired.n, same])
    for worst in found.worst:
        numbers = (worst.original, worst.worst, worst.gain, worst.low, worst.high, None)
        rows.append(["worst of all", worst.metric, *map(format_number, numbers), worst.n, None])
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
