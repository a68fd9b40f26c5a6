"""A suite's checks: what a model must be able to do, must not be moved by, and must be moved by in one direction.

A check is a test: it fails where fewer of its items pass than it asks for, whatever the interval, which says how far
the share may be from what was seen. It is inconclusive where the items without a value could turn the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from steward.evaluation.intervals import mean_of_shares
from steward.evaluation.metrics.answers import normalise_squad
from steward.evaluation.quantities import parse_quantities
from steward.evaluation.robustness import AnswerChange, expected_answer
from steward.evaluation.run import EvalRun, clusters_by_id, graded_text, question_text, score_items
from steward.evaluation.suite import BehaviorCheck, SuiteItem, SuiteSpec

_SHOWN = 5

CheckVerdict = Literal["passed", "failed", "inconclusive"]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check: `share` of its `n` scored items passed."""

    name: str
    kind: str
    verdict: CheckVerdict
    share: float | None
    low: float | None
    high: float | None
    n: int
    failed: tuple[str, ...]  # ids
    unscored: tuple[str, ...]  # "id: why"
    errored: tuple[str, ...]  # "id: why"
    at_least: float
    examples: tuple[AnswerChange, ...]


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of a suite on one model. Passed where all are; failed where one is."""

    suite: str
    model: str
    verdict: CheckVerdict
    checks: tuple[CheckResult, ...]


def evaluate_checks(original: EvalRun, changed: Mapping[str, EvalRun]) -> CheckReport:
    """`changed`: the runs under the checks' changes, by the check's name."""
    spec = original.manifest.suite
    results = tuple(_evaluate_check(check, spec, original, changed.get(check.name)) for check in spec.checks)
    verdicts = {one.verdict for one in results}
    order: tuple[CheckVerdict, ...] = ("failed", "inconclusive", "passed")
    verdict = next(verdict for verdict in order if verdict in verdicts)
    return CheckReport(suite=spec.name, model=original.manifest.model, verdict=verdict, checks=results)


def _evaluate_check(check: BehaviorCheck, spec: SuiteSpec, original: EvalRun, run: EvalRun | None) -> CheckResult:
    """`run` is None for a check without a change, and where its change touches no item."""
    source = original if check.kind == "MFT" else run
    items = [item for item in source.items if _is_selected(item, check)] if source is not None else []
    passed: dict[str, bool] = {}
    unscored, errored = dict[str, str](), dict[str, str]()
    if check.kind == "MFT":
        name = check.metric or spec.metric_specs()[0].name
        metric = next(metric for metric in spec.metric_specs() if metric.name == name)
        whole = score_items(metric, items, original.answers, original.manifest.suite.filters)
        passed = {name: value >= check.least for name, value in zip(whole.ids, whole.values, strict=True)}
        unscored, errored = whole.unscored, whole.errored
    elif run is not None:
        for item in items:
            one, other = original.answers[item.id], run.answers[item.id]
            if error := one.error or other.error:
                errored[item.id] = error
                continue
            held = check_answers(check, graded_text(original, item.id) or "", graded_text(run, item.id) or "")
            if held is None:
                unscored[item.id] = f"one of the answers contains no {'label' if check.labels else 'number'}"
            else:
                passed[item.id] = held
    kept = [item for item in items if item.id in passed]
    groups = clusters_by_id(kept) if kept else None
    values = [float(passed[item.id]) for item in kept]
    share = mean_of_shares(values, [groups[item.id] for item in kept] if groups else None) if kept else None
    failed = [item for item in kept if not passed[item.id]]
    return CheckResult(
        name=check.name,
        kind=check.kind,
        verdict=decide_verdict(len(kept) - len(failed), len(failed), len(unscored) + len(errored), check.at_least),
        share=None if share is None else share.value,
        low=None if share is None or math.isnan(share.low) else share.low,
        high=None if share is None or math.isnan(share.high) else share.high,
        n=len(kept),
        failed=tuple(item.id for item in failed),
        unscored=tuple(f"{name}: {why}" for name, why in unscored.items()),
        errored=tuple(f"{name}: {why}" for name, why in errored.items()),
        at_least=check.at_least,
        examples=tuple(_make_example(item, original, run) for item in failed[:_SHOWN]),
    )


def check_answers(check: BehaviorCheck, before: str, after: str) -> bool | None:
    """Whether the answers are as an INV or DIR check expects; None where they hold no label or number to compare.

    >>> check = BehaviorCheck(name="c", kind="DIR", expect="not higher", labels=("negative", "positive"))
    >>> pairs = [("Positive.", "negative"), ("negative", "positive"), ("positive", "both")]
    >>> [check_answers(check, before, after) for before, after in pairs]
    [True, False, None]
    """
    if check.kind == "INV":
        wanted = expected_answer(check.change, before) if check.change else before
        return normalise_squad(wanted) == normalise_squad(after)
    if check.expect == "different" and not check.labels:
        return normalise_squad(before) != normalise_squad(after)
    one, other = _label_position(before, check.labels), _label_position(after, check.labels)
    if one is None or other is None:
        return None
    return {
        "higher": other > one,
        "lower": other < one,
        "not higher": other <= one,
        "not lower": other >= one,
        "different": other != one,
    }[check.expect or "different"]


def decide_verdict(passed: int, failed: int, open_: int, at_least: float) -> CheckVerdict:
    """`open_` items have no value: only where they cannot turn it is there a verdict."""
    items = passed + failed + open_
    if items == 0:
        return "inconclusive"
    if passed >= at_least * items - 1e-9:
        return "passed"
    return "failed" if passed + open_ < at_least * items - 1e-9 else "inconclusive"


def _is_selected(item: SuiteItem, check: BehaviorCheck) -> bool:
    return all(item.slices[field] == value for field, value in check.where.items())


def _label_position(answer: str, labels: tuple[str, ...]) -> float | None:
    """Of the one label that stands in the answer, or the answer's last number."""
    if not labels:
        quantities = parse_quantities(answer)
        return quantities[-1].value if quantities else None
    words = f" {normalise_squad(answer)} "
    places = [place for place, label in enumerate(labels) if f" {normalise_squad(label)} " in words]
    return float(places[0]) if len(places) == 1 else None


def _make_example(item: SuiteItem, original: EvalRun, run: EvalRun | None) -> AnswerChange:
    before = next(one for one in original.items if one.id == item.id)
    return AnswerChange(
        id=item.id,
        asked=question_text(before),
        asked_after=question_text(item) if run is not None else "",
        said=original.answers[item.id].prediction,
        said_after=run.answers[item.id].prediction if run is not None else None,
    )
