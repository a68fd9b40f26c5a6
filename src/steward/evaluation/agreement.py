"""Agreement between raters, with intervals over items; and which of several models they prefer.

Raw agreement and the coefficients that take chance out of it: Cohen's kappa for two raters, Fleiss' for a fixed
number a item, Krippendorff's alpha for any number, missing ratings included. A coefficient that is not defined (every
rating in one category) is NaN, never 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.evaluation.intervals import statistic_interval
from steward.evaluation.statistics import SEED, Array, Interval

MeasurementLevel = Literal["nominal", "ordinal", "interval", "ratio"]
KappaWeights = Literal["none", "linear", "quadratic"]


def cohen_kappa(a: Sequence[Hashable], b: Sequence[Hashable], weights: KappaWeights = "none") -> float:
    """Cohen's kappa of two raters over the same items (Cohen 1960; weighted: 1968). Weights need sortable labels."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} ratings and {len(b)} ratings: kappa needs one rating of each item from both raters")
    labels: list[Any] = sorted(set(a) | set(b), key=lambda label: (str(type(label)), label))
    numbers = {label: number for number, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for one, other in zip(a, b, strict=True):
        table[numbers[one], numbers[other]] += 1
    expected = np.outer(table.sum(1), table.sum(0)) / max(1, len(a))
    apart = np.abs(np.subtract.outer(np.arange(len(labels)), np.arange(len(labels)))).astype(np.float64)
    cost = np.sign(apart) if weights == "none" else apart if weights == "linear" else apart**2
    by_chance = float((cost * expected).sum())
    return 1 - float((cost * table).sum()) / by_chance if by_chance else math.nan


def fleiss_kappa(counts: Sequence[Sequence[int]]) -> float:
    """Fleiss' kappa (1971): `counts` is (items, categories), each row summing to the same number of raters.

    :raises ValueError: another number of raters for some item, or fewer than two
    """
    table = np.asarray(counts, dtype=np.float64)
    raters = table.sum(1)
    if len(table) == 0 or raters.min() != raters.max() or raters[0] < 2:
        raise ValueError(
            "Fleiss' kappa needs the same number of ratings for every item, at least two; use Krippendorff's alpha"
        )
    n = raters[0]
    observed = float(((table**2).sum(1) - n).mean() / (n * (n - 1)))
    chance = float(((table.sum(0) / table.sum()) ** 2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan


def krippendorff_alpha(ratings: Sequence[Sequence[Any]], level: MeasurementLevel = "nominal") -> float:
    """Krippendorff's alpha: `ratings` is (raters, items), None where a rater did not rate the item."""
    import krippendorff

    flat = [value for row in ratings for value in row if value is not None]
    if len(set(flat)) < 2:
        return math.nan
    if level == "nominal":
        numbers: dict[Hashable, int] = {}
        ratings = [[None if v is None else numbers.setdefault(v, len(numbers)) for v in row] for row in ratings]
    table = np.array([[math.nan if v is None else float(v) for v in row] for row in ratings])  # (raters, items)
    if int((np.isfinite(table).sum(0) >= 2).sum()) == 0:
        return math.nan
    paired = table[:, np.isfinite(table).sum(0) >= 2]
    if len(np.unique(paired[np.isfinite(paired)])) < 2:
        return math.nan
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=level))


def bootstrap_coefficient(
    coefficient: Callable[[NDArray[np.intp]], float],
    items: int,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = SEED,
) -> Interval:
    """A coefficient of chosen item indices, (items,), and its bootstrap interval over items.

    Samples for which the coefficient is not defined are left out. NaN ends where that is most of them, and where all
    samples are the same, as with perfect agreement: a bootstrap cannot tell how far the coefficient may be from 1.
    """
    value = coefficient(np.arange(items))
    random = np.random.default_rng(seed)
    drawn = np.array([coefficient(random.integers(0, items, items)) for _ in range(samples)])
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < samples / 2:
        return Interval(value, math.nan, math.nan)
    interval = statistic_interval(value, defined, items, confidence)
    if math.isnan(interval.low):
        return interval
    return Interval(value, max(-1.0, interval.low), min(1.0, interval.high))


class ModelStrength(msgspec.Struct, frozen=True):
    """A model's log strength against the mean of all, in logits, and the standard error of that."""

    name: str
    value: float
    error: float


class BradleyTerryFit(msgspec.Struct, frozen=True):
    """Bradley and Terry's fit. `why` says why there is none; `strengths` is then empty."""

    strengths: tuple[ModelStrength, ...]
    covariance: tuple[tuple[float, ...], ...]
    why: str = ""

    def difference(self, one: str, other: str, confidence: float = 0.95) -> Interval:
        """How much stronger `one` is than `other`, in logits."""
        names = [strength.name for strength in self.strengths]
        i, j = names.index(one), names.index(other)
        value = self.strengths[i].value - self.strengths[j].value
        error = math.sqrt(self.covariance[i][i] + self.covariance[j][j] - 2 * self.covariance[i][j])
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        return Interval(value, value - z * error, value + z * error)


def fit_bradley_terry(wins: Mapping[tuple[str, str], float]) -> BradleyTerryFit:
    """Strengths that make the wins most likely; `wins[a, b]` is how often a beat b, ties as half for each.

    Maximum likelihood by Newton's method, errors from the observed information. The maximum exists only where every
    model can be reached from every other along wins (Ford 1957); otherwise some strength is infinite, and the answer
    names who never won against, or never lost to, whom.
    """
    names = sorted({name for pair in wins for name in pair})
    number = {name: index for index, name in enumerate(names)}
    won = np.zeros((len(names), len(names)))
    for (winner, loser), count in wins.items():
        if winner != loser:
            won[number[winner], number[loser]] += count
    if why := _explain_disconnection(names, won):
        return BradleyTerryFit((), (), why)
    games, strengths = won + won.T, np.zeros(len(names))
    for _ in range(100):
        chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
        slope = won.sum(1) - (games * chance).sum(1)
        step = np.linalg.pinv(_fisher_information(games, chance)) @ slope
        strengths = strengths + step * min(1.0, 2.0 / max(2.0, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-12:
            break
    chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    covariance = np.linalg.pinv(_fisher_information(games, chance))
    errors = np.sqrt(np.diag(covariance))
    models = [ModelStrength(*row) for row in zip(names, strengths.tolist(), errors.tolist(), strict=True)]
    return BradleyTerryFit(tuple(models), tuple(tuple(row) for row in covariance.tolist()))


def _fisher_information(games: Array, chance: Array) -> Array:
    weights = games * chance * (1 - chance)
    information: Array = np.diag(weights.sum(1)) - weights
    return information


def _explain_disconnection(names: Sequence[str], won: Array) -> str:
    """Why there is no maximum, in words; empty where there is one."""
    if len(names) < 2:
        return "fewer than two models were compared"
    for reach, verb in ((won > 0, "won against"), (won.T > 0, "lost to")):
        seen, open_ = {0}, [0]
        while open_:
            for index in np.flatnonzero(reach[open_.pop()]).tolist():
                if index not in seen:
                    seen.add(index)
                    open_.append(index)
        if len(seen) < len(names):
            inside = ", ".join(names[index] for index in sorted(seen))
            outside = ", ".join(name for index, name in enumerate(names) if index not in seen)
            return f"no finite strengths: none of {{{inside}}} ever {verb} any of {{{outside}}}; collect more votes"
    return ""
