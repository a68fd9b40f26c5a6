"""How often a release decides wrongly, and how soon rightly, by simulation.

    python benchmarks/bench_release.py --simulations 2000

Requests come from people who come again. A person is prone to trouble or not, and who is prone fails in every tenth
request or so, which gives an intra-class correlation of 0.1 and lets a ratio of rates be the same for requests and for
people; scores and prices have a part that is the person's (the same correlation). Cells of A/A let the rates of
errors, refusals and guard hits grow fourfold within the week.

All looks of a simulation are taken at once with NumPy over the sums that `steward.improvement` keeps, by the formulas
of `steward.improvement.anytime` (`release_evidence.py`); all eight guards look at each request. `--check 20` replays so
many simulations of each cell through `steward.improvement.backtest` and compares decision, time and requests: both must
agree in every one.

Times to find harm and to promote are told beside those of people who come once, times the design effect
1 + ICC m, m the mean requests of a person (Poisson) within that time, times two: that is the reach.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from release_evidence import log_coin_evidences, log_floor_evidences, log_split_evidences
from release_winner import WINNER_HEAD, describe_winner, measure_winner

from steward.improvement.anytime import Direction
from steward.improvement.backtest import backtest
from steward.improvement.canary import SPLIT_ALARM
from steward.improvement.config import GuardPlan, ReleaseConfig, ReleasePlan
from steward.improvement.events import ReleaseEvent
from steward.web.charts import ChartSeries, line_chart

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Counted = Literal["roll back", "promote", "passes"]

ICC = 0.1
DAY_S = 86400.0
WEEK_REQUESTS = 40_000
EARLY = 40  # percent of the requests that are looked at first
WEEKLY = WEEK_REQUESTS / (7 * DAY_S)  # requests a second
BAD = ("errors", "slow", "rating_rate", "refusals", "guard_hits")
ONLY_ROLL_BACK = ("refusals", "guard_hits")
MEANS = ("cost", "judge", "ratings")
WINNERS = ((20, 200, 1), (50, 500, 1), (18, 270, 3))  # trials, items, rungs


@dataclass(frozen=True)
class Traffic:
    """Requests of a simulated release. Pairs: the champion's, the candidate's."""

    requests: int = WEEK_REQUESTS
    people: int = 4_000  # 0: each request is another person
    rate: float = 1.0
    weights: tuple[float, ...] = (0.25,)  # equal parts of the requests
    errors: tuple[float, float] = (0.01, 0.01)
    slow: tuple[float, float] = (0.05, 0.05)
    refused: tuple[float, float] = (0.02, 0.02)
    guard_hit: tuple[float, float] = (0.02, 0.02)
    judge: tuple[float, float] = (0.2, 0.2)
    usd: tuple[float, float] = (0.002, 0.002)
    rated: float = 0.02
    drift: float = 1.0  # rates of errors, refusals and guard hits grow linearly to this many times their first


@dataclass(frozen=True)
class Cell:
    """What is simulated and counted: a decision, or that `guards` pass however the others stand.

    `guards`: the ones that are looked at; the others could only decide sooner. `reach`: the bound of the share.
    `within`: of a cell whose time counts, the factor on the time of people who come once.
    """

    name: str
    counted: Counted
    traffic: Traffic
    reach: float
    guards: tuple[str, ...] = (*BAD, *MEANS)
    within: float | None = None


def make_cells() -> tuple[Cell, ...]:
    week = Traffic(rate=WEEKLY)
    cells = [
        Cell(
            "A/A week, 5 to 25 to 50 %, errors x 4",
            "roll back",
            replace(week, weights=(0.05, 0.25, 0.5), drift=4.0),
            0.01,
        ),
        Cell("A/A week, 25 %, errors x 4", "roll back", replace(week, drift=4.0), 0.01),
        Cell("A/A week, 5 %, errors x 4", "roll back", replace(week, weights=(0.05,), drift=4.0), 0.01),
        Cell("errors at the margin, 1 to 2 %", "passes", Traffic(errors=(0.01, 0.02)), 0.05, ("errors",)),
        Cell("slow at the margin, 5 to 7.5 %", "passes", Traffic(slow=(0.05, 0.075)), 0.05, ("slow",)),
        Cell("cost at the margin, +5 %", "passes", Traffic(usd=(0.002, 0.0021)), 0.05, ("cost",)),
        Cell("judge at the margin, -0.03", "passes", Traffic(judge=(0.2, 0.17)), 0.05, ("judge",)),
    ]
    harms = (
        ("errors 1 to 3 %", "errors", Traffic(errors=(0.01, 0.03))),
        ("slow 5 to 10 %", "slow", Traffic(slow=(0.05, 0.10))),
        ("judge -0.1", "judge", Traffic(judge=(0.2, 0.1))),
        ("cost +20 %", "cost", Traffic(usd=(0.002, 0.0024))),
        ("refusals 2 to 8 %", "refusals", Traffic(refused=(0.02, 0.08))),
        ("guard hits 2 to 8 %", "guard_hits", Traffic(guard_hit=(0.02, 0.08))),
    )
    for words, guard, traffic in harms:
        for rate in (1.0, 10.0):
            name = f"{words}, 25 %, {rate:g}/s"
            cells.append(Cell(name, "roll back", replace(traffic, rate=rate), 0.8, (guard,), within=2.0))
    for weight in (0.25, 0.5):
        for rate in (1.0, 10.0):
            traffic = Traffic(requests=80_000, people=8_000, rate=rate, weights=(weight,))
            required = ("errors", "slow", "cost", "judge")
            cells.append(Cell(f"healthy, {weight:.0%}, {rate:g}/s", "promote", traffic, 0.8, required, within=2.0))
    return tuple(cells)


# -- requests ------------------------------------------------------------------------------------------


class Requests:
    """One simulated release, by request. What no guard asks for is not drawn.

    A person keeps an arm, unless the weight grows past what was drawn for the person.
    """

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self._traffic, self._seed = traffic, seed
        self._whole: Requests | None = None  # of which these are the first
        n = traffic.requests
        self._people = traffic.people or n
        self.at: Floats = np.cumsum(self._rng("at").exponential(1.0 / traffic.rate, n))
        self.person: Ints = self._rng("person").integers(0, self._people, n) if traffic.people else np.arange(n)
        self.step: Ints = np.minimum(len(traffic.weights) - 1, np.arange(n) * len(traffic.weights) // n)
        self.weight: Floats = np.asarray(traffic.weights)[self.step]
        self.candidate: Bools = self._rng("arm").random(self._people)[self.person] < self.weight

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *name.encode()])

    @cached_property
    def bad(self) -> Bools:
        return self._whole.bad[: len(self.at)] if self._whole else self._draw_bad("bad", self._traffic.errors, True)

    @cached_property
    def slow(self) -> Bools:
        return self._whole.slow[: len(self.at)] if self._whole else self._draw_bad("slow", self._traffic.slow)

    @cached_property
    def refused(self) -> Bools:
        if self._whole is not None:
            return self._whole.refused[: len(self.at)]
        return self._draw_bad("refused", self._traffic.refused, True)

    @cached_property
    def guard_hit(self) -> Bools:
        if self._whole is not None:
            return self._whole.guard_hit[: len(self.at)]
        return self._draw_bad("guard_hit", self._traffic.guard_hit, True)

    @cached_property
    def usd(self) -> Floats:
        if self._whole is not None:
            return self._whole.usd[: len(self.at)]
        base = np.where(self.candidate, self._traffic.usd[1], self._traffic.usd[0])
        drawn: Floats = base * np.exp(0.8 * self._draw_of_person(self._rng("usd")) - 0.32)
        return drawn

    @cached_property
    def judge(self) -> Floats:
        if self._whole is not None:
            return self._whole.judge[: len(self.at)]
        base = np.where(self.candidate, self._traffic.judge[1], self._traffic.judge[0])
        return np.clip(base + 0.35 * self._draw_of_person(self._rng("judge")), -1.0, 1.0)

    @cached_property
    def score(self) -> Floats:
        """NaN: not rated."""
        if self._whole is not None:
            return self._whole.score[: len(self.at)]
        rng, n = self._rng("score"), self._traffic.requests
        return np.where(rng.random(n) < self._traffic.rated, np.where(rng.random(n) < 0.8, 1.0, -1.0), np.nan)

    def first(self, count: int) -> Requests:
        """The first `count` of these."""
        part = copy(self)
        for name in ("at", "person", "step", "weight", "candidate"):
            setattr(part, name, getattr(self, name)[:count])
        part._whole = self
        return part

    def _draw_of_person(self, rng: np.random.Generator) -> Floats:
        """Normal, variance 1, of which ICC is the person's."""
        own = rng.standard_normal(self._people)[self.person]
        drawn: Floats = own * math.sqrt(ICC) + math.sqrt(1.0 - ICC) * rng.standard_normal(len(own))
        return drawn

    def _draw_bad(self, name: str, rates: tuple[float, float], drifts: bool = False) -> Bools:
        """Who is prone fails with `often` in each request: within a person the correlation is ICC at the first rate."""
        n, rng = self._traffic.requests, self._rng(name)
        drift = 1.0 + (self._traffic.drift - 1.0) * np.arange(n) / n if drifts else 1.0
        often = rates[0] + ICC * (1.0 - rates[0])
        prone = np.where(self.candidate, rates[1], rates[0]) / often * drift
        bad: Bools = (rng.random(self._people)[self.person] < prone) & (rng.random(n) < often)
        return bad


