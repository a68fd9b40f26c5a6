"""Whether a model treats groups alike: rates and quality by group, the largest differences, and what chance makes.

    selection       share that gets the positive label        demographic parity (Dwork et al. 2012)
    true positive   … of those to whom it belongs             equal opportunity (Hardt et al. 2016, section 2)
    false positive  … of those to whom it does not
    equalised odds  the larger of the two differences (Hardt et al. 2016; Agarwal et al. 2018)

Differences are the largest rate less the smallest, ratios the smallest to the largest, as fairlearn defines them
(`demographic_parity_difference`, `equalized_odds_difference` …); the tests compare. A difference of that kind is never
below 0 and grows with the number of groups and with their smallness, equal treatment or not: read `p`, the share of
random assignments of people to groups that differ as much, before the interval, and the intervals of each group's rates
before both. Which difference is wrong is a question about the use, not about numbers; the "80 % rule" is one
jurisdiction's screening aid.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.rates import holm
from steward.evaluation.intervals import FEW, finite_or_none, mean_of_shares
from steward.evaluation.run import EvalRun, clusters_by_id, graded_text, score_items, split_by_slice
from steward.evaluation.score import Score
from steward.evaluation.statistics import SEED, Array, Interval, bootstrap
from steward.evaluation.suite import MetricSpec

_SAMPLES = 2000
_COUNTS = 7  # of each group: items, selected, positive, true positives, negative, false positives, right


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """One rate of one group; without items to count there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class GroupReport(msgspec.Struct, frozen=True, kw_only=True):
    """One group. The rates are None where no positive label is given."""

    name: str
    items: int
    selection: GroupRate | None
    true_positive: GroupRate | None
    false_positive: GroupRate | None
    quality: tuple[Score, ...]  # the suite's metrics


class GroupDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison over all groups. `p_holm`: corrected for all comparisons shown."""

    measure: str
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


class GroupComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run by one of its slices."""

    suite: str
    model: str
    field: str
    positive: str | None
    groups: tuple[GroupReport, ...]
    differences: tuple[GroupDifference, ...]
    n: int
    unscored: tuple[str, ...]  # "id: why"
    errored: tuple[str, ...]
    signature: str


class LabelledCase(msgspec.Struct, frozen=True):
    """One person or case: its group, whether the label is due, and whether it was given."""

    group: str
    due: bool
    given: bool


def compare_groups(run: EvalRun, field: str, positive: str | None = None) -> GroupComparison:
    """:raises InputError: the run has no such slice, one group only, or no item with the positive label"""
    spec = run.manifest.suite
    if field not in spec.slices:
        raise UnknownName("slice of the run", field, spec.slices)
    parts = list(split_by_slice(run.items, field))
    if len(parts) < 2:
        raise InputError(f"every item has the same {field}, {parts[0][0]!r}; expected at least two groups")
    names = [name for name, _ in parts]
    rows, clusters, unscored = _label_cases(run, field, positive) if positive is not None else ([], None, [])
    quality = [
        tuple(
            score_items(metric, part, run.answers, run.manifest.suite.filters).score for metric in spec.metric_specs()
        )
        for _, part in parts
    ]
    rates = rates_by_group(rows, names, clusters) if positive is not None else [(None, None, None)] * len(names)
    differences = compare_label_rates(rows, names, clusters) if rows else []
    differences += _compare_quality(run, field)
    corrected = iter(holm([one.p for one in differences if one.p is not None]))
    errored = [f"{item.id}: {why}" for item in run.items if (why := run.answers[item.id].error) is not None]
    return GroupComparison(
        suite=spec.name,
        model=run.manifest.model,
        field=field,
        positive=positive,
        groups=tuple(
            GroupReport(
                name=name,
                items=len(part),
                selection=selection,
                true_positive=hit,
                false_positive=false,
                quality=scores,
            )
            for (name, part), (selection, hit, false), scores in zip(parts, rates, quality, strict=True)
        ),
        differences=tuple(
            msgspec.structs.replace(one, p_holm=None if one.p is None else next(corrected)) for one in differences
        ),
        n=len(rows) if positive is not None else len(run.items) - len(errored),
        unscored=tuple(unscored),
        errored=tuple(errored),
        signature=f"groups|max-min|min/max|bootstrap:{'clusters' if clusters else 'items'}|samples:{_SAMPLES}"
        f"|p:permuted groups|seed:{SEED}",
    )


