"""Whether a candidate may be released: not worse than the baseline by more than a margin, metric by metric.

For each check the interval [L, U] of the gain is set against the margin δ:

    passed        L > -δ            the loss is smaller than δ, whatever else
    regressed     U < -δ            (strict: U < 0); after Holm's correction over all checks
    inconclusive  otherwise         with the number of items that would decide

All checks must pass, so that no correction is needed for passing (an intersection-union test; Berger 1982), and one
that regressed refuses, so that it is needed for refusing. Coverage (items that both runs scored) and items that must
never fail are checks of their own: what was not measured is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from steward.configuration.yaml_lines import read_struct
from steward.core.errors import InputError, UnknownName
from steward.evaluation.compare import (
    MIN_MOVED_UNITS,
    MetricComparison,
    SampledComparison,
    compare_metric,
    count_moved_clusters,
    require_matching_runs,
)
from steward.evaluation.metrics import metric_scale
from steward.evaluation.run import EvalRun, score_items, split_by_slice
from steward.evaluation.statistics import SAMPLES, clopper_pearson, holm, required_items
from steward.evaluation.suite import MetricSpec, MustPass, SuiteItem

GateVerdict = Literal["passed", "regressed", "inconclusive"]


class MetricMargin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of the policy: how much may be lost, on the metric's own scale."""

    name: str
    margin: float
    slices: tuple[str, ...] = ()  # fields of whose values each is checked too
    slice_margin: float | None = None  # else twice the margin


class GatePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """gate.yaml."""

    metrics: tuple[MetricMargin, ...]
    confidence: float = 0.95
    strict: bool = False  # any real loss regresses, even one within the margin
    coverage: float = 0.99  # least share of items that both runs scored
    must_pass: MustPass | None = None  # beside the suite's


class GateCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `more_items`: how many more would decide, where it could not."""

    name: str
    verdict: GateVerdict
    why: str
    margin: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    more_items: int | None = None


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's answer, and all it rests on."""

    verdict: GateVerdict
    baseline: str
    candidate: str
    data_sha256: str
    checks: tuple[GateCheck, ...] = msgspec.field(name="guards")


def read_gate_policy(path: Path) -> GatePolicy:
    """:raises InputError: another shape, by its key; a margin or share out of range"""
    policy = read_struct(path, GatePolicy, such_as="metrics")
    if not policy.metrics:
        raise InputError(f"{path}: metrics is empty; a gate without metrics would pass everything")
    for entry in policy.metrics:
        for margin in (entry.margin, entry.slice_margin):
            if margin is not None and not (math.isfinite(margin) and margin >= 0):
                raise InputError(f"{path}: {entry.name}: margin {margin}, expected 0 or more")
    for name, value, least, most in (
        ("confidence", policy.confidence, 0.5, 0.9999),
        ("coverage", policy.coverage, 0.0, 1.0),
    ):
        if not least <= value <= most:
            raise InputError(f"{path}: {name} {value}, expected {least} to {most}")
    return policy


def decide_gate(baseline: EvalRun, candidate: EvalRun, policy: GatePolicy, samples: int = SAMPLES) -> GateDecision:
    """:raises InputError: runs over different data, a metric or slice that the suite does not have"""
    require_matching_runs(baseline, candidate)
    known = {spec.name: spec for spec in baseline.manifest.suite.metric_specs()}
    drawn: list[tuple[SampledComparison, Sequence[SuiteItem], float]] = []
    coverage: list[GateCheck] = []
    for entry in policy.metrics:
        if entry.name not in known:
            raise UnknownName("metric of the suite", entry.name, known)
        whole = len(drawn)  # its place: all items come before slices
        for field, name, part, margin in _expand_slices(entry, baseline):
            found = compare_metric(
                known[entry.name], part, baseline, candidate, policy.confidence, field, name, samples=samples
            )
            drawn.append((found, part, margin))
        coverage.append(_check_coverage(drawn[whole][0].paired, policy))
    adjusted = holm([_p_regressed(found, 0.0 if policy.strict else margin) for found, _, margin in drawn])
    checks = [
        judge_metric(found, part, margin, p, policy) for (found, part, margin), p in zip(drawn, adjusted, strict=True)
    ]
    for must in (baseline.manifest.suite.must_pass, candidate.manifest.suite.must_pass, policy.must_pass):
        checks += _check_must_pass(must, known, candidate)
    checks = [*{check.name: check for check in [*checks, *coverage]}.values()]
    verdicts = {check.verdict for check in checks}
    order: tuple[GateVerdict, ...] = ("regressed", "inconclusive", "passed")
    return GateDecision(
        verdict=next(verdict for verdict in order if verdict in verdicts),
        baseline=baseline.manifest.model,
        candidate=candidate.manifest.model,
        data_sha256=baseline.manifest.data_sha256,
        checks=tuple(checks),
    )


