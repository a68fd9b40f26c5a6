"""`steward load replay`: the requests of a trace at its times."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.build_results import build_server_run
from steward.cli.load.options import (
    ClientOptions,
    LoadServerOptions,
    RunOptions,
    build_config,
    parse_optional_duration_s,
)
from steward.cli.load.single import run_and_show
from steward.loadtest.config import Arrival


def replay(
    trace: Annotated[
        Path,
        typer.Argument(help="JSON lines with at_s or timestamp (ms), or a CSV trace of Azure, BurstGPT or Mooncake."),
    ],
    server: LoadServerOptions,
    client: ClientOptions,
    options: RunOptions,
    speed: Annotated[float, typer.Option(help="2 sends the trace twice as fast.")] = 1.0,
    duration: Annotated[str | None, typer.Option(help="Only the first part of the trace, such as 60s.")] = None,
) -> None:
    """Send the requests of a trace at its own times. Exit codes as for `run`."""
    began = time.monotonic()
    with build_server_run("steward load", options.junit):
        config = build_config(
            server,
            client,
            arrival=Arrival(kind="trace"),
            trace=str(trace),
            speed=speed,
            duration_s=parse_optional_duration_s(duration, "--duration"),
            max_error_share=options.max_errors,
            slo=options.slo,
        )
        run_and_show(config, options, began)