def list_events(requests: Requests) -> Iterator[ReleaseEvent]:
    """The same requests for the code that decides live."""
    for index in range(len(requests.at)):
        score = float(requests.score[index])
        yield ReleaseEvent(
            at=float(requests.at[index]),
            subject=str(requests.person[index]),
            arm="candidate" if requests.candidate[index] else "champion",
            weight=float(requests.weight[index]),
            bad=bool(requests.bad[index]),
            slow=bool(requests.slow[index]),
            refused=bool(requests.refused[index]),
            guard_hit=bool(requests.guard_hit[index]),
            usd=float(requests.usd[index]),
            judge=float(requests.judge[index]),
            score=None if math.isnan(score) else score,
        )


# -- looks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looks:
    """When guards are looked at: after so many requests, and the time of the last of these."""

    counts: Ints  # (looks,) requests that had come
    at: Floats
    lasted_s: Floats


def find_looks(requests: Requests, plan: ReleasePlan, ends: bool = True) -> Looks:
    """As `backtest`: before the first request of each period, and at the end, if this is the end."""
    period = np.floor((requests.at - requests.at[0]) / plan.look_every_s)
    counts = np.append(np.flatnonzero(np.diff(period) > 0) + 1, [len(requests.at)] if ends else [])
    counts = counts.astype(np.int64)
    at = requests.at[counts - 1]
    return Looks(counts, at, at - requests.at[0])


