"""Has the traffic changed? Each feature of requests against a baseline: how much, and whether that could be chance.

Effect: the Jensen-Shannon divergence in bits (0: the same, 1: nothing in common) over bins that the baseline alone
defines: its deciles for numbers, its values for words; Lin, Divergence measures based on the Shannon entropy (1991).
Chance: a permutation test (Phipson and Smyth, 2010: p is never 0) of the Anderson-Darling distance for numbers
(Pettitt, 1976) and of chi-square for words. Splits that are exactly as far apart as the seen one count half: the mid-p
of Lancaster (1961), which Lydersen, Fagerland and Laake (2009) recommend for 2 x 2 tables, since a rate has few
possible values, and counting ties whole makes a test at 5 % one at 2 %. Over
all features p is adjusted by Benjamini and Hochberg (1995). A fixed threshold of the effect alone would depend on the
number of requests. How sure the effect is: `drift_interval`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from steward.monitoring.drift_interval import find_interval_bits
from steward.monitoring.embedding_drift import MIN_EFFECT as VECTOR_EFFECT
from steward.monitoring.embedding_drift import EmbeddingDrift, compare_embeddings
from steward.monitoring.events import Event

PERMUTATIONS: Final = 1999
MAX_CELLS: Final = 1000  # different values of a number that are told apart; closer ones are one
MAX_WORDS: Final = 50  # values of a word; rarer ones are one
MIN_EVENTS: Final = 30  # on either side
LEVEL: Final = 0.05
MIN_EFFECT: Final = 0.003  # bits: a shift of a tenth of a standard deviation has 0.0018, of 0.15 has 0.004
SEED: Final = 20261128

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Statistic = Callable[[Counts, Counts], Floats]


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature; p is null where there was too little to compare, with the reason in `why`."""

    name: str
    kind: Literal["number", "word", "rate", "vector"]
    effect: float | None  # bits, 0 to 1; of a vector its energy coefficient
    p: float | None
    p_adjusted: float | None
    drifted: bool
    baseline: float | str | None = None  # median, most common value, rate, or mean distance from the centre
    current: float | str | None = None
    baseline_events: int = 0
    current_events: int = 0
    why: str = ""
    effect_low: float | None = None  # at 95 %, bits; null: of a vector, or where there is only one value
    effect_high: float | None = None


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """`steward drift compare --json`."""

    features: tuple[FeatureDrift, ...]
    drifted: bool
    baseline_events: int
    current_events: int
    baseline_unreadable: int = 0  # lines of the file that are no event
    current_unreadable: int = 0


NUMBERS: Final = ("prompt_chars", "answer_chars", "input_tokens", "output_tokens", "tool_calls")
WORDS: Final = ("language", "topic", "finish_reason", "route", "model")
RATES: Final = ("refused",)


def compare(baseline: Iterable[Event], current: Iterable[Event], seed: int = SEED) -> Drift:
    """Every feature that either side knows anything of."""
    before, after = list(baseline), list(current)
    rng = np.random.default_rng(seed)
    raw = [
        feature
        for names, look in ((NUMBERS, _compare_numbers), (WORDS, _compare_words), (RATES, _compare_rates))
        for name in names
        if (feature := look(name, _known(before, name), _known(after, name), rng)) is not None
    ]
    vectors = compare_embeddings(before, after, rng)
    if vectors is not None:
        raw.append(_describe_vectors(vectors))
    adjusted = iter(adjust([feature.p for feature in raw if feature.p is not None]))
    features = tuple(_decide(feature, next(adjusted) if feature.p is not None else None) for feature in raw)
    return Drift(
        features=features,
        drifted=any(feature.drifted for feature in features),
        baseline_events=len(before),
        current_events=len(after),
    )


