"""Whether a candidate may be released: not worse than the baseline by more than a margin, metric by metric.

For each guard the interval [L, U] of the gain is set against the margin δ:

    passed        L > -δ            the loss is smaller than δ, whatever else
    regressed     U < -δ            (strict: U < 0); after Holm's correction over all guards
    inconclusive  otherwise         with the number of items that would decide

All guards must pass, so that no correction is needed for passing (an intersection-union test; Berger 1982), and one
that regressed refuses, so that it is needed for refusing. Coverage (items that both runs scored) and items that must
never fail are guards of their own: what was not measured is never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import yaml

from steward.core.errors import InputError, UnknownName
from steward.evaluation.compare import FEW, Drawn, Paired, moved_units, must_match, pair
from steward.evaluation.metrics import scale_of
from steward.evaluation.run import Folder, by_slice, scored
from steward.evaluation.statistics import SAMPLES, clopper_pearson, holm, required_items
from steward.evaluation.suite import Item, MetricSpec, MustPass

Verdict = Literal["passed", "regressed", "inconclusive"]


class Guarded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of the policy: how much may be lost, on the metric's own scale."""

    name: str
    margin: float
    slices: tuple[str, ...] = ()  # fields of whose values each is guarded too
    slice_margin: float | None = None  # else twice the margin


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """gate.yaml."""

    metrics: tuple[Guarded, ...]
    confidence: float = 0.95
    strict: bool = False  # any real loss regresses, even one within the margin
    coverage: float = 0.99  # least share of items that both runs scored
    must_pass: MustPass | None = None  # beside the suite's


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard found. `more_items`: how many more would decide, where it could not."""

    name: str
    verdict: Verdict
    why: str
    margin: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    more_items: int | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's answer, and all it rests on."""

    verdict: Verdict
    baseline: str
    candidate: str
    data_sha256: str
    guards: tuple[Guard, ...]


def load_policy(path: Path) -> Policy:
    """:raises InputError: another shape, by its key; a margin or share out of range"""
    try:
        policy = msgspec.convert(yaml.safe_load(path.read_text()), Policy)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a policy in YAML") from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    if not policy.metrics:
        raise InputError(f"{path}: metrics is empty; a gate without guards would pass everything")
    for guarded in policy.metrics:
        for margin in (guarded.margin, guarded.slice_margin):
            if margin is not None and not (math.isfinite(margin) and margin >= 0):
                raise InputError(f"{path}: {guarded.name}: margin {margin}, expected 0 or more")
    for name, value, least, most in (
        ("confidence", policy.confidence, 0.5, 0.9999),
        ("coverage", policy.coverage, 0.0, 1.0),
    ):
        if not least <= value <= most:
            raise InputError(f"{path}: {name} {value}, expected {least} to {most}")
    return policy


def decide(baseline: Folder, candidate: Folder, policy: Policy, samples: int = SAMPLES) -> Decision:
    """:raises InputError: runs over different data, a metric or slice that the suite does not have"""
    must_match(baseline, candidate)
    known = {spec.name: spec for spec in baseline.manifest.suite.metric_specs()}
    drawn: list[tuple[Drawn, Sequence[Item], float]] = []
    coverage: list[Guard] = []
    for guarded in policy.metrics:
        if guarded.name not in known:
            raise UnknownName("metric of the suite", guarded.name, known)
        whole = len(drawn)  # its place: all items come before slices
        for field, name, part, margin in _parts(guarded, baseline):
            found = pair(
                known[guarded.name], part, baseline, candidate, policy.confidence, field, name, samples=samples
            )
            drawn.append((found, part, margin))
        coverage.append(_coverage(drawn[whole][0].paired, policy))
    adjusted = holm([_p_regressed(found, 0.0 if policy.strict else margin) for found, _, margin in drawn])
    guards = [judge(found, part, margin, p, policy) for (found, part, margin), p in zip(drawn, adjusted, strict=True)]
    for must in (baseline.manifest.suite.must_pass, candidate.manifest.suite.must_pass, policy.must_pass):
        guards += _never_fail(must, known, candidate)
    guards = [*{guard.name: guard for guard in [*guards, *coverage]}.values()]
    verdicts = {guard.verdict for guard in guards}
    order: tuple[Verdict, ...] = ("regressed", "inconclusive", "passed")
    return Decision(
        verdict=next(verdict for verdict in order if verdict in verdicts),
        baseline=baseline.manifest.model,
        candidate=candidate.manifest.model,
        data_sha256=baseline.manifest.data_sha256,
        guards=tuple(guards),
    )


