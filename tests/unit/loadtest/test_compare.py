import numpy as np
import pytest

from steward.core.errors import InputError
from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.loadtest.compare import compare_reports


def report(ttft, seed=0, failed=0, **changed):
    n = len(ttft)
    noise = np.random.default_rng(seed).normal(0, 1, n)
    samples = Samples(
        at_s=tuple(float(i) for i in range(n)), ttft_ms=tuple(float(v) for v in ttft),
        tpot_ms=tuple((10 + 0.1 * noise).tolist()), e2e_ms=tuple((1000 + noise).tolist()),
        input_tokens=(10,) * n, output_tokens=(20,) * n, in_flight=(1,) * n,
    )  # fmt: skip
    given = dict(url="u", model="m", arrival="poisson", started_at=0.0, duration_s=60.0, achieved_rate=10.0)
    given |= dict(sent=n + failed, answered=n, failed=failed, valid=True, requested_rate=10.0, samples=samples)
    client = ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1)
    return LoadReport(**(given | changed), client=client)


def times(mean, n=2000, seed=1):
    return mean * (0.9 + 0.2 * np.random.default_rng(seed).random(n))


@pytest.mark.parametrize("factor, verdict", [(1.0, "no_worse"), (1.2, "slower"), (0.8, "no_worse")])
def test_a_change_beyond_the_margin_is_told(factor, verdict):
    found = compare_reports(report(times(100)), report(times(100 * factor, seed=2)))
    assert found.verdict == verdict
    (row,) = [change for change in found.changes if change.name == "ttft_p50_ms"]
    assert row.low <= factor - 1 <= row.high and row.change == pytest.approx(factor - 1, abs=0.02)


def test_too_little_noise_is_not_taken_for_none():
    random = np.random.default_rng(1)
    one, other = (report(random.exponential(100, 150)) for _ in range(2))
    assert compare_reports(one, other).verdict == "inconclusive"


def test_twins_are_called_slower_no_more_often_than_said():
    random = np.random.default_rng(1)
    alarms = sum(
        compare_reports(report(random.exponential(100, 400)), report(random.exponential(100, 400)), margin=0).verdict
        == "slower"
        for _ in range(10)
    )
    assert alarms <= 3  # 5 % of 10: 4 or more has probability 0.1 %


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"valid": False, "invalid_reasons": ("late",)}, "candidate is invalid: late"),
        ({"partial": True}, "partial"),
        ({"requested_rate": 20.0}, "requested_rate 10.0 and 20.0"),
        ({"output_tokens_mean": 30.0}, "output tokens a request"),
    ],
)
def test_runs_that_say_nothing_of_each_other(changed, said):
    found = compare_reports(
        report(times(100), output_tokens_mean=20.0), report(times(100), **({"output_tokens_mean": 20.0} | changed))
    )
    assert found.verdict == "inconclusive" and said in " ".join(found.reasons)


def test_latencies_below_a_millisecond_are_compared_as_any():
    (row, _) = compare_reports(report(times(0.5)), report(times(0.6, seed=2)), names=("ttft_p50",)).changes
    assert row.change == pytest.approx(0.2, abs=0.02) and row.low < 0.2 < row.high and row.low > 0.17
    (none, _) = compare_reports(report(np.zeros(200)), report(np.zeros(200)), names=("ttft_p50",)).changes
    assert none.change == 0.0  # a server that answers at once is no reason to divide by 0


def test_failures_count():
    found = compare_reports(report(times(100)), report(times(100), failed=400))
    assert found.verdict == "slower" and found.changes[-1].candidate == pytest.approx(400 / 2400)


def test_short_runs_and_wrong_names():
    assert "fewer than 100" in " ".join(compare_reports(report(times(1, 50)), report(times(1, 50))).reasons)
    with pytest.raises(InputError, match="such as ttft_p95"):
        compare_reports(report(times(1)), report(times(1)), names=("speed",))


