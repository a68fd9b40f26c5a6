"""Two runs over the same items, paired item by item: what got better, what got worse, and how sure that is.

Differences are candidate minus baseline, turned round where lower is better, so that above 0 is always an
improvement. An item that one of the runs could not score enters no difference; it is counted. An interval is never away
from 0 where the test beside it (McNemar's mid-p, else a permutation of signs) does not reject at that confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from steward.core.errors import InputError
from steward.evaluation.answer_filters import describe_filters
from steward.evaluation.intervals import (
    finite_or_none,
    is_degenerate,
    mean_interval,
    paired_proportions,
    tail_probability,
)
from steward.evaluation.metrics import Metric, higher_is_better, make_metric, metric_scale
from steward.evaluation.run import EvalRun, clusters_by_id, metric_input, split_by_slice
from steward.evaluation.score import FilteredPrediction, filter_prediction
from steward.evaluation.statistics import (
    SAMPLES,
    SEED,
    Array,
    Interval,
    bootstrap,
    cluster_sums,
    mcnemar,
    permutation,
    ratio,
)
from steward.evaluation.suite import MetricSpec, SuiteItem

PERMUTATION: Final = "paired permutation"


class MetricComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of both runs over one set of items. Ends and p are None where there are fewer than two units."""

    metric: str
    field: str  # "" over all items
    name: str
    baseline: float | None
    candidate: float | None
    gain: float | None  # candidate - baseline, above 0 is better
    low: float | None
    high: float | None
    p: float | None
    test: str
    n: int  # items that both scored
    units: int  # of them, independent: clusters
    items: int  # that were asked
    spread: float  # standard deviation of the gain for one unit
    better: tuple[str, ...]
    worse: tuple[str, ...]
    signature: str

    @property
    def title(self) -> str:
        return self.metric + (f" where {self.field} is {self.name}" if self.field else "")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All metrics, over all items and over slices."""

    baseline: str
    candidate: str
    same_prompts: bool
    wholes: tuple[MetricComparison, ...]
    slices: tuple[MetricComparison, ...]


class SampledGain(msgspec.Struct, frozen=True, kw_only=True):
    """A gain with what its interval is made of, at any confidence: one interval for comparisons and gates alike."""

    gain: float
    drawn: Array  # (samples,) gains of resampled items
    units: Array  # (units,) gains of single items, or of clusters
    scale: float  # the most that one unit can gain or lose
    discordant: tuple[int, int] | None = None  # items that got worse and better, where each is right or wrong
    test: str = ""  # that nothing changed
    p: float | None = None  # of that test

    def interval(self, confidence: float) -> Interval:
        """Extended to 0 where the permutation test does not reject, so that both say the same: of three units no order
        of signs is rarer than one in four. Ends are NaN where nothing bounds what was not seen."""
        if self.discordant is not None:
            return paired_proportions(*self.discordant, len(self.units), confidence)
        ends = mean_interval(self.gain, self.drawn, self.units, -self.scale, self.scale, confidence)
        if self.test == PERMUTATION and self.p is not None and self.p > 1 - confidence:
            return Interval(ends.value, min(ends.low, 0.0), max(ends.high, 0.0))
        return ends

    def p_below(self, threshold: float) -> float:
        """One-sided p that the gain is not below the threshold; at most (1 - c) / 2 where the interval at c is."""
        return tail_probability(self.interval, lambda interval: interval.high < threshold)

    def p_above(self, threshold: float) -> float:
        """One-sided p that the gain is not above the threshold."""
        return tail_probability(self.interval, lambda interval: interval.low > threshold)


class SampledComparison(msgspec.Struct, frozen=True):
    """A comparison, and its gain with what the interval is made of; None where no item was scored by both."""

    paired: MetricComparison
    sampled: SampledGain | None


def compare_runs(baseline: EvalRun, candidate: EvalRun, confidence: float = 0.95) -> Comparison:
    """:raises InputError: the runs are over different data or metrics"""
    require_matching_runs(baseline, candidate)
    spec = baseline.manifest.suite
    metrics = spec.metric_specs()
    rows = {metric.name: pair_rows(metric, baseline.items, baseline, candidate) for metric in metrics}
    wholes = [
        compare_metric(metric, baseline.items, baseline, candidate, confidence, rows=rows[metric.name]).paired
        for metric in metrics
    ]
    slices = [
        compare_metric(metric, part, baseline, candidate, confidence, field, name, rows=rows[metric.name]).paired
        for field in spec.slices
        for name, part in split_by_slice(baseline.items, field)
        for metric in metrics
    ]
    return Comparison(
        baseline=baseline.manifest.model,
        candidate=candidate.manifest.model,
        same_prompts=have_same_prompts(baseline, candidate),
        wholes=tuple(wholes),
        slices=tuple(slices),
    )


def require_matching_runs(baseline: EvalRun, candidate: EvalRun) -> None:
    """Items are matched by id; their order does not matter.

    :raises InputError: different items, references or metrics, with the first item that differs
    """
    one, other = baseline.manifest, candidate.manifest
    if one.suite.metric_specs() != other.suite.metric_specs():
        raise InputError("the runs use different metrics or metric options; run both with the same suite")
    if one.suite.filters != other.suite.filters:
        raise InputError("the runs filter answers in different ways; run both with the same `filters`")
    if one.data_sha256 == other.data_sha256:
        return
    theirs = {item.id: item for item in candidate.items}
    first = next((item.id for item in baseline.items if not _is_same_item(item, theirs.get(item.id))), None)
    if first is not None or len(baseline.items) != len(candidate.items):  # the same items in another order are matched
        named = f"item {first!r} differs" if first else f"{len(baseline.items)} items and {len(candidate.items)}"
        raise InputError(f"the runs use different data ({named}); run both with the same suite and data")


def match_rows(baseline: EvalRun, candidate: EvalRun) -> EvalRun:
    """The candidate with the baseline's ids and order, where both number the same items by row and only their order
    differs; else the candidate as it is. Items with the same content are taken in order.

    Items are the same that are asked the same; where the runs have different prompts or worked examples, whose last
    message is the same.
    """
    if baseline.manifest.suite.id is not None:
        return candidate
    for read_content in (_content_of, _question_of):
        ours = sorted((read_content(item), number) for number, item in enumerate(baseline.items))
        theirs = sorted((read_content(item), number) for number, item in enumerate(candidate.items))
        if [content for content, _ in ours] == [content for content, _ in theirs]:
            places = {our: their for (_, our), (_, their) in zip(ours, theirs, strict=True)}
            return _reorder_rows(baseline, candidate, [places[number] for number in range(len(places))])
    return candidate


def _reorder_rows(baseline: EvalRun, candidate: EvalRun, places: Sequence[int]) -> EvalRun:
    """`places`: of the candidate's rows, in the baseline's order."""
    if all(place == number for number, place in enumerate(places)):
        return candidate
    items, answers = [], {}
    for our, place in zip(baseline.items, places, strict=True):
        their = candidate.items[place]
        items.append(msgspec.structs.replace(their, id=our.id, cluster=our.cluster))
        answers[our.id] = msgspec.structs.replace(candidate.answers[their.id], id=our.id)
    manifest = msgspec.structs.replace(candidate.manifest, data_sha256=baseline.manifest.data_sha256)
    return EvalRun(manifest, tuple(items), answers)


def have_same_prompts(baseline: EvalRun, candidate: EvalRun) -> bool:
    """Whether every item was asked the same, in whatever order."""
    theirs = {item.id: item.messages for item in candidate.items}
    return all(item.messages == theirs.get(item.id) for item in baseline.items)


def _content_of(item: SuiteItem) -> bytes:
    """What is asked, and what is right."""
    return _question_of(item) + msgspec.json.encode(item.messages)


def _question_of(item: SuiteItem) -> bytes:
    """As `_content_of`, without system messages and worked examples."""
    asked = (item.messages[-1:], item.references, item.slices, item.contexts, item.script)
    return msgspec.json.encode(asked, order="sorted")


def _is_same_item(one: SuiteItem, other: SuiteItem | None) -> bool:
    return other is not None and msgspec.structs.replace(one, messages=()) == msgspec.structs.replace(
        other, messages=()
    )


class PairedRows(msgspec.Struct, frozen=True):
    """One metric's statistics of the items that both runs scored, in order. `apart`: each row depends on its own item
    alone, so that a slice may take its rows from all."""

    metric: Metric
    kept: tuple[SuiteItem, ...]
    before: Array  # (kept, statistics)
    after: Array  # (kept, statistics)
    gains: Array  # (kept,)
    apart: bool

    def select(self, items: Sequence[SuiteItem]) -> PairedRows:
        """The rows of these items, in the order of all."""
        wanted = {item.id for item in items}
        places = [place for place, item in enumerate(self.kept) if item.id in wanted]
        kept = tuple(self.kept[place] for place in places)
        return PairedRows(self.metric, kept, self.before[places], self.after[places], self.gains[places], self.apart)


def pair_rows(spec: MetricSpec, items: Sequence[SuiteItem], baseline: EvalRun, candidate: EvalRun) -> PairedRows:
    """Of the items that both runs scored."""
    metric, sign = make_metric(spec.name, spec.options), 1.0 if higher_is_better(spec.name) else -1.0
    runs = (baseline, candidate)
    kept = [item for item in items if not any(_explain_unscored(metric, spec.name, item, run) for run in runs)]
    if not kept:
        nothing = np.zeros((0, 2))
        return PairedRows(metric, (), nothing, nothing, np.zeros(0), apart=True)
    table = _table_of_both(metric, spec.name, kept, baseline, candidate)
    a, b = table[: len(kept)], table[len(kept) :]
    apart = spec.name in _APART or (table.shape[1] == 2 and bool((table[:, 1] == 1.0).all()))
    return PairedRows(metric, tuple(kept), a, b, sign * (metric.combine(b) - metric.combine(a)), apart)


_APART = ("bleu", "chrf", "chrf++", "ter")  # counts of each sentence; means are apart too, classes are not


def compare_metric(
    spec: MetricSpec,
    items: Sequence[SuiteItem],
    baseline: EvalRun,
    candidate: EvalRun,
    confidence: float = 0.95,
    field: str = "",
    name: str = "",
    samples: int = SAMPLES,
    seed: int = SEED,
    rows: PairedRows | None = None,
) -> SampledComparison:
    """One metric over the items that both runs scored. `rows`: of more items, where they were made before."""
    if rows is None or (field and not rows.apart):  # a slice's classes are its own
        rows = pair_rows(spec, items, baseline, candidate)
    rows = rows.select(items) if field else rows
    metric, kept, a, b, alone = rows.metric, rows.kept, rows.before, rows.after, rows.gains
    if not kept:
        return SampledComparison(_empty_comparison(spec.name, field, name, len(items), metric.signature), None)
    sign, width = 1.0 if higher_is_better(spec.name) else -1.0, a.shape[1]
    groups = clusters_by_id(kept)
    clusters = [item.cluster for item in kept] if groups is not None else None
    gains = _bootstrap_gains(metric, a, b, sign, clusters, samples, seed)
    units = len(set(clusters)) if clusters is not None else len(kept)
    before, after = (float(metric.combine(part.sum(0, keepdims=True))[0]) for part in (a, b))
    discordant = (int((alone < 0).sum()), int((alone > 0).sum())) if metric.proportion and clusters is None else None
    sampled = SampledGain(
        gain=sign * (after - before),
        drawn=gains,
        units=alone
        if clusters is None
        else sign * (metric.combine(cluster_sums(b, clusters)) - metric.combine(cluster_sums(a, clusters))),
        scale=_gain_scale(spec.name, metric, np.vstack([a, b])),
        discordant=discordant,
    )
    sampled = _attach_test(sampled, width, alone, clusters)
    interval = sampled.interval(confidence)
    method = _method(sampled, clusters, samples, seed)
    comparison = MetricComparison(
        metric=spec.name,
        field=field,
        name=name,
        baseline=before,
        candidate=after,
        gain=sampled.gain,
        low=finite_or_none(interval.low),
        high=finite_or_none(interval.high),
        p=sampled.p,
        test=sampled.test,
        n=len(kept),
        units=units,
        items=len(items),
        spread=float(gains.std() * math.sqrt(units)),
        better=_rank_gains(kept, alone),
        worse=_rank_gains(kept, -alone),
        signature="|".join(
            (metric.signature, describe_filters(baseline.manifest.suite.filters), f"paired|ci:{confidence}", method)
        ),
    )
    return SampledComparison(comparison, sampled)


def _table_of_both(
    metric: Metric, name: str, items: Sequence[SuiteItem], baseline: EvalRun, candidate: EvalRun
) -> Array:
    """(2 * items, columns): the baseline's rows, then the candidate's; together, so that both have the same classes."""
    both = [(run, {item.id: item for item in run.items}) for run in (baseline, candidate)]
    references = [theirs[item.id].references for _, theirs in both for item in items]  # options may change places
    answers = [_filtered_input(run, item.id, name).value for run, _ in both for item in items]
    return metric.table(answers, references)


def _bootstrap_gains(
    metric: Metric, a: Array, b: Array, sign: float, clusters: Sequence[str] | None, samples: int, seed: int
) -> Array:
    """(samples,) gains of resampled items, the same ones for both runs."""
    width = a.shape[1]
    if width == 2:  # a mean: the difference of means is the mean of differences, a tenth of the work
        return bootstrap(np.column_stack([sign * (b - a)[:, 0], a[:, 1]]), ratio, clusters, samples, seed)

    def combine(sums: Array) -> Array:
        return sign * (metric.combine(sums[:, width:]) - metric.combine(sums[:, :width]))

    return bootstrap(np.column_stack([a, b]), combine, clusters, samples, seed)


def count_moved_clusters(names: Sequence[str], items: Sequence[SuiteItem]) -> int:
    """How many clusters hold one of the items named."""
    clusters = {item.id: item.cluster for item in items}
    return len({clusters[name] for name in names})


def _explain_unscored(metric: Metric, name: str, item: SuiteItem, run: EvalRun) -> str:
    """Why a run's item is not scored; empty where it is."""
    answer = run.answers[item.id]
    if answer.error is not None:
        return answer.error
    filtered = _filtered_input(run, item.id, name)
    try:
        return filtered.why or metric.screen(filtered.value, item.references)
    except InputError as error:
        raise InputError(f"item {item.id!r}: {error}") from error


