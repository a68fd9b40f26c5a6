"""Experiments: which points of a space are tried, which go on, which wins, and what the winner's score is worth.

Points come from a Halton sequence with a random shift (Halton 1960; Cranley and Patterson 1976), which covers a space
better than chance in 30 trials and needs nothing. The winner of many trials flatters itself (E[max] of 20 standard
normals is 1.87), so it is measured again on a slice that no trial saw; that second score is the one to believe. Pure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from steward.core.excerpts import cut_text

_PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
MAX_DIMENSIONS: Final = len(_PRIMES)
Value = float | int | str | bool
Goal = Literal["maximize", "minimize"]
TrialState = Literal["running", "complete", "failed"]


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter: from `low` to `high`, by its logarithm or in whole numbers, or one of `choices`."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    integer: bool = False
    choices: tuple[Value, ...] = ()


class TrialLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a metric must be for a trial to count."""

    metric: str
    min: float | None = None
    max: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One point. `scores` of items of the select slice, 0 to 1, in their order; with halving of the first `items`."""

    number: int
    parameters: dict[str, Value]
    state: TrialState
    rung: int = 0
    items: int = 0
    scores: tuple[float, ...] = ()
    metrics: dict[str, float] = {}
    seconds: float = 0.0
    reason: str = ""
    run: str = ""  # of the training that made it

    def mean(self) -> float | None:
        return sum(self.scores) / len(self.scores) if self.scores else None


def sample_point(
    space: Sequence[Dimension], number: int, seed: int, method: Literal["qmc", "random"]
) -> dict[str, Value]:
    """The point of a trial; the same for the same number and seed, whatever else was tried."""
    if method == "random":
        source = random.Random(f"{seed} {number}")
        return {one.name: scale_value(one, source.random()) for one in space}
    shift = random.Random(f"{seed} shift")
    shifts = [shift.random() for _ in space]
    return {
        one.name: scale_value(one, (invert_digits(number + 1, _PRIMES[at]) + shifts[at]) % 1.0)
        for at, one in enumerate(space)
    }


def invert_digits(number: int, base: int) -> float:
    """The radical inverse: the digits of `number` behind the point, in reverse.

    >>> [invert_digits(n, 2) for n in (1, 2, 3)]
    [0.5, 0.25, 0.75]
    """
    value, place = 0.0, 1.0
    while number:
        place /= base
        value += place * (number % base)
        number //= base
    return value


def scale_value(one: Dimension, share: float) -> Value:
    """The value at a share, from 0 to below 1, of a dimension."""
    if one.choices:
        return one.choices[min(int(share * len(one.choices)), len(one.choices) - 1)]
    if one.integer:
        return min(int(one.low + share * (one.high - one.low + 1)), int(one.high))
    if one.log:
        return math.exp(math.log(one.low) + share * (math.log(one.high) - math.log(one.low)))
    return one.low + share * (one.high - one.low)


def place_value(one: Dimension, value: Value) -> float:
    """Where a value lies in its dimension, from 0 to 1, for charts."""
    if one.choices:
        return one.choices.index(value) / max(1, len(one.choices) - 1) if value in one.choices else 0.0
    number = float(value)
    low, high = (math.log(one.low), math.log(one.high)) if one.log else (one.low, one.high)
    return ((math.log(number) if one.log else number) - low) / ((high - low) or 1.0)


def plan_rungs(items: int, trials: int, eta: int, rungs: int) -> list[tuple[int, int]]:
    """(trials, items) of each rung of successive halving: 1/eta of the trials go on, with eta times the items
    (Jamieson and Talwalkar 2016, arXiv 1502.07943).

    >>> plan_rungs(270, 18, 3, 3)
    [(18, 30), (6, 90), (2, 270)]
    """
    return [
        (max(1, math.ceil(trials / eta**rung)), max(1, math.ceil(items / eta ** (rungs - 1 - rung))))
        for rung in range(rungs)
    ]


def choose_survivors(trials: Sequence[Trial], count: int, goal: Goal, limits: Sequence[TrialLimit]) -> list[Trial]:
    """The best `count` that count at all; those that break a limit only where too few do not."""
    ranked = sorted(
        (trial for trial in trials if trial.state == "complete"),
        key=lambda trial: (bool(find_broken(trial, limits)), _rank(trial, goal), trial.number),
    )
    return ranked[:count]


def _rank(trial: Trial, goal: Goal) -> float:
    mean = trial.mean() or 0.0
    return -mean if goal == "maximize" else mean


def find_broken(trial: Trial, limits: Sequence[TrialLimit]) -> str:
    """The limit that a trial breaks; a metric that nobody measured is not within its limit."""
    for limit in limits:
        value = trial.metrics.get(limit.metric)
        if value is None:
            return f"{limit.metric} was not measured"
        if limit.max is not None and value > limit.max:
            return f"{limit.metric} is {value:g}, at most {limit.max:g}"
        if limit.min is not None and value < limit.min:
            return f"{limit.metric} is {value:g}, at least {limit.min:g}"
    return ""


def choose_winner(trials: Sequence[Trial], goal: Goal, limits: Sequence[TrialLimit]) -> Trial | None:
    """The best of those that were measured on most items and keep all limits; None: none does."""
    complete = [trial for trial in trials if trial.state == "complete"]
    most = max((trial.items for trial in complete), default=0)
    fit = [trial for trial in complete if trial.items == most and not find_broken(trial, limits)]
    return min(fit, key=lambda trial: (_rank(trial, goal), trial.number), default=None)


def list_pareto(trials: Sequence[Trial], goal: Goal, limits: Sequence[TrialLimit]) -> list[int]:
    """Numbers of trials than which none is better in one thing and as good in all others: score and limited metrics."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.scores]
    most = max((trial.items for trial in complete), default=0)
    points = {
        trial.number: (_rank(trial, goal), *(_cost(trial, limit) for limit in limits))
        for trial in complete
        if trial.items == most
    }
    return sorted(
        number for number, point in points.items() if not any(_dominates(one, point) for one in points.values())
    )


