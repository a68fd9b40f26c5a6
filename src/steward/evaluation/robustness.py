"""Whether answers hold when the question is changed: each change set against the same items as they were.

For each change and metric the paired difference with its interval (`evaluation/compare.py`), its p after Holm's
correction over all of them, and how often the answer stayed the same. `worst`: of each item its worst value over the
original and all changes (Liang et al. 2022, HELM, section 4.7). A difference that is not seen with few items is not
absent: read the interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from steward.core.rates import holm
from steward.evaluation.changes import OPTIONS
from steward.evaluation.compare import MetricComparison, SampledComparison, compare_metric
from steward.evaluation.intervals import finite_or_none, resampled_mean
from steward.evaluation.metrics import higher_is_better, metric_scale
from steward.evaluation.run import EvalRun, clusters_by_id, graded_text, score_items
from steward.evaluation.score import Prediction, Score, score_predictions
from steward.evaluation.statistics import SAMPLES
from steward.evaluation.suite import MetricSpec, QuestionChange, SuiteItem
from steward.text.swaps import swap_text

_SHOWN: Final = 5  # items side by side, those that lost most first


class MetricShift(msgspec.Struct, frozen=True, kw_only=True):
    """One metric under one change. `p` is Holm's over all changes and metrics; the interval is the comparison's."""

    paired: MetricComparison
    low: float | None
    high: float | None
    p: float | None


class AnswerChange(msgspec.Struct, frozen=True, kw_only=True):
    """One item before and after."""

    id: str
    asked: str
    asked_after: str
    said: str | None
    said_after: str | None


class ChangeEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What one change did. `same`: the share of answers that stayed, in SQuAD's normal form, where it can be told."""

    change: str
    items: int  # that the change touches
    untouched: int
    shifts: tuple[MetricShift, ...]
    same: Score | None
    examples: tuple[AnswerChange, ...]
    errored: tuple[str, ...]


class WorstCase(msgspec.Struct, frozen=True, kw_only=True):
    """One metric with each item's worst value, over the items that every run scored."""

    metric: str
    original: float
    worst: float
    gain: float  # worst - original, turned round where lower is better: never above 0
    low: float | None
    high: float | None
    n: int


class RobustnessReport(msgspec.Struct, frozen=True, kw_only=True):
    """All changes of one suite on one model."""

    suite: str
    model: str
    items: int
    effects: tuple[ChangeEffect, ...]
    worst: tuple[WorstCase, ...]
    untouching: tuple[str, ...]  # changes that touch no item
    errored: tuple[str, ...]  # of the original run
    margin: float | None = None
    verdict: Literal["passed", "moved", "inconclusive"] | None = None  # where a margin is given


def measure_robustness(
    original: EvalRun,
    changed: Mapping[str, tuple[QuestionChange, EvalRun]],
    extra: Sequence[MetricSpec] = (),
    untouching: tuple[str, ...] = (),
    margin: float | None = None,
    samples: int = SAMPLES,
) -> RobustnessReport:
    """`changed`: by title. `extra`: metrics beside the suite's, none of them graded. `margin`: on the metrics' scale.

    With a margin: moved where a metric of the suite lost more than it for sure, after Holm's correction; after a swap
    of people, also where it won more, for then the other side has lost it. Passed where all moved less for sure.
    """
    specs = [*original.manifest.suite.metric_specs(), *extra]
    pairs = [
        [compare_metric(spec, run.items, original, run, name=title, samples=samples) for spec in specs]
        for title, (_, run) in changed.items()
    ]
    drawn = [[one.paired for one in row] for row in pairs]
    tested = [row.p for rows in drawn for row in rows if row.p is not None]
    corrected = iter(holm(tested))
    runs = [run for _, run in changed.values()]
    shifts = [
        tuple(
            MetricShift(paired=row, low=row.low, high=row.high, p=None if row.p is None else next(corrected))
            for row in rows
        )
        for rows in drawn
    ]
    return RobustnessReport(
        suite=original.manifest.suite.name,
        model=original.manifest.model,
        items=len(original.items),
        effects=tuple(
            _describe_effect(title, change, original, run, worst)
            for (title, (change, run)), worst in zip(changed.items(), shifts, strict=True)
        ),
        worst=tuple(
            worst
            for spec in specs[: len(specs) - len(extra)]
            if (worst := find_worst_case(spec, original, runs, samples))
        ),
        untouching=untouching,
        errored=_list_errors(original),
        margin=margin,
        verdict=None if margin is None else _decide_verdict(changed, shifts, pairs, len(specs) - len(extra), margin),
    )


