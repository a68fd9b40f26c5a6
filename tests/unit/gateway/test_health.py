"""Sequences worked out by hand."""

import math

import pytest

from steward.gateway.health import (
    Breaker,
    HealthTracker,
    Latency,
    ModelHealth,
    RetryBudget,
    Window,
    find_outliers,
    two_proportions_z,
)
from steward.gateway.health_plan import HealthPlan
from steward.gateway.route_records import BreakerReport

PLAN = HealthPlan(consecutive_failures=3, error_rate=0.5, minimum_requests=10, window_s=10.0, open_s=10.0)


def opened(at: float) -> Breaker:
    breaker = Breaker(PLAN)
    for _ in range(3):
        breaker.record_failure(at)
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
        breaker.record_failure(0.0) if failed else breaker.record_success(0.0)
    assert breaker.state(0.0) == "closed"
    breaker.record_failure(0.0)
    assert breaker.state(0.0) == "open" and not breaker.admits(9.9) and breaker.wait_s(4.0) == 6.0


def test_the_error_rate_opens_where_failures_alternate() -> None:
    breaker = Breaker(PLAN)
    for _ in range(4):
        breaker.record_success(1.0)
        breaker.record_failure(1.0)
    breaker.record_success(1.0)
    assert breaker.state(1.0) == "closed"  # 4 of 9: under the minimum of 10
    breaker.record_failure(1.0)
    assert breaker.state(1.0) == "open"  # 5 of 10


def test_half_open_lets_one_through_at_a_time() -> None:
    breaker = opened(0.0)
    assert breaker.state(10.0) == "half_open"
    assert [breaker.admits(10.0), breaker.admits(10.0)] == [True, False]
    breaker.release()  # its client hung up: no verdict, the next one probes
    assert breaker.admits(10.0)
    breaker.record_answer(10.5)
    assert breaker.state(10.5) == "closed" and breaker.admits(10.5) and breaker.window.counts(10.5) == (0, 0)


def test_a_failed_probe_doubles_the_open_time_up_to_eight() -> None:
    breaker, now, waits = opened(0.0), 0.0, []
    for _ in range(6):
        waits.append(breaker.wait_s(now))
        now += waits[-1]
        assert breaker.admits(now)
        breaker.record_failure(now)
    assert waits == [10.0, 20.0, 40.0, 80.0, 80.0, 80.0]


def test_a_straggler_does_not_close_an_open_breaker() -> None:
    breaker = opened(0.0)
    breaker.record_success(1.0)
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
        book["a"].breaker.record_failure(0.0)
        book["a"].breaker.record_success(0.0)
        book["b"].breaker.record_success(0.0)
        book["c"].breaker.record_success(0.0)
    assert [book.standings(["a", "b", "c"], [], now)["a"].out for now in (0.0, 9.9, 10.0)] == [True, True, False]


def test_nothing_told_the_plan_is_that_of_the_reference() -> None:
    """docs/reference/configuration: `routing.breaker`."""
    assert HealthPlan() == HealthPlan(
        consecutive_failures=5, error_rate=0.5, minimum_requests=20, window_s=30.0, open_s=10.0, ejected_share=0.5,
        retry_ratio=0.2,
    )  # fmt: skip


@pytest.mark.parametrize("first", range(10))
@pytest.mark.parametrize("later", [10, 11, 19, 20, 35])
def test_after_its_span_a_window_has_forgotten_every_bucket(first: int, later: int) -> None:
    window = Window(10.0)
    window.add(True, first + 0.5)
    assert window.counts(first + 9.9) == (1, 1) and window.counts(first + later) == (0, 0)


def test_under_the_error_rate_a_breaker_stays_closed() -> None:
    breaker = Breaker(PLAN)
    for failed in [True] + [False] * 5 + [True, False, True, True]:
        breaker.record_failure(0.0) if failed else breaker.record_success(0.0)
    assert breaker.state(0.0) == "closed"  # 4 of 10, under a half


TOUCHY = HealthPlan(consecutive_failures=1, open_s=10.0)


def test_what_one_caller_meets_counts_against_that_caller_alone() -> None:
    model = ModelHealth(TOUCHY)
    model.record_error("a", 0.0)
    assert (model.admits("a", 5.0), model.admits("b", 5.0)) == (False, True)
    assert (model.wait_s("a", 4.0), model.wait_s("b", 4.0)) == (6.0, 0.0)
    assert [model.is_probing("a", 5.0), model.is_probing("a", 10.0), model.is_probing("b", 10.0)] == [
        False,
        True,
        False,
    ]
    assert [model.admits("a", 10.0), model.admits("a", 10.0)] == [True, False]
    model.release("a")
    assert model.admits("a", 10.0)
    model.record_error("a", 10.0)
    assert model.wait_s("a", 10.0) == 20.0  # twice as long
    model.record_success("a", 30.0)
    assert [model.admits("a", 30.0), model.admits("a", 30.0), model.is_probing("a", 30.0)] == [True, True, False]


