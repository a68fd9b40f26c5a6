"""Whether a candidate may take over: promoted, rolled back, or not decided yet.

Requests are added one by one, and a look may come at any time: every test here holds however often one looks. A
promotion needs every required guard to pass, a rollback needs one to fail; alpha is split over the guards only there.
"""

from __future__ import annotations

from math import inf, log
from typing import Final, Literal

import msgspec

from steward.core.records import Arm
from steward.improvement.anytime import mean_of_evidence, to_e_value
from steward.improvement.config import GuardName, GuardPlan, ReleasePlan
from steward.improvement.events import ReleaseEvent
from steward.improvement.sums import BadEvents, Comparisons, DrawnArms, Estimate, PairedMeans

Verdict = Literal["passed", "regressed", "inconclusive"]
Decision = Literal["promote", "roll back", "inconclusive"]
_RANGE: Final = 2.0  # of a score: from -1 to 1
_ONLY_ROLL_BACK: Final = ("refusals", "guard_hits")  # events that are more than allowed, or tell nothing
SPLIT_ALARM: Final = 1000.0  # e-value at which arms were certainly not drawn as noted


class GuardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard says. `estimate` and `interval` are on the scale of its margin; `e_value`: for what it says."""

    name: GuardName
    verdict: Verdict
    required: bool
    margin: float
    estimate: float | None
    interval: tuple[float | None, float | None] | None
    e_value: float | None
    units: dict[Arm, int]
    why: str


class SplitReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether people were drawn with the weights that are noted."""

    verdict: Literal["held", "broken"]
    candidate: int
    expected: float
    units: int
    e_value: float


class ReleaseDecision(msgspec.Struct, frozen=True, kw_only=True):
    """`step`: the candidate's share at that time; `at`: when, in seconds since the epoch."""

    decision: Decision
    at: float | None
    step: float | None
    why: str
    guards: tuple[GuardReport, ...]
    split_check: SplitReport
    events: int


