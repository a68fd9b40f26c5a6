"""Against scipy 1.17.1 and statsmodels 0.15.0, whose values stand here, and the published examples named."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np
import pytest

from steward.core.rates import holm
from steward.evaluation.statistics import (
    Array,
    _incomplete_beta,
    benjamini_hochberg,
    bootstrap,
    clopper_pearson,
    mcnemar,
    paired_bootstrap,
    percentile_interval,
    permutation,
    ratio,
    required_items,
    student_quantile,
    wilson,
)

A = [0.1, 0.5, 0.9, 0.4, 0.7, 0.3, 0.8, 0.2]
B = [0.2, 0.45, 1.1, 0.6, 0.9, 0.1, 0.95, 0.35]
P = [0.01, 0.04, 0.03, 0.005, 0.2]


def test_wilson_is_that_of_statsmodels() -> None:
    """proportion_confint(15, 148, method="wilson"); Newcombe 1998, table I, prints .0624 and .1605."""
    found = wilson(15, 148)
    assert (found.low, found.high) == pytest.approx((0.06238639953073628, 0.16048724172330803), abs=1e-12)
    assert wilson(0, 20).low == 0.0 and wilson(20, 20).high == 1.0


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(3, 20, 0.0320709371854637, 0.37892682654531396), (81, 263, 0.25273674558527126, 0.3676219226013514)],
)
def test_clopper_pearson_is_that_of_statsmodels(k: int, n: int, low: float, high: float) -> None:
    """proportion_confint(k, n, method="beta")."""
    found = clopper_pearson(k, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_mcnemar_is_that_of_fagerland() -> None:
    """Fagerland, Lydersen, Laake 2013, BMC Medical Research Methodology 13:91: 1 and 7 pairs, .0703 and .0391."""
    found = mcnemar(1, 7)
    assert (found.exact, found.mid_p) == (0.0703125, 0.0390625)
    assert found.corrected == pytest.approx(0.07709987174354202, abs=1e-12)  # statsmodels, as all below


def test_mcnemar_is_that_of_statsmodels() -> None:
    found = mcnemar(12, 25)
    assert (found.exact, found.corrected) == pytest.approx((0.04703102743951604, 0.04851973828025081), abs=1e-12)
    assert mcnemar(0, 0).mid_p == 1.0 and mcnemar(5, 5).exact == 1.0 and mcnemar(900, 1100).exact < 1e-4


def test_holm_and_benjamini_hochberg_are_those_of_statsmodels() -> None:
    """multipletests(P, method="holm" and "fdr_bh")."""
    assert holm(P) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2], abs=1e-12)
    assert benjamini_hochberg(P) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.2], abs=1e-12)


def test_permutation_is_that_of_scipy() -> None:
    """scipy.stats.permutation_test(permutation_type="samples"), all 256 sign changes."""
    assert permutation(A, B) == pytest.approx(0.140625, abs=1e-12)
    assert permutation(A, B, samples=200) == pytest.approx(0.140625, abs=0.08)  # random ones


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, -12.706204736174705), (4, -2.7764451051977943), (30, -2.042272456301238), (999, -1.9623414611334498)],
)
def test_student_is_that_of_scipy(freedom: int, quantile: float) -> None:
    """scipy.stats.t.ppf(.025, freedom)."""
    assert student_quantile(0.025, freedom) == pytest.approx(quantile, rel=1e-9)


def test_paired_bootstrap_of_normal_differences_is_students_interval() -> None:
    """For many items both are mean ± t·s/√n: a bootstrap may differ by its own noise, here 2 % of the width."""
    random = np.random.default_rng(7)
    a = random.normal(0.5, 0.2, 2000)
    b = a + random.normal(0.01, 0.1, 2000)
    found = paired_bootstrap(a.tolist(), b.tolist())
    half = 1.9612 * (b - a).std(ddof=1) / math.sqrt(2000)
    assert found.value == pytest.approx((b - a).mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.04 * half)


def test_a_copied_item_adds_nothing_where_clusters_are_named() -> None:
    """Ten copies of every item: without clusters the interval shrinks by √10, with them it stays."""
    random = np.random.default_rng(1)
    a, b = random.random(100), random.random(100)
    clusters = np.repeat(np.arange(100), 10).tolist()
    plain, copied = paired_bootstrap(a.tolist(), b.tolist()), (np.repeat(a, 10).tolist(), np.repeat(b, 10).tolist())
    known, naive = paired_bootstrap(*copied, clusters), paired_bootstrap(*copied)
    assert (known.low, known.high) == pytest.approx((plain.low, plain.high), abs=0.01)
    assert (plain.high - plain.low) / (naive.high - naive.low) == pytest.approx(math.sqrt(10), rel=0.1)


def test_many_statistics_are_resampled_together() -> None:
    """The wide way (counts times table) gives what the narrow way gives."""
    table = np.column_stack([A, np.ones(8), B])
    wide = bootstrap(table, ratio, samples=500)
    assert wide == pytest.approx(bootstrap(table[:, :2].copy(), ratio, samples=500), abs=1e-12)


def test_required_items_is_the_sample_size_of_a_paired_test() -> None:
    """Miller 2024, section 5: ω² = 1/9, δ = 0.03, no sampling noise: 969 questions."""
    assert required_items(0.0, 1 / 3, 0.03) == 969
    assert required_items(-0.03, 1.0, 0.03) is None


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 items"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="both values of each"):
        paired_bootstrap([1.0], [1.0, 2.0])
    assert math.isnan(paired_bootstrap([1.0], [2.0]).low)


def test_ten_thousand_samples_of_five_thousand_items_take_a_second_of_one_core() -> None:
    random = np.random.default_rng(0)
    a, b = random.random(5000).tolist(), random.random(5000).tolist()
    started = time.process_time()
    paired_bootstrap(a, b, samples=10_000)
    assert time.process_time() - started < 2.0  # 0.5 s measured; CI machines are slower


def test_the_seed_is_sacrebleus() -> None:
    """sacreBLEU 2: SACREBLEU_SEED is 12345 unless the environment says otherwise."""
    from steward.evaluation.statistics import SAMPLES, SEED

    assert (SEED, SAMPLES) == (12345, 10_000)


@pytest.mark.parametrize(("p", "freedom", "table"), [(0.975, 1, 12.7062), (0.975, 9, 2.2622), (0.95, 30, 1.6973)])
def test_students_quantiles_are_the_tables(p: float, freedom: int, table: float) -> None:
    assert student_quantile(p, freedom) == pytest.approx(table, abs=5e-5)
    assert student_quantile(1 - p, freedom) == pytest.approx(-table, abs=5e-5)


def test_mid_p_of_equal_counts_and_of_none_by_hand() -> None:
    """5 and 5: 1 - C(10, 5) / 2^10 (Fagerland et al. 2013, equation 3); (|0| - 1)^2 / 10 with continuity."""
    assert mcnemar(5, 5).mid_p == 1 - 252 / 1024
    none = mcnemar(0, 0)
    assert (none.exact, none.mid_p, none.corrected) == (1.0, 1.0, 1.0)


def test_an_exact_interval_has_its_share_and_its_ends() -> None:
    """Of n of n the lower limit is (alpha / 2)^(1 / n); of none the upper one is 1 less that (Clopper, Pearson)."""
    whole, none = clopper_pearson(20, 20), clopper_pearson(0, 20)
    assert (whole.value, whole.high, none.value, none.low) == (1.0, 1.0, 0.0, 0.0)
    assert whole.low == pytest.approx(0.025 ** (1 / 20)) and none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert clopper_pearson(3, 20).value == 0.15


def test_samples_that_do_not_fill_a_block_are_all_drawn() -> None:
    table = np.column_stack([np.arange(40_000.0), np.ones(40_000)])
    found = bootstrap(table, ratio, samples=701)
    assert found.shape == (701,) and found.mean() == pytest.approx(19_999.5, rel=0.01)


def test_two_units_have_an_interval_and_one_has_none() -> None:
    """Hesterberg 2015: sqrt(2) and t with one degree of freedom reach beyond both of two values."""
    found = paired_bootstrap([0.0, 0.0], [1.0, 3.0])
    assert (found.value, found.low, found.high) == (2.0, 1.0, 3.0)
    assert math.isnan(paired_bootstrap([0.0, 0.0], [1.0, 3.0], ["a", "a"]).low)


def test_clusters_are_as_many_as_items() -> None:
    with pytest.raises(ValueError, match="2 items and 1 clusters"):
        bootstrap(np.ones((2, 2)), ratio, ["a"])


def test_the_signs_of_whole_clusters_are_tossed() -> None:
    """Four clusters of two, all better: 2 of 16 sign changes are as extreme."""
    a, b = [0.0] * 8, [1.0] * 8
    assert permutation(a, b, ["a", "a", "b", "b", "c", "c", "d", "d"]) == 2 / 16
    assert permutation(a, b) == 2 / 256 and permutation(a, b, samples=256) == 2 / 256
    drawn = permutation(a, b, samples=255)  # too few for all, so random ones: (extreme + 1) / 256
    assert drawn * 256 == pytest.approx(round(drawn * 256)) and drawn >= 1 / 256
    assert permutation([0.0] * 70, [1.0] * 70, samples=99) == 1 / 100


def test_a_share_of_the_margin_takes_more_items() -> None:
    """(1.95996 + 0.84162)^2 / 0.05^2 = 3139.6 at a spread of 1; two are the least."""
    assert required_items(0.0, 1.0, 0.05) == 3140 and required_items(-0.1, 1.0, 0.05) == 3140
    assert required_items(0.0, 0.001, 0.5) == 2
    assert required_items(0.0, 1.0, 0.05, power=0.9) == 4203  # (1.95996 + 1.28155)^2 x 400


def test_a_mean_of_nothing_is_not_a_number() -> None:
    assert math.isnan(ratio(np.array([[1.0, 0.0]]))[0]) and ratio(np.array([[1.0, -2.0]]))[0] == -0.5


@pytest.mark.parametrize(
    ("a", "b", "x", "value"),
    [  # I(1, 1) = x; I(2, 2) = 3x^2 - 2x^3; I(a, 1) = x^a; I(1, b) = 1 - (1 - x)^b; I(1/2, 1/2) = 2/pi asin(sqrt x)
        (1, 1, 0.0, 0.0), (1, 1, 1.0, 1.0), (1, 1, -0.1, 0.0), (1, 1, 1.1, 1.0), (1, 1, 0.3, 0.3),
        (2, 2, 0.25, 0.15625),
        (5, 1, 0.9, 0.59049), (1, 3, 0.2, 0.488), (0.5, 0.5, 0.25, 1 / 3), (0.5, 0.5, 0.75, 2 / 3),
        (3, 18, 0.0320709371854637, 0.025),
    ],
)  # fmt: skip
def test_the_incomplete_beta_function_in_closed_forms(a: float, b: float, x: float, value: float) -> None:
    assert _incomplete_beta(a, b, x) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_the_middle_of_students_distribution_is_zero() -> None:
    assert student_quantile(0.5, 7) == pytest.approx(0.0, abs=1e-7)


def test_adjusted_p_values_end_at_1() -> None:
    assert holm([0.6, 0.7]) == [1.0, 1.0] and benjamini_hochberg([0.9, 1.0]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize(("a", "b", "x"), [(4, 7, 0.2), (40, 60, 0.4), (60, 40, 0.55)])
def test_the_incomplete_beta_function_is_a_binomial_tail(a: int, b: int, x: float) -> None:
    """The chance of at least a of a + b - 1 (Abramowitz and Stegun, 26.5.24)."""
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert _incomplete_beta(a, b, x) == pytest.approx(tail, rel=1e-10)


def test_many_units_of_few_kinds_are_drawn_by_counts() -> None:
    """The standard error of a share is the root of p(1-p)/n; below the limit items are drawn one by one."""
    table = np.column_stack([np.repeat([1.0, 0.0], [3500, 1500]), np.ones(5000)])
    drawn = bootstrap(table, ratio, samples=4000)
    assert drawn.shape == (4000,) and drawn.mean() == pytest.approx(0.7, abs=4e-4)
    assert drawn.std() == pytest.approx((0.7 * 0.3 / 5000) ** 0.5, rel=0.04)
    one_by_one = bootstrap(table[:-1], ratio, samples=4000)
    assert one_by_one.std() == pytest.approx(drawn.std(), rel=0.05)
    assert (bootstrap(table, ratio, samples=9, seed=5) == bootstrap(table, ratio, samples=9, seed=5)).all()


def test_units_that_differ_are_drawn_one_by_one() -> None:
    """1/12 is the variance of the uniform distribution."""
    table = np.column_stack([np.linspace(0, 1, 5000), np.ones(5000)])
    assert bootstrap(table, ratio, samples=2000).std() == pytest.approx((1 / 12 / 5000) ** 0.5, rel=0.06)


def test_many_even_units_have_the_normal_limit_of_the_bootstrap() -> None:
    """Against resampling by numpy alone: ends within 4 % of the width, four times their chance error."""
    random = np.random.default_rng(7)
    table = np.column_stack([random.random(3000) ** 2, random.random(3000), np.ones(3000)])

    def combine(sums: Array) -> Array:
        return sums[:, 0] / sums[:, 1] + sums[:, 2] / 3000

    plain = combine(np.array([table[random.integers(0, 3000, 3000)].sum(axis=0) for _ in range(4000)]))
    (low, high), (plain_low, plain_high) = (np.quantile(d, [0.025, 0.975]) for d in (bootstrap(table, combine), plain))
    assert abs(low - plain_low) + abs(high - plain_high) < 0.08 * (plain_high - plain_low)


def test_an_outlier_among_many_units_is_drawn() -> None:
    """It is in no sample with probability (1 - 1/n)^n, about 1/e, as a normal limit would not have it."""
    values = np.random.default_rng(7).random(3000)
    values[0] = 1e6
    drawn = bootstrap(np.column_stack([values, np.ones(3000)]), ratio)
    assert (drawn < 1).mean() == pytest.approx(math.exp(-1), abs=0.02)


def test_permutation_of_many_units_has_its_normal_limit() -> None:
    """Two standard deviations: 0.0455 (NIST Handbook 1.3.6.7.1)."""
    differences = np.random.default_rng(7).random(4000) + 0.5
    signs = np.where(np.arange(4000) % 2, 1.0, -1.0)
    differences *= signs
    differences += (2 * math.sqrt(float((differences**2).sum())) - differences.sum()) / 4000
    assert permutation([0.0] * 4000, differences.tolist()) == pytest.approx(0.0455, abs=0.0005)


@pytest.mark.parametrize(("b", "c"), [(480, 620), (550, 551), (1, 1200), (700, 700)])
def test_mcnemar_of_many_pairs(b: int, c: int) -> None:
    """The binomial distribution in whole numbers."""
    n, least = b + c, min(b, c)
    tail, point = Fraction(sum(math.comb(n, k) for k in range(least + 1)), 2**n), Fraction(math.comb(n, least), 2**n)
    found = mcnemar(b, c)
    assert found.exact == pytest.approx(min(1.0, float(2 * tail)), rel=1e-9)
    assert found.mid_p == pytest.approx(float(1 - point) if b == c else float(2 * tail - point), rel=1e-9)


@pytest.mark.parametrize(("units", "tail"), [(5, 0.000954101), (6, 0.002431802)])
def test_percentiles_of_few_units_are_those_of_students_t(units: int, tail: float) -> None:
    """The normal's share below sqrt(n / (n - 1)) · t: t is 2.776445 of four degrees and 2.570582 of five (tables).

    What is drawn lies even from 0 to 1, so that each percentile is its own share.
    """
    low, high = percentile_interval(np.linspace(0, 1, 1001), units)
    assert (low, 1 - high) == (pytest.approx(tail, rel=1e-4), pytest.approx(tail, rel=1e-4))


def test_one_unit_has_no_percentiles_and_two_have_all() -> None:
    drawn = np.linspace(0, 1, 1001)
    assert all(math.isnan(end) for end in percentile_interval(drawn, 1))
    assert percentile_interval(drawn, 2) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-9))


def test_no_p_is_below_what_that_many_samples_could_show() -> None:
    """Of 2,000 alike units the normal limit is used, which is far below 1 in 100."""
    assert permutation([0.0] * 2000, [1.0] * 2000, samples=99) == 1 / 100
