"""A small classifier of texts, trained from labelled rows: logistic regression on hashed words and pairs of words.

A text is the set of its words and of its pairs of neighbouring words (as `dedupe.minhash` reads words, with numbers
and operators), each hashed to one of 2¹⁸ places (Weinberger et al. 2009, arXiv:0902.2206) and weighted so that the
vector has length 1. Long texts count no more than short ones. The loss is the mean log loss plus l2 / 2 · |weights|²,
with l2 = 1 / (10 · rows); it is convex, and Nesterov's method with the fixed step 1 / L (L = ½ + l2, since a row and
its bias have the squared length 2) comes to the same weights on every run.

What is reported is measured on texts that training never saw: a fifth, chosen by a hash of the text, so that two rows
of the same text never stand on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.core.file_stamp import file_stamp
from steward.core.files import replace_file
from steward.core.rates import wilson_interval
from steward.data.draws import hash_share
from steward.data.shingles import hash_ngrams, hash_words

PLACES = 1 << 18
HELD_OUT = 0.2
LEAST_ROWS = 10  # of each label, in training and in what is held out
_FORMAT = 1
_STEPS = 400
_TOLERANCE = 1e-6  # of the gradient's largest part
_STRENGTH = 10.0  # l2 = 1 / (_STRENGTH · rows)
F64 = NDArray[np.float64]
Progress = Callable[[int, int], None]  # steps done, the most there can be


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """How well the classifier does on texts that it never saw; intervals are Wilson's, at 95 %."""

    rows: int
    accuracy: float
    low: float
    high: float
    guess: float  # accuracy of always naming the more frequent label
    precision: float | None  # of rows that score 0.5 or more, how many are good; None where no row does
    recall: float  # of good rows, how many score 0.5 or more
    auc: float  # chance that a good row scores higher than another, ties half (Hanley and McNeil 1982)

    @property
    def is_better_than_guessing(self) -> bool:
        return self.low > self.guess


class Classifier(msgspec.Struct, frozen=True):
    """Scores texts from 0 to 1: how likely each is one of the good label."""

    weights: NDArray[np.float32]  # (PLACES,)
    bias: float

    def score(self, texts: Sequence[str]) -> F64:
        features = _read_features(texts)
        weights = self.weights[features.places].astype(np.float64)
        sums = np.bincount(features.owners, weights * features.values, minlength=len(texts))
        return _logistic(np.asarray(sums + self.bias, np.float64))


class _Features(NamedTuple):
    """The entries of the sparse matrix that are not 0."""

    owners: NDArray[np.int64]  # the text
    places: NDArray[np.int64]  # 0 to PLACES - 1
    values: F64


def train_classifier(
    texts: Sequence[str], labels: Sequence[bool], seed: int = 0, progress: Progress = lambda step, steps: None
) -> tuple[Classifier, HeldOut]:
    """Train on four fifths of the texts, measure on the rest.

    :raises InputError: fewer than ten rows of a label on either side
    """
    good = np.array(labels, bool)
    is_held_out = np.array([hash_share(text, seed, "classifier ") < HELD_OUT for text in texts], bool)
    for is_side, side in ((~is_held_out, "training"), (is_held_out, "the held-out fifth")):
        for label, name in ((good, "the good label"), (~good, "other labels")):
            if (count := int((is_side & label).sum())) < LEAST_ROWS:
                raise InputError(
                    f"{count} row{'s' * (count != 1)} of {name} in {side}; expected at least {LEAST_ROWS}. Label more "
                    f"rows, about {round(2 * LEAST_ROWS / HELD_OUT)} of each kind or more"
                )
    trained = [text for text, held_out in zip(texts, is_held_out, strict=True) if not held_out]
    classifier = fit_weights(trained, good[~is_held_out], progress)
    scores = classifier.score([text for text, held_out in zip(texts, is_held_out, strict=True) if held_out])
    return classifier, measure_scores(scores, good[is_held_out])


