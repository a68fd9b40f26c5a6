"""Limits of load tests, as docs/reference/load-tests.md, `--help` and the warnings of reports name them.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arrivals.MAX_ARRIVALS", 20_000_000),
        ("compare._LEAST", 100),
        ("compare._DIGIT_MS", 0.0005),
        ("connection.MAX_BUFFERED", 512),
        ("measure.MAX_SAMPLES", 5_000),
        ("outcomes.REFUSED", (401, 403, 404)),
        ("outcomes._MAX_TTFT", 200),
        ("page_format.IN_SECONDS_FROM_MS", 10_000.0),
        ("prompts._MIN_EXACT", 64),
        ("prompts.CHARACTERS_PER_TOKEN", 4.0),  # OpenAI's rule of thumb
        ("report.PERCENTILES", (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)),
        ("recorder.FINE_S", 0.00001),
        ("recorder.COARSE_S", 0.001),
        ("response.MAX_HEAD_BYTES", 65_536),
        ("search.TRIAL_FACTOR", 2.0),
        ("search.MAX_STRETCH", 10),
        ("search.CONFIRMATIONS", 2),
        ("search.MAX_TRIALS_OF_RATE", 3),
        ("search.MAX_TRIALS", 40),
        ("search.NOISY_RATIO", 2.0),
        ("series.MAX_POINTS", 90),
        ("series.MIN_STEP_S", 0.5),
        ("slo.BLOCKS", 20),
        ("sockets._OUT", 4),  # EPOLLOUT
        ("sockets._TIMESTAMPNS", 35),  # asm-generic/socket.h
        ("sockets._CONTROL_BYTES", 64),
        ("statistics._TREND_Z", 2.326),  # one-sided 1 % of the normal distribution
        ("selftest.FIRST_MS", 50.0),
        ("selftest.GAP_MS", 10.0),
        ("selftest.TOKENS", 32),
        ("statistics.QUANTILES", {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}),
        ("compare._LEVELS", {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}),
        ("sweep.SATURATED_SHARE", 0.9),
        ("sweep._FIRST_PART", 3),
        ("sweep.KNEE_SHARE", 0.1),
        ("sweep.NARROW_RATIO", 1.1),
        ("timer._MONOTONIC", 1),  # CLOCK_MONOTONIC
        ("timer._ABSOLUTE", 1),  # TFD_TIMER_ABSTIME
        ("validity.RATE_TOLERANCE", 0.02),
        ("validity.DISPERSION_TOLERANCE", 0.1),
        ("validity.CPU_LIMIT", 0.9),
        ("validity.BURST_SHARE", 0.1),
        ("validity.TOKEN_TOLERANCE", 0.05),
        ("validity.TOGETHER", 0.1),
        ("validity.BUNDLED", 1.5),
        ("validity.FEW_ANSWERS", 100),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.loadtest.{module}"), constant) == value
