"""`steward load run`: one load test."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steward.cli.build_results import build_server_run
from steward.cli.load.options import (
    Burstiness,
    ClientOptions,
    LoadServerOptions,
    PromptOptions,
    RunOptions,
    build_config,
    parse_optional_duration_s,
)
from steward.cli.load.single import run_and_show
from steward.core.durations import parse_duration_s
from steward.core.errors import InputError
from steward.loadtest.config import Arrival, make_arrival


def run(
    server: LoadServerOptions,
    prompt: PromptOptions,
    client: ClientOptions,
    options: RunOptions,
    rate: Annotated[
        float | None, typer.Option(help="Requests per second; of a ramp, the last rate. inf sends all at once.")
    ] = None,
    arrival: Annotated[str, typer.Option(help="constant, poisson, gamma or ramp.")] = "poisson",
    burstiness: Burstiness = 1.0,
    start_rate: Annotated[float, typer.Option(help="Of a ramp, the first rate.")] = 0.0,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Closed loop: this many users, who wait for their answers.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Length of the run, such as 60s.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="End the run after this many requests.")] = None,
    warmup: Annotated[str, typer.Option(help="Time at the start that is left out.")] = "0s",
    turns: Annotated[int, typer.Option(min=1, help="Turns per conversation; each carries those before it.")] = 1,
    think: Annotated[str, typer.Option(help="Time between an answer and the next turn.")] = "0s",
    ray: Annotated[bool, typer.Option("--ray", help="Send from Ray tasks, --processes of them.")] = False,
) -> None:
    """Run one load test. Exit 0: valid, and the --slo is met; 1: it is missed; 3: invalid, stopped early or undecided;
    4: nothing was answered; 130: interrupted, with a partial report."""
    began = time.monotonic()
    with build_server_run("steward load", options.junit):
        config = build_config(
            server,
            client,
            prompt,
            arrival=_choose_arrival(concurrency, arrival, rate, start_rate=start_rate, burstiness=burstiness),
            duration_s=parse_optional_duration_s(duration, "--duration"),
            requests=requests,
            warmup_s=parse_duration_s(warmup, "--warmup"),
            turns=turns,
            think_s=parse_duration_s(think, "--think"),
            max_error_share=options.max_errors,
            slo=options.slo,
        )
        run_and_show(config, options, began, ray=ray)


def _choose_arrival(concurrency: int | None, kind: str, rate: float | None, **options: float) -> Arrival:
    """:raises InputError: both a rate and users, or an unknown kind of arrivals"""
    if concurrency is None:
        return make_arrival(kind, rate, **options)
    if rate is not None:
        raise InputError("--rate and --concurrency: expected one of them; a rate is an open loop, users a closed one")
    return Arrival(kind="concurrency", concurrency=concurrency)
