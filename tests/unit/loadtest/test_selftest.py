import math

import pytest

from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.loadtest.selftest import (
    FIRST_MS,
    GAP_MS,
    P50_ERROR_MS,
    P99_ERROR_MS,
    TOKENS,
    SelfTestStep,
    find_good_rate,
    grade_step,
)

CLIENT = ClientHealth(late_ms=Quantiles(p99=0.75), loop_lag_ms=Quantiles(), cpu_share=0.3)


def report(tpot=10.5, failed=0):
    return LoadReport(
        url="u", model="m", arrival="poisson", started_at=0.0, duration_s=1.0, achieved_rate=24.0, sent=10, answered=10,
        failed=failed, valid=True, client=CLIENT, tpot_ms=Quantiles(p50=tpot),
    )  # fmt: skip


def grade(p50=0.5, p99=4.0, **fields):
    return grade_step(report(**fields), 25.0, [p50, 9.0, 9.0, p99, 9.0, 9.0], {"p99": 0.25})


def test_errors_are_measured_minus_true():
    found = grade()
    assert (found.ttft_error_p50_ms, found.ttft_error_p99_ms, found.tpot_error_p50_ms) == (0.5, 4.0, 0.5)
    assert (found.rate, found.achieved_rate, found.late_p99_ms, found.cpu_share) == (25.0, 24.0, 0.75, 0.3)
    assert found.server_late_p99_ms == 0.25 and found.good


@pytest.mark.parametrize(
    "fields, good",
    [
        ({"p50": 1.0}, True), ({"p50": 1.01}, False), ({"p50": -1.01}, False), ({"p99": 5.0}, True),
        ({"p99": 5.01}, False), ({"failed": 1}, False),
    ],
)  # fmt: skip
def test_a_step_is_good_within_one_and_five_milliseconds(fields, good):
    assert grade(**fields).good == good


def test_a_step_without_answers_is_not_good():
    for step in (grade(tpot=None), grade_step(report(), 25.0, [], {})):
        assert not step.good and step.ttft_error_p50_ms == math.inf and step.tpot_error_p50_ms == math.inf
    assert grade_step(report(), 25.0, [], {}).server_late_p99_ms == 0.0


def step(rate, good):
    return SelfTestStep(
        rate=rate, achieved_rate=rate, ttft_error_p50_ms=0.0, ttft_error_p99_ms=0.0, tpot_error_p50_ms=0.0,
        late_p99_ms=0.0, cpu_share=0.1, server_late_p99_ms=0.0, good=good,
    )  # fmt: skip


def test_the_good_rate_has_only_good_ones_below_it():
    assert find_good_rate([step(100, True), step(25, True), step(400, False), step(700, True)]) == 100
    assert find_good_rate([step(25, False), step(50, True)]) is None and find_good_rate([]) is None


def test_the_server_of_known_timing_is_that_of_the_benchmark():
    """benchmarks/bench_loadtest.py: 50 ms to the first of 32 tokens, 10 ms between them; claims of 1 ms and 5 ms."""
    assert (FIRST_MS, GAP_MS, TOKENS, P50_ERROR_MS, P99_ERROR_MS) == (50.0, 10.0, 32, 1.0, 5.0)
