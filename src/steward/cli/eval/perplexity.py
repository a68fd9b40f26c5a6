"""`steward eval perplexity`: how well a model predicts a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.eval.options import ConcurrencyOption
from steward.cli.eval.output import format_counts, format_interval, format_numbers, progress_bar, show_problems
from steward.evaluation.numbers import format_number
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.perplexity import Perplexity
    from steward.workflows.evaluate.perplexity import PerplexityOptions


class ScorerOptions(msgspec.Struct, frozen=True):
    """The model to ask, and how its windows are cut."""

    model: Annotated[str, typer.Option(help="starter, a .gguf file, a checkpoint folder, or a model name at --url.")]
    backend: Annotated[str, typer.Option(help="auto, embedded, transformers (extra `train`) or url.")] = "auto"
    url: Annotated[str | None, typer.Option(help="Server that supports echo and logprobs on /v1/completions.")] = None
    key: Annotated[str | None, typer.Option(help="API key of the server as env:NAME or file:PATH.")] = None
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json, for a server that does not return tokens.")
    ] = None
    window: Annotated[
        int | None, typer.Option(min=1, help="Most tokens that the model sees at once. Default: the model's own.")
    ] = None
    stride: Annotated[int | None, typer.Option(min=1, help="Tokens scored per window. Default: the whole window.")] = (
        None
    )
    prefix_token: Annotated[
        str | None,
        typer.Option(
            help="Token before the first token of a text: a number, or none. Default: BOS or EOS; with --url, none."
        ),
    ] = None

    def resolve(self) -> PerplexityOptions:
        """:raises InputError: a key that cannot be resolved, an unknown back end or prefix"""
        from steward.core.secret import resolve
        from steward.workflows.evaluate.perplexity import PerplexityOptions

        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return PerplexityOptions(**{**values, "key": resolve(self.key) if self.key else None})


def perplexity(
    scorer: ScorerOptions,
    file: Annotated[Path, typer.Option(help="Held-out text: .txt, or .jsonl with one document per row.")],
    split: Annotated[
        str, typer.Option(help="How a .txt is split into documents: blank (lines), line, or file.")
    ] = "blank",
    field: Annotated[str, typer.Option(help="Field of the text in a .jsonl.")] = "text",
    concurrency: ConcurrencyOption = 16,
    against: Annotated[
        Path | None, typer.Option(help="Result of another model on the same text, as --json printed it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure how well a model predicts a text: token, word and byte perplexity and bits per byte, with intervals.

    Refuses a model whose log-probabilities turn out not to be those of the text. Exits 4 if documents failed.
    """
    require_extra()
    from steward.workflows.evaluate.perplexity import measure_perplexity

    with progress_bar() as bar:
        result = measure_perplexity(
            scorer.resolve(), file, split=split, field=field, concurrency=concurrency, progress=bar, against=against
        )
    if json:
        show_json(result)
    else:
        _show_perplexity(result)
    if result.errored:
        raise typer.Exit(4)


def _show_perplexity(result: Perplexity) -> None:
    rows = []
    for name in ("token_perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"):
        estimate = getattr(result, name)
        ends = (estimate.value, estimate.low, estimate.high) if estimate is not None else None
        rows.append([name, *format_numbers(*ends)] if ends is not None else [name, "too large", None, None])
    show_table(["", "value", "low", "high"], rows)
    sizes = f"{result.tokens:,} tokens, {result.words:,} words, {result.bytes:,} bytes"
    counts = format_counts(result.documents, result.unscored, len(result.errored))
    show_lines([f"{sizes}; documents: {counts}", result.signature])
    if result.against is not None:
        saved = result.against
        value = f"{format_number(saved.bits_per_byte)}{format_interval(saved.low, saved.high)}"
        show_lines([f"bits per byte saved against {saved.model}: {value}"])
    show_problems(result.errored)
