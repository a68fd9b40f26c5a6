"""Against scikit-learn 1.9.1, statsmodels 0.15.0 and published tables; the values stand here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from steward.evaluation.agreement import (
    KappaWeights,
    MeasurementLevel,
    bootstrap_coefficient,
    cohen_kappa,
    fit_bradley_terry,
    fleiss_kappa,
    krippendorff_alpha,
)
from steward.evaluation.statistics import Interval

X = [1, 2, 3, 3, 2, 1, 4, 1, 2, 3, 2, 4]
Y = [1, 2, 3, 3, 2, 2, 4, 1, 3, 4, 2, 3]
# Fleiss 1971 as in Wikipedia's "Fleiss' kappa": 14 raters, 10 subjects, kappa .210
FLEISS = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0]]
FLEISS += [[3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
_: Any = None
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D: four observers, twelve units
ALPHA: list[list[Any]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
# Agresti, "Categorical Data Analysis", table 11.10: baseball, American League 1987, 13 games a pair
BASEBALL = """Milwaukee Detroit 7|Milwaukee Toronto 9|Milwaukee NewYork 7|Milwaukee Boston 7|Milwaukee Cleveland 9
Milwaukee Baltimore 11|Detroit Toronto 7|Detroit NewYork 5|Detroit Boston 11|Detroit Cleveland 9|Detroit Baltimore 9
Toronto NewYork 7|Toronto Boston 7|Toronto Cleveland 8|Toronto Baltimore 12|NewYork Boston 6|NewYork Cleveland 7
NewYork Baltimore 10|Boston Cleveland 7|Boston Baltimore 12|Cleveland Baltimore 6""".replace("\n", "|")


@pytest.mark.parametrize(
    ("weights", "value"), [("none", 0.5471698113207546), ("linear", 0.7), ("quadratic", 0.8333333333333334)]
)
def test_cohen_is_that_of_scikit_learn(weights: KappaWeights, value: float) -> None:
    """cohen_kappa_score(X, Y, weights=weights)."""
    assert cohen_kappa(X, Y, weights) == pytest.approx(value, abs=1e-12)


def test_fleiss_is_that_of_statsmodels() -> None:
    assert fleiss_kappa(FLEISS) == pytest.approx(0.20993070442195522, abs=1e-12)
    with pytest.raises(ValueError, match="same number"):
        fleiss_kappa([[1, 1], [2, 1]])


@pytest.mark.parametrize(
    ("level", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_krippendorffs(level: MeasurementLevel, value: float) -> None:
    """The three digits that the paper prints."""
    assert krippendorff_alpha(ALPHA, level) == pytest.approx(value, abs=5e-4)


def test_alpha_takes_words_and_is_undefined_without_variation() -> None:
    words = [[None if v is None else "abcdef"[v] for v in row] for row in ALPHA]
    assert krippendorff_alpha(words) == pytest.approx(krippendorff_alpha(ALPHA), abs=1e-12)
    assert math.isnan(krippendorff_alpha([["a", "a"], ["a", "a"]])) and math.isnan(cohen_kappa(["a"], ["a"]))
    assert math.isnan(krippendorff_alpha([["a", None], [None, "b"]]))


def test_an_interval_over_items_holds_the_truth_as_often_as_it_says() -> None:
    """Two raters right with .8 over two even classes: kappa is (.68 - .5) / .5 = .36."""
    random, held = np.random.default_rng(3), 0
    for _round in range(60):
        truth = random.integers(0, 2, 150)
        a, b = (np.where(random.random(150) < 0.8, truth, 1 - truth) for _rater in range(2))
        found = bootstrap_coefficient(lambda i, a=a, b=b: cohen_kappa(a[i].tolist(), b[i].tolist()), 150, samples=200)
        held += found.low <= 0.36 <= found.high
    assert held >= 52  # 57 expected; fewer than 52 once in a hundred


def games() -> dict[tuple[str, str], float]:
    wins: dict[tuple[str, str], float] = {}
    for line in BASEBALL.split("|"):
        a, b, won = line.split()
        wins[a, b], wins[b, a] = int(won), 13 - int(won)
    return wins


@pytest.mark.parametrize(
    ("team", "value", "error"),
    [
        ("Boston", 1.107697705378656, 0.33387820698941817),
        ("Cleveland", 0.6838527691591632, 0.33187667271107457),
        ("Detroit", 1.4364084318124373, 0.33956850637887204),
        ("Milwaukee", 1.5813558766613955, 0.34325598159465864),
        ("NewYork", 1.247617845141389, 0.33586092252575367),
        ("Toronto", 1.2944851239118071, 0.3366694014228716),
    ],
)
def test_bradley_terry_is_agrestis(team: str, value: float, error: float) -> None:
    """Against Baltimore; Agresti prints 1.581 for Milwaukee. The digits: statsmodels' GLM of the same games."""
    found = fit_bradley_terry(games()).difference(team, "Baltimore")
    assert found.value == pytest.approx(value, abs=1e-6)
    assert (found.high - found.value) / 1.959963984540054 == pytest.approx(error, abs=1e-6)