def fit_weights(
    texts: Sequence[str], good: NDArray[np.bool_], progress: Progress = lambda step, steps: None
) -> Classifier:
    """The weights with the least loss on all of the texts."""
    features = _read_features(texts)
    used, places = np.unique(features.places, return_inverse=True)
    l2 = 1 / (_STRENGTH * len(texts))
    rate = 1 / (0.5 + l2)
    point = np.zeros(len(used) + 1)  # the last is the bias
    ahead = point
    momentum = 1.0
    for step in range(_STEPS):
        margins = np.bincount(features.owners, ahead[places] * features.values, minlength=len(texts)) + ahead[-1]
        residuals = (_logistic(margins) - good) / len(texts)
        slopes = np.bincount(places, residuals[features.owners] * features.values, minlength=len(used))
        gradient = np.append(slopes + l2 * ahead[:-1], residuals.sum())
        if np.abs(gradient).max() <= _TOLERANCE:
            point = ahead
            break
        following = ahead - rate * gradient
        next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / next_momentum * (following - point)
        point, momentum = following, next_momentum
        progress(step + 1, _STEPS)
    weights = np.zeros(PLACES, np.float32)
    weights[used] = point[:-1]
    return Classifier(weights, float(point[-1]))


def measure_scores(scores: F64, good: NDArray[np.bool_]) -> HeldOut:
    """Of rows with at least one good one and one other."""
    named = scores >= 0.5
    correct = int((named == good).sum())
    low, high = wilson_interval(correct / len(good), len(good))
    positives = int(good.sum())
    hits = int((named & good).sum())
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    above = ranks[good].sum() - positives * (positives + 1) / 2
    return HeldOut(
        rows=len(good), accuracy=correct / len(good), low=low, high=high,
        guess=max(positives, len(good) - positives) / len(good),
        precision=hits / int(named.sum()) if named.any() else None, recall=hits / positives,
        auc=float(above / (positives * (len(good) - positives))),
    )  # fmt: skip


def save_classifier(classifier: Classifier, path: Path) -> None:
    """Weights that are not 0, in NumPy's format; holds no words."""
    used = np.flatnonzero(classifier.weights)
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            steward_classifier=np.array([_FORMAT, PLACES]),
            places=used.astype(np.uint32),
            weights=classifier.weights[used],
            bias=np.array(classifier.bias),
        )


def load_classifier(path: str) -> Classifier:
    """:raises InputError: no such file, or it is no classifier"""
    if not Path(path).is_file():
        raise InputError(f"no file {path!r}; train a classifier with `steward data classifier train`")
    return _load_classifier(path, file_stamp(path))


@lru_cache(maxsize=4)
def _load_classifier(path: str, stamp: tuple[int, int]) -> Classifier:
    try:
        with np.load(path, allow_pickle=False) as content:
            if content["steward_classifier"].tolist() != [_FORMAT, PLACES]:
                raise ValueError("another format")
            weights = np.zeros(PLACES, np.float32)
            weights[content["places"]] = content["weights"]
            return Classifier(weights, float(content["bias"]))
    except (ValueError, KeyError, IndexError, TypeError, OSError, EOFError, AttributeError):
        raise InputError(f"{path}: no classifier; expected a file of `steward data classifier train`") from None


def _read_features(texts: Sequence[str]) -> _Features:
    words = hash_words(texts, keep_numbers=True)
    pairs = hash_ngrams(words, 2)
    numbers = np.arange(len(texts), dtype=np.int64)
    of_words, of_pairs = (np.repeat(numbers, np.diff(hashes.offsets)) for hashes in (words, pairs))
    is_pair = np.diff(words.offsets)[of_pairs] > 1  # a text of one word has itself as its only n-gram
    owners = np.concatenate((of_words, of_pairs[is_pair]))
    hashed = np.concatenate((words.values, pairs.values[is_pair])) % np.uint64(PLACES)
    cells = np.unique(owners * PLACES + hashed.astype(np.int64))
    owners, places = np.divmod(cells, PLACES)
    counts = np.bincount(owners, minlength=len(texts))
    return _Features(owners, places, 1 / np.sqrt(counts[owners].astype(np.float64)))


def _logistic(margins: F64) -> F64:
    return np.asarray(1 / (1 + np.exp(-np.clip(margins, -500, 500))))