def find_first(places: Ints, keys: Ints) -> Ints:
    """Those of the sorted `places` at which a key stands for the first time. `keys`: of each place, from 0."""
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    first[keys[::-1]] = places[::-1]  # the last one that is written stays
    return places[first[keys] == places]


def count_before(places: Ints, counts: Ints) -> Ints:
    """How many of the sorted `places` lie before each count."""
    return np.searchsorted(places, counts, side="left")


class Judge:
    """All guards of one simulation at all of its looks. A request within the warm-up counts for nothing."""

    def __init__(self, requests: Requests, plan: ReleasePlan, ends: bool = True) -> None:
        self.plan = self._plan = plan
        self._requests, self.looks = requests, find_looks(requests, plan, ends)
        self._warm = requests.at - requests.at[0] >= plan.warm_up_s
        self._harm = math.log(len(plan.guards) / plan.rollback_alpha)
        steps, day = int(requests.step[-1]) + 1, np.floor(requests.at / DAY_S).astype(np.int64)
        self._steps = [(step, float(requests.weight[requests.step == step][0])) for step in range(steps)]
        self._person_step: Ints = requests.person * steps + requests.step
        self._day_person_step: Ints = self._person_step + day * (int(requests.person.max()) + 1) * steps
        self._order = sort_people(requests.person)
        self._flips: dict[str, Ints] = {}
        self._means: dict[str, MeanSums] = {}
        self._alike: dict[str, Floats] = {}

    def broken(self) -> Bools:
        """Whether the split check speaks at each look."""
        places = self._find_first(self._warm, self._person_step)
        return self._sum_flips(places, log_split_evidences) >= math.log(SPLIT_ALARM)

    def weigh(self, guard: GuardPlan) -> tuple[Bools, Bools]:
        """Where a guard passes, and where it fails."""
        failed = self.find_failures(guard)
        return self.find_passes(guard) & ~failed, failed

    def find_failures(self, guard: GuardPlan) -> Bools:
        if guard.name in ONLY_ROLL_BACK:
            return self._sum_coins(guard, guard.margin, "above") >= self._harm
        if guard.name == "rating_rate":
            fewer = self._sum_coins(guard, 1 / guard.margin, "below")
            more = self._sum_coins(guard, guard.margin, "above")
            return np.logaddexp(fewer, more) - math.log(2.0) >= self._harm
        if guard.name in BAD:
            return self._sum_coins(guard, 1.0, "above") >= self._harm
        harm = self._plan.rollback_alpha / len(self._plan.guards)
        sums, worse, factor = self._compare_means(guard)
        failed: Bools = worse - sums.width(harm, self._plan.planned_units, factor) > 0.0
        return failed & self._has_enough(guard, sums)

    def find_passes(self, guard: GuardPlan) -> Bools:
        if not guard.required:
            return np.zeros(len(self.looks.counts), bool)
        if guard.name not in BAD:
            sums, worse, factor = self._compare_means(guard)
            passed: Bools = worse + sums.width(self._plan.promotion_alpha, self._plan.planned_units, factor) < 0.0
            return passed & self._has_enough(guard, sums)
        flips = self._find_flips(guard)
        good = self._sum_coins(guard, guard.margin, "below")
        units = {arm: count_before(places, self.looks.counts) for arm, places in self._units.items()}
        below: Floats = np.full(len(good), -np.inf)
        if guard.floor is not None:
            each = self._count_alike(guard.name, flips)
            own = count_before(flips[self._requests.candidate[flips]], self.looks.counts)
            bad = np.rint(own / each).astype(np.int64)
            own_units = (bad + np.rint((units[True] - own) / each)).astype(np.int64)
            below = log_floor_evidences(bad, own_units, guard.floor) - math.log(2.0)
            good = np.logaddexp(good - math.log(2.0), below)
        edge = math.log(1 / self._plan.promotion_alpha)
        enough = np.minimum(units[False], units[True]) >= guard.minimum_units
        so = enough & (good >= edge)
        if so.any():  # else what follows need not be summed
            sums = self._sum_column(guard.name)
            width = sums.width(self._plan.promotion_alpha, self._plan.planned_units, guard.margin)
            inside = (sums.effective >= guard.minimum_units) & (sums.difference(guard.margin) + width < 0.0)
            so &= (below >= edge) | inside
        return so

    @cached_property
    def _units(self) -> dict[bool, Ints]:
        """Persons and days of each arm, where they begin."""
        mine = self._requests.candidate
        seen = self._find_first(self._warm, self._day_person_step * 2 + mine)
        return {arm: seen[mine[seen] == arm] for arm in (False, True)}

    @staticmethod
    def _find_first(mask: Bools, keys: Ints) -> Ints:
        places = np.flatnonzero(mask)
        return find_first(places, keys[places])

    def _find_flips(self, guard: GuardPlan) -> Ints:
        """Each person's first bad event of a day and weight."""
        if guard.name not in self._flips:
            name = {"errors": "bad", "refusals": "refused", "guard_hits": "guard_hit"}.get(guard.name, guard.name)
            bad = ~np.isnan(self._requests.score) if name == "rating_rate" else getattr(self._requests, name)
            self._flips[guard.name] = self._find_first(bad & self._warm, self._day_person_step)
        return self._flips[guard.name]

    def _sum_flips(
        self, places: Ints, evidence: Callable[[Ints, Ints, float], Floats], each: Floats | None = None
    ) -> Floats:
        """Evidence at each look, summed over weights; what counts have been met before is not worked out again.

        `each`: how many flips tell as much as one, at each look.
        """
        total = np.zeros(len(self.looks.counts))
        for step, weight in self._steps:
            here = places[self._requests.step[places] == step]
            events = count_before(here, self.looks.counts)
            mine = count_before(here[self._requests.candidate[here]], self.looks.counts)
            if each is not None:
                mine, others = np.rint(mine / each), np.rint((events - mine) / each)
                mine, events = mine.astype(np.int64), (mine + others).astype(np.int64)
            changed = np.flatnonzero(np.diff(events, prepend=-1) | np.diff(mine, prepend=-1))
            values = evidence(mine[changed], events[changed], weight)
            total += np.repeat(values, np.diff(np.append(changed, len(events))))
        return total

    def _count_alike(self, name: str, flips: Ints) -> Floats:
        """As `BadEvents.count_alike`, at each look."""
        if name not in self._alike:
            people = self._requests.person[flips]
            days = _sum_of_person_before(np.ones((1, len(flips))), people, sort_people(people))[0]
            squares = np.append(0.0, np.cumsum(2.0 * days + 1.0))[count_before(flips, self.looks.counts)]
            events = count_before(flips, self.looks.counts)
            with np.errstate(divide="ignore", invalid="ignore"):
                alike = np.nan_to_num(squares / events - events / self._people, nan=1.0)
            self._alike[name] = np.maximum(1.0, alike)
        return self._alike[name]

    @cached_property
    def _people(self) -> Ints:
        """How many people had come at each look."""
        return count_before(self._find_first(self._warm, self._requests.person), self.looks.counts)

    def _sum_coins(self, guard: GuardPlan, ratio: float, direction: Direction) -> Floats:
        flips = self._find_flips(guard)
        coin = partial(log_coin_evidences, ratio=ratio, direction=direction)
        return self._sum_flips(flips, coin, self._count_alike(guard.name, flips))

    def _compare_means(self, guard: GuardPlan) -> tuple[MeanSums, Floats, float]:
        """The sums, by how much the candidate is worse than allowed, and the champion's factor."""
        sums = self._sum_column(guard.name)
        if guard.name == "cost":
            return sums, sums.difference(1.0 + guard.margin), 1.0 + guard.margin
        return sums, -sums.difference(1.0) - guard.margin, 1.0

    def _sum_column(self, name: str) -> MeanSums:
        if name not in self._means:
            values = {"errors": "bad", "slow": "slow", "cost": "usd", "judge": "judge", "ratings": "score"}[name]
            column: Floats = getattr(self._requests, values).astype(np.float64)
            places = np.flatnonzero(self._warm & ~np.isnan(column))
            swing = {"cost": None, "judge": 2.0, "ratings": 2.0}.get(name, 0.0)
            self._means[name] = sum_means(column[places], self._requests, places, self._order, self.looks.counts, swing)
        return self._means[name]

    @staticmethod
    def _has_enough(guard: GuardPlan, sums: MeanSums) -> Bools:
        return (sums.fewest >= guard.minimum_units) & (sums.effective >= guard.minimum_units)


