"""Test this client on this machine, against a server of known timing in a process of its own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import msgspec

from steward.core.errors import Unavailable
from steward.core.fetch import open_url
from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.echo import EchoTiming
from steward.loadtest.selftest import (
    FIRST_MS,
    GAP_MS,
    RATES,
    TOKENS,
    SelfTest,
    SelfTestStep,
    find_good_rate,
    grade_step,
)
from steward.workflows.loadtest.run import require_extra, run_load

TIMING = EchoTiming(first_ms=FIRST_MS, gap_ms=GAP_MS, tokens=TOKENS)


def selftest(
    *,
    rates: Sequence[float] = (),
    step_s: float = 3.0,
    processes: int = 1,
    on_step: Callable[[SelfTestStep], None] = lambda step: None,
) -> SelfTest:
    """Raise the rate until a step is not good. The server gets the cores that this process may not use, if any.

    An interrupt ends the test with `partial` set; the step that was running is left out.

    :raises Unavailable: the server did not start
    """
    require_extra()
    steps: list[SelfTestStep] = []
    start_s, partial = math.inf, False
    try:
        with _start_echo() as url:
            for rate in rates or RATES:
                step, ready_s = _run_step(url, rate, step_s, processes)
                start_s = min(start_s, ready_s)
                steps.append(step)
                on_step(step)
                if not step.good and not rates:
                    break
    except KeyboardInterrupt:
        partial = True
    good = find_good_rate(steps)
    return SelfTest(
        good_up_to=good,
        output_tok_s=(good or 0.0) * TOKENS,
        processes=processes,
        cores=len(_read_own_cores()),
        start_s=start_s if steps else 0.0,
        steps=tuple(steps),
        timing=TIMING,
        partial=partial,
    )


def _run_step(url: str, rate: float, step_s: float, processes: int) -> tuple[SelfTestStep, float]:
    """One rate, and the time that the processes took to start. :raises KeyboardInterrupt: it was interrupted"""
    config = LoadConfig(
        url=url, model="echo", arrival=Arrival(rate=rate), duration_s=step_s, warmup_s=min(1.0, step_s / 3),
        input_tokens="64", output_tokens=str(TOKENS), processes=processes, seed=int(rate),
    )  # fmt: skip
    _take_lateness_ms(url)
    finished = run_load(config)
    if finished.interrupted:
        raise KeyboardInterrupt
    late_ms = _take_lateness_ms(url)
    worst = max((result.stats.error_ms for result in finished.results), key=lambda error: error[3:4])
    return grade_step(finished.report, rate, worst, late_ms), min(result.stats.ready_s for result in finished.results)


def _take_lateness_ms(url: str) -> dict[str, float]:
    """How late the server's own writes were since the last call."""
    with open_url(f"{url}/lateness", 10) as response:
        return msgspec.json.decode(response.read(), type=dict[str, float])


@contextmanager
def _start_echo() -> Iterator[str]:
    """The URL of an echo server that ends with the context. :raises Unavailable: it did not start"""
    command = [sys.executable, "-m", "steward.processes.echo", msgspec.json.encode(TIMING).decode(), "0"]
    others = set(range(os.cpu_count() or 1)) - _read_own_cores()
    command += [",".join(map(str, sorted(others)))] if others else []
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        yield f"http://127.0.0.1:{_read_port(server, server.stdout)}"
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()


def _read_port(server: subprocess.Popen[str], output: IO[str]) -> str:
    port = output.readline().strip()
    if not port:
        raise Unavailable(f"the echo server ended with exit code {server.wait()}; its standard error says why")
    return port


def _read_own_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