def judge(drawn: Drawn, items: Sequence[Item], margin: float, p_regressed: float, policy: Policy) -> Guard:
    """One metric over one set of items. `p_regressed`: of the loss being within what is allowed, corrected."""
    paired = drawn.paired
    if paired.low is None or paired.high is None or paired.gain is None:
        return Guard(name=paired.title, verdict="inconclusive", why="fewer than two items to compare", n=paired.n)
    low, tail = paired.low, (1 - policy.confidence) / 2
    sparse, bounded = moved_units((*paired.better, *paired.worse), items) < FEW, scale_of(paired.metric) < math.inf
    if sparse and bounded:  # what was seen in k of n units may happen in this share of all, and cost
        share = clopper_pearson(moved_units(paired.worse, items), paired.units, policy.confidence).high
        low = min(low, -scale_of(paired.metric) * share)  # all of an item each time
    elif sparse and paired.units < FEW:
        low = -math.inf
    allowed = 0.0 if policy.strict else margin
    verdict: Verdict = "inconclusive"
    more = None
    if paired.high < -allowed and p_regressed <= tail and not (sparse and paired.units < FEW):
        verdict, why = "regressed", f"lost {-paired.gain:.4g}, and more than {allowed:.4g} for sure"
    elif low > -margin:
        verdict, why = "passed", f"lost less than {margin:.4g} for sure"
        if paired.high < 0:
            why += "; a real loss, within the margin"
    else:
        more = _more(paired, margin, sparse, tail, policy.confidence)
        decides = "no number of items decides" if more is None else f"about {more:,} more items decide"
        why = f"the loss may be more than {margin:.4g}, or less; {decides}"
    return Guard(
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


def _parts(guarded: Guarded, run: Folder) -> list[tuple[str, str, Sequence[Item], float]]:
    """Field, value, items and margin: all items, then each slice."""
    parts: list[tuple[str, str, Sequence[Item], float]] = [("", "", run.items, guarded.margin)]
    margin = 2 * guarded.margin if guarded.slice_margin is None else guarded.slice_margin
    for field in guarded.slices:
        if field not in run.manifest.suite.slices:
            raise UnknownName("slice of the suite", field, run.manifest.suite.slices)
        parts += [(field, name, part, margin) for name, part in by_slice(run.items, field)]
    return parts


def _p_regressed(drawn: Drawn, allowed: float) -> float:
    """One-sided p of a loss no larger than allowed: the share of bootstrap samples that say so."""
    if drawn.gains.size == 0:
        return 1.0
    return float((np.count_nonzero(drawn.gains >= -allowed) + 1) / (drawn.gains.size + 1))


def _more(paired: Paired, margin: float, sparse: bool, tail: float, confidence: float) -> int | None:
    """Items beyond those there are, at the clusters' mean size."""
    units = required_items(paired.gain or 0.0, paired.spread, margin, confidence)
    if sparse and scale_of(paired.metric) == math.inf:
        units = max(units or 0, FEW)
    elif sparse and 0 < margin < scale_of(paired.metric):
        seldom = math.ceil(math.log(tail) / math.log1p(-margin / scale_of(paired.metric))) + 1
        units = max(units or 0, seldom)
    if units is None:
        return None
    return max(1, math.ceil((units - paired.units) * paired.n / paired.units))


def _coverage(paired: Paired, policy: Policy) -> Guard:
    share = paired.n / paired.items if paired.items else 0.0
    fine = share >= policy.coverage
    return Guard(
        name=f"coverage of {paired.metric}",
        verdict="passed" if fine else "inconclusive",
        why=f"both runs scored {paired.n} of {paired.items} items, expected {policy.coverage:.1%} of them",
        n=paired.n,
    )


def _never_fail(must: MustPass | None, known: dict[str, MetricSpec], run: Folder) -> list[Guard]:
    """A guard for each item that must never fail. :raises InputError: the run has no such item or metric"""
    if must is None:
        return []
    if must.metric not in known:
        raise UnknownName("metric of the suite", must.metric, known)
    guards = []
    for named in must.items:
        items = [item for item in run.items if item.id == named or item.id.rpartition("#")[0] == named]
        if not items:
            raise InputError(f"must_pass names {named!r}, which is no item of the runs")
        guards += [_kept(must, known[must.metric], item, run) for item in items]
    return guards


def _kept(must: MustPass, spec: MetricSpec, item: Item, run: Folder) -> Guard:
    name = f"item {item.id} must pass {must.metric}"
    found = scored(spec, [item], run.answers)
    if not found.values:
        why = {**found.errored, **found.unscored}[item.id]
        return Guard(name=name, verdict="inconclusive", why=f"not measured: {why}", n=0)
    fine = found.values[0] >= must.least
    why = f"{must.metric} {found.values[0]:.4g}, expected {must.least:.4g} or more"
    return Guard(name=name, verdict="passed" if fine else "regressed", why=why, n=1)
