"""How precise this client is on this machine, judged against a server whose timing is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

import msgspec

from steward.core.load_report import LoadReport
from steward.loadtest.echo import EchoTiming

FIRST_MS: Final = 50.0
GAP_MS: Final = 10.0
TOKENS: Final = 32
P50_ERROR_MS: Final = 1.0  # the claims of benchmarks/bench_loadtest.py
P99_ERROR_MS: Final = 5.0
RATES: Final = (25.0, 50.0, 100.0, 200.0, 400.0, 700.0, 1000.0, 1400.0, 2000.0, 2800.0, 4000.0)


class SelfTestStep(msgspec.Struct, frozen=True, kw_only=True):
    """One rate. Errors are measured - true, in milliseconds, from the intended send. True is what the server's own
    clock says between receiving the request and writing the first token, so a late server does not count as a bad
    client."""

    rate: float
    achieved_rate: float
    ttft_error_p50_ms: float
    ttft_error_p99_ms: float
    tpot_error_p50_ms: float
    late_p99_ms: float
    cpu_share: float
    server_late_p99_ms: float  # the server's own lateness, which is part of the TPOT error
    good: bool


class SelfTest(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load selftest --json`."""

    good_up_to: float | None  # requests per second; None: not even the lowest rate
    output_tok_s: float
    processes: int
    cores: int
    start_s: float  # from the command to the first request
    steps: tuple[SelfTestStep, ...]
    timing: EchoTiming
    partial: bool = False  # interrupted


def grade_step(
    report: LoadReport, rate: float, error_ms: Sequence[float], server_late: dict[str, float]
) -> SelfTestStep:
    """Grade one run against the server of known timing. `error_ms`: TTFT errors of its worst process, at
    sender.STAT_QUANTILES."""
    tpot = report.tpot_ms.p50
    errors = (inf, inf, inf)
    if error_ms and tpot is not None:
        errors = (error_ms[0], error_ms[3], tpot - GAP_MS)
    good = abs(errors[0]) <= P50_ERROR_MS and abs(errors[1]) <= P99_ERROR_MS and report.failed == 0
    return SelfTestStep(
        rate=rate,
        achieved_rate=report.achieved_rate,
        ttft_error_p50_ms=errors[0],
        ttft_error_p99_ms=errors[1],
        tpot_error_p50_ms=errors[2],
        late_p99_ms=report.client.late_ms.p99 or report.client.late_ms.max or 0.0,
        cpu_share=report.client.cpu_share,
        server_late_p99_ms=server_late.get("p99", 0.0),
        good=good,
    )


def find_good_rate(steps: Sequence[SelfTestStep]) -> float | None:
    """The highest rate at which it and all lower rates were good."""
    good_rate = None
    for item in sorted(steps, key=lambda item: item.rate):
        if not item.good:
            break
        good_rate = item.rate
    return good_rate
