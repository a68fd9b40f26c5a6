"""Runs with a single user, before and between the steps of a search: the time of one request, and the wait for idle."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from steward.core.errors import Unavailable
from steward.loadtest.config import Arrival, LoadConfig
from steward.workflows.loadtest.run import FinishedRun, run_load

PROBE_REQUESTS: Final = 5
MAX_WAIT_S: Final = 60.0


def measure_request_s(config: LoadConfig) -> float:
    """Seconds of a request that is alone on the server. :raises Unavailable: none is answered"""
    report = run_alone(config, PROBE_REQUESTS).report
    if report.e2e_ms.p50 is None:
        errors = ", ".join(f"{cause}: {count}" for cause, count in report.errors.items())
        raise Unavailable(
            f"{config.url}: none of {PROBE_REQUESTS} requests was answered ({errors}); try one with `steward load run`"
        )
    return max(1e-3, report.e2e_ms.p50 / 1000)


def wait_until_idle(config: LoadConfig, alone_s: float) -> None:
    """Wait until a request takes about as long as `alone_s`, so that one trial's queue does not count for the next.

    At most a minute.
    """
    until = time.monotonic() + MAX_WAIT_S
    while time.monotonic() < until:
        report = run_alone(config, 2).report
        if report.e2e_ms.p50 is not None and report.e2e_ms.p50 < 2000 * alone_s + 20:
            return
        time.sleep(0.5)


def run_alone(config: LoadConfig, requests: int) -> FinishedRun:
    """:raises KeyboardInterrupt: the run was interrupted"""
    finished = run_load(
        msgspec.structs.replace(
            config, arrival=Arrival(kind="concurrency", concurrency=1), requests=requests, duration_s=None,
            warmup_s=0.0, processes=1, slo=None, turns=1,
        )
    )  # fmt: skip
    if finished.interrupted:
        raise KeyboardInterrupt
    return finished
