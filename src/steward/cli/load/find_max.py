"""`steward load find-max`: the highest rate that meets an objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.build_results import build_server_run, tell_build_server
from steward.cli.common import show_json, show_lines, show_table
from steward.cli.load.options import (
    SLO_HELP,
    ClientOptions,
    LoadServerOptions,
    PromptOptions,
    SearchOptions,
    build_config,
)
from steward.cli.load.output import format_ms, print_progress, warn_of_interrupt
from steward.core.durations import parse_duration_s
from steward.core.errors import InputError
from steward.core.files import SHARED, write_file
from steward.loadtest.build_cases import list_search_cases
from steward.loadtest.config import make_arrival
from steward.workflows.loadtest.files import check_writable, encode_report
from steward.workflows.loadtest.run import require_extra

if TYPE_CHECKING:
    from steward.loadtest.search import FindMax

EXIT_CODES = {
    "found": 0,
    "no_limit_found": 0,
    "not_even_the_lowest": 1,
    "client_limit": 3,
    "too_noisy": 3,
    "interrupted": 130,
}


def find_max(
    server: LoadServerOptions,
    prompt: PromptOptions,
    client: ClientOptions,
    options: SearchOptions,
    slo: Annotated[str, typer.Option(help=SLO_HELP)],
    trial: Annotated[str, typer.Option(help="Time per trial; longer where so few requests decide nothing.")] = "20s",
    start: Annotated[
        float | None, typer.Option(help="First rate; without it, what one user at a time reaches.")
    ] = None,
    highest: Annotated[float, typer.Option(help="Try no rate above this.")] = 1e6,
    tolerance: Annotated[
        float, typer.Option(min=0.001, max=1, help="Stop when the bracket is this narrow: 0.02 is 2 percent.")
    ] = 0.02,
) -> None:
    """Find the highest rate that meets an objective. Exit 1: not even the lowest rate meets it; 3: the client is the
    limit, or the machine is too noisy for an answer; 130: interrupted, with the trials so far."""
    check_writable(options.out, options.html, options.junit)
    with build_server_run("steward load find-max", options.junit):
        _check_rates(start, highest)
        config = build_config(
            server, client, prompt, arrival=make_arrival(options.arrival, 1.0, burstiness=options.burstiness),
            duration_s=1.0, warmup_s=parse_duration_s(options.warmup, "--warmup"), slo=slo,
        )  # fmt: skip
        require_extra()
        from steward.workflows.loadtest import find_max as workflow

        result = workflow.find_max(
            config, trial_s=parse_duration_s(trial, "--trial"), start=start, highest=highest, tolerance=tolerance,
            on_line=print_progress(options.json),
        )  # fmt: skip
        if options.json:
            show_json(result)
        else:
            _show(result)
        _write(result, options)
        tell_build_server("steward load find-max", list_search_cases(result), options.junit)
        if result.partial:
            warn_of_interrupt(result.reason)
        raise typer.Exit(EXIT_CODES[result.verdict])


def _check_rates(start: float | None, highest: float) -> None:
    if start is not None and not 0 < start < float("inf"):
        raise InputError(f"--start {start:g}: expected a finite rate above 0")
    if not highest > 0:
        raise InputError(f"--highest {highest:g}: expected a rate above 0")


def _write(result: FindMax, options: SearchOptions) -> None:
    if options.out is not None:
        write_file(options.out, encode_report(result), mode=SHARED)
    if options.html is not None:
        from steward.loadtest.search_page import render_find_max

        write_file(options.html, render_find_max(result).encode(), mode=SHARED)


def _show(result: FindMax) -> None:
    rows = [
        [f"{item.rate:.4g}", item.answer, item.sent, format_ms(item.ttft_p95_ms), format_ms(item.tpot_p95_ms), item.why]
        for item in sorted(result.trials, key=lambda item: item.rate)
    ]
    show_table(["req/s", "objective", "sent", "TTFT p95, ms", "TPOT p95, ms", "why"], rows)
    show_lines([result.describe()])
