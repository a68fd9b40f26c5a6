"""What the votes of a human study say: who is preferred, how sure that is, how far raters agree, and what biased them.

A task counts once, however many judged it: as the lead settled it, else as most raters said, else as a tie. Agreement
is over the raters' own votes, before anything was settled, and without gold. Skipped tasks are missing, not ties.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.core.study import StudyDesign, StudyTask, Vote, is_hurried
from steward.evaluation.agreement import MeasurementLevel as Measured
from steward.evaluation.agreement import (
    ModelStrength,
    bootstrap_coefficient,
    cohen_kappa,
    fit_bradley_terry,
    fleiss_kappa,
    krippendorff_alpha,
)
from steward.evaluation.intervals import resampled_mean, win_rate
from steward.evaluation.statistics import (
    Interval,
    mcnemar,
    permutation,
    wilson,
)
from steward.evaluation.study import latest_votes, vote_verdict

SAMPLES: Final = 1000
RatingTable = dict[str, dict[str, Any]]  # rater, task key, what they said


class Coefficient(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of agreement. Value and ends are NaN where they are not defined."""

    name: str
    of: str  # criterion; "" for choices
    raters: str
    tasks: int
    value: float
    low: float
    high: float


class RaterReport(msgspec.Struct, frozen=True, kw_only=True):
    """One rater. Gold figures are None where there was no gold."""

    name: str
    judged: int
    skipped: int
    median_s: float | None
    hurried: bool  # half of the votes came sooner than a task can be read
    gold: int
    gold_right: int
    gold_share: Interval | None
    left: Interval | None  # share of left among decided votes