@pytest.mark.parametrize(
    ("failed", "sent", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10: 56/70, 48/80; 9/10, 3/10; 0/10, 0/10
        ((48, 56), (80, 70), 0.0524, 0.3339),
        ((3, 9), (10, 10), 0.1705, 0.8090),
        ((0, 0), (10, 10), -0.2775, 0.2775),
    ],
)
def test_the_difference_of_failures_has_newcombes_interval(failed, sent, low, high):
    one, other = (
        report(times(100, 5), failed=count, sent=of) for count, of in zip(failed, sent, strict=True)
    )  # fewer than 100 answers: the shares alone are compared, at 95 %
    (row,) = compare_reports(one, other).changes
    assert (row.low, row.high) == pytest.approx((low, high), abs=5e-5)
    assert row.change == pytest.approx(failed[1] / sent[1] - failed[0] / sent[0])


def test_the_interval_of_a_quantile_is_that_of_its_standard_errors():
    """The median of n uniform values from 90 to 110 has the standard error 20 / (2 sqrt(n)): 0.1 % of it at n = 10,000.
    A ratio has sqrt(2) times that; with the row of failures, 95 % of two rows are 2.2414 standard errors."""
    one, other = (report(times(100, 10_000, seed)) for seed in (1, 2))
    (row, _) = compare_reports(one, other, names=("ttft_p50",)).changes
    assert (row.high - row.low) / 2 == pytest.approx(2.2414 * np.sqrt(2) * 0.001, rel=0.25)
    assert row.name == "ttft_p50_ms" and row.baseline == pytest.approx(100, rel=0.005)


@pytest.mark.parametrize(("tokens", "differ"), [(21.0, False), (21.1, True), (19.05, False), (18.9, True)])
def test_five_percent_more_tokens_are_another_load(tokens, differ):
    found = compare_reports(report(times(100), input_tokens_mean=20.0), report(times(100), input_tokens_mean=tokens))
    assert bool(found.reasons) == differ
    assert not compare_reports(report(times(100), input_tokens_mean=20.0), report(times(100))).reasons  # not told


@pytest.mark.parametrize(("answers", "told"), [(99, False), (100, True)])
def test_a_hundred_answers_are_compared(answers, told):
    found = compare_reports(report(times(100, answers)), report(times(100, answers)))
    assert (len(found.changes) == 7) == told == (not found.reasons)


def test_slower_in_one_row_is_slower_whatever_the_others_are():
    random = np.random.default_rng(1)
    noisy = report(random.exponential(100, 150), failed=150)
    found = compare_reports(report(random.exponential(100, 150)), noisy)
    assert {row.verdict for row in found.changes} >= {"inconclusive", "slower"} and found.verdict == "slower"
    assert (found.baseline, found.margin) == ("m at u", 0.05)


def test_e12_equal_latencies_do_not_make_certainty():
    """0.99^367 is above 2.5 %, 0.99^368 below: with fewer answers the largest may lie below the 99th percentile."""
    few, many = ([report(np.full(n, 100.0)) for _ in range(2)] for n in (367, 368))
    assert compare_reports(*few, names=("ttft_p99",)).reasons == (
        "ttft_p99 needs 368 answers of each run, and there are 367; run longer",
    )
    found = compare_reports(*many, names=("ttft_p99", "ttft_p50"))
    assert found.verdict == "no_worse" and all(change.low < 0 < change.high for change in found.changes)


def test_e12_the_interval_is_at_least_as_wide_as_the_order_statistics():
    """Half at 100 ms and half at 200 ms: the median may be either, whatever the bootstrap's spread is."""
    halves = np.where(np.random.default_rng(3).random(400) < 0.5, 100.0, 200.0)
    (row, _) = compare_reports(report(halves), report(np.full(400, 150.0)), names=("ttft_p50",)).changes
    assert row.low <= -0.25 + 1e-3 and row.high >= 0.5 - 1e-3


@pytest.mark.parametrize("few_first", [True, False])
def test_a_run_of_few_answers_is_not_compared_on_either_side(few_first):
    runs = [report(times(100, n)) for n in (50, 2000)]
    found = compare_reports(*(runs if few_first else runs[::-1]), names=("ttft_p50",))
    assert len(found.changes) == 1 and found.verdict == "inconclusive"  # the failures alone