class Canary:
    """A release in progress. Times are the events' own, so that a replay decides as the day itself did."""

    def __init__(self, plan: ReleasePlan) -> None:
        self._plan = plan
        self._started: float | None = None
        self._at: float | None = None
        self._step: float | None = None
        self._events = 0
        self._split = DrawnArms()
        self._bad = {name: BadEvents() for name in ("errors", "slow", "rating_rate", *_ONLY_ROLL_BACK)}
        self._means = {
            "errors": PairedMeans(),
            "slow": PairedMeans(),
            "cost": PairedMeans(swing=None),
            "judge": PairedMeans(swing=_RANGE),
            "ratings": PairedMeans(swing=_RANGE),
        }
        self._comparisons = Comparisons()

    def add(self, event: ReleaseEvent) -> None:
        """Count a request; one within the warm-up counts for nothing but the time."""
        if self._started is None:
            self._started = event.at
        self._at, self._step = event.at, event.weight
        self._events += 1
        if event.at - self._started < self._plan.warm_up_s:
            return
        subject, arm, weight = event.subject, event.arm, event.weight
        self._split.add(subject, arm, weight)
        for name, bad in (
            ("errors", event.bad),
            ("slow", event.slow),
            ("rating_rate", event.score is not None),
            ("refusals", event.refused),
            ("guard_hits", event.guard_hit),
        ):
            if bad is not None:
                self._bad[name].add(event.at, subject, arm, weight, bad)
                if name in self._means:
                    self._means[name].add(subject, arm, weight, float(bad))
        for name, value in (("cost", event.usd), ("judge", event.judge), ("ratings", event.score)):
            if value is not None:
                self._means[name].add(subject, arm, weight, value)

    def add_rating(self, at: float, subject: str | None, arm: Arm, weight: float, score: float) -> None:
        """A rating that came after its request was counted."""
        if self._is_warm(at):
            self._bad["rating_rate"].add(at, subject, arm, weight, True)
            self._means["ratings"].add(subject, arm, weight, score)

    def add_comparison(self, at: float, subject: str | None, difference: float) -> None:
        """What a judge said of both answers to one request; with these, the guard judge goes by them alone."""
        if self._started is None:
            self._started = at
        self._at = at if self._at is None else max(self._at, at)
        if self._is_warm(at):
            self._comparisons.add(subject, difference)

    def _is_warm(self, at: float) -> bool:
        return self._started is not None and at - self._started >= self._plan.warm_up_s

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to decide on."""
        return self._started is not None

    def decide(self) -> ReleaseDecision | None:
        """The decision of a look now; None: go on."""
        assert self._at is not None and self._started is not None
        if self._split.flips.log_split_evidence() >= log(SPLIT_ALARM):
            return self.report("inconclusive", "people were not drawn with the weights that are noted")
        verdicts = {guard.name: self._judge(guard) for guard in self._plan.guards}
        if failed := [name for name, verdict in verdicts.items() if verdict == "regressed"]:
            return self.report("roll back", f"the candidate is worse: {_list_names(failed)}")
        open_guards = [guard for guard in self._plan.guards if guard.required and verdicts[guard.name] != "passed"]
        lasted_s = self._at - self._started
        if not open_guards and lasted_s >= self._plan.minimum_duration_s:
            return self.report("promote", "every required guard has passed")
        if late := [guard.name for guard in open_guards if lasted_s >= guard.maximum_duration_s]:
            return self.report("inconclusive", f"undecided at its maximum duration: {_list_names(late)}")
        return None

    def report(self, decision: Decision, why: str) -> ReleaseDecision:
        """All that is known now, under a decision."""
        flips = self._split.flips
        evidence = flips.log_split_evidence()
        return ReleaseDecision(
            decision=decision,
            at=self._at,
            step=self._step,
            why=why,
            guards=tuple(self._describe(guard) for guard in self._plan.guards),
            split_check=SplitReport(
                verdict="broken" if evidence >= log(SPLIT_ALARM) else "held",
                candidate=flips.candidate,
                expected=round(flips.expect_candidate(), 3),
                units=flips.events,
                e_value=to_e_value(evidence),
            ),
            events=self._events,
        )

    def _judge(self, guard: GuardPlan) -> Verdict:
        passed, failed, _ = self._weigh(guard)
        return "regressed" if failed else "passed" if passed else "inconclusive"

    def _weigh(self, guard: GuardPlan) -> tuple[bool, bool, float | None]:
        """Whether a guard passes, whether it fails, and the e-value for the one that it is nearer to."""
        harm_alpha = self._plan.rollback_alpha / len(self._plan.guards)
        enough = min(self.count_units(guard.name).values()) >= guard.minimum_units
        if guard.name == "rating_rate":
            flips = self._bad[guard.name].find_independent()
            fewer, more = flips.log_evidence(1 / guard.margin, "below"), flips.log_evidence(guard.margin, "above")
            harm = mean_of_evidence(fewer, more)
            return False, harm >= log(1 / harm_alpha), to_e_value(harm)
        if guard.name in _ONLY_ROLL_BACK:
            harm = self._bad[guard.name].find_independent().log_evidence(guard.margin, "above")
            return False, harm >= log(1 / harm_alpha), to_e_value(harm)
        if guard.name in self._bad:
            bad = self._bad[guard.name]
            flips = bad.find_independent()
            harm = flips.log_evidence(1.0, "above")
            if harm >= log(1 / harm_alpha):
                return False, True, to_e_value(harm)
            good, edge = flips.log_evidence(guard.margin, "below"), log(1 / self._plan.promotion_alpha)
            below = -inf  # that its own rate is below the floor: half of the mean of both
            if guard.floor is not None:
                below = bad.log_floor_evidence(guard.floor) - log(2.0)
                good = mean_of_evidence(good, below + log(2.0))
            passed = below >= edge or (good >= edge and self._passes_by_request(guard))
            return enough and passed, False, to_e_value(good)
        return *self._weigh_means(guard, enough, harm_alpha), None

    def _passes_by_request(self, guard: GuardPlan) -> bool:
        """Whether the rate a request is within the margin too.

        Where most people meet a bad event on most days, twice the bad requests are hardly more people (F1 alone would
        pass them); where few make most of the requests, neither tells.
        """
        means = self._means[guard.name]
        if means.count_effective() < guard.minimum_units:
            return False
        width = means.width(self._plan.promotion_alpha, self._plan.planned_units, guard.margin)
        return means.difference(guard.margin) + width < 0.0

    def _weigh_means(self, guard: GuardPlan, enough: bool, harm_alpha: float) -> tuple[bool, bool]:
        """By a confidence sequence: inside the margin, or beyond it. It holds from some 50 people an arm on."""
        if not enough or self._count_effective(guard.name) < guard.minimum_units:
            return False, False
        planned = self._plan.planned_units
        if guard.name == "judge" and self._comparisons.requests:
            worse = -self._comparisons.difference() - guard.margin
            passed = guard.required and worse + self._comparisons.width(self._plan.promotion_alpha, planned) < 0.0
            return passed, worse - self._comparisons.width(harm_alpha, planned) > 0.0
        means = self._means[guard.name]
        if guard.name == "cost":
            factor = 1.0 + guard.margin
            worse = means.difference(factor)  # dollars a request beyond what is allowed
        else:
            factor, worse = 1.0, -means.difference() - guard.margin
        passed = guard.required and worse + means.width(self._plan.promotion_alpha, planned, factor) < 0.0
        return passed, worse - means.width(harm_alpha, planned, factor) > 0.0

    def count_units(self, name: GuardName) -> dict[Arm, int]:
        """People (and days, of bad events) of each arm that a guard knows something of."""
        if name == "judge" and self._comparisons.requests:
            return dict(self._comparisons.people)
        return dict(self._bad[name].units if name in self._bad else self._means[name].people)

    def _count_effective(self, name: GuardName) -> float:
        if name not in self._means:
            return inf
        by_judge = name == "judge" and self._comparisons.requests
        return self._comparisons.count_effective() if by_judge else self._means[name].count_effective()

    def _describe(self, guard: GuardPlan) -> GuardReport:
        passed, failed, e_value = self._weigh(guard)
        estimate = self._estimate(guard)
        units = self.count_units(guard.name)
        return GuardReport(
            name=guard.name,
            verdict="regressed" if failed else "passed" if passed else "inconclusive",
            required=guard.required,
            margin=guard.margin,
            estimate=None if estimate is None else _finite(estimate[0]),
            interval=None if estimate is None else (_finite(estimate[1][0]), _finite(estimate[1][1])),
            e_value=e_value,
            units=units,
            why=_explain(guard, units, self._count_effective(guard.name), passed, failed),
        )

    def _estimate(self, guard: GuardPlan) -> Estimate | None:
        alpha, planned = self._plan.promotion_alpha, self._plan.planned_units
        if guard.name in self._bad:
            return self._bad[guard.name].find_independent().estimate_ratio(alpha)
        if guard.name == "judge" and self._comparisons.requests:
            return self._comparisons.estimate_difference(alpha, planned)
        means = self._means[guard.name]
        if guard.name == "cost":
            return means.estimate_ratio(alpha, planned)
        return means.estimate_difference(alpha, planned)


def _explain(guard: GuardPlan, units: dict[Arm, int], effective: float, passed: bool, failed: bool) -> str:
    if failed:
        return "certainly worse than allowed" if guard.name not in ("errors", "slow") else "certainly worse"
    if passed:
        return "certainly within the margin"
    if not any(units.values()):
        return "nothing is known of it"
    fewest: Arm = min(units, key=lambda arm: units[arm])
    if units[fewest] < guard.minimum_units:
        return f"{units[fewest]} people had the {fewest}; at least {guard.minimum_units} are needed"
    if effective < guard.minimum_units:
        return f"few people make most of the requests: they tell as much as {effective:.0f} people of an arm would"
    return "only rolls back" if not guard.required else "more people are needed"


def _list_names(names: list[GuardName]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _finite(value: float) -> float | None:
    """None for what JSON has no word for."""
    return value if abs(value) < float("inf") else None