def _filtered_input(run: EvalRun, item: str, metric: str) -> FilteredPrediction:
    return filter_prediction(metric_input(run.answers[item], metric), run.manifest.suite.filters)


def _attach_test(sampled: SampledGain, width: int, alone: Array, clusters: Sequence[str] | None) -> SampledGain:
    test, p = _test_difference(sampled, width, alone, clusters)
    return msgspec.structs.replace(sampled, test=test, p=p)


def _test_difference(
    sampled: SampledGain, width: int, alone: Array, clusters: Sequence[str] | None
) -> tuple[str, float | None]:
    """The test's name and two-sided p that nothing changed; none for corpus metrics, whose interval must do."""
    if width != 2:
        return "", None
    if sampled.discordant is not None:
        return "mcnemar mid-p", mcnemar(*sampled.discordant).mid_p
    if is_degenerate(sampled.units):
        return "interval", 2 * min(sampled.p_below(0.0), sampled.p_above(0.0))
    return PERMUTATION, permutation([0.0] * len(alone), alone.tolist(), clusters)


def _gain_scale(name: str, metric: Metric, table: Array) -> float:
    """The most that one unit can gain or lose; without an end of the scale, the largest value that was seen."""
    scale = metric_scale(name)
    return scale if math.isfinite(scale) else float(np.abs(metric.combine(table)).max()) or math.inf


def _method(sampled: SampledGain, clusters: Sequence[str] | None, samples: int, seed: int) -> str:
    if sampled.discordant is not None:
        return "tango"
    return f"bootstrap:{'clusters' if clusters else 'items'}|samples:{samples}|seed:{seed}"


def _rank_gains(items: Sequence[SuiteItem], gains: Array) -> tuple[str, ...]:
    """The items that gained, those that gained most first."""
    order = sorted(range(len(items)), key=lambda index: -gains[index])
    return tuple(items[index].id for index in order if gains[index] > 1e-12)


def _empty_comparison(metric: str, field: str, name: str, items: int, signature: str) -> MetricComparison:
    return MetricComparison(
        metric=metric,
        field=field,
        name=name,
        baseline=None,
        candidate=None,
        gain=None,
        low=None,
        high=None,
        p=None,
        test="",
        n=0,
        units=0,
        items=items,
        spread=0.0,
        better=(),
        worse=(),
        signature=signature,
    )
