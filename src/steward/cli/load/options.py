"""The options that the load commands share, as records: what is sent, how a run goes, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer

from steward.cli.build_results import JUnitOption
from steward.cli.common import JsonOption
from steward.cli.lazy import CsvRows
from steward.core.durations import parse_duration_s
from steward.core.errors import InputError, UnknownName
from steward.loadtest.config import PATHS, Endpoint, LoadConfig, check_config

Rates = Annotated[str | None, typer.Option(help="Requests per second of each step, such as 25,100,400.")]
Burstiness = Annotated[float, typer.Option(help="Shape of gamma gaps: 1 is Poisson, 0.25 has bursts.")]
StepArrival = Annotated[str, typer.Option(help="constant, poisson or gamma.")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="Sending processes, which share one schedule.")]
SLO_HELP = (
    "Objective, such as ttft_p95<500ms,tpot_p95<50ms. Metrics: ttft, ttfo (reasoning left out), tpot, e2e; "
    "tps>20 (tokens per second of a request); error_rate<1%."
)


class LoadServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The server, and how it is asked."""

    url: Annotated[str, typer.Argument(help="URL of the server, such as http://127.0.0.1:8080/v1.")]
    model: Annotated[str, typer.Option(help="Model or route to ask for.")]
    endpoint: Annotated[str, typer.Option(help="chat, completions or embeddings.")] = "chat"
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Whether answers are streamed.")] = True
    key: Annotated[str | None, typer.Option(help="Bearer key, as env:NAME or file:PATH.")] = None
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="NAME: VALUE, added to every request.")] = (
        None
    )
    body: Annotated[
        str | None, typer.Option(help="""JSON merged into every request, such as '{"ignore_eos": true}'.""")
    ] = None
    ca_file: Annotated[Path | None, typer.Option(help="PEM file of certificates to trust.")] = None
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")] = False
    timeout: Annotated[str, typer.Option(help="Abort a request after this time.")] = "600s"
    stall: Annotated[str, typer.Option(help="Abort a response after this long without data.")] = "120s"
    drain: Annotated[str, typer.Option(help="Time for requests in flight after the last send.")] = "30s"


class PromptOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    input_tokens: Annotated[
        str,
        typer.Option(
            help="Tokens per prompt: 512, uniform:100:900, normal:512:128, lognormal:512:0.8, exponential:512."
        ),
    ] = "512"
    output_tokens: Annotated[str, typer.Option(help="max_tokens of each request, in the same forms.")] = "128"
    shared_prefix: Annotated[int, typer.Option(min=0, help="Tokens that all prompts begin with.")] = 0
    prompts: Annotated[
        Path | None, typer.Option(help="File with one prompt per line: JSON with prompt or messages, or .txt.")
    ] = None


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How this client sends."""

    processes: Processes = 1
    seed: Annotated[int, typer.Option(help="Seed of arrivals, lengths and texts.")] = 0
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json: exact prompts, and token counts if the server reports none.")
    ] = None
    late_budget: Annotated[
        float, typer.Option(min=0.1, help="The run is invalid if the client's lateness, p99 in ms, is above this.")
    ] = 10.0


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a single run does besides sending."""

    max_errors: Annotated[
        float | None, typer.Option(min=0, max=1, help="Stop when a larger share of requests has failed.")
    ] = None
    slo: Annotated[str | None, typer.Option(help=SLO_HELP)] = None
    metrics_url: Annotated[
        str | None,
        typer.Option(
            help="The server's metrics page, which must be there; without it, /metrics if the server has one."
        ),
    ] = None
    metrics_key: Annotated[str | None, typer.Option(help="Token of the metrics page, as env:NAME or file:PATH.")] = None
    out: Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")] = None
    csv: Annotated[Path | None, typer.Option(help="Write one line per request to this file.")] = None
    html: Annotated[Path | None, typer.Option(help="Write the report as an HTML page to this file.")] = None
    junit: JUnitOption = None
    json: JsonOption = False


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What several runs in a row have in common."""

    arrival: StepArrival = "poisson"
    burstiness: Burstiness = 1.0
    warmup: Annotated[str, typer.Option(help="Time at the start of each step that is left out.")] = "2s"
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file.")] = None
    html: Annotated[Path | None, typer.Option(help="Write the result as an HTML page to this file.")] = None
    junit: JUnitOption = None
    json: Annotated[JsonOption, CsvRows("points", "trials")] = False


def build_config(
    server: LoadServerOptions, client: ClientOptions, prompt: PromptOptions | None = None, **fields: Any
) -> LoadConfig:
    """:raises InputError: an option that cannot be read, or that does not fit the others"""
    if server.endpoint not in PATHS:
        raise UnknownName("endpoint", server.endpoint, PATHS)
    if prompt is not None:
        fields |= {
            "input_tokens": prompt.input_tokens,
            "output_tokens": prompt.output_tokens,
            "shared_prefix_tokens": prompt.shared_prefix,
            "prompts": _path(prompt.prompts),
        }
    return check_config(
        LoadConfig(
            url=server.url,
            model=server.model,
            endpoint=cast("Endpoint", server.endpoint),
            stream=server.stream,
            key=server.key,
            headers=tuple(parse_header(text) for text in server.header or ()),
            body=parse_body(server.body),
            ca_file=_path(server.ca_file),
            insecure=server.insecure,
            timeout_s=parse_duration_s(server.timeout, "--timeout"),
            stall_s=parse_duration_s(server.stall, "--stall"),
            drain_s=parse_duration_s(server.drain, "--drain"),
            processes=client.processes,
            seed=client.seed,
            tokenizer=_path(client.tokenizer),
            late_budget_ms=client.late_budget,
            **fields,
        )
    )


def parse_optional_duration_s(text: str | None, option: str) -> float | None:
    return None if text is None else parse_duration_s(text, option)


def parse_numbers(text: str | None, option: str) -> list[float]:
    """
    >>> parse_numbers("1,2.5", "--rates")
    [1.0, 2.5]
    """
    try:
        numbers = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        numbers = [0.0]
    if not all(0 < number < float("inf") for number in numbers):
        raise InputError(f"{option} {text!r}: expected finite numbers above 0 with commas, such as 1,2,4")
    return numbers


def parse_counts(text: str | None, option: str) -> list[int]:
    numbers = parse_numbers(text, option)
    if any(number != int(number) for number in numbers):
        raise InputError(f"{option} {text!r}: expected whole numbers with commas, such as 1,2,4")
    return [int(number) for number in numbers]


def parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and name.strip()):
        raise InputError(f"--header {text!r}: expected NAME: VALUE")
    return name.strip(), value.strip()


def parse_body(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InputError(f"""--body {text!r}: {error}; expected a JSON object, such as '{{"top_k": 1}}'""") from error


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