class PairReport(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs. `share` is of the first run's wins among tasks that have a winner; with ties as halves beside it."""

    first: str
    second: str
    tasks: int
    wins: int
    losses: int
    ties: int
    bad: int
    same: int  # items with one answer twice, not shown
    failed: int
    share: Interval | None
    share_with_ties: Interval | None
    method: str
    p: float | None  # two-sided sign test, mid-p


class SideBias(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the left answer is chosen more often than the right one, whatever it is."""

    votes: int
    left: int
    share: Interval | None
    p: float | None


class CriterionLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Mean level of a criterion for one run, or the gain of a second run over a first."""

    criterion: str
    run: str
    against: str  # "" for a mean
    tasks: int
    value: float
    low: float
    high: float


class StudyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `planned` comparisons and how many tasks have a verdict now."""

    title: str
    mode: str
    runs: tuple[str, ...]
    tasks: int
    judged: int
    votes: int
    corrected: int
    settled: int
    unsafe: tuple[str, ...]  # items that somebody flagged
    raters: tuple[RaterReport, ...]
    agreement: tuple[Coefficient, ...]
    pairs: tuple[PairReport, ...]
    strengths: tuple[ModelStrength, ...]
    no_strengths: str
    position: SideBias | None
    levels: tuple[CriterionLevel, ...]


class BlindSummary(msgspec.Struct, frozen=True):
    """What the lead may see before the end."""

    agreement: tuple[tuple[str, str], ...]
    left: str


def report_study(
    design: StudyDesign, tasks: Sequence[StudyTask], votes: Sequence[Vote], raters: Sequence[str]
) -> StudyReport:
    """:raises InputError: no vote yet"""
    if not votes:
        raise InputError("the study has no votes yet; open an invite and judge the first task")
    counted = latest_votes(votes)
    judged = [task for task in tasks if not task.gold]
    verdicts = {task.key: verdict for task in judged if (verdict := task_verdict(task, counted, raters)) is not None}
    pairs = _compare_pairs(design, judged, verdicts) if design.mode == "pairs" else []
    strengths, why = _fit_strengths(pairs) if design.mode == "pairs" else ((), "")
    by_key = {task.key: task for task in tasks}
    return StudyReport(
        title=design.title,
        mode=design.mode,
        runs=tuple(run.name for run in design.runs),
        tasks=len(judged),
        judged=len(verdicts),
        votes=len(votes),
        corrected=len(votes) - len(counted),
        settled=sum(1 for rater, _ in counted if rater not in raters),
        unsafe=tuple(sorted({by_key[key].item for (_, key), vote in counted.items() if vote.unsafe})),
        raters=tuple(_report_rater(name, tasks, counted) for name in raters),
        agreement=tuple(measure_agreement(design, judged, counted, raters)),
        pairs=tuple(pairs),
        strengths=strengths,
        no_strengths=why,
        position=measure_side_bias(
            [vote for vote in counted.values() if vote.rater in raters and not by_key[vote.task].gold]
        )
        if design.mode == "pairs"
        else None,
        levels=tuple(_compare_levels(design, judged, verdicts)) if design.mode == "rubric" else (),
    )


def summarise_blind(
    design: StudyDesign, tasks: Sequence[StudyTask], votes: Sequence[Vote], raters: Sequence[str]
) -> BlindSummary:
    """Agreement and the share of left, for the lead's page: nothing of which run is ahead."""
    counted = latest_votes(votes)
    judged = [task for task in tasks if not task.gold]
    kappas = measure_agreement(design, judged, counted, raters, samples=200)
    rows = tuple(
        (coefficient_title(one), format_estimate(one.value, one.low, one.high)) for one in kappas if one.raters == "all"
    )
    side = measure_side_bias([vote for vote in counted.values() if vote.rater in raters])
    left = format_estimate(side.share.value, side.share.low, side.share.high) if side.share else ""
    return BlindSummary(rows, left)


def coefficient_title(one: Coefficient) -> str:
    return one.name + (f", {one.of}" if one.of else "") + (f" ({one.raters})" if one.raters != "all" else "")


def format_estimate(value: float, low: float, high: float) -> str:
    """ "0.71 [0.55, 0.84]", or why not."""
    if math.isnan(value):
        return "not defined"
    return f"{value:.2f}" + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


# -- verdicts -------------------------------------------------------------------------------------------


def task_verdict(task: StudyTask, counted: Mapping[tuple[str, str], Vote], raters: Sequence[str]) -> Any:
    """Of a pair: "first", "second", "tie" or "bad". Of a rubric: the mean level by criterion. None without a vote."""
    settled = [vote for (rater, key), vote in counted.items() if key == task.key and rater not in raters]
    own = [vote for rater in raters if (vote := counted.get((rater, task.key))) is not None]
    votes = [vote for vote in settled or own if vote.choice != "skip"]
    if not votes:
        return None
    if len(task.answers) == 1:
        return {name: fmean(vote.levels[name] for vote in votes) for name in votes[0].levels}
    most = Counter(vote.chosen for vote in votes).most_common(2)
    return "tie" if len(most) > 1 and most[0][1] == most[1][1] else most[0][0]


def _compare_pairs(design: StudyDesign, tasks: Sequence[StudyTask], verdicts: Mapping[str, str]) -> list[PairReport]:
    reports = []
    for pairing in design.pairings:
        mine = [t for t in tasks if t.runs == (pairing.first, pairing.second) and t.key in verdicts]
        counts = Counter(verdicts[task.key] for task in mine)
        wins, losses = counts["first"], counts["second"]
        decided = [task for task in mine if verdicts[task.key] in ("first", "second")]
        share, method = _estimate_share(decided, verdicts)
        reports.append(
            PairReport(
                first=design.runs[pairing.first].name,
                second=design.runs[pairing.second].name,
                tasks=len(mine),
                wins=wins,
                losses=losses,
                ties=counts["tie"],
                bad=counts["bad"],
                same=pairing.same,
                failed=pairing.failed,
                share=share,
                share_with_ties=_estimate_share(mine, verdicts)[0],
                method=method,
                p=_test_wins(decided, verdicts, method) if decided else None,
            )
        )
    return reports


def _estimate_share(tasks: Sequence[StudyTask], verdicts: Mapping[str, str]) -> tuple[Interval | None, str]:
    """The first run's share of wins, ties as halves: Tango's interval, or a bootstrap where items belong together."""
    if not tasks:
        return None, ""
    score = {"first": 1.0, "second": 0.0}
    values = [score.get(verdicts[task.key], 0.5) for task in tasks]
    clusters = [task.cluster for task in tasks]
    units = len(set(clusters))
    if units == len(tasks):
        return win_rate(values.count(1.0), values.count(0.0), len(values)), "tango"
    return resampled_mean(values, 0.0, 1.0, clusters), f"bootstrap of {units} clusters"


def _test_wins(decided: Sequence[StudyTask], verdicts: Mapping[str, str], method: str) -> float:
    """Two-sided p that wins are even: the sign test, mid-p, or a permutation of clusters."""
    values = [float(verdicts[task.key] == "first") for task in decided]
    if method.startswith("bootstrap"):
        return permutation([0.5] * len(values), values, [task.cluster for task in decided])
    return mcnemar(values.count(1.0), values.count(0.0)).mid_p


def _fit_strengths(pairs: Sequence[PairReport]) -> tuple[tuple[ModelStrength, ...], str]:
    wins: dict[tuple[str, str], float] = {}
    for pair in pairs:
        half = (pair.ties + pair.bad) / 2
        wins[pair.first, pair.second] = pair.wins + half
        wins[pair.second, pair.first] = pair.losses + half
    fit = fit_bradley_terry(wins)
    return tuple(sorted(fit.strengths, key=lambda strength: -strength.value)), fit.why


def _compare_levels(
    design: StudyDesign, tasks: Sequence[StudyTask], verdicts: Mapping[str, Mapping[str, float]]
) -> list[CriterionLevel]:
    """Means of each run, and gains of later runs over earlier ones on items that both have."""
    rows = []
    by_run = {
        number: {task.item: verdicts[task.key] for task in tasks if task.runs == (number,) and task.key in verdicts}
        for number in range(len(design.runs))
    }
    for criterion, most in ((criterion.name, len(criterion.levels)) for criterion in design.criteria):
        for number, run in enumerate(design.runs):
            values = [levels[criterion] for levels in by_run[number].values()]
            if values:
                mean = resampled_mean(values, 1.0, float(most), samples=SAMPLES)
                rows.append(_make_level(criterion, run.name, "", len(values), mean))
        for first, second in combinations(range(len(design.runs)), 2):
            both = sorted(by_run[first].keys() & by_run[second].keys())
            if both:
                gains = [by_run[second][item][criterion] - by_run[first][item][criterion] for item in both]
                gain = resampled_mean(gains, 1.0 - most, most - 1.0, samples=SAMPLES)
                rows.append(_make_level(criterion, design.runs[second].name, design.runs[first].name, len(both), gain))
    return rows


def _make_level(criterion: str, run: str, against: str, tasks: int, of: Interval) -> CriterionLevel:
    return CriterionLevel(
        criterion=criterion, run=run, against=against, tasks=tasks, value=of.value, low=of.low, high=of.high
    )


# -- raters ---------------------------------------------------------------------------------------------


def _report_rater(name: str, tasks: Sequence[StudyTask], counted: Mapping[tuple[str, str], Vote]) -> RaterReport:
    mine = {key: vote for (rater, key), vote in counted.items() if rater == name}
    times = [vote.seconds for vote in mine.values() if vote.seconds is not None]
    gold = [(task, mine[task.key]) for task in tasks if task.gold and task.key in mine]
    right = sum(_is_gold_right(task, vote) for task, vote in gold)
    golden = {task.key for task, _ in gold}
    return RaterReport(
        name=name,
        judged=sum(vote.choice != "skip" for vote in mine.values()),
        skipped=sum(vote.choice == "skip" for vote in mine.values()),
        median_s=median(times) if times else None,
        hurried=is_hurried(median(times) if times else None),
        gold=len(gold),
        gold_right=right,
        gold_share=wilson(right, len(gold)) if gold else None,
        left=measure_side_bias([vote for key, vote in mine.items() if key not in golden]).share,
    )


def _is_gold_right(task: StudyTask, vote: Vote) -> bool:
    """A skipped gold task is wrong: it was there to see whether somebody looks."""
    if len(task.answers) == 2:
        return vote.chosen == "first"
    return vote.choice == "rated" and all(vote.levels.get(name) == level for name, level in task.levels.items())


def measure_side_bias(votes: Sequence[Vote]) -> SideBias:
    """Over votes for the left or the right answer. Sides are tossed, so that a half is expected."""
    left = sum(vote.choice == "left" for vote in votes)
    right = sum(vote.choice == "right" for vote in votes)
    n = left + right
    return SideBias(
        votes=n, left=left, share=win_rate(left, right, n) if n else None, p=mcnemar(left, right).mid_p if n else None
    )


# -- agreement ------------------------------------------------------------------------------------------


def measure_agreement(
    design: StudyDesign,
    tasks: Sequence[StudyTask],
    counted: Mapping[tuple[str, str], Vote],
    raters: Sequence[str],
    samples: int = SAMPLES,
) -> list[Coefficient]:
    """Of choices, or of each criterion: raw agreement, alpha, Fleiss, and Cohen for every two raters."""
    if design.mode == "pairs":
        choices = {name: _rater_choices(name, tasks, counted) for name in raters}
        return _measure_coefficients("", choices, tasks, raters, samples, ordinal=False)
    coefficients = []
    for criterion in (criterion.name for criterion in design.criteria):
        choices = {name: _rater_choices(name, tasks, counted, criterion) for name in raters}
        coefficients += _measure_coefficients(criterion, choices, tasks, raters, samples, ordinal=True)
    return coefficients


def _rater_choices(
    rater: str, tasks: Sequence[StudyTask], counted: Mapping[tuple[str, str], Vote], criterion: str = ""
) -> dict[str, Any]:
    choices = {}
    for task in tasks:
        vote = counted.get((rater, task.key))
        if vote is not None and vote_verdict(task, vote) is not None:
            choices[task.key] = vote.levels[criterion] if criterion else vote.chosen
    return choices


def _measure_coefficients(
    of: str, choices: RatingTable, tasks: Sequence[StudyTask], raters: Sequence[str], samples: int, *, ordinal: bool
) -> list[Coefficient]:
    keys = [task.key for task in tasks if sum(task.key in choices[name] for name in raters) >= 2]
    if not keys:
        return []
    table = [[choices[name].get(key) for key in keys] for name in raters]  # (raters, tasks)

    def one(name: str, who: str, chosen: Sequence[str], measure: Any) -> Coefficient:
        interval = bootstrap_coefficient(measure, len(chosen), samples=samples)
        return Coefficient(
            name=name, of=of, raters=who, tasks=len(chosen),
            value=interval.value, low=interval.low, high=interval.high,
        )  # fmt: skip

    level: Measured = "ordinal" if ordinal else "nominal"
    shares = np.array([_raw_agreement([row[index] for row in table]) for index in range(len(keys))])
    raw = resampled_mean(shares.tolist(), 0.0, 1.0, samples=samples)
    coefficients = [
        Coefficient(
            name="raw agreement", of=of, raters="all", tasks=len(keys), value=raw.value, low=raw.low, high=raw.high
        )
    ]
    coefficients.append(
        one(
            f"Krippendorff's alpha, {level}",
            "all",
            keys,
            lambda drawn: krippendorff_alpha(_select_columns(table, drawn), level),
        )
    )
    whole = [key for key in keys if all(key in choices[name] for name in raters)]
    if whole:
        labels = sorted({choices[name][key] for name in raters for key in whole})
        counts = np.array([[sum(choices[n][key] == label for n in raters) for label in labels] for key in whole])
        coefficients.append(one("Fleiss' kappa", "all", whole, lambda drawn: fleiss_kappa(counts[drawn].tolist())))
    weights = "quadratic" if ordinal else "none"
    for a, b in combinations(raters, 2):
        both = [key for key in keys if key in choices[a] and key in choices[b]]
        if both:
            x, y = [choices[a][key] for key in both], [choices[b][key] for key in both]
            name = "Cohen's kappa" + (", quadratic" if ordinal else "")
            coefficients.append(one(name, f"{a}, {b}", both, _make_kappa(x, y, weights)))
    return coefficients


def _make_kappa(x: Sequence[Any], y: Sequence[Any], weights: Any) -> Any:
    return lambda drawn: cohen_kappa([x[index] for index in drawn], [y[index] for index in drawn], weights)


def _select_columns(table: Sequence[Sequence[Any]], drawn: NDArray[np.intp]) -> list[list[Any]]:
    return [[row[index] for index in drawn] for row in table]


def _raw_agreement(choices: Sequence[Any]) -> float:
    """The share of pairs of raters that said the same of one task."""
    values = [value for value in choices if value is not None]
    pairs = list(combinations(values, 2))
    return fmean(a == b for a, b in pairs)