@dataclass(frozen=True)
class MeanSums:
    """What `PairedMeans` keeps, at each look."""

    sums: Floats  # (3, looks): the candidate's, the champion's, requests
    products: Floats  # (6, looks): cc, c0, 00, cm, 0m, mm
    units: Floats
    fewest: Ints  # people of the arm that has fewer
    smaller: Floats  # the smaller of both arms' shares, of the last request
    swing: float | None  # how far the unseen person's mean lies off; None: by the champion's mean

    @property
    def effective(self) -> Floats:
        """As `PairedMeans.count_effective`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share: Floats = np.nan_to_num(self.fewest * self.sums[2] ** 2 / self.products[5] / self.units)
        return share

    def difference(self, factor: float) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            share: Floats = np.nan_to_num((self.sums[0] - factor * self.sums[1]) / self.sums[2])
        return share

    def width(self, alpha: float, planned: int, factor: float) -> Floats:
        cc, c0, oo, cm, om, mm = self.products
        theta = self.difference(factor)
        squares = cc - 2 * factor * c0 + factor * factor * oo - 2 * theta * (cm - factor * om) + theta * theta * mm
        rho = (-2.0 * math.log(2 * alpha) + math.log(-2.0 * math.log(2 * alpha) + 1.0)) / planned
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = self.units * rho + 1.0
            wide = np.sqrt(2.0 * grown / (self.units**2 * rho) * np.log1p(np.sqrt(grown) / (2.0 * alpha)))
            swing = self.sums[1] / self.sums[2] if self.swing is None else self.swing
            unseen = swing * self.sums[2] / self.units / self.smaller
            spread = np.sqrt((np.maximum(0.0, squares) + unseen**2) / self.units)
            half = spread * wide * self.units / self.sums[2]
        return np.where(self.units < 2, np.inf, half)


def sum_means(
    values: Floats, requests: Requests, places: Ints, order: Ints, counts: Ints, swing: float | None
) -> MeanSums:
    """`values` of the requests at `places`. The first is only what the others are measured from.

    `order`: of all requests by person.
    """
    mine, weight, person = requests.candidate[places], requests.weight[places], requests.person[places]
    own, other = _means_before(values, mine), _means_before(values, ~mine)
    own, other = np.where(np.isnan(own), other, own), np.where(np.isnan(other), own, other)
    changes = np.stack([
        np.where(mine, own + (values - own) / weight, own),
        np.where(mine, other, other + (values - other) / (1.0 - weight)),
        np.ones(len(values)),
    ])[:, 1:]  # fmt: skip
    person, mine = person[1:], mine[1:]
    rank = np.full(len(requests.at), -1, np.int64)
    rank[places[1:]] = np.arange(len(person))
    order = rank[order]
    before = _sum_of_person_before(changes, person, order[order >= 0])
    (a, b, m), (da, db, dm) = before, changes
    products = np.stack([
        (2 * a + da) * da, a * db + b * da + da * db, (2 * b + db) * db,
        a * dm + m * da + da * dm, b * dm + m * db + db * dm, (2 * m + dm) * dm,
    ])  # fmt: skip
    at = count_before(places[1:], counts)  # how many of these had come at each look
    of_arm = [np.flatnonzero(mine == arm) for arm in (False, True)]
    fewest = np.minimum(*(count_before(find_first(ones, person[ones]), at) for ones in of_arm))
    return MeanSums(
        sums=_cumulate(changes, at),
        products=_cumulate(products, at),
        units=count_before(find_first(np.arange(len(person)), person), at).astype(float),
        fewest=fewest,
        smaller=np.minimum(weight, 1.0 - weight)[np.minimum(at, len(weight) - 1)],
        swing=swing,
    )


def _means_before(values: Floats, mask: Bools) -> Floats:
    """The mean of the masked values before each; NaN where there is none."""
    kept = np.where(mask, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.cumsum(kept) - kept) / (np.cumsum(mask) - mask)


def sort_people(person: Ints) -> Ints:
    """The places of each person's requests, in order; NumPy sorts 16 bits by counting."""
    order: Ints = np.argsort(person.astype(np.uint16) if person.max(initial=0) < 1 << 16 else person, kind="stable")
    return order


