"""`steward plan predict`: forecasts one deployment under one load."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.capacity.predict import Load, read_trace_load
from steward.cli.common import HomeOption, JsonOption, show_json
from steward.cli.plan.options import CacheOptions, HardwareOptions, find_home_or_none
from steward.cli.plan.show import show_forecast
from steward.core.errors import InputError
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.forecast import forecast

MOST_CLIENTS = 100_000


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What arrives: clients, a rate, or a trace."""

    input: Annotated[int | None, typer.Option(help="Tokens of a prompt.")] = None
    output: Annotated[int | None, typer.Option(help="Tokens of an answer.")] = None
    trace: Annotated[
        Path | None, typer.Option(help="Replay this file: JSON lines of at, input_tokens, output_tokens.")
    ] = None
    concurrency: Annotated[
        int | None, typer.Option(help="Number of clients; each waits for its answer before it asks again.")
    ] = None
    rate: Annotated[float | None, typer.Option(help="Requests per second, arriving at random.")] = None
    requests: Annotated[
        int, typer.Option(min=0, max=20_000, help="How many requests the test at --rate sends; 0: enough.")
    ] = 0


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine is started."""

    count: Annotated[int | None, typer.Option(min=1, help="Accelerators of the replica.")] = None
    max_num_seqs: Annotated[int | None, typer.Option(min=1, help="Most sequences that the engine runs at once.")] = None
    max_batched_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens that the engine processes in a step.")
    ] = None
    utilisation: Annotated[
        float | None, typer.Option(min=0.05, max=1.0, help="Share of the memory that the engine takes.")
    ] = None


def predict(
    model: Annotated[str, typer.Option(help="Name such as llama-3.1-8b, or path of a config.json.")],
    hardware: HardwareOptions,
    load: LoadOptions,
    engine_options: EngineOptions,
    cache: CacheOptions,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Predict memory, throughput and latency of one deployment under one load; exit 3 when it does not fit."""
    spec = DeploymentSpec(
        model=model,
        **msgspec.structs.asdict(hardware),
        **msgspec.structs.asdict(cache),
        **msgspec.structs.asdict(engine_options),
    )
    result = forecast(spec, _read_load(load), find_home_or_none(home))
    if json:
        show_json(result)
    else:
        show_forecast(result)


def _read_load(options: LoadOptions) -> Load:
    """:raises InputError: no load, several loads, or one that is out of range"""
    o = options
    if sum(value is not None for value in (o.concurrency, o.rate, o.trace)) != 1:
        raise InputError("give exactly one of --concurrency, --rate and --trace")
    if o.trace is not None:
        return read_trace_load(o.trace)
    if o.input is None or o.output is None:
        raise InputError("--input or --output is missing; give the tokens of a prompt and of an answer")
    if o.rate is not None:
        if not (math.isfinite(o.rate) and o.rate > 0):
            raise InputError(f"--rate {o.rate}: expected a number of requests per second above 0")
        return Load(kind="open", rate=o.rate, input_tokens=o.input, output_tokens=o.output, requests=o.requests)
    clients = o.concurrency or 0
    if not 0 < clients <= MOST_CLIENTS:
        raise InputError(f"--concurrency {clients}: expected from 1 to {MOST_CLIENTS:,} clients, the simulator's limit")
    return Load(kind="closed", concurrency=clients, input_tokens=o.input, output_tokens=o.output)
