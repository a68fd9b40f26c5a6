"""Options that several commands of `steward eval` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import HomeOption, find_server
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.evaluation.spend import TokenPrices
    from steward.workflows.evaluate.target import ModelTarget

SuiteArgument = Annotated[
    str, typer.Argument(help="YAML file of a suite, or a built-in suite: starter, starter-free, starter-seen.")
]
BaselineArgument = Annotated[Path, typer.Argument(help="Run folder of the baseline.")]
CandidateArgument = Annotated[Path, typer.Argument(help="Run folder of the candidate.")]
RunArgument = Annotated[Path, typer.Argument(help="Run folder.")]
ModelOption = Annotated[str, typer.Option(help="Model or route to ask; with --backend: starter, a file or a folder.")]
OutOption = Annotated[Path, typer.Option(help="Folder for the answers. The same folder again resumes the run.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Use only the first N rows of the data.")]
MarginOption = Annotated[
    float | None, typer.Option(min=0, help="How much the suite's metrics may change; without it there is no verdict.")
]
FieldOption = Annotated[
    list[str] | None, typer.Option("--field", help="Data field to change; repeatable. Default: all prompt fields.")
]
UrlOption = Annotated[str | None, typer.Option(help="OpenAI-compatible server. Default: the gateway of --home.")]
KeyOption = Annotated[
    str | None, typer.Option(help="API key as env:NAME or file:PATH. Default: the first key of --home.")
]
BackendOption = Annotated[
    str | None,
    typer.Option(help="Run the model in this process: embedded, or transformers (extra `train`)."),
]
ConcurrencyOption = Annotated[int, typer.Option(min=1, max=4096, help="Requests at the same time.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder in which to keep and reuse answers.")]

InputPriceOption = Annotated[float | None, typer.Option(min=0, help="USD per million input tokens, to show the cost.")]
OutputPriceOption = Annotated[float | None, typer.Option(min=0, help="USD per million output tokens.")]


class EstimateOptions(msgspec.Struct, frozen=True):
    """What a run would take, told instead of running it."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing: print items, tokens, cost and time of the run.")
    ] = False
    input_price: InputPriceOption = None
    output_price: OutputPriceOption = None
    seconds_per_answer: Annotated[
        float | None, typer.Option(min=0, help="Of --dry-run. Default: the mean of the answers in --out, if any.")
    ] = None


NO_ESTIMATE = EstimateOptions()


def read_prices(input_usd: float | None, output_usd: float | None) -> TokenPrices | None:
    """None where no price is given. :raises InputError: only one of them"""
    if (input_usd is None) != (output_usd is None):
        raise InputError("expected both --input-price and --output-price, in USD per million tokens")
    if input_usd is None or output_usd is None:
        return None
    from steward.evaluation.spend import TokenPrices

    return TokenPrices(input_usd, output_usd)


class EvalServerOptions(msgspec.Struct, frozen=True):
    """The server to ask."""

    url: UrlOption = None
    key: KeyOption = None
    concurrency: ConcurrencyOption = 16
    cache: CacheOption = None
    home: HomeOption = None

    def make_target(self, model: str) -> ModelTarget:
        """:raises InputError: no server, or a key that cannot be resolved"""
        from steward.workflows.evaluate.target import ModelTarget

        url, key = find_server(self.url, self.key, self.home)
        return ModelTarget(url, model, key, self.concurrency, self.cache)


class TargetOptions(EvalServerOptions, frozen=True):
    """The server to ask, or a model in this process."""

    backend: BackendOption = None
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait for one answer, in seconds.")] = 1800.0
    retries: Annotated[int, typer.Option(min=0, max=100, help="Attempts after a failed one, with pauses.")] = 3
    stream: Annotated[bool, typer.Option("--stream", help="Ask for a stream, for servers that close idle calls.")] = (
        False
    )

    def make_target(self, model: str) -> ModelTarget:
        """:raises InputError: no server, or a key that cannot be resolved"""
        from steward.workflows.evaluate.target import ModelTarget

        local = self.backend not in (None, "url")
        url, key = (self.url, None) if local else find_server(self.url, self.key, self.home)
        return ModelTarget(
            url,
            model,
            key,
            self.concurrency,
            self.cache,
            self.backend or "url",
            self.timeout,
            self.retries,
            self.stream,
        )