def test_bradley_terry_refuses_infinite_strengths_by_name() -> None:
    found = fit_bradley_terry({("a", "b"): 3, ("b", "a"): 1, ("a", "c"): 2, ("b", "c"): 2})
    assert not found.strengths and "of {c} nobody" not in found.why and "{c}" in found.why
    assert "fewer than two" in fit_bradley_terry({}).why


def test_two_ratings_of_each_item_are_enough_for_fleiss() -> None:
    """Two raters agree on both of two items, in different categories: kappa 1 (Fleiss 1971, equation 7)."""
    assert fleiss_kappa([[2, 0], [0, 2]]) == 1.0
    with pytest.raises(ValueError, match="at least two"):
        fleiss_kappa([[1, 0], [0, 1]])


def test_e12_perfect_agreement_has_no_interval_from_resampling() -> None:
    found = bootstrap_coefficient(lambda drawn: 1.0, 20, samples=50)
    assert found.value == 1.0 and math.isnan(found.low) and math.isnan(found.high)


def test_two_raters_of_one_item_who_differ_agree_as_by_chance() -> None:
    """Cohen 1960: 1 - (1 seen) / (1 by chance)."""
    assert cohen_kappa(["x"], ["y"]) == 0.0 and math.isnan(cohen_kappa([], []))


def test_alpha_of_two_categories_by_hand() -> None:
    """Krippendorff 2011, section A: two observers, binary data, no missing values; four units, one of them unequal:
    1 - (8 - 1) x 1 / (3 x 5)."""
    assert krippendorff_alpha([[0, 1, 0, 1], [0, 1, 1, 1]]) == pytest.approx(1 - 7 / 15)


def drawn_from(*values: float) -> Interval:
    """The interval of a coefficient of 0.5 whose samples are these."""
    listed = iter([0.5, *values])
    return bootstrap_coefficient(lambda _: next(listed), 10, samples=len(values))


def test_half_of_the_samples_must_have_a_coefficient() -> None:
    half = drawn_from(0.4, 0.5, 0.6, 0.5, math.nan, math.nan, math.nan, math.nan)
    assert half.low < 0.5 < half.high
    fewer = drawn_from(0.4, 0.5, 0.6, math.nan, math.nan, math.nan, math.nan)
    assert math.isnan(fewer.low) and math.isnan(fewer.high)


def test_a_coefficient_ends_at_1() -> None:
    assert drawn_from(0.2, 0.5, 0.8, 1.2, 1.3).high == 1.0
    assert drawn_from(0.2, 0.5, 0.8).high < 1.0


def test_strengths_of_two_models_are_the_log_odds_of_their_wins() -> None:
    """A thousand to one is ln 1000; the interval is symmetric, with the error sqrt(1/1000 + 1)."""
    found = fit_bradley_terry({("a", "b"): 1000, ("b", "a"): 1}).difference("a", "b")
    assert found.value == pytest.approx(math.log(1000), abs=1e-9)
    error = math.sqrt(1 / 1000 + 1) * 1.959963984540054
    assert (found.low, found.high) == pytest.approx((found.value - error, found.value + error))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_e12_no_interval_of_a_kappa_goes_below_minus_one(n: int) -> None:
    """Cohen (1960, page 43): kappa is never below -1, which two raters of two categories reach."""
    a, b = [index % 2 for index in range(n)], [1 - index % 2 for index in range(n)]
    found = bootstrap_coefficient(lambda drawn: cohen_kappa([a[i] for i in drawn], [b[i] for i in drawn]), n)
    assert -1 <= found.low <= found.value < found.high <= 1
