import math
from statistics import NormalDist

import numpy as np
import pytest

from steward.core.load_report import Quantiles
from steward.loadtest import statistics
from steward.loadtest.statistics import (
    block_bootstrap,
    bootstrap_intervals,
    compute_dispersion,
    compute_quantiles,
    interval_of_quantile,
    is_growing,
    quantiles_from_histogram,
)


def test_quantiles_are_numpys_and_leave_out_what_is_missing():
    values = np.random.default_rng(1).lognormal(3, 1, 5000)
    found = compute_quantiles(np.concatenate([values, [np.nan]]))
    assert found.n == 5000 and found.p95 == pytest.approx(np.quantile(values, 0.95)) and found.max == values.max()
    assert found.p999 == pytest.approx(np.quantile(values, 0.999)) and found.mean == pytest.approx(values.mean())
    assert set(found.intervals) == {"p50", "p90", "p95", "p99", "p999"}


@pytest.mark.parametrize(
    "n, told",
    [(1, 1), (9, 1), (10, 2), (19, 2), (20, 3), (42, 3), (99, 3), (100, 4), (999, 4), (1000, 5)],
)
def test_l4_the_percentiles_that_so_many_values_tell(n, told):
    """1 / (1 - p): below, less than one value is expected beyond the percentile."""
    names = ["p50", "p90", "p95", "p99", "p999"]
    histogram = np.zeros(2, dtype=np.uint64)
    histogram[0] = n
    for found in (compute_quantiles(np.arange(float(n))), quantiles_from_histogram(histogram, np.arange(2.0))):
        assert [name for name in names if getattr(found, name) is not None] == names[:told] and found.max is not None
    assert set(compute_quantiles(np.arange(float(n))).intervals) == set(names[:told] if n >= 100 else ())
    assert compute_quantiles(np.arange(float(n)), intervals=False).intervals == {}


def test_of_nothing_no_percentile_is_told():
    assert compute_quantiles(np.array([np.nan])) == Quantiles()


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


def test_the_bootstrap_has_the_spread_of_the_medians_theory():
    """The standard error of a median of n normals is 1.2533 sigma / sqrt(n) (Kenney and Keeping 1962)."""
    values = np.random.default_rng(7).normal(100, 10, 4000)
    medians = block_bootstrap(values, [0.5, 0.9], samples=1000)
    assert medians.shape == (1000, 2) and medians[:, 0].std() == pytest.approx(12.533 / math.sqrt(4000), rel=0.3)
    assert np.median(medians[:, 0]) == pytest.approx(np.median(values), abs=0.1)
    assert np.median(medians[:, 1]) == pytest.approx(np.quantile(values, 0.9), abs=0.3)


def test_the_same_values_have_the_same_interval_in_every_version():
    """Two reports of the same records must not differ."""
    values = (np.arange(1000.0) * 7919) % 1009
    assert bootstrap_intervals(values)["p50"] == (497.0, 513.0)
    assert bootstrap_intervals(values)["p95"] == (950.0, 966.0)


def test_a_histogram_gives_its_bins_middles():
    counts = np.zeros(100, dtype=np.uint64)
    counts[[10, 20, 90]] = [900, 90, 10]
    found = quantiles_from_histogram(counts, np.arange(100) + 0.5)
    assert (found.p50, found.p95, found.p99, found.p999, found.n) == (10.5, 20.5, 20.5, 90.5, 1000)
    assert found.mean == pytest.approx(12.2) and found.max == 90.5  # (900*10.5 + 90*20.5 + 10*90.5) / 1000
    assert quantiles_from_histogram(counts[:5], np.arange(5.0)).n == 0
    counts[90] = 9
    assert quantiles_from_histogram(counts, np.arange(100.0)).p999 is None


def test_a_queue_that_grows_is_seen_and_noise_is_not():
    random = np.random.default_rng(1)
    noise = random.exponential(10, 500)
    rising = noise + np.linspace(0, 30, 500)
    assert is_growing(rising, 1.0) and not is_growing(noise, 1.0) and not is_growing(np.arange(10.0), 1.0)
    assert sum(is_growing(random.exponential(10, 500), 0.0) for _ in range(200)) <= 6  # 0.5 % by Kendall's table


def test_l3_a_rise_that_does_not_matter_is_no_queue():
    rising = np.linspace(39.0, 49.0, 100)  # 3.3 ms a third, 6.7 ms from the middle of the first to that of the last
    assert is_growing(rising, 6.5) and not is_growing(rising, 50.0) and not is_growing(rising, 7.2)
    assert not is_growing(rising[::-1], 0.0)
    steps = np.repeat(np.arange(10.0), 5)  # from 1 in the mean to 8
    assert is_growing(steps, 6.99) and not is_growing(steps, 7.0)