def _decide_verdict(
    changed: Mapping[str, tuple[QuestionChange, EvalRun]],
    shifts: Sequence[Sequence[MetricShift]],
    pairs: Sequence[Sequence[SampledComparison]],
    metrics: int,
    margin: float,
) -> Literal["passed", "moved", "inconclusive"]:
    """Passed needs no correction, since all must pass; moved needs it, since one is enough (as in the gate)."""
    p_moved, open_ = [], False
    for (change, _), rows, drawn in zip(changed.values(), shifts, pairs, strict=True):
        for shift, one in zip(rows[:metrics], drawn[:metrics], strict=True):
            if shift.low is None or shift.high is None:
                open_ = True
                continue
            open_ |= shift.low <= -margin or (change.swaps and shift.high >= margin)
            if one.sampled is not None:
                p_moved.append(one.sampled.p_below(-margin))
                if change.swaps:
                    p_moved.append(one.sampled.p_above(margin))
    if any(p <= 0.025 for p in holm(p_moved)):
        return "moved"
    return "inconclusive" if open_ else "passed"


def _describe_effect(
    title: str, change: QuestionChange, original: EvalRun, run: EvalRun, shifts: tuple[MetricShift, ...]
) -> ChangeEffect:
    before = {item.id: item for item in original.items}
    lost = shifts[0].paired.worse if shifts else ()
    shown = [
        *lost,
        *(item.id for item in run.items if item.id not in lost and not _is_unchanged(item, change, original, run)),
    ]
    after = {item.id: item for item in run.items}
    examples = [
        AnswerChange(
            id=name,
            asked=_changed_messages(before[name], after[name]),
            asked_after=_changed_messages(after[name], before[name]),
            said=original.answers[name].prediction,
            said_after=run.answers[name].prediction,
        )
        for name in shown[:_SHOWN]
    ]
    return ChangeEffect(
        change=title,
        items=len(run.items),
        untouched=len(original.items) - len(run.items),
        shifts=shifts,
        same=score_same_answers(change, original, run),
        examples=tuple(examples),
        errored=_list_errors(run),
    )


def _changed_messages(item: SuiteItem, other: SuiteItem) -> str:
    """The messages that the other item has otherwise."""
    pairs = zip(item.messages, other.messages, strict=True)
    return "\n\n".join(one.content for one, two in pairs if one != two)


def score_same_answers(change: QuestionChange, original: EvalRun, run: EvalRun) -> Score | None:
    """How many answers stayed what they were; after a swap, what they would be about the other person.

    None for options in another order, where the right letter is another one.
    """
    if change.use == OPTIONS or not run.items:
        return None
    predictions, references = [], {}
    for item in run.items:
        one, other = original.answers[item.id], run.answers[item.id]
        error = one.error or other.error
        predictions.append(Prediction(item.id, graded_text(run, item.id), error))
        references[item.id] = [expected_answer(change, graded_text(original, item.id) or "")]
    return score_predictions("squad_em", predictions, references, clusters=clusters_by_id(run.items)).score


def expected_answer(change: QuestionChange, said: str) -> str:
    """The answer that would show no difference."""
    return (swap_text(said, change.use) or said) if change.other_person else said


def _is_unchanged(item: SuiteItem, change: QuestionChange, original: EvalRun, run: EvalRun) -> bool:
    one, other = graded_text(original, item.id), graded_text(run, item.id)
    return one is None or other is None or expected_answer(change, one).split() == other.split()


def find_worst_case(
    spec: MetricSpec, original: EvalRun, runs: Sequence[EvalRun], samples: int = SAMPLES
) -> WorstCase | None:
    """None for a corpus metric, which items do not have, and where no item was scored by every run it is in."""
    sign = 1.0 if higher_is_better(spec.name) else -1.0
    scored = score_items(spec, original.items, original.answers, original.manifest.suite.filters)
    if scored.table.shape[1] != 2:
        return None
    values = dict(zip(scored.ids, scored.values, strict=True))
    worst, gone = dict(values), set[str]()
    for run in runs:
        part = score_items(spec, run.items, run.answers, run.manifest.suite.filters)
        theirs = dict(zip(part.ids, part.values, strict=True))
        gone |= {item.id for item in run.items if item.id not in theirs}
        worst |= {
            name: sign * min(sign * value, sign * theirs[name]) for name, value in worst.items() if name in theirs
        }
    kept = [item for item in original.items if item.id in values and item.id not in gone]
    if not kept:
        return None
    groups = clusters_by_id(kept)
    pairs = [(sign * values[item.id], sign * worst[item.id]) for item in kept]
    clusters = [groups[item.id] for item in kept] if groups is not None else None
    scale = metric_scale(spec.name)
    gain = resampled_mean([b - a for a, b in pairs], -scale, 0.0, clusters, samples=samples)
    return WorstCase(
        metric=spec.name,
        original=float(np.mean([values[item.id] for item in kept])),
        worst=float(np.mean([worst[item.id] for item in kept])),
        gain=gain.value,
        low=finite_or_none(gain.low),
        high=finite_or_none(gain.high),
        n=len(kept),
    )


def _list_errors(run: EvalRun) -> tuple[str, ...]:
    return tuple(f"{item.id}: {why}" for item in run.items if (why := run.answers[item.id].error) is not None)
