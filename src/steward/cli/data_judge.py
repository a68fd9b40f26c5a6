"""`steward data judge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import HomeOption, JsonOption, find_server, show_json, show_lines, show_progress
from steward.cli.data import FilesArgument, require_extra
from steward.cli.eval.options import (
    ConcurrencyOption,
    InputPriceOption,
    KeyOption,
    OutputPriceOption,
    UrlOption,
    read_prices,
)
from steward.cli.terminal_text import write_note
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.workflows.data_judge import JudgeEstimate, RowJudgePlan


class JudgeOptions(msgspec.Struct, frozen=True):
    """Who is asked, and how."""

    url: UrlOption = None
    key: KeyOption = None
    home: HomeOption = None
    text: Annotated[str | None, typer.Option(help="Column that holds the text. Default: `text`.")] = None
    lowest: Annotated[float, typer.Option(help="Lowest score that counts.")] = 0.0
    highest: Annotated[float, typer.Option(help="Highest score that counts.")] = 5.0
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 256
    concurrency: ConcurrencyOption = 8
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask nothing: print rows, tokens and cost.")] = False
    max_usd: Annotated[float | None, typer.Option(min=0, help="Refuse to begin where it may cost more.")] = None
    input_price: InputPriceOption = None
    output_price: OutputPriceOption = None


NO_OPTIONS = JudgeOptions()


def judge(
    files: FilesArgument,
    question: Annotated[Path, typer.Option(help="File with the question; {{ text }} stands for the row's text.")],
    model: Annotated[str, typer.Option(help="Model or route to ask.")],
    output: Annotated[Path, typer.Option(help="File to write, such as scored.jsonl. Run again to go on.")],
    options: JudgeOptions = NO_OPTIONS,
    json: JsonOption = False,
) -> None:
    """Have a model score each row, after an estimate of what it costs. Exits with 1 if no row has a score."""
    prices = read_prices(options.input_price, options.output_price)
    if options.max_usd is not None and prices is None:
        raise InputError("--max-usd needs --input-price and --output-price, in USD per million tokens")
    with require_extra(), show_progress(hidden=json) as progress:
        from steward.workflows.data_judge import estimate_judging, judge_files

        plan = _make_plan(question, model, options)
        estimate = estimate_judging(files, output, plan, prices)
        if options.dry_run:
            show_json(estimate) if json else show_lines([_describe(estimate)])
            return
        write_note(_describe(estimate))
        if options.max_usd is not None and (estimate.cost_usd or 0) > options.max_usd:
            raise InputError(f"--max-usd {options.max_usd:g}: it may cost ${estimate.cost_usd:.2f}; nothing was asked")
        record = judge_files(files, output, plan, lambda done, _, what: progress(done, estimate.rows, what))
    if json:
        show_json(record)
    else:
        mean = "" if record.mean is None else f", mean {record.mean:.2f}"
        counts = f"{record.rows:,} rows = {record.scored:,} scored{mean} + {record.unscored:,} without a score"
        show_lines([f"{counts}; {record.failed:,} could not be read; written to {record.output}"])
    if record.rows and not record.scored:
        raise typer.Exit(1)


def _make_plan(question: Path, model: str, options: JudgeOptions) -> RowJudgePlan:
    from steward.workflows.data_judge import RowJudgePlan

    try:
        words = question.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--question {question}: cannot be read ({error}); expected a text with {{{{ text }}}}"
        ) from None
    if options.lowest >= options.highest:
        raise InputError(f"--lowest {options.lowest:g} is not below --highest {options.highest:g}")
    url, key = find_server(options.url, options.key, options.home)
    return RowJudgePlan(
        url=url, model=model, question=words, key=key, lowest=options.lowest, highest=options.highest,
        max_tokens=options.max_tokens, concurrency=options.concurrency, text=options.text,
    )  # fmt: skip


def _describe(estimate: JudgeEstimate) -> str:
    cost = "cost unknown without prices" if estimate.cost_usd is None else f"at most ${estimate.cost_usd:,.2f}"
    return (
        f"{estimate.rows:,} rows, {estimate.asked:,} to ask about: about {estimate.input_tokens:,} tokens in and at "
        f"most {estimate.output_tokens:,} out, {cost}"
    )
