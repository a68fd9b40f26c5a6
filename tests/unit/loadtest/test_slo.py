import numpy as np
import pytest

from steward.loadtest.objective import Limit, parse_objective
from steward.loadtest.slo import combine_answers, is_over, judge_limit, share_interval

TTFT, TPS, ERRORS = parse_objective("ttft_p95<100ms,tps>20,error_rate<1%")
FAST, SLOW = np.full(2000, 50.0), np.full(2000, 150.0)


def test_objectives_hold_fail_or_stay_unclear():
    assert judge_limit(TTFT, FAST).answer == "holds" and judge_limit(TTFT, SLOW).answer == "fails"
    assert judge_limit(TTFT, np.where(np.arange(200) % 20 == 0, 150.0, 50.0)).answer == "unclear"  # exactly 5 %
    assert judge_limit(TTFT, np.where(np.arange(2000) % 5 == 0, np.inf, 50.0)).answer == "fails"  # a fifth has failed
    both = (judge_limit(TTFT, FAST), judge_limit(TTFT, SLOW))
    assert combine_answers(both) == "fails" and combine_answers(both[:1]) == "holds"
    assert combine_answers((judge_limit(TTFT, FAST), judge_limit(TTFT, np.array([])))) == "unclear"


def test_a_limit_is_met_at_its_bound():
    assert list(is_over(TTFT, np.array([99.0, 100.0, 101.0, np.nan]))) == [False, False, True, False]
    assert list(is_over(TPS, np.array([19.0, 20.0, 21.0, np.nan]))) == [True, False, False, False]
    assert list(is_over(ERRORS, np.array([0.0, 1.0]))) == [False, True]


def test_no_request_with_a_value_decides_nothing():
    found = judge_limit(TTFT, np.full(5, np.nan))
    assert (found.answer, found.n, found.low, found.high) == ("unclear", 0, 0.0, 1.0)
    assert found.describe() == "ttft_p95<100ms: undecided, no request has a value"


def test_l1_values_that_cannot_be_told_count_both_ways():
    unknown = np.zeros(2000, dtype=np.bool_)
    unknown[::2] = True  # half of the answers arrived at once
    found = judge_limit(TTFT, FAST, unknown)
    assert (found.answer, found.n, found.unknown, found.share_over) == ("unclear", 1000, 1000, 0.0)
    assert found.low == 0.0 and found.high == pytest.approx(0.5, abs=0.03)
    assert found.describe().endswith("; 1,000 more requests have a value that cannot be told")
    assert judge_limit(TTFT, SLOW, unknown).answer == "fails"  # the known half fails whatever the others are


def test_all_values_unknown():
    assert judge_limit(TTFT, FAST, np.ones(2000, dtype=np.bool_)).answer == "unclear"


def test_l5_an_error_rate():
    failures = (np.arange(2000) % 50 == 0).astype(np.float64)  # 2 %
    found = judge_limit(ERRORS, failures)
    assert found.answer == "fails" and found.share_over == 0.02 and found.value is None
    assert found.describe().startswith("error_rate<1%: 2.0% failed (95 % interval ")
    assert judge_limit(ERRORS, np.zeros(2000)).answer == "holds"
    assert judge_limit(ERRORS, np.zeros(100)).answer == "unclear"  # 0 of 100 leaves up to 3.7 % open


def test_l5_tokens_per_second_of_a_user():
    assert judge_limit(TPS, np.full(2000, 25.0)).answer == "holds"
    assert judge_limit(TPS, np.where(np.arange(2000) % 10 == 0, 0.0, 25.0)).answer == "fails"  # a tenth failed


def test_the_value_at_the_percentile_has_an_interval():
    found = judge_limit(TTFT, np.arange(1.0, 1001.0))
    assert found.value == 950.0 and found.value_low < 950 < found.value_high < 1001
    failed = judge_limit(TTFT, np.where(np.arange(1000) % 5 == 0, np.inf, 50.0))
    assert (failed.value, failed.value_low, failed.value_high) == (None, None, None)


def test_a_share_has_wilsons_interval_where_nothing_hangs_together():
    low, high = share_interval(np.array([1.0] * 81 + [0.0] * 182)[np.random.default_rng(3).permutation(263)])
    assert low <= 0.2553 + 1e-4 and high >= 0.3662 - 1e-4  # Newcombe 1998, table I


def test_failures_in_a_row_widen_the_interval():
    spread, together = np.zeros(2000), np.zeros(2000)
    spread[::20], together[:100] = 1.0, 1.0  # 5 % both
    assert share_interval(together)[1] > 0.12 > share_interval(spread)[1]
    assert share_interval(spread)[1] == pytest.approx(0.0605, abs=1e-3)  # Wilson of 100 in 2,000


def test_both_ends_are_those_of_the_means_of_blocks():
    """Ten blocks of ones and ten of zeros: a mean of 0.5, standard error sqrt(0.5^2 * 20 / 19 / 20) = 0.1147."""
    half = np.repeat([1.0, 0.0], 1000)
    assert share_interval(half) == pytest.approx((0.5 - 2.093 * 0.1147, 0.5 + 2.093 * 0.1147), abs=1e-3)
    nearly_all = np.concatenate([np.zeros(100), np.ones(1900)])
    assert share_interval(nearly_all)[1] == 1.0 and share_interval(1 - nearly_all)[0] == 0.0


@pytest.mark.parametrize("n, wide", [(199, False), (200, True)])
def test_blocks_need_two_hundred_requests(n, wide):
    low, high = share_interval((np.arange(n) < n // 2).astype(np.float64))
    assert (high - low > 0.3) == wide


def test_an_interval_that_ends_at_the_allowed_share_is_met_and_one_that_begins_there_is_undecided():
    failures = (np.arange(500) % 10 == 0).astype(np.float64)
    low, high = share_interval(failures)
    assert judge_limit(Limit("error_rate", high), failures).answer == "holds"
    assert judge_limit(Limit("error_rate", low), failures).answer == "unclear"


@pytest.mark.parametrize("n, told", [(19, False), (20, True)])
def test_l4_a_term_has_a_value_where_the_answers_tell_its_percentile(n, told):
    for limit in (TTFT, TPS):  # p95 of latencies, p5 of speeds
        found = judge_limit(limit, np.linspace(10.0, 50.0, n))
        assert (found.value is not None) == told and found.n == n
    assert judge_limit(TTFT, np.linspace(10.0, 50.0, n)).value_high is None