@pytest.mark.parametrize("swaps, growing", [(8, True), (9, False)])
def test_kendalls_sum_must_be_twenty_nine_of_forty_five(swaps, growing):
    """Each exchange of neighbours takes 2 from the sum of 45: 8 leave 29, 9 leave 27 (Kendall 1975, table 1)."""
    blocks = list(range(10))
    for swap in range(swaps):  # bubble the first block to the end
        blocks[swap], blocks[swap + 1] = blocks[swap + 1], blocks[swap]
        if swap == 8:
            break
    assert is_growing(np.repeat(np.array(blocks, dtype=float), 5), -100.0) == growing


def test_the_interval_of_a_quantile_by_order_statistics():
    """Ranks 40 and 60 of 100 for a median (David and Nagaraja, table 7.1), shown as values 0 to 99."""
    low, high = interval_of_quantile(np.arange(99.0), 0.5)  # n = 99: below 100 no bootstrap
    assert low == pytest.approx(39, abs=1) and high == pytest.approx(60, abs=1)


@pytest.mark.parametrize("n, open_end", [(71, True), (72, False)])
def test_too_few_values_leave_the_end_of_a_p95_open(n, open_end):
    """0.95^72 = 0.0249 < 0.025 < 0.95^71: the largest of 72 values is above the p95 in 97.5 % of samples."""
    assert math.isinf(interval_of_quantile(np.arange(float(n)), 0.95)[1]) == open_end
    low = interval_of_quantile(np.arange(float(n)), 0.05)[0]  # and the same at the other end
    assert low == 0.0


def test_failed_requests_make_an_infinite_end():
    values = np.where(np.arange(1000) % 20 == 0, np.inf, 50.0)
    assert interval_of_quantile(values, 0.95)[1] == math.inf and interval_of_quantile(values, 0.5) == (50.0, 50.0)


def test_dispersion():
    assert compute_dispersion(np.array([0.5, 1.5, 2.5, 3.5]), 4.0, windows=4) == 0.0
    assert compute_dispersion(np.array([0.5, 1.5, 2.5, 4.0]), 4.0, windows=4) == 0.0  # the end is in the last window
    assert compute_dispersion(np.array([0.1, 0.2, 0.3, 0.4]), 4.0, windows=4) == 4.0  # counts 4, 0, 0, 0: 4 / 1
    assert (
        compute_dispersion(np.array([0.5]), 4.0, windows=3) is None and compute_dispersion(np.array([]), 4.0, 4) is None
    )
    assert compute_dispersion(np.array([1.0]), 0.0, windows=4) is None


@pytest.mark.parametrize("n, low, high", [(71, 0.0, 71.0), (72, 1.0, 72.0)])
def test_an_end_is_told_from_72_values_on(n, low, high):
    values = np.arange(1.0, n + 1)
    assert interval_of_quantile(values, 0.05)[0] == low
    assert interval_of_quantile(values, 0.95)[1] == (math.inf if n == 71 else high)


def test_from_a_hundred_values_on_what_hangs_together_widens_the_interval():
    """Ranks 40 and 60 of five states of a queue are the second and the fourth; whole states may be drawn or not."""
    states = np.repeat(np.arange(1.0, 6.0), 20)
    assert interval_of_quantile(states[:99], 0.5) == (2.0, 4.0)
    low, high = interval_of_quantile(states, 0.5)
    assert (low, high) == (1.0, 5.0)


def test_blocks_are_of_twenty_values_and_at_most_fifty():
    """The least of resampled blocks is the first value in 1 - (1 - 1/blocks)^blocks of samples."""
    for n, blocks in ((39, 2), (60, 3), (1000, 50), (4000, 50)):
        lowest = block_bootstrap(np.arange(float(n)), [1e-6], samples=4000)[:, 0]
        assert (lowest == 0.0).mean() == pytest.approx(1 - (1 - 1 / blocks) ** blocks, abs=0.03), n


def test_dispersion_is_variance_over_mean():
    """Counts 4, 0, 4, 0: a variance of 16/3 over a mean of 2."""
    times = np.array([0.1, 0.2, 0.3, 0.4, 2.1, 2.2, 2.3, 2.4])
    assert compute_dispersion(times, 4.0, windows=4) == pytest.approx(8 / 3)


def test_quantiles_of_distributions_are_the_published_ones():
    """NIST Handbook 1.3.6.7.2: Student's t of 19 degrees, two-sided 95 %; the normal ones by Python's `statistics`."""
    assert statistics.T975[19] == pytest.approx(2.093, abs=5e-4)
    assert pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-6) == statistics.Z975
    assert pytest.approx(NormalDist().inv_cdf(0.99), abs=1e-3) == statistics._TREND_Z
