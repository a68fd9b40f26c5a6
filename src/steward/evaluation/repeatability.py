"""How much a metric moves when the same item is asked again: the noise that is the model's, not the items'.

With K repeats of each item the variance of a single value splits into that between items and that within an item
(one-way analysis of variance). Asking each item K times instead of once narrows a mean's interval by what is within
only (Miller 2024, arXiv 2411.00640, section 3.1), so `repeats` pays where the share within is large.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from steward.evaluation.intervals import finite_or_none, mean_interval
from steward.evaluation.metrics import metric_scale
from steward.evaluation.statistics import bootstrap, ratio

_SHOWN: Final = 20  # items that moved most


class Repeatability(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over items that were asked more than once and scored at least twice."""

    metric: str
    items: int
    within: float  # variance of one item's values, mean over items
    low: float | None  # 95 % over items
    high: float | None
    between: float  # variance of the items' own means; 0 where the noise explains all
    share: float | None  # of the variance that is within items; None where nothing varies
    flaky: int  # items whose values differ
    worst: tuple[str, ...]  # those that differ most


def measure_repeatability(metric: str, ids: Sequence[str], values: Sequence[float]) -> Repeatability | None:
    """`ids` of repeats are "7#1", "7#2". None where no item has two values.

    >>> found = measure_repeatability("exact_match", ["a#1", "a#2", "b#1", "b#2"], [1.0, 0.0, 1.0, 1.0])
    >>> found.within, found.flaky, found.worst
    (0.25, 1, ('a',))
    """
    by_item: dict[str, list[float]] = defaultdict(list)
    for name, value in zip(ids, values, strict=True):
        by_item[name.rpartition("#")[0]].append(value)
    several = {name: np.array(repeats) for name, repeats in by_item.items() if len(repeats) > 1}
    if not several:
        return None
    variances = np.array([repeats.var(ddof=1) for repeats in several.values()])
    table = np.column_stack([variances, np.ones(len(variances))])
    within = float(variances.mean())
    most = metric_scale(metric) ** 2 / 2  # of two values at both ends of the scale
    interval = mean_interval(within, bootstrap(table, ratio), variances, 0.0, most)
    between = _variance_between(
        [repeats.mean() for repeats in several.values()], [len(repeats) for repeats in several.values()], within
    )
    order = sorted(several, key=lambda name: -several[name].var(ddof=1))
    moved = [name for name in order if np.ptp(several[name]) > 1e-12]
    return Repeatability(
        metric=metric,
        items=len(several),
        within=within,
        low=finite_or_none(interval.low),
        high=finite_or_none(interval.high),
        between=between,
        share=within / (within + between) if within + between > 0 else None,
        flaky=len(moved),
        worst=tuple(moved[:_SHOWN]),
    )


def _variance_between(means: Sequence[float], counts: Sequence[int], within: float) -> float:
    """Variance of the means less what the noise within items puts into them."""
    if len(means) < 2:
        return 0.0
    return max(0.0, float(np.var(means, ddof=1)) - within * float(np.mean([1 / count for count in counts])))
