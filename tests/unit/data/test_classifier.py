import math
from pathlib import Path

import numpy as np
import pytest

from steward.core.errors import InputError
from steward.data.classifier import (
    LEAST_ROWS,
    PLACES,
    Classifier,
    fit_weights,
    load_classifier,
    measure_scores,
    save_classifier,
    train_classifier,
)

GOOD = [f"The study of case {number} explains how rivers carve valleys over time." for number in range(120)]
BAD = [f"Buy cheap pills now, offer {number} ends today, click here to win." for number in range(120)]


def test_the_weight_of_one_word_solves_the_equation_of_the_least_loss() -> None:
    """Of n texts half "alpha" (good), half "beta": by symmetry bias 0, w(alpha) = -w(beta) = w.

    The loss log(1 + exp(-w)) + l2 / 2 · 2w² has its least value where 1 / (1 + exp(w)) / 2 = l2 · w, l2 = 1 / (10 n).
    """
    texts = ["alpha", "beta"] * 10
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / (1 + math.exp(middle)) / 2 > middle / 200 else (low, middle)
    fitted = fit_weights(texts, np.array([True, False] * 10))
    used = np.flatnonzero(fitted.weights)
    assert len(used) == 2 and fitted.bias == pytest.approx(0, abs=1e-3)
    assert sorted(fitted.weights[used].tolist()) == pytest.approx([-low, low], rel=1e-2)
    scores = fitted.score(["alpha", "ALPHA.", "beta", "", "unknown"])
    share = 1 / (1 + math.exp(-low))
    assert scores.tolist() == pytest.approx([share, share, 1 - share, 0.5, 0.5], abs=1e-2)


def test_training_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    fit_weights(["alpha", "beta"], np.array([True, False]), lambda step, steps: told.append((step, steps)))
    assert told and told == [(step, 400) for step in range(1, len(told) + 1)]


def test_training_ends_where_shares_are_met_and_soon() -> None:
    """Of three texts alike two are good: the bias alone says so, ln 2, since a weight would cost.

    38 steps of Nesterov's method; with twice the step it never ends, with a third of it it takes 66.
    """
    told: list[int] = []
    fitted = fit_weights(["alpha"] * 3, np.array([True, True, False]), lambda step, steps: told.append(step))
    assert fitted.bias == pytest.approx(math.log(2), abs=1e-4) and len(told) < 50
    assert fitted.score(["alpha"]).tolist() == pytest.approx([2 / 3], abs=1e-5)


def test_a_longer_text_counts_no_more() -> None:
    """Two words and their pair are three places of 1/√3 each: with weights of 1 they add up to √3."""
    weights = np.ones(PLACES, np.float32)
    scores = Classifier(weights, 0.0).score(["aa", "aa bb"])
    assert scores.tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-math.sqrt(3)))])


def test_held_out_texts_tell_what_it_is_worth() -> None:
    classifier, held_out = train_classifier(GOOD + BAD, [True] * 120 + [False] * 120)
    assert held_out.accuracy == held_out.auc == held_out.precision == held_out.recall == 1
    assert held_out.is_better_than_guessing and 25 <= held_out.rows <= 75
    good, bad = classifier.score(["How valleys are explained by rivers", "win cheap pills"]).tolist()
    assert good > 0.5 > bad
    again, _ = train_classifier(GOOD + BAD, [True] * 120 + [False] * 120)
    assert np.array_equal(again.weights, classifier.weights) and again.bias == classifier.bias


def test_labels_that_say_nothing_are_not_better_than_guessing() -> None:
    _, held_out = train_classifier(GOOD + BAD, (np.random.default_rng(1).random(240) < 0.5).tolist())
    assert not held_out.is_better_than_guessing


def test_the_measures_are_those_counted_by_hand() -> None:
    held_out = measure_scores(np.array([0.9, 0.5, 0.4, 0.5, 0.1]), np.array([True, True, True, False, False]))
    # named good: 0.9, 0.5, 0.5; right: 0.9, 0.5, 0.1. Pairs: 0.9 wins 2, 0.5 wins 1 and ties 1, 0.4 wins 1: 4.5 of 6.
    assert (held_out.rows, held_out.accuracy, held_out.guess) == (5, 0.6, 0.6)
    assert (held_out.precision, held_out.recall, held_out.auc) == (2 / 3, 2 / 3, 0.75)
    # Wilson 1927: 3 of 5 is 0.2307 to 0.8824 (the same by statsmodels' proportion_confint).
    assert (held_out.low, held_out.high) == pytest.approx((0.2307, 0.8824), abs=1e-4)
    assert not held_out.is_better_than_guessing
    none = measure_scores(np.array([0.1, 0.2]), np.array([True, False]))
    assert none.precision is None and none.recall == 0 and none.auc == 0


@pytest.mark.parametrize(
    ("texts", "labels", "expected"),
    [
        ([], [], "0 rows of the good label in training"),
        (GOOD[:1] + BAD, [True] + [False] * 120, "1 row of the good label in training"),
        (GOOD, [True] * 120, "0 rows of other labels in training"),
        (GOOD[:20] + BAD, [True] * 20 + [False] * 120, f"expected at least {LEAST_ROWS}"),
    ],
)
def test_too_few_rows_are_refused(texts: list[str], labels: list[bool], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        train_classifier(texts, labels)


def test_it_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    classifier = fit_weights(GOOD + BAD, np.array([True] * 120 + [False] * 120))
    save_classifier(classifier, tmp_path / "good.npz")
    loaded = load_classifier(str(tmp_path / "good.npz"))
    assert np.array_equal(loaded.weights, classifier.weights) and loaded.bias == classifier.bias
    assert b"pills" not in (tmp_path / "good.npz").read_bytes()


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*steward data classifier train"):
        load_classifier(str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("no classifier")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "newer.npz", steward_classifier=np.array([2, PLACES]))
    for name in ("text.npz", "other.npz", "array.npy", "newer.npz"):
        with pytest.raises(InputError, match="no classifier; expected a file of"):
            load_classifier(str(tmp_path / name))