def judge_metric(
    drawn: SampledComparison, items: Sequence[SuiteItem], margin: float, p_regressed: float, policy: GatePolicy
) -> GateCheck:
    """One metric over one set of items. `p_regressed`: of the loss being within what is allowed, corrected."""
    paired = drawn.paired
    if paired.low is None or paired.high is None or paired.gain is None:
        return GateCheck(name=paired.title, verdict="inconclusive", why="fewer than two items to compare", n=paired.n)
    low, tail = paired.low, (1 - policy.confidence) / 2
    sparse, bounded = (
        count_moved_clusters((*paired.better, *paired.worse), items) < MIN_MOVED_UNITS,
        metric_scale(paired.metric) < math.inf,
    )
    if sparse and bounded:  # what was seen in k of n units may happen in this share of all, and cost
        share = clopper_pearson(count_moved_clusters(paired.worse, items), paired.units, policy.confidence).high
        low = min(low, -metric_scale(paired.metric) * share)  # all of an item each time
    elif sparse and paired.units < MIN_MOVED_UNITS:
        low = -math.inf
    allowed = 0.0 if policy.strict else margin
    verdict: GateVerdict = "inconclusive"
    more = None
    if paired.high < -allowed and p_regressed <= tail and not (sparse and paired.units < MIN_MOVED_UNITS):
        verdict, why = "regressed", f"lost {-paired.gain:.4g}, certainly more than {allowed:.4g}"
    elif low > -margin:
        verdict, why = "passed", f"the loss is certainly less than {margin:.4g}"
        if paired.high < 0:
            why += "; there is a real loss, but it is within the margin"
    else:
        more = _count_missing_items(paired, margin, sparse, tail, policy.confidence)
        decides = "no number of items would decide it" if more is None else f"about {more:,} more items would decide it"
        why = f"the loss could be more or less than {margin:.4g}; {decides}"
    return GateCheck(
        name=paired.title,
        verdict=verdict,
        why=why,
        margin=margin,
        gain=paired.gain,
        low=low,
        high=paired.high,
        n=paired.n,
        more_items=more,
    )


def _expand_slices(entry: MetricMargin, run: EvalRun) -> list[tuple[str, str, Sequence[SuiteItem], float]]:
    """Field, value, items and margin: all items, then each slice."""
    parts: list[tuple[str, str, Sequence[SuiteItem], float]] = [("", "", run.items, entry.margin)]
    margin = 2 * entry.margin if entry.slice_margin is None else entry.slice_margin
    for field in entry.slices:
        if field not in run.manifest.suite.slices:
            raise UnknownName("slice of the suite", field, run.manifest.suite.slices)
        parts += [(field, name, part, margin) for name, part in split_by_slice(run.items, field)]
    return parts


def _p_regressed(drawn: SampledComparison, allowed: float) -> float:
    """One-sided p of a loss no larger than allowed: the share of bootstrap samples that say so."""
    if drawn.gains.size == 0:
        return 1.0
    return float((np.count_nonzero(drawn.gains >= -allowed) + 1) / (drawn.gains.size + 1))


def _count_missing_items(
    paired: MetricComparison, margin: float, sparse: bool, tail: float, confidence: float
) -> int | None:
    """Items beyond those there are, at the clusters' mean size."""
    units = required_items(paired.gain or 0.0, paired.spread, margin, confidence)
    if sparse and metric_scale(paired.metric) == math.inf:
        units = max(units or 0, MIN_MOVED_UNITS)
    elif sparse and 0 < margin < metric_scale(paired.metric):
        seldom = math.ceil(math.log(tail) / math.log1p(-margin / metric_scale(paired.metric))) + 1
        units = max(units or 0, seldom)
    if units is None:
        return None
    return max(1, math.ceil((units - paired.units) * paired.n / paired.units))


def _check_coverage(paired: MetricComparison, policy: GatePolicy) -> GateCheck:
    share = paired.n / paired.items if paired.items else 0.0
    fine = share >= policy.coverage
    return GateCheck(
        name=f"coverage of {paired.metric}",
        verdict="passed" if fine else "inconclusive",
        why=f"both runs scored {paired.n} of {paired.items} items; at least {policy.coverage:.1%} are required",
        n=paired.n,
    )


def _check_must_pass(must: MustPass | None, known: dict[str, MetricSpec], run: EvalRun) -> list[GateCheck]:
    """A check for each item that must never fail. :raises InputError: the run has no such item or metric"""
    if must is None:
        return []
    if must.metric not in known:
        raise UnknownName("metric of the suite", must.metric, known)
    checks = []
    for named in must.items:
        items = [item for item in run.items if item.id == named or item.id.rpartition("#")[0] == named]
        if not items:
            raise InputError(f"must_pass names {named!r}, which is not an item of the runs")
        checks += [_check_item(must, known[must.metric], item, run) for item in items]
    return checks


def _check_item(must: MustPass, spec: MetricSpec, item: SuiteItem, run: EvalRun) -> GateCheck:
    name = f"item {item.id} must pass {must.metric}"
    found = score_items(spec, [item], run.answers)
    if not found.values:
        why = {**found.errored, **found.unscored}[item.id]
        return GateCheck(name=name, verdict="inconclusive", why=f"not measured: {why}", n=0)
    fine = found.values[0] >= must.least
    why = f"{must.metric} {found.values[0]:.4g}, expected at least {must.least:.4g}"
    return GateCheck(name=name, verdict="passed" if fine else "regressed", why=why, n=1)