def _sum_of_person_before(changes: Floats, person: Ints, order: Ints) -> Floats:
    """What each person's changes had come to before each of them. `order`: of the changes, by person."""
    ordered = changes[:, order]
    grown = np.cumsum(ordered, axis=1) - ordered
    begins = np.flatnonzero(np.diff(person[order], prepend=-1))
    offsets = np.repeat(grown[:, begins], np.diff(np.append(begins, len(person))), axis=1)
    result = np.empty_like(changes)
    result[:, order] = grown - offsets
    return result


def _cumulate(rows: Floats, at: Ints) -> Floats:
    sums = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
    return sums[:, at]


# -- decisions -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How one simulation ended, after how many requests and seconds."""

    decision: str
    requests: int
    lasted_s: float


def decide(traffic: Traffic, plan: ReleasePlan, seed: int) -> Outcome:
    """What `backtest` decides, in all guards' name."""
    judge = Judge(Requests(traffic, seed), plan)
    looks = judge.looks
    weighed = {guard.name: judge.weigh(guard) for guard in plan.guards}
    broken = judge.broken()
    failed = np.any([failed for _, failed in weighed.values()], axis=0)
    passed = np.all([weighed[guard.name][0] for guard in plan.guards if guard.required], axis=0)
    passed &= looks.lasted_s >= plan.minimum_duration_s
    for look in np.flatnonzero(broken | failed | passed):
        words = "inconclusive" if broken[look] else "roll back" if failed[look] else "promote"
        return Outcome(words, int(looks.counts[look]), float(looks.lasted_s[look]))
    return Outcome("inconclusive", int(looks.counts[-1]), float(looks.lasted_s[-1]))