def test_what_two_callers_meet_counts_against_the_model() -> None:
    model = ModelHealth(TOUCHY)
    model.record_error("a", 0.0)
    model.record_error("b", 0.0)
    assert (model.admits("c", 5.0), model.wait_s("c", 4.0)) == (False, 6.0)
    assert [model.is_probing("c", 5.0), model.is_probing("c", 10.0)] == [False, True]
    assert [model.admits("c", 10.0), model.admits("d", 10.0), model.admits("a", 10.0)] == [True, False, False]
    model.release("c")
    assert model.admits("a", 10.0)  # that it was refused for the model's sake did not use up its own probe


def test_a_success_between_two_callers_errors_clears_the_model() -> None:
    model = ModelHealth(TOUCHY)
    model.record_error("a", 0.0)
    model.record_success("x", 0.0)
    model.record_error("b", 0.0)
    assert model.admits("c", 5.0)


def test_a_thousand_callers_are_remembered() -> None:
    model = ModelHealth(TOUCHY)
    for number in range(1000):
        model.record_error(f"c{number}", 0.0)
        model.record_success("x", 0.0)
    assert not model.admits("c0", 5.0)
    model.record_error("c1000", 0.0)
    assert model.admits("c0", 5.0) and not model.admits("c1", 5.0)


def test_a_model_is_out_while_it_rests_is_ejected_or_open() -> None:
    model = ModelHealth(TOUCHY)
    model.rests_until = 5.0
    assert [model.describe(False, at).out for at in (4.9, 5.0)] == [True, False]
    assert model.describe(True, 5.0).out
    model.breaker.record_failure(5.0)
    assert [model.describe(False, at).out for at in (14.9, 15.0)] == [True, False]


def test_a_new_configuration_with_the_same_plan_forgets_nothing() -> None:
    before = HealthTracker(TOUCHY, ["a"])
    before["a"].breaker.record_failure(0.0)
    assert HealthTracker(TOUCHY, ["a", "b"], before).standings(["a"], ["b"], 1.0)["a"].out
    assert not HealthTracker(PLAN, ["a"], before).standings(["a"], [], 1.0)["a"].out


def test_of_two_targets_one_may_be_ejected() -> None:
    tracker = HealthTracker(HealthPlan(consecutive_failures=1000, error_rate=1.0), ["a", "b"])
    for _ in range(20):
        tracker["a"].breaker.record_failure(0.0)
        tracker["b"].breaker.record_success(0.0)
    tracker["a"].breaker.record_success(0.0)
    assert {name: standing.out for name, standing in tracker.standings(["a", "b"], [], 1.0).items()} == {
        "a": True, "b": False
    }  # fmt: skip


def test_z_of_two_proportions() -> None:
    """NIST/SEMATECH 7.3.3: pooled p = 12/40 = .3, z = .4 / sqrt(.3 * .7 * (1/20 + 1/20)); of 60: p = .2."""
    assert two_proportions_z(10, 20, 2, 20) == pytest.approx(0.4 / math.sqrt(0.021))
    assert two_proportions_z(10, 20, 2, 40) == pytest.approx(0.45 / math.sqrt(0.012))
    assert two_proportions_z(0, 20, 0, 20) == 0.0


@pytest.mark.parametrize(
    ("first", "second", "out"),
    [
        ((50, 12), (50, 1), True),  # z = .22 / sqrt(.13 * .87 * .04) = 3.27
        ((50, 10), (50, 1), False),  # z = .18 / sqrt(.11 * .89 * .04) = 2.88
        ((1000, 100), (1000, 0), True),  # 10 % worse
        ((1000, 99), (1000, 0), False),
        ((9000, 900), (9000, 450), False),  # 5 % worse
        ((20, 10), (20, 1), True),
        ((20, 10), (19, 0), False),  # too few others
        ((19, 10), (20, 0), False),
    ],
)
def test_an_outlier_is_three_standard_errors_and_a_tenth_worse(
    first: tuple[int, int], second: tuple[int, int], out: bool
) -> None:
    assert find_outliers({"a": first, "b": second}, 20, 0.5) == ({"a"} if out else frozenset())


def test_the_worst_is_the_one_with_the_highest_rate() -> None:
    counts = {"a": (50, 45), "b": (100, 80), "c": (50, 0), "d": (50, 0), "e": (50, 0)}
    assert find_outliers(counts, 20, 0.2) == {"a"}


def test_every_models_breaker_is_reported_with_what_it_counted() -> None:
    plan = HealthPlan(consecutive_failures=2)
    tracker = HealthTracker(plan, ["a", "b"])
    tracker["a"].breaker.record_failure(1.0)
    tracker["a"].breaker.record_failure(2.0)
    tracker["b"].record_success("k", 2.0)
    assert tracker.report(3.0) == {"a": BreakerReport("open", 2, 2), "b": BreakerReport("closed", 1, 0)}
    assert tracker.report(2.0 + plan.open_s)["a"].state == "half_open"