def _label_cases(run: EvalRun, field: str, positive: str) -> tuple[list[LabelledCase], list[str] | None, list[str]]:
    """Rows of what was answered with a known label, their clusters, and what was not: "id: why"."""
    labels = {_normalise_label(item.references[0]) for item in run.items if item.references}
    if _normalise_label(positive) not in labels:
        raise UnknownName("label among the references", positive, labels)
    rows, names, unscored = [], [], []
    for item in run.items:
        answer = run.answers[item.id]
        if answer.error is not None:
            continue
        label = _normalise_label(graded_text(run, item.id) or "")
        if label not in labels or not item.references:
            unscored.append(
                f"{item.id}: {cut_text(answer.prediction or '')!r} is not one of the labels {sorted(labels)}"
            )
            continue
        due = _normalise_label(item.references[0]) == _normalise_label(positive)
        rows.append(LabelledCase(item.slices[field], due, label == _normalise_label(positive)))
        names.append(item.id)
    groups = clusters_by_id(run.items)
    return rows, [groups[name] for name in names] if groups is not None else None, unscored


def _normalise_label(value: object) -> str:
    return str(value).strip().casefold()


def rates_by_group(
    rows: Sequence[LabelledCase], names: Sequence[str], clusters: Sequence[str] | None = None
) -> list[tuple[GroupRate, GroupRate, GroupRate]]:
    """Selection, true positive and false positive rate of each group: exact, Wilson's or resampled intervals."""
    rates = []
    numbered = list(zip(rows, clusters or range(len(rows)), strict=True))
    for name in names:
        mine = [(row, cluster) for row, cluster in numbered if row.group == name]
        parts = (mine, [one for one in mine if one[0].due], [one for one in mine if not one[0].due])
        rates.append(
            tuple(
                _estimate_rate(
                    [float(row.given) for row, _ in part], [cluster for _, cluster in part] if clusters else None
                )
                for part in parts
            )
        )
    return rates  # type: ignore[return-value]  # three each


def _estimate_rate(values: Sequence[float], clusters: Sequence[Hashable] | None) -> GroupRate:
    if not values:
        return GroupRate(value=None, low=None, high=None, n=0)
    share = mean_of_shares(values, clusters)
    return GroupRate(value=share.value, low=finite_or_none(share.low), high=finite_or_none(share.high), n=len(values))


def compare_label_rates(
    rows: Sequence[LabelledCase], names: Sequence[str], clusters: Sequence[str] | None = None, samples: int = _SAMPLES
) -> list[GroupDifference]:
    """Every comparison of rates. One that a group has no item for has no value."""
    numbers = {name: number for number, name in enumerate(names)}
    group = np.array([numbers[row.group] for row in rows])
    facts = np.array([(row.due, row.given) for row in rows], dtype=bool)  # (items, due / given)
    table = _count_by_group(group, facts, len(names))
    random = np.random.default_rng(SEED)
    whole = table.sum(0, keepdims=True)
    permuted = None
    if clusters is None:
        permuted = np.vstack(
            [_count_by_group(random.permutation(group), facts, len(names)).sum(0) for _ in range(samples)]
        )
    gaps = []
    for measure, rates in _MEASURES.items():
        combine = rates.combine
        value = float(combine(whole)[0])
        if math.isnan(value):
            gaps.append(GroupDifference(measure=measure, value=None, low=None, high=None, p=None, p_holm=None))
            continue
        drawn = bootstrap(table, combine, clusters, samples)
        ends = _percentile_ends(drawn)
        if rates.is_sparse(table, clusters) or ends.low == ends.high:
            ends = rates.bound(table, clusters, ends)
        p = None
        if permuted is not None:
            by_chance = combine(permuted)
            worse = by_chance <= value + 1e-12 if measure.endswith("ratio") else by_chance >= value - 1e-12
            p = float((worse.sum() + 1) / (samples + 1))
        low, high = finite_or_none(ends.low), finite_or_none(ends.high)
        gaps.append(GroupDifference(measure=measure, value=value, low=low, high=high, p=p, p_holm=None))
    return gaps