def count_first(cell: Cell, plan: ReleasePlan, seed: int) -> Outcome:
    """The first look at which what the cell counts is so, whatever else would have been decided before.

    So a wrong rollback is counted in every week, also where the candidate had been promoted on its first day, and a
    guard's wrong pass also where another guard would have stood in the way.
    """
    requests = Requests(cell.traffic, seed)
    if cell.within is not None:  # most are decided early, and what comes later need not be summed
        early = _find_first_look(cell, Judge(requests.first(EARLY * len(requests.at) // 100), plan, ends=False))
        if early is not None:
            return early
    judge = Judge(requests, plan)
    found = _find_first_look(cell, judge)
    return found or Outcome("not", len(requests.at), float(judge.looks.lasted_s[-1]))


def _find_first_look(cell: Cell, judge: Judge) -> Outcome | None:
    plan, looks = judge.plan, judge.looks
    guards = [guard for guard in plan.guards if guard.name in cell.guards]
    if cell.counted == "roll back":
        so = np.any([judge.find_failures(guard) for guard in guards], axis=0)
    else:
        so = np.all([judge.find_passes(guard) for guard in guards], axis=0)
        so &= looks.lasted_s >= plan.minimum_duration_s
    if not so.any():
        return None
    look = int(np.argmax(so))
    return Outcome(cell.counted, int(looks.counts[look]), float(looks.lasted_s[look]))


def check(cell: Cell, plan: ReleasePlan, seed: int) -> str | None:
    """What differs from the code that decides live; None: nothing."""
    small = replace(cell.traffic, requests=min(cell.traffic.requests, 12_000))
    fast = decide(small, plan, seed)
    live = backtest(list_events(Requests(small, seed)), plan)
    found = (fast.decision, fast.requests)
    return (
        None
        if found == (live.decision, live.events)
        else f"{cell.name}, seed {seed}: {found}, live {live.decision}, {live.events}"
    )


# -- tables --------------------------------------------------------------------------------------------


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    share, denominator = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / denominator
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass
class Row:
    """A line of the table."""

    cell: str
    counted: str
    simulations: int
    share: float
    interval: tuple[float, float]
    reach: str
    met: bool
    median_requests: float | None = None
    p80_requests: float | None = None
    alone_requests: float | None = None  # by 80 % of simulations of people who come once
    within_requests: float | None = None  # in which the share is counted
    median_hours: float | None = None
    outcomes: list[Outcome] = field(default_factory=list, repr=False)


def run_cell(cell: Cell, plan: ReleasePlan, simulations: int, pool: ProcessPoolExecutor) -> Row:
    if cell.within is None:
        outcomes = list(pool.map(partial(count_first, cell, plan), range(simulations), chunksize=10))
        return _make_row(cell, outcomes, None, None)
    alone = replace(cell, traffic=replace(cell.traffic, people=0))
    first = list(
        pool.map(partial(count_first, alone, plan), range(10**6, 10**6 + max(100, simulations // 10)), chunksize=10)
    )
    times = sorted(one.requests if one.decision == cell.counted else 10**9 for one in first)
    base = times[math.ceil(0.8 * len(times)) - 1]
    mean_requests = cell.within * base / cell.traffic.people
    within = cell.within * base * (1.0 + ICC * mean_requests)
    limited = replace(cell, traffic=replace(cell.traffic, requests=min(cell.traffic.requests, int(within) + 1)))
    outcomes = list(pool.map(partial(count_first, limited, plan), range(simulations), chunksize=10))
    return _make_row(cell, outcomes, base, within)


def _make_row(cell: Cell, outcomes: list[Outcome], alone: float | None, within: float | None) -> Row:
    hits = [one for one in outcomes if one.decision == cell.counted and (within is None or one.requests <= within)]
    share, interval = len(hits) / len(outcomes), wilson(len(hits), len(outcomes))
    requests = sorted(one.requests for one in hits)
    wrong = cell.within is None
    return Row(
        cell=cell.name,
        counted=cell.counted,
        simulations=len(outcomes),
        share=share,
        interval=interval,
        reach=f"{'at most' if wrong else 'at least'} {cell.reach:.0%}",
        met=share <= cell.reach if wrong else share >= cell.reach,
        median_requests=requests[len(requests) // 2] if requests else None,
        p80_requests=requests[int(0.8 * (len(requests) - 1))] if requests else None,
        alone_requests=alone,
        within_requests=within,
        median_hours=sorted(one.lasted_s for one in hits)[len(hits) // 2] / 3600 if hits else None,
        outcomes=outcomes,
    )


def describe(row: Row) -> str:
    low, high = row.interval
    line = f"| {row.cell} | {row.counted} | {row.share:.2%} ({low:.2%} to {high:.2%}) | {row.reach} |"
    if row.within_requests is None:
        return f"{line} | | | {'met' if row.met else '**missed**'} |"
    alone = row.alone_requests or math.nan
    return (
        f"{line} {row.within_requests:,.0f} = 2 x {alone:,.0f} x {row.within_requests / alone / 2:.2f} |"
        f" {row.median_requests or 0:,.0f} ({row.median_hours or 0:.1f} h) | {'met' if row.met else '**missed**'} |"
    )


HEAD = (
    "| cell | counted | share (Wilson, 95 %) | reach | requests = 2 x alone x design effect | median requests | |\n"
    "|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=200, help="of each cell")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cells", default="", help="only cells whose names contain this")
    parser.add_argument("--check", type=int, default=0, help="compare so many of each cell with the live code, and end")
    parser.add_argument("--plots", default="", help="folder for the plots of docs/explanation/releases.md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plan, cells = ReleaseConfig().plan(), [cell for cell in make_cells() if arguments.cells in cell.name]
    rows: list[Row] = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        if arguments.check:
            different = [
                line for cell in cells for line in pool.map(partial(check, cell, plan), range(arguments.check)) if line
            ]
            print("\n".join(different) or f"{len(cells)} cells x {arguments.check}: as the live code decides")
            raise SystemExit(bool(different))
        print(HEAD, file=sys.stderr if arguments.json else sys.stdout)
        for cell in cells:
            began = time.perf_counter()
            rows.append(run_cell(cell, plan, arguments.simulations, pool))
            print(describe(rows[-1]), file=sys.stderr if arguments.json else sys.stdout, flush=True)
            print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if arguments.json:
        print(json.dumps([{k: v for k, v in vars(row).items() if k != "outcomes"} for row in rows], indent=2))
    if arguments.plots:
        write_plots(rows, arguments.plots, plan, max(20, arguments.simulations // 2))
    winners = [measure_winner(*one, 5 * arguments.simulations) for one in WINNERS if not arguments.cells]
    if winners:
        table = "\n".join(["", WINNER_HEAD, *map(describe_winner, winners)])
        print(table, file=sys.stderr if arguments.json else sys.stdout)
    raise SystemExit(not all(row.met for row in (*rows, *winners)))


def write_plots(rows: list[Row], folder: str, plan: ReleasePlan, simulations: int) -> None:
    """How many simulations have been decided after so many requests: pictures of harm, promotions, and of looking."""
    for name, counted, title in (
        ("release-harm", "roll back", "Share of simulations that are rolled back, by requests"),
        ("release-promotion", "promote", "Share of simulations that are promoted, by requests"),
    ):
        chosen = [row for row in rows if row.counted == counted and row.cell.endswith(", 1/s")]
        if chosen:
            at = np.linspace(0, max(row.within_requests or 0.0 for row in chosen), 41)
            series = [_plot_row(row, at, style) for row, style in zip(chosen, "abcdef", strict=False)]
            _write_picture(Path(folder, f"{name}.svg"), title, at, series, "requests", "{:,.0f}")
    at = np.linspace(0.0, 7.0, 43)  # days
    series = [_plot_looks(words, style, first, at) for words, style, first in _alarm_in_week(plan, simulations)]
    _write_picture(Path(folder, "release-looks.svg"), "Weeks of A/A that raised an alarm", at, series, "days", "{:.1f}")


def _alarm_in_week(plan: ReleasePlan, simulations: int) -> list[tuple[str, str, list[float]]]:
    """Days until the first alarm of a week of two equal models, looked at each minute: by a z-test, and by guards."""
    traffic = Traffic(rate=WEEKLY, drift=4.0)
    harmed = Cell("", "roll back", traffic, 0.01)
    tested: list[float] = []
    guarded: list[float] = []
    for seed in range(simulations):
        requests = Requests(traffic, 10**7 + seed)
        looks = find_looks(requests, plan)
        alarms = np.flatnonzero(np.abs(measure_z(requests, looks.counts)) > 1.96)
        tested.append(float(looks.lasted_s[alarms[0]]) / DAY_S if len(alarms) else math.inf)
        found = count_first(harmed, plan, 10**7 + seed)
        guarded.append(found.lasted_s / DAY_S if found.decision == "roll back" else math.inf)
    return [("a z-test of the errors at 5 %", "b", tested), ("all eight guards", "a", guarded)]


def measure_z(requests: Requests, counts: Ints) -> Floats:
    """The usual statistic of two shares, of the requests that had come at each look; 0 before there are 30 of each."""
    mine = requests.candidate
    own, others = np.cumsum(mine)[counts - 1], np.cumsum(~mine)[counts - 1]
    bad, other_bad = np.cumsum(requests.bad & mine)[counts - 1], np.cumsum(requests.bad & ~mine)[counts - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (bad + other_bad) / (own + others)
        z = (bad / own - other_bad / others) / np.sqrt(pooled * (1.0 - pooled) * (1.0 / own + 1.0 / others))
    return np.where(np.minimum(own, others) >= 30, np.nan_to_num(z), 0.0)


def _plot_looks(words: str, style: str, first: list[float], at: Floats) -> ChartSeries:
    return ChartSeries(words, tuple(float(np.mean(np.asarray(first) <= day)) for day in at), style)


PICTURE_STYLE = """
.back{fill:#fff}.tick,.word{font:11px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}.line{fill:none;stroke-width:2}
.a{stroke:#2563eb}.b{stroke:#d97706}.c{stroke:#0d9488}.d{stroke:#9333ea}.e{stroke:#be123c}.f{stroke:#64748b}
@media(prefers-color-scheme:dark){.back{fill:#161a22}.tick,.word{fill:#aab2c0}.grid{stroke:#333a46}
.a{stroke:#6ea0ff}.b{stroke:#f5b041}.c{stroke:#4fd1c5}.d{stroke:#c792ff}.e{stroke:#fb7185}.f{stroke:#94a3b8}}
"""


def _write_picture(file: Path, title: str, at: Floats, series: list[ChartSeries], unit: str, label: str) -> None:
    """The wide drawing of a chart as a file of its own, its legend above."""
    labels = [label.format(x) for x in at]
    page = line_chart(title, labels, series, "{:.0%}".format, at=at.tolist(), head=unit.capitalize(), log=False)
    inner = page.split('class="wide"', 1)[1].split(">", 1)[1].split("</svg>", 1)[0]
    down = 18 * ((len(series) - 1) // 2)  # more lines of legend than one
    legend = "".join(
        f'<line class="line {one.style}" x1="{60 + 330 * (at % 2)}" x2="{80 + 330 * (at % 2)}" '
        f'y1="{16 + 18 * (at // 2)}" y2="{16 + 18 * (at // 2)}"/>'
        f'<text class="word" x="{88 + 330 * (at % 2)}" y="{20 + 18 * (at // 2)}">{one.name}</text>'
        for at, one in enumerate(series)
    )
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {246 + down}"><style>{PICTURE_STYLE}</style>'
        f'<rect class="back" width="720" height="{246 + down}"/>{legend}<g transform="translate(0 {26 + down})">{inner}'
        f'</g><text class="word" x="712" y="{240 + down}" text-anchor="end">{unit}</text></svg>\n',
        encoding="utf-8",
    )


def _plot_row(row: Row, at: Floats, style: str) -> ChartSeries:
    decided = np.sort([one.requests for one in row.outcomes if one.decision == row.counted])
    shares = np.searchsorted(decided, at, side="right") / len(row.outcomes)
    return ChartSeries(row.cell, tuple(shares.tolist()), style)


if __name__ == "__main__":
    main()
