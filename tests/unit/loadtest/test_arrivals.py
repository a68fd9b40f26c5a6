import itertools
import statistics
from array import array

import numpy as np
import pytest

from steward.core.errors import InputError
from steward.loadtest.arrivals import make_schedule, replay_schedule, share_of_run, take_share
from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.statistics import compute_dispersion


def gaps(times):
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_constant_is_constant():
    times = make_schedule(Arrival(kind="constant", rate=50), 10, None, 0)
    assert len(times) == 500 and max(abs(gap - 0.02) for gap in gaps(times)) < 1e-9


def test_poisson_has_exponential_gaps_and_a_dispersion_of_one():
    times = make_schedule(Arrival(rate=100), 200, None, 1)  # 20,000 arrivals; mean = deviation = 1/rate
    assert statistics.mean(gaps(times)) == pytest.approx(0.01, rel=0.03)
    assert statistics.stdev(gaps(times)) == pytest.approx(0.01, rel=0.03)
    assert compute_dispersion(np.array(times), 200, windows=500) == pytest.approx(
        1.0, abs=0.2
    )  # 3 deviations of sqrt(2/499)


@pytest.mark.parametrize("processes", [4, 10])
def test_shares_of_one_schedule_add_up_to_it(processes):
    times = make_schedule(Arrival(rate=100), 20, None, 1)
    parts = [take_share(times, index, processes) for index in range(processes)]
    assert sorted(at for part in parts for at in part) == list(times)


def test_gamma_of_burstiness_a_quarter_has_twice_the_deviation_of_poisson():
    found = gaps(make_schedule(Arrival(kind="gamma", rate=100, burstiness=0.25), 300, None, 1))
    assert statistics.mean(found) == pytest.approx(0.01, rel=0.05)
    assert statistics.stdev(found) / statistics.mean(found) == pytest.approx(2.0, rel=0.05)  # 1 / sqrt(shape)


def test_a_ramp_sends_a_quarter_in_its_first_half():
    times = make_schedule(Arrival(kind="ramp", rate=200), 100, None, 1)  # the integral of 2t is t^2
    assert len(times) == pytest.approx(10_000, rel=0.03)
    assert sum(at < 50 for at in times) / len(times) == pytest.approx(0.25, abs=0.02)


def test_a_falling_ramp_ends_by_itself():
    assert len(make_schedule(Arrival(kind="ramp", start_rate=100, rate=1e-9), 10, None, 1)) == pytest.approx(
        500, rel=0.15
    )


def test_the_same_seed_gives_the_same_times_and_requests_end_them():
    one, other = (make_schedule(Arrival(rate=10), None, 100, seed=7) for _ in range(2))
    assert one == other and len(one) == 100 and one != make_schedule(Arrival(rate=10), None, 100, seed=8)


def test_repeated_gaps_of_processes_that_share_a_seed_would_be_seen():
    base = make_schedule(Arrival(rate=25), 400, None, 1)  # what a peer does: each worker draws the same gaps
    assert compute_dispersion(np.array([*base, *base, *base, *base]), 400, windows=400) > 2.5


def test_too_many_are_refused_before_they_are_made():
    with pytest.raises(InputError, match="at most 20,000,000"):
        make_schedule(Arrival(rate=1e6), 3600, None, 0)


def test_l2_a_burst_is_due_at_once():
    assert list(make_schedule(Arrival(kind="burst"), None, 5, 0)) == [0.0] * 5


def test_a_trace_keeps_its_gaps():
    assert list(replay_schedule([5.0, 6.0, 9.0], 2.0, None, None)) == [0.0, 0.5, 2.0]
    assert list(replay_schedule([5.0, 6.0, 9.0], 1.0, 4.0, None)) == [0.0, 1.0]
    assert list(replay_schedule([5.0, 6.0, 9.0], 1.0, None, 2)) == [0.0, 1.0]


def config(**fields):
    return LoadConfig(**({"url": "http://h", "model": "m"} | fields))


def test_each_process_sends_its_share():
    constant = Arrival(kind="constant", rate=2.0)
    assert list(share_of_run(config(arrival=constant, duration_s=2.0, warmup_s=1.0), [], 1, 2)) == [0.5, 1.5, 2.5]
    assert list(share_of_run(config(arrival=constant, requests=3), [], 0, 2)) == [0.0, 1.0]
    assert list(share_of_run(config(arrival=Arrival(kind="concurrency", concurrency=3)), [], 0, 1)) == []
    trace = config(arrival=Arrival(kind="trace"), trace="t", speed=0.5)
    assert list(share_of_run(trace, [1.0, 2.0, 4.0], 0, 2)) == [0.0, 6.0]


def test_a_constant_ramp_is_poisson():
    times = make_schedule(Arrival(kind="ramp", start_rate=50, rate=50), 100, None, 1)
    assert len(times) == pytest.approx(5000, rel=0.05)


def test_a_ramp_between_two_rates_sends_what_lies_under_it():
    """From 100 to 200 a second in 100 s: 15,000, of which 6,250 in the first half; from 0 to 50: 2,500, and 625."""
    for first, last, total, half in ((100.0, 200.0, 15_000, 6250), (0.0, 50.0, 2500, 625)):
        times = make_schedule(Arrival(kind="ramp", start_rate=first, rate=last), 100, None, 1)
        assert len(times) == pytest.approx(total, rel=0.05) and min(times) >= 0.0 and times == array("d", sorted(times))
        assert sum(at < 50 for at in times) == pytest.approx(half, rel=0.06)
