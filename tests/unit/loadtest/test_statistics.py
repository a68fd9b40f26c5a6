import numpy as np
import pytest

from steward.loadtest.objective import parse_objective
from steward.loadtest.slo import combine_answers, judge_limit, share_interval
from steward.loadtest.statistics import bootstrap_intervals, compute_quantiles, is_growing, quantiles_from_histogram


def test_quantiles_are_numpys_and_leave_out_what_is_missing():
    values = np.random.default_rng(1).lognormal(3, 1, 5000)
    found = compute_quantiles(np.concatenate([values, [np.nan]]))
    assert found.n == 5000 and found.p95 == pytest.approx(np.quantile(values, 0.95)) and found.max == values.max()
    assert found.p999 == pytest.approx(np.quantile(values, 0.999))


def test_few_values_have_no_p999_and_no_interval():
    found = compute_quantiles(np.arange(50.0))
    assert found.p999 is None and found.intervals == {} and compute_quantiles(np.array([np.nan])).p50 is None


def test_intervals_hold_the_truth_as_often_as_they_say():
    random, truth, held = np.random.default_rng(1), 100 * np.log(20), 0  # p95 of an exponential of mean 100
    for _ in range(40):
        low, high = bootstrap_intervals(random.exponential(100, 1000))["p95"]
        held += low <= truth <= high
    assert held >= 33  # 95 % asked for; P(fewer than 33 of 40) is 2e-4


def test_intervals_of_what_hangs_together_are_wider():
    random = np.random.default_rng(1)
    waits = np.repeat(random.exponential(100, 50), 40)  # fifty states of a queue, forty requests in each
    shuffled = random.permutation(waits)
    (low, high), (low_2, high_2) = bootstrap_intervals(waits)["p50"], bootstrap_intervals(shuffled)["p50"]
    assert high - low > 2 * (high_2 - low_2)


def test_a_histogram_gives_its_bins_middles():
    counts = np.zeros(100, dtype=np.uint64)
    counts[[10, 20, 90]] = [900, 90, 10]
    found = quantiles_from_histogram(counts, np.arange(100) + 0.5)
    assert (found.p50, found.p95, found.p99, found.p999, found.n) == (10.5, 20.5, 20.5, 90.5, 1000)


def test_a_queue_that_grows_is_seen_and_noise_is_not():
    random = np.random.default_rng(1)
    noise = random.exponential(10, 500)
    rising = noise + np.linspace(0, 30, 500)
    assert is_growing(rising, 1.0) and not is_growing(noise, 1.0) and not is_growing(np.arange(10.0), 1.0)
    assert sum(is_growing(random.exponential(10, 500), 0.0) for _ in range(200)) <= 6  # 0.5 % by Kendall's table
    assert not is_growing(rising, 25.0)  # it rises by about 20 from its first to its last third


def test_objectives_hold_fail_or_stay_unclear():
    (limit,) = parse_objective("ttft_p95<100ms")
    fast, slow = np.full(2000, 50.0), np.full(2000, 150.0)
    assert judge_limit(limit, fast).answer == "holds" and judge_limit(limit, slow).answer == "fails"
    assert judge_limit(limit, np.where(np.arange(200) % 20 == 0, 150.0, 50.0)).answer == "unclear"  # exactly 5 %
    assert judge_limit(limit, np.array([])).answer == "unclear"
    assert judge_limit(limit, np.where(np.arange(2000) % 5 == 0, np.inf, 50.0)).answer == "fails"  # a fifth has failed
    assert combine_answers((judge_limit(limit, fast), judge_limit(limit, slow))) == "fails"


def test_a_share_has_wilsons_interval_where_nothing_hangs_together():
    low, high = share_interval(np.array([1.0] * 81 + [0.0] * 182)[np.random.default_rng(3).permutation(263)])
    assert low <= 0.2553 + 1e-4 and high >= 0.3662 - 1e-4  # Newcombe 1998, table I
