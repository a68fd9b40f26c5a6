"""Whether a candidate may be released: not worse than the baseline by more than a margin, metric by metric.

For each check the interval [L, U] of the gain is set against the margin δ:

    passed        L > -δ            the loss is smaller than δ, whatever else
    regressed     U < -δ            (strict: U < 0)
    inconclusive  otherwise         with the number of items that would decide

[L, U] is the interval that `steward eval compare` shows. All checks must pass, so that passing needs no correction for
their number (an intersection-union test; Berger 1982). One check that regressed is enough to refuse, so that refusing
needs one: the gate says regressed where a check still is after Holm's correction (1979), and inconclusive where none
is. Coverage (items that both runs scored) and items that must never fail are checks of their own: what was not
measured is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import msgspec

from steward.configuration.yaml_lines import read_struct
from steward.core.errors import InputError, UnknownName
from steward.core.rates import holm
from steward.evaluation.compare import (
    MetricComparison,
    SampledComparison,
    SampledGain,
    compare_metric,
    pair_rows,
    require_matching_runs,
)
from steward.evaluation.intervals import is_degenerate
from steward.evaluation.run import EvalRun, score_items, split_by_slice
from steward.evaluation.statistics import SAMPLES, required_items
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


class _Judged(msgspec.Struct, frozen=True):
    """A check of a metric, with its comparison and the loss that is allowed."""

    check: GateCheck
    comparison: SampledComparison
    allowed: float


def decide_gate(baseline: EvalRun, candidate: EvalRun, policy: GatePolicy, samples: int = SAMPLES) -> GateDecision:
    """:raises InputError: runs over different data, a metric or slice that the suite does not have"""
    require_matching_runs(baseline, candidate)
    known = {spec.name: spec for spec in baseline.manifest.suite.metric_specs()}
    judged: list[_Judged] = []
    coverage: list[GateCheck] = []
    for entry in policy.metrics:
        if entry.name not in known:
            raise UnknownName("metric of the suite", entry.name, known)
        first = len(judged)  # all items come before slices
        rows = pair_rows(known[entry.name], baseline.items, baseline, candidate)
        for field, name, part, margin in _expand_slices(entry, baseline):
            compared = compare_metric(
                known[entry.name], part, baseline, candidate, policy.confidence, field, name, samples, rows=rows
            )
            allowed = 0.0 if policy.strict else margin
            judged.append(_Judged(judge_metric(compared, margin, policy), compared, allowed))
        coverage.append(_check_coverage(judged[first].comparison.paired, policy))
    checks, certain = _correct(judged, policy)
    required = [baseline.manifest.suite.must_pass, candidate.manifest.suite.must_pass, policy.must_pass]
    must = [check for each in required for check in _check_must_pass(each, known, candidate)]
    checks = [*{check.name: check for check in [*checks, *must, *coverage]}.values()]
    return GateDecision(
        verdict=_overall(checks, certain or any(check.verdict == "regressed" for check in must)),
        baseline=baseline.manifest.model,
        candidate=candidate.manifest.model,
        data_sha256=baseline.manifest.data_sha256,
        checks=tuple(checks),
    )


def judge_metric(compared: SampledComparison, margin: float, policy: GatePolicy) -> GateCheck:
    """One metric over one set of items: the verdict is what its interval says, and nothing else."""
    paired, sampled = compared.paired, compared.sampled
    if sampled is None or paired.low is None or paired.high is None:
        why = "no item was scored in both runs" if sampled is None else "too few different values for an interval"
        return GateCheck(
            name=paired.title, verdict="inconclusive", why=why, margin=margin, gain=paired.gain, n=paired.n
        )
    allowed = 0.0 if policy.strict else margin
    more = None
    verdict: GateVerdict
    if paired.high < -allowed:
        verdict, why = "regressed", f"lost {-sampled.gain:.4g}, certainly more than {allowed:.4g}"
    elif paired.low > -margin:
        verdict, why = "passed", f"the loss is certainly less than {margin:.4g}"
        if paired.high < 0:
            why += "; there is a real loss, but it is within the margin"
    else:
        verdict, more = "inconclusive", _count_missing_items(compared, margin, policy.confidence)
        plural = "" if more == 1 else "s"
        decides = f"about {more:,} more item{plural} would decide it" if more else "no number of items would decide it"
        why = f"the loss could be more or less than {margin:.4g}; {decides}"
    return GateCheck(
        name=paired.title,
        verdict=verdict,
        why=why,
        margin=margin,
        gain=paired.gain,
        low=paired.low,
        high=paired.high,
        n=paired.n,
        more_items=more,
    )


def _correct(judged: Sequence[_Judged], policy: GatePolicy) -> tuple[list[GateCheck], bool]:
    """The checks, and whether one of them regressed for certain after Holm's correction over all of them.

    A check that regressed by its own interval alone says so: among many checks, chance makes some.
    """
    tail = (1 - policy.confidence) / 2
    p_values = [
        each.comparison.sampled.p_below(-each.allowed)
        if each.check.verdict == "regressed" and each.comparison.sampled is not None
        else 1.0
        for each in judged
    ]
    checks, certain = [], False
    for each, p in zip(judged, holm(p_values), strict=True):
        check = each.check
        if check.verdict == "regressed" and p > tail:
            note = f"; among {len(judged)} checks this may be chance (Holm-corrected p {p:.2g}, needed {tail:.3g})"
            check = msgspec.structs.replace(check, why=check.why + note)
        certain |= check.verdict == "regressed" and p <= tail
        checks.append(check)
    return checks, certain


def _overall(checks: Sequence[GateCheck], certain: bool) -> GateVerdict:
    """Regressed where a check did for certain; passed only where all checks passed."""
    if certain:
        return "regressed"
    return "passed" if all(check.verdict == "passed" for check in checks) else "inconclusive"


def _expand_slices(entry: MetricMargin, run: EvalRun) -> list[tuple[str, str, Sequence[SuiteItem], float]]:
    """Field, value, items and margin: all items, then each slice."""
    parts: list[tuple[str, str, Sequence[SuiteItem], float]] = [("", "", run.items, entry.margin)]
    margin = 2 * entry.margin if entry.slice_margin is None else entry.slice_margin
    for field in entry.slices:
        if field not in run.manifest.suite.slices:
            raise UnknownName("slice of the suite", field, run.manifest.suite.slices)
        parts += [(field, name, part, margin) for name, part in split_by_slice(run.items, field)]
    return parts


def _count_missing_items(compared: SampledComparison, margin: float, confidence: float) -> int | None:
    """Items beyond those there are, at the clusters' mean size; None where no number would decide."""
    paired, sampled = compared.paired, compared.sampled
    units = required_items(paired.gain or 0.0, paired.spread, margin, confidence)
    if sampled is not None and is_degenerate(sampled.units) and 0 < margin < sampled.scale < math.inf:
        units = max(units or 0, _items_without_a_loss(sampled, margin, confidence))
    if units is None:
        return None
    return max(1, math.ceil((units - paired.units) * paired.n / paired.units))


def _items_without_a_loss(sampled: SampledGain, margin: float, confidence: float) -> int:
    """Units that bound the loss by the margin if none of them loses anything."""
    share, z = margin / sampled.scale, NormalDist().inv_cdf(0.5 + confidence / 2)
    return math.floor(z * z * (1 - share) / share) + 1  # Tango's interval without a loss ends at z² / (n + z²)


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
    scored = score_items(spec, [item], run.answers, run.manifest.suite.filters)
    if not scored.values:
        why = {**scored.errored, **scored.unscored}[item.id]
        return GateCheck(name=name, verdict="inconclusive", why=f"not measured: {why}", n=0)
    fine = scored.values[0] >= must.least
    why = f"{must.metric} {scored.values[0]:.4g}, expected at least {must.least:.4g}"
    return GateCheck(name=name, verdict="passed" if fine else "regressed", why=why, n=1)
