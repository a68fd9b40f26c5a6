"""Sizes that many parts share, as their docstrings and standards have them."""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "alerts.MAX_ATTEMPTS": 10,
    "alerts.FALLBACK_ATTEMPTS": 4,
    "alerts.FIRST_WAIT_S": 10.0,
    "alerts.LONGEST_WAIT_S": 3_600.0,
    "build_results.MOST_ANNOTATIONS": 10,  # GitHub shows as many of one kind a step
    "errors.MAX_NAMES_LISTED": 12,
    "excerpts.TEXT_CHARACTERS": 100,
    "excerpts.REASON_CHARACTERS": 200,
    "files.PRIVATE": 0o600,
    "files.PRIVATE_FOLDER": 0o700,
    "files.OTHERS": 0o077,
    "gauges.MOST_LETTERS": 200,
    "histogram.RELATIVE_ERROR": 0.01,
    "histogram.LEAST": 1e-7,
    "histogram.MOST": 1e9,
    "histogram._FEW_BYTES": 160,
    "load_report.FORMAT": 1,
    "load_report.QUANTILES": {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999},
    "rates.FEW_PEOPLE": 10,
    "rates.Z975": 1.959963984540054,  # the 97.5 % quantile of the normal distribution
    "reactions.DAY_S": 86_400,
    "reactions.PER_PERSON": 5,
    "series.MINUTE_S": 60,
    "series.HOUR_S": 3_600,
    "series.DAY_S": 86_400,
    "series.MOST_GROUPS": 1_000,
    "study.HURRIED_S": 1.0,
    "traces.TRACEPARENT_LETTERS": 55,  # W3C Trace Context, section 3.2: 2 + 32 + 16 + 2 and three dashes
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("core", name) == SIZES[name]