def adjust(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values, in the order given.

    >>> adjust([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    order = sorted(range(len(p)), key=lambda index: p[index], reverse=True)
    adjusted, least = [0.0] * len(p), 1.0
    for rank, index in zip(range(len(p), 0, -1), order, strict=True):
        least = min(least, p[index] * len(p) / rank)
        adjusted[index] = least
    return adjusted


def divergence_bits(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence of two histograms, each of shape (bins,), in bits.

    >>> divergence_bits([1, 0], [0, 1]), divergence_bits([2, 2], [1, 1])
    (1.0, 0.0)
    """
    p, q = (np.asarray(counts, dtype=float) / np.sum(counts) for counts in (first, second))
    middle = (p + q) / 2

    def entropy(shares: Floats) -> float:
        some = shares[shares > 0]
        return float(-(some * np.log2(some)).sum())

    return max(0.0, entropy(middle) - (entropy(p) + entropy(q)) / 2)


def _known(events: Sequence[Event], name: str) -> list[object]:
    return [value for event in events if (value := getattr(event, name)) is not None]


def _decide(feature: FeatureDrift, p_adjusted: float | None) -> FeatureDrift:
    drifted = p_adjusted is not None and p_adjusted < LEVEL and matters(feature)
    return msgspec.structs.replace(feature, p_adjusted=p_adjusted, drifted=drifted)


def matters(feature: FeatureDrift) -> bool:
    """Whether the effect is large enough to speak of."""
    return (feature.effect or 0.0) >= (VECTOR_EFFECT if feature.kind == "vector" else MIN_EFFECT)


def _describe_vectors(vectors: EmbeddingDrift) -> FeatureDrift:
    return FeatureDrift(
        name="embedding",
        kind="vector",
        effect=vectors.effect,
        p=vectors.p,
        p_adjusted=None,
        drifted=False,
        baseline=vectors.spread_before,
        current=vectors.spread_after,
        baseline_events=vectors.before,
        current_events=vectors.after,
        why=vectors.why,
    )


def _too_few(name: str, kind: Literal["number", "word", "rate"], before: int, after: int) -> FeatureDrift:
    return FeatureDrift(
        name=name,
        kind=kind,
        effect=None,
        p=None,
        p_adjusted=None,
        drifted=False,
        baseline_events=before,
        current_events=after,
        why=f"{min(before, after)} known on one side; at least {MIN_EVENTS} are needed",
    )


def _compare_numbers(
    name: str, before: Sequence[object], after: Sequence[object], rng: np.random.Generator
) -> FeatureDrift | None:
    if not before and not after:
        return None
    if min(len(before), len(after)) < MIN_EVENTS:
        return _too_few(name, "number", len(before), len(after))
    first, second = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    cells = np.unique(np.concatenate((first, second)))
    if len(cells) > MAX_CELLS:
        cells = np.unique(np.quantile(np.concatenate((first, second)), np.linspace(0, 1, MAX_CELLS), method="higher"))
    counts = [np.bincount(np.searchsorted(cells, values), minlength=len(cells)) for values in (first, second)]
    edges = np.unique(np.quantile(first, np.linspace(0, 1, 11)[1:-1]))
    bins = [
        np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) for values in (first, second)
    ]
    feature = FeatureDrift(
        name=name,
        kind="number",
        effect=divergence_bits(*bins),
        p=permute(counts[0], counts[1], measure_anderson_darling, rng),
        p_adjusted=None,
        drifted=False,
        baseline=float(np.median(first)),
        current=float(np.median(second)),
        baseline_events=len(first),
        current_events=len(second),
    )
    return _add_interval(feature, *bins)


def _compare_words(
    name: str, before: Sequence[object], after: Sequence[object], rng: np.random.Generator
) -> FeatureDrift | None:
    if not before and not after:
        return None
    if min(len(before), len(after)) < MIN_EVENTS:
        return _too_few(name, "word", len(before), len(after))
    first, second = Counter(map(str, before)), Counter(map(str, after))
    common = [word for word, _ in (first + second).most_common(MAX_WORDS)]
    counts = [
        np.array([*(side[word] for word in common), side.total() - sum(side[word] for word in common)], dtype=np.int64)
        for side in (first, second)
    ]
    feature = FeatureDrift(
        name=name,
        kind="word",
        effect=divergence_bits(*counts),
        p=permute(counts[0], counts[1], measure_chi_square, rng),
        p_adjusted=None,
        drifted=False,
        baseline=first.most_common(1)[0][0],
        current=second.most_common(1)[0][0],
        baseline_events=len(before),
        current_events=len(after),
    )
    return _add_interval(feature, *counts)


def _add_interval(feature: FeatureDrift, first: Counts, second: Counts) -> FeatureDrift:
    bins = int(np.count_nonzero(first + second))
    interval = find_interval_bits(feature.effect or 0.0, int(first.sum()), int(second.sum()), bins)
    if interval is None:
        return feature
    return msgspec.structs.replace(feature, effect_low=interval[0], effect_high=interval[1])


def _compare_rates(
    name: str, before: Sequence[object], after: Sequence[object], rng: np.random.Generator
) -> FeatureDrift | None:
    feature = _compare_words(name, before, after, rng)
    if feature is None or feature.p is None:
        return feature and msgspec.structs.replace(feature, kind="rate")
    rates = [sum(map(bool, side)) / len(side) for side in (before, after)]
    return msgspec.structs.replace(feature, kind="rate", baseline=rates[0], current=rates[1])


def permute(
    first: Counts, second: Counts, measure: Statistic, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> float:
    """The share of random splits of both sides together that are farther apart, and half of those that are as far, the
    seen one among them.

    `first` and `second` count the values in each cell, shape (cells,); `measure` takes (splits, cells) twice and
    returns (splits,).
    """
    pooled = first + second
    drawn = rng.multivariate_hypergeometric(pooled, int(first.sum()), size=permutations, method="marginals")
    chance = measure(drawn, pooled - drawn)
    seen = measure(first[None], second[None])[0]
    return share_beyond(chance, seen)


def share_beyond(chance: Floats, seen: float) -> float:
    """Mid-p of `seen` among `chance`, shape (splits,), and itself. Where there is no distance at all, p is 1.

    >>> share_beyond(np.array([0.0, 1.0, 1.0, 2.0]), 1.0)
    0.5
    """
    if seen == 0.0:
        return 1.0
    farther = np.count_nonzero(chance > seen + abs(seen) * 1e-9)
    as_far = 1 + np.count_nonzero(np.abs(chance - seen) <= abs(seen) * 1e-9)
    return float((farther + as_far / 2) / (1 + len(chance)))


def measure_anderson_darling(first: Counts, second: Counts) -> Floats:
    """Squared distance of the two distribution functions, weighted by the inverse of its variance, summed over cells.

    `first` and `second`: (splits, cells), cells in the order of their values; returns (splits,).
    """
    pooled = first[:1] + second[:1]
    share = (np.cumsum(pooled, axis=1) / pooled.sum())[:, :-1]
    distance = (
        np.cumsum(first, axis=1) / first.sum(axis=1, keepdims=True)
        - np.cumsum(second, axis=1) / second.sum(axis=1, keepdims=True)
    )[:, :-1]
    weight = pooled[:, :-1] / np.maximum(share * (1 - share), 1e-12)
    return np.asarray((distance**2 * weight).sum(axis=1))


def measure_chi_square(first: Counts, second: Counts) -> Floats:
    """Pearson's statistic of the two rows of counts; shapes as above."""
    pooled = (first[:1] + second[:1]).astype(float)
    expected = pooled * first.sum(axis=1, keepdims=True) / pooled.sum()
    rest = pooled - expected
    some = np.maximum(expected, 1e-12)
    return np.asarray(((first - expected) ** 2 * (1 / some + 1 / np.maximum(rest, 1e-12)) * (pooled > 0)).sum(axis=1))
