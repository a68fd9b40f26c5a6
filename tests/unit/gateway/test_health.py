"""Sequences worked out by hand."""

import math

import pytest

from steward.gateway.health import Breaker, HealthPlan, HealthTracker, Latency, RetryBudget, Window, find_outliers

PLAN = HealthPlan(consecutive_failures=3, error_rate=0.5, minimum_requests=10, window_s=10.0, open_s=10.0)


def opened(at: float) -> Breaker:
    breaker = Breaker(PLAN)
    for _ in range(3):
        breaker.failed(at)
    return breaker


def test_a_window_forgets_in_tenths() -> None:
    window = Window(10.0)
    for at in (0.0, 0.9, 5.0):
        window.add(True, at)
    window.add(False, 9.5)
    assert [window.counts(at) for at in (9.9, 10.0, 14.9, 15.0, 25.0)] == [(4, 3), (2, 1), (2, 1), (1, 0), (0, 0)]


def test_consecutive_failures_open_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(PLAN)
    for failed in (True, True, False, True, True):
        breaker.failed(0.0) if failed else breaker.succeeded(0.0)
    assert breaker.state(0.0) == "closed"
    breaker.failed(0.0)
    assert breaker.state(0.0) == "open" and not breaker.admits(9.9) and breaker.wait_s(4.0) == 6.0


def test_the_error_rate_opens_where_failures_alternate() -> None:
    breaker = Breaker(PLAN)
    for _ in range(4):
        breaker.succeeded(1.0)
        breaker.failed(1.0)
    breaker.succeeded(1.0)
    assert breaker.state(1.0) == "closed"  # 4 of 9: under the minimum of 10
    breaker.failed(1.0)
    assert breaker.state(1.0) == "open"  # 5 of 10


def test_half_open_lets_one_through_at_a_time() -> None:
    breaker = opened(0.0)
    assert breaker.state(10.0) == "half_open"
    assert [breaker.admits(10.0), breaker.admits(10.0)] == [True, False]
    breaker.left()  # its client hung up: no verdict, the next one probes
    assert breaker.admits(10.0)
    breaker.answered(10.5)
    assert breaker.state(10.5) == "closed" and breaker.admits(10.5) and breaker.window.counts(10.5) == (0, 0)


def test_a_failed_probe_doubles_the_open_time_up_to_eight() -> None:
    breaker, now, waits = opened(0.0), 0.0, []
    for _ in range(6):
        waits.append(breaker.wait_s(now))
        now += waits[-1]
        assert breaker.admits(now)
        breaker.failed(now)
    assert waits == [10.0, 20.0, 40.0, 80.0, 80.0, 80.0]


def test_a_straggler_does_not_close_an_open_breaker() -> None:
    breaker = opened(0.0)
    breaker.succeeded(1.0)
    assert breaker.state(1.0) == "open"


def test_retries_are_a_share_of_the_requests_beyond_the_reserve() -> None:
    budget = RetryBudget(0.2)
    assert sum(budget.take() for _ in range(100)) == 10
    granted = 0
    for _ in range(1000):
        budget.request()
        granted += budget.take()
    assert granted == pytest.approx(200, abs=1)
    assert not RetryBudget(0.0).take()


def test_latency_is_a_mean_in_time_and_fades() -> None:
    latency = Latency()
    assert latency.value(0.0) == 0.0
    latency.add(1.0, 0.0)
    latency.add(3.0, 10.0)
    assert latency.value(10.0) == pytest.approx(1 / math.e + 3 * (1 - 1 / math.e))
    assert latency.value(20.0) == pytest.approx(latency.value(10.0) / math.e)


def test_outliers_are_clearly_worse_than_the_others() -> None:
    # NIST/SEMATECH 7.3.3: pooled p = 12/60, z = (0.5 − 0.05) / sqrt(0.2 · 0.8 · (1/20 + 1/40)) = 4.108
    assert find_outliers({"a": (20, 10), "b": (20, 1), "c": (20, 1)}, 20, 0.5) == {"a"}
    assert find_outliers({"a": (19, 10), "b": (20, 1), "c": (20, 1)}, 20, 0.5) == frozenset()  # too few to say
    assert find_outliers({"a": (20, 10), "b": (20, 9)}, 20, 0.5) == frozenset()  # both ill: nobody is an outlier
    assert find_outliers({"a": (9000, 500), "b": (9000, 300)}, 20, 0.5) == frozenset()  # certain, but only 2 % worse


def test_a_bounded_share_is_ejected_worst_first() -> None:
    counts = {"a": (50, 40), "b": (50, 45), "c": (50, 0), "d": (50, 0), "e": (50, 0)}
    assert find_outliers(counts, 20, 0.2) == {"b"}
    assert find_outliers(counts, 20, 0.4) == {"a", "b"}
    assert find_outliers({"a": (50, 50), "b": (50, 0)}, 20, 1.0) == {"a"} and not find_outliers(
        {"a": (50, 50)}, 20, 1.0
    )
    assert find_outliers(counts, 20, 0.0) == frozenset()


def test_an_ejected_target_comes_back_when_its_failures_have_left_the_window() -> None:
    book = HealthTracker(HealthPlan(consecutive_failures=1000, error_rate=1.0, window_s=10.0), ["a", "b", "c"])
    for _ in range(20):
        book["a"].breaker.failed(0.0)
        book["a"].breaker.succeeded(0.0)
        book["b"].breaker.succeeded(0.0)
        book["c"].breaker.succeeded(0.0)
    assert [book.standings(["a", "b", "c"], [], now)["a"].out for now in (0.0, 9.9, 10.0)] == [True, True, False]