def _cost(trial: Trial, limit: TrialLimit) -> float:
    value = trial.metrics.get(limit.metric, math.inf if limit.max is not None else -math.inf)
    return value if limit.max is not None else -value


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def measure_importance(space: Sequence[Dimension], trials: Sequence[Trial], bins: int = 3) -> dict[str, float | None]:
    """How much of the scores' variance goes with each parameter alone, from 0 to 1 (epsilon squared, Kelley 1935: the
    share between its values or thirds of its range, corrected for chance); None: too few trials to tell."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.scores]
    means = [trial.mean() or 0.0 for trial in complete]
    return {one.name: _epsilon_squared(_group(one, complete, bins), means) for one in space}


def _group(one: Dimension, trials: Sequence[Trial], bins: int) -> list[int]:
    if one.choices:
        return [one.choices.index(trial.parameters[one.name]) for trial in trials]
    places = [place_value(one, trial.parameters[one.name]) for trial in trials]
    return [min(int(max(place, 0.0) * bins), bins - 1) for place in places]


def _epsilon_squared(groups: Sequence[int], values: Sequence[float]) -> float | None:
    distinct = sorted(set(groups))
    if len(values) - len(distinct) < 2 or len(distinct) < 2:
        return None
    mean = sum(values) / len(values)
    total = sum((value - mean) ** 2 for value in values)
    if total == 0.0:
        return 0.0
    within = 0.0
    for group in distinct:
        inside = [value for value, own in zip(values, groups, strict=True) if own == group]
        middle = sum(inside) / len(inside)
        within += sum((value - middle) ** 2 for value in inside)
    error = within / (len(values) - len(distinct))
    return max(0.0, (total - within - (len(distinct) - 1) * error) / total)


def check_scores(scores: Sequence[Any], items: int) -> str:
    """What is wrong with what a program says of its items; empty: nothing."""
    if len(scores) != items:
        return f"{len(scores):,} scores for {items:,} items"
    bad = next((at for at, score in enumerate(scores) if not _is_score(score)), None)
    return (
        ""
        if bad is None
        else f"the score of item {bad + 1} is {cut_text(scores[bad])!r}; expected a number from 0 to 1"
    )


def _is_score(score: Any) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool) and 0.0 <= score <= 1.0


class SecondLook(msgspec.Struct, frozen=True, kw_only=True):
    """A trial on the slice that no trial saw, with a 95 % interval."""

    number: int
    items: int
    value: float
    low: float
    high: float


class ExperimentReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward experiment report` prints. `against_first`: winner less first trial, on the same unseen items."""

    id: str
    name: str
    folder: str
    state: Literal["running", "finished", "no winner"]
    goal: Goal
    trials: tuple[Trial, ...]
    broken: dict[str, str]  # by trial, the limit that it breaks
    pareto: tuple[int, ...]
    importance: dict[str, float | None]
    winner: int | None = None
    parameters: dict[str, Value] = {}
    first_score: SecondLook | None = None  # of the winner, on what it was chosen by: flatters it
    second_score: SecondLook | None = None  # of the winner, on what no trial saw
    newest_score: SecondLook | None = None  # of the winner, on rows that are later than all that it was trained on
    against_first: SecondLook | None = None
    verdict: Literal["better", "worse", "cannot tell"] = "cannot tell"  # than the first trial
    judge_uses: int = 0  # of this judge's slice, over all experiments
    warnings: tuple[str, ...] = ()


def decide_verdict(difference: SecondLook | None, goal: Goal) -> Literal["better", "worse", "cannot tell"]:
    if difference is None:
        return "cannot tell"
    low, high = (difference.low, difference.high) if goal == "maximize" else (-difference.high, -difference.low)
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def find_missing(space: Mapping[str, Dimension], first: Mapping[str, Value]) -> list[str]:
    """Parameters of the space that a setting does not name."""
    return [name for name in space if name not in first]