def _count_by_group(group: NDArray[np.int64], facts: NDArray[np.bool_], groups: int) -> Array:
    """(items, groups x 7): each item's counts in the columns of its group."""
    due, predicted = facts[:, 0], facts[:, 1]
    one = np.column_stack(
        [np.ones(len(group)), predicted, due, due & predicted, ~due, ~due & predicted, due == predicted]
    )  # (items, counts)
    counts = np.zeros((len(group), groups, _COUNTS))
    counts[np.arange(len(group)), group] = one
    return counts.reshape(len(group), groups * _COUNTS)


def _rates_of(sums: Array, part: int, whole: int) -> Array:
    """(samples, groups); NaN where a group has nothing to count."""
    counts = sums.reshape(len(sums), sums.shape[1] // _COUNTS, _COUNTS)
    return np.divide(
        counts[:, :, part], counts[:, :, whole], out=np.full(counts.shape[:2], np.nan), where=counts[:, :, whole] > 0
    )


class _RateComparison(msgspec.Struct, frozen=True):
    """A comparison of rates over all groups. `columns`: which count is a part of which; of several the worst counts."""

    columns: tuple[tuple[int, int], ...]
    ratio: bool = False

    def combine(self, sums: Array) -> Array:
        """(samples, groups x counts) to (samples,)."""
        values = [
            self._compare(rates.min(1), rates.max(1)) for rates in (_rates_of(sums, *pair) for pair in self.columns)
        ]
        widest: Array = np.max(values, axis=0)  # not nanmax: without a rate there is no comparison
        return widest

    def is_sparse(self, table: Array, clusters: Sequence[Hashable] | None) -> bool:
        """Whether a group has so few items or clusters that resampling them knows too little.

        `table`: (items, groups x counts).
        """
        parts = [part for _, whole in self.columns for part in _split_by_group(table, whole, whole, clusters)]
        return any(len(set(names) if names is not None else values) < FEW for values, names in parts)

    def bound(self, table: Array, clusters: Sequence[Hashable] | None, ends: Interval) -> Interval:
        """`ends`, widened to what the intervals of the groups' rates allow together; NaN where one has none.

        `table`: (items, groups x counts).
        """
        lows, highs = [], []
        for pair in self.columns:
            rates = [
                mean_of_shares(values.tolist(), names) for values, names in _split_by_group(table, *pair, clusters)
            ]
            least, most = (np.array([getattr(rate, end) for rate in rates]) for end in ("low", "high"))
            near = self._compare(np.array([most.min()]), np.array([least.max()]))  # rates as near as they may be
            far = self._compare(np.array([least.min()]), np.array([most.max()]))
            lows.append(float((far if self.ratio else near)[0]))
            most_ratio = near[0] if least.max() != 0 else 1.0  # rates that may all be 0 may be the same
            highs.append(float(np.minimum(1.0, most_ratio if self.ratio else far[0])))
        low, high = np.maximum(0.0, np.max(lows)), np.max(highs)
        return Interval(ends.value, float(np.minimum(ends.low, low)), float(np.maximum(ends.high, high)))

    def _compare(self, least: Array, most: Array) -> Array:
        if not self.ratio:
            return most - least
        ratios: Array = np.divide(least, most, out=np.full(len(most), np.nan), where=most > 0)
        return ratios


def _split_by_group(
    table: Array, part: int, whole: int, clusters: Sequence[Hashable] | None
) -> list[tuple[Array, list[Hashable] | None]]:
    """Of each group the values of what counts in `whole`, (items,), and their clusters."""
    counts = table.reshape(len(table), table.shape[1] // _COUNTS, _COUNTS)  # (items, groups, counts)
    chosen = [np.flatnonzero(counts[:, group, whole]) for group in range(counts.shape[1])]
    return [
        (counts[rows, group, part], [clusters[row] for row in rows.tolist()] if clusters is not None else None)
        for group, rows in enumerate(chosen)
    ]


_MEASURES = {
    "demographic parity difference": _RateComparison(((1, 0),)),
    "demographic parity ratio": _RateComparison(((1, 0),), ratio=True),
    "equal opportunity difference": _RateComparison(((3, 2),)),
    "false positive rate difference": _RateComparison(((5, 4),)),
    "equalised odds difference": _RateComparison(((3, 2), (5, 4))),
    "accuracy difference": _RateComparison(((6, 0),)),
}


def _percentile_ends(drawn: Array) -> Interval:
    """Percentiles of the samples in which every group had something to count."""
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(math.nan, float(low), float(high))


def _bound_quality(run: EvalRun, field: str, spec: MetricSpec, ends: Interval) -> Interval:
    """`ends`, widened to what the intervals of the groups' own scores allow, where a group has few items."""
    scores = [
        score_items(spec, part, run.answers, run.manifest.suite.filters).score
        for _, part in split_by_slice(run.items, field)
    ]
    scores = [score for score in scores if score.n]
    if ends.low < ends.high and min(score.n for score in scores) >= FEW:
        return ends
    lows, highs = (
        [score.low for score in scores if score.low is not None],
        [score.high for score in scores if score.high is not None],
    )
    if len(lows) < len(scores) or len(highs) < len(scores):
        return Interval(ends.value, math.nan, math.nan)
    return Interval(ends.value, min(ends.low, max(0.0, max(lows) - min(highs))), max(ends.high, max(highs) - min(lows)))


def _compare_quality(run: EvalRun, field: str, samples: int = _SAMPLES) -> list[GroupDifference]:
    """Of each metric that is a mean over items: the best group's less the worst one's."""
    differences = []
    for spec in run.manifest.suite.metric_specs():
        whole = score_items(spec, run.items, run.answers, run.manifest.suite.filters)
        slices = {item.id: item.slices[field] for item in run.items}
        names = sorted({slices[name] for name in whole.ids})
        if whole.table.shape[1] != 2 or len(names) < 2:
            continue
        group = np.array([names.index(slices[name]) for name in whole.ids])
        values = np.array(whole.values)
        groups = clusters_by_id(run.items)
        clusters = [groups[name] for name in whole.ids] if groups is not None else None

        def spread(sums: Array) -> Array:
            parts = sums.reshape(len(sums), sums.shape[1] // 2, 2)
            means = np.divide(
                parts[:, :, 0], parts[:, :, 1], out=np.full(parts.shape[:2], np.nan), where=parts[:, :, 1] > 0
            )
            spreads: Array = means.max(1) - means.min(1)
            return spreads

        ends = _percentile_ends(bootstrap(_sums_by_group(group, values, len(names)), spread, clusters, samples))
        ends = _bound_quality(run, field, spec, ends)
        value = float(spread(_sums_by_group(group, values, len(names)).sum(0, keepdims=True))[0])
        p = None
        if clusters is None:
            random = np.random.default_rng(SEED)
            by_chance = spread(
                np.vstack(
                    [_sums_by_group(random.permutation(group), values, len(names)).sum(0) for _ in range(samples)]
                )
            )
            p = float(((by_chance >= value - 1e-12).sum() + 1) / (samples + 1))
        differences.append(
            GroupDifference(
                measure=f"{spec.name} difference",
                value=value,
                low=finite_or_none(ends.low),
                high=finite_or_none(ends.high),
                p=p,
                p_holm=None,
            )
        )
    return differences


def _sums_by_group(group: NDArray[np.int64], values: Array, groups: int) -> Array:
    """(items, groups x 2): each item's value and one, in the columns of its group."""
    sums = np.zeros((len(group), groups, 2))
    sums[np.arange(len(group)), group] = np.column_stack([values, np.ones(len(values))])
    return sums.reshape(len(group), groups * 2)
