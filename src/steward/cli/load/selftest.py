"""`steward load selftest`: how precise this client is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines
from steward.cli.load.options import Processes, Rates, parse_numbers
from steward.cli.load.output import warn_of_interrupt
from steward.core.durations import parse_duration_s
from steward.loadtest.selftest import (
    FIRST_MS,
    GAP_MS,
    P50_ERROR_MS,
    P99_ERROR_MS,
    RATES,
    TOKENS,
    SelfTest,
    SelfTestStep,
)


def selftest(
    rates: Rates = None,
    step: Annotated[str, typer.Option(help="Time per step.")] = "3s",
    processes: Processes = 1,
    json: JsonOption = False,
) -> None:
    """Test how fast and how precise this client is on this machine, against a server of known timing. Without --rates,
    the rate rises until a step is not good. Exit 3: no step was good; 130: interrupted, with the steps so far."""
    if not json:
        show_lines(
            [
                f"True times: first token after {FIRST_MS:g} ms, then {TOKENS - 1} more, one every {GAP_MS:g} ms. "
                "Errors are in ms.",
                "   req/s   TTFT p50   TTFT p99   TPOT p50   late p99   client CPU   server's own p99",
            ]
        )
    from steward.workflows.loadtest import selftest as workflow

    result = workflow.selftest(
        rates=parse_numbers(rates, "--rates"),
        step_s=parse_duration_s(step, "--step"),
        processes=processes,
        on_step=lambda item: None if json else show_lines([_format_step(item)]),
    )
    if json:
        show_json(result)
    elif result.steps:
        show_lines([_describe(result)])
    if result.partial:
        warn_of_interrupt(describe_resume(len(result.steps), parse_numbers(rates, "--rates") or RATES))
        raise typer.Exit(130)
    raise typer.Exit(0 if result.good_up_to is not None else 3)


def describe_resume(done: int, rates: Sequence[float]) -> str:
    """
    >>> describe_resume(1, [25.0, 50.0, 100.0])
    'interrupted after 1 of 3 steps; run the others with --rates 50,100'
    """
    rest = ",".join(f"{rate:g}" for rate in rates[done:])
    return f"interrupted after {done} of {len(rates)} steps; run the others with --rates {rest}"


def _format_step(item: SelfTestStep) -> str:
    return (
        f"{item.rate:8.0f} {item.ttft_error_p50_ms:+10.2f} {item.ttft_error_p99_ms:+10.2f} "
        f"{item.tpot_error_p50_ms:+10.2f} {item.late_p99_ms:10.2f} {item.cpu_share:12.0%} "
        f"{item.server_late_p99_ms:18.2f}   {'good' if item.good else 'not good'}"
    )


def _describe(result: SelfTest) -> str:
    rates = f"up to {result.good_up_to:g} requests per second" if result.good_up_to else "at no rate"
    return (
        f"This client is precise {rates} (TTFT within {P50_ERROR_MS:g} ms at p50 and {P99_ERROR_MS:g} ms at p99); "
        f"a process starts in {result.start_s:.2f} s"
    )
