"""`steward load sweep`: throughput against latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.build_results import build_server_run, tell_build_server
from steward.cli.common import show_json, show_lines, show_table
from steward.cli.load.options import (
    ClientOptions,
    LoadServerOptions,
    PromptOptions,
    Rates,
    SearchOptions,
    build_config,
    parse_counts,
    parse_numbers,
)
from steward.cli.load.output import format_ms, print_progress, warn_of_interrupt
from steward.core.durations import parse_duration_s
from steward.core.errors import InputError
from steward.core.files import SHARED, write_file
from steward.loadtest.build_cases import list_sweep_cases
from steward.loadtest.config import make_arrival
from steward.workflows.loadtest.files import check_writable, encode_report
from steward.workflows.loadtest.run import require_extra

if TYPE_CHECKING:
    from steward.loadtest.sweep import Sweep, SweepPoint


def sweep(
    server: LoadServerOptions,
    prompt: PromptOptions,
    client: ClientOptions,
    options: SearchOptions,
    rates: Rates = None,
    users: Annotated[str | None, typer.Option(help="Users of a closed loop, such as 1,2,4, instead of rates.")] = None,
    step: Annotated[str, typer.Option(help="Time per step.")] = "20s",
    most: Annotated[int, typer.Option(min=2, max=50, help="Most steps, if none are given.")] = 10,
) -> None:
    """Measure throughput against latency, at given rates or at doubling ones until the server is saturated. Exit 3: a
    step was invalid; 130: interrupted, with the steps so far."""
    check_writable(options.out, options.html, options.junit)
    with build_server_run("steward load sweep", options.junit):
        if rates and users:
            raise InputError("--rates and --users: expected one of them; rates are an open loop, users a closed one")
        config = build_config(
            server, client, prompt, arrival=make_arrival(options.arrival, 1.0, burstiness=options.burstiness),
            duration_s=1.0, warmup_s=parse_duration_s(options.warmup, "--warmup"),
        )  # fmt: skip
        require_extra()
        from steward.workflows.loadtest import sweep as workflow

        result = workflow.sweep(
            config, rates=parse_numbers(rates, "--rates"), users=parse_counts(users, "--users"),
            step_s=parse_duration_s(step, "--step"), most=most, on_line=print_progress(options.json),
        )  # fmt: skip
        if options.json:
            show_json(result)
        else:
            _show(result)
        if options.out is not None:
            write_file(options.out, encode_report(result), mode=SHARED)
        if options.html is not None:
            from steward.loadtest.search_page import render_sweep

            write_file(options.html, render_sweep(result).encode(), mode=SHARED)
        tell_build_server("steward load sweep", list_sweep_cases(result), options.junit)
        if result.partial:
            warn_of_interrupt(result.notes[-1])
            raise typer.Exit(130)
        raise typer.Exit(0 if all(point.valid for point in result.points) else 3)


def _show(result: Sweep) -> None:
    latencies = ["TTFT p50, ms", "TTFT p95, ms", "TPOT p50, ms", "TPOT p95, ms"]
    show_table(["load", "answers/s", "output tokens/s", "in flight", *latencies, ""], map(_row, result.points))
    show_lines([result.describe(), *(f"note: {note}" for note in result.notes)])


def _row(point: SweepPoint) -> list[object]:
    state = "INVALID" if not point.valid else "saturated" if point.saturated else ""
    latencies = (point.ttft_p50_ms, point.ttft_p95_ms, point.tpot_p50_ms, point.tpot_p95_ms)
    return [
        point.describe_load(),
        f"{point.answered_rate:.2f}",
        f"{point.output_tok_s:,.0f}",
        f"{point.concurrency_mean:.1f}",
        *map(format_ms, latencies),
        state,
    ]
