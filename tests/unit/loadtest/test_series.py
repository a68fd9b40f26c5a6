import itertools

import numpy as np
import pytest

from steward.loadtest.recorder import RECORD
from steward.loadtest.response import CAUSES, OK
from steward.loadtest.series import build_series, choose_step_s, count_max_in_flight, integrate_counts, quantile_or_none


@pytest.mark.parametrize(
    "duration_s, steps",
    [(0.2, 1), (10.0, 20), (10.2, 21), (45.0, 90), (45.1, 46), (90.1, 46), (600.0, 60), (3600.0, 72), (950.0, 48)],
)
def test_l4_steps_are_of_equal_width_and_at_most_ninety(duration_s, steps):
    assert duration_s / choose_step_s(duration_s) == pytest.approx(steps)


def series(intended, latency_s, duration_s, cause=OK, tokens=10):
    """Requests of one latency."""
    sent = np.array(intended)
    rows = np.zeros(len(sent), dtype=np.dtype(RECORD))
    rows["cause"], rows["output_tokens"], rows["first"], rows["last"] = cause, tokens, latency_s / 2, latency_s
    return build_series(rows, sent, sent, sent + latency_s, choose_step_s(duration_s), duration_s)


def test_l4_the_last_step_of_a_constant_load_does_not_jump():
    found = series(np.arange(0, 10.0, 0.1), 0.5, 10.2)  # 5 in flight while all are sent
    assert len({round(later.at_s - earlier.at_s, 9) for earlier, later in itertools.pairwise(found)}) == 1
    assert sum(point.sent for point in found) == 100
    assert all(point.in_flight == pytest.approx(5, abs=0.5) for point in found[2:-1])
    assert found[-1].in_flight < 5  # it falls as the last answers come in


def test_counts_and_quantiles_of_a_step():
    found = series([0.0, 0.1, 0.9, 1.2], 0.4, 2.0, tokens=7)
    assert [point.sent for point in found] == [2, 1, 1, 0]  # steps of 0.5 s
    assert [point.answered for point in found] == [2, 1, 1, 0] and {point.failed for point in found} == {0}
    assert [point.output_tokens for point in found] == [7, 7, 7, 7]  # by their ends at 0.4, 0.5, 1.3, 1.6
    assert found[0].ttft_p50_ms == pytest.approx(200, rel=1e-5) and found[0].e2e_max_ms == pytest.approx(400, rel=1e-5)
    assert found[3].e2e_p50_ms is None and found[3].ttft_max_ms is None
    assert [point.in_flight for point in found] == pytest.approx([1.6, 0.2, 1.2, 0.2])  # by hand


def test_l4_a_step_of_few_answers_has_no_p95():
    few, enough = (series(np.linspace(0, 0.4, n), 0.4, 1.0)[0] for n in (19, 20))
    assert few.ttft_p95_ms is None and few.e2e_p95_ms is None and few.ttft_max_ms is not None
    assert enough.e2e_p95_ms == pytest.approx(400, rel=1e-5) and enough.ttft_p95_ms is not None


@pytest.mark.parametrize("cause, failed", [("http", 1), ("unfinished", 0)])
def test_unfinished_requests_have_not_failed(cause, failed):
    (point,) = series([0.1], 0.2, 0.3, cause=CAUSES.index(cause))
    assert (point.sent, point.answered, point.failed, point.e2e_p50_ms) == (1, 0, failed, None)


def test_a_run_that_took_no_time_has_one_step():
    (point,) = series([0.0], 0.0, 1e-9)
    assert point.sent == 1 and choose_step_s(1e-9) == 1e-9


def test_a_very_long_run_has_nice_steps_too():
    assert choose_step_s(86_400.0) == 1000.0 * 86.4 / 87 and choose_step_s(900.0) == 10.0


def test_no_requests_have_no_series():
    assert series([], 0.1, 1.0) == ()


def test_the_integral_of_a_count():
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    assert list(integrate_counts(np.array([0.5, 1.0, 3.0]), edges)) == [0.0, 0.5, 2.5, 7.5]


def test_the_most_in_flight_at_a_time():
    assert count_max_in_flight(np.array([0.0, 1.0, 2.0, 9.0]), np.array([5.0, 1.5, 3.0, 10.0])) == 2
    assert count_max_in_flight(np.array([]), np.array([])) == 0


def test_a_quantile_of_nothing():
    assert quantile_or_none(np.array([]), 0.5) is None and quantile_or_none(np.array([1.0, 2.0]), 0.5) == 1.5


def test_what_is_sent_at_the_end_or_ends_after_it_counts_in_the_last_step():
    found = series([0.0, 2.0], 0.3, 2.0, tokens=7)
    assert [point.sent for point in found] == [1, 0, 0, 1] and [point.output_tokens for point in found] == [7, 0, 0, 7]
