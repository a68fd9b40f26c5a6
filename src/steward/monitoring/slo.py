"""Service level objectives: which requests count, which of them are bad, and how much of the error budget is left.

Burn rates and windows are those of The Site Reliability Workbook (Google, 2018), chapter 5: a rule fires where a budget
share is spent within a long window and is still being spent within a twelfth of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from steward.core.histogram import count_encoded
from steward.core.minutes import minute_of
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow
from steward.monitoring.rules import ObjectiveBurn, Severity
from steward.monitoring.tails import binomial_tail

SloKind = Literal["availability", "ttft", "total", "inter_token", "cost", "satisfaction", "quality"]
SloState = Literal["met", "burning", "budget spent", "not enough traffic to judge"]

MEASURED: Final[Mapping[SloKind, str]] = {
    "ttft": "ttft_s",
    "total": "total_s",
    "inter_token": "inter_token_s",
    "cost": "request_usd",
}
SHARES: Final[Mapping[SloKind, tuple[str, str]]] = {  # how many count, and how many of them are good
    "satisfaction": ("rated", "satisfied"),
    "quality": ("scored", "passed"),
}
PAIRS: Final[tuple[tuple[Severity, int, int, float], ...]] = (  # table 5-8: minutes, and share of the budget
    ("page", 60, 5, 0.02),
    ("page", 360, 30, 0.05),
    ("ticket", 1440, 120, 0.10),
    ("ticket", 4320, 360, 0.10),
)
NOUNS: Final[Mapping[SloKind, str]] = {"satisfaction": "ratings", "quality": "scores"}
BURN_WINDOWS_S: Final = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}
CERTAIN: Final = 0.001  # that so many bad ones came by chance, below which little traffic is enough to judge
MINUTES_PER_DAY: Final = 1440
WINDOW_DAYS: Final = 28  # four weeks, so that each weekday counts alike


class SloPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One objective: the share `objective` of requests (or ratings) is good, over `window_days`.

    `threshold` is in seconds, or for cost in US dollars: what is above it is bad. None where the kind has none.
    """

    name: str
    kind: SloKind
    objective: float
    threshold: float | None = None
    window_days: int = WINDOW_DAYS
    model: str | None = None  # None: all
    route: str | None = None

    def budget(self) -> float:
        """The share that may be bad."""
        return round(1.0 - self.objective, 12)

    def covers(self, model: str, route: str) -> bool:
        return self.model in (None, model) and self.route in (None, route)


class SloCount(msgspec.Struct, frozen=True):
    """How many count, and how many of them are bad."""

    total: int = 0
    bad: int = 0

    def burn_rate(self, budget: float) -> float | None:
        """How many times as fast as the budget allows; None: nothing counts."""
        return self.bad / self.total / budget if self.total else None


class SloStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`steward slo status --json`: one objective now."""

    name: str
    kind: SloKind
    objective: float
    threshold: float | None
    window_days: int
    state: SloState
    total: int
    bad: int
    good_share: float | None
    budget_left: float | None  # share of the budget; below 0: overspent; None: nothing counts
    burn_rates: dict[str, float | None]  # by window
    why: str


def columns_of(plan: SloPlan) -> tuple[str, str]:
    """Names of the two sums that the watch keeps for an objective."""
    return f"slo {plan.name} total", f"slo {plan.name} bad"


def count_slo(plan: SloPlan, rows: Iterable[SeriesRow]) -> SloCount:
    """What counts in `rows`: for availability requests that say something of the service, for durations and costs those
    that have one, for satisfaction ratings, for quality evaluators' scores. A duration within 1 % of the threshold may
    count either way."""
    total = bad = 0.0
    for row in rows:
        if not plan.covers(row.model, row.route):
            continue
        if (column := MEASURED.get(plan.kind)) is not None:
            counted, above = count_encoded(row.histograms[HISTOGRAMS.index(column)], plan.threshold or 0.0)
            total, bad = total + counted, bad + above
            continue
        sums = dict(zip(SUMS, row.sums, strict=True))
        if (columns := SHARES.get(plan.kind)) is not None:
            total, bad = total + sums[columns[0]], bad + sums[columns[0]] - sums[columns[1]]
        else:
            total, bad = total + sums["judged"], bad + sums["failed"]
    return SloCount(round(total), round(bad))


def count_minutes(plans: Sequence[SloPlan], rows: Iterable[SeriesRow]) -> dict[int, list[float]]:
    """How many count and how many are bad in each minute, for one objective after the other; `rows` are of minutes."""
    by_minute: dict[int, list[SeriesRow]] = {}
    for row in rows:
        by_minute.setdefault(minute_of(row.start), []).append(row)
    return {
        minute: [
            float(number) for plan in plans for count in [count_slo(plan, group)] for number in (count.total, count.bad)
        ]
        for minute, group in by_minute.items()
    }


def make_rules(plans: Sequence[SloPlan]) -> tuple[ObjectiveBurn, ...]:
    """Two rules an objective at most: one that pages where the budget is spent fast, and one for a slow burn."""
    rules = []
    for plan in plans:
        for severity in ("page", "ticket"):
            pairs = find_pairs(plan, "page" if severity == "page" else "ticket")
            if not pairs:
                continue
            name = f"slo-{plan.name}" if severity == "page" else f"slo-{plan.name}-slow"
            others = ("error-burn", "failures-up") if plan.kind == "availability" and severity == "page" else ()
            rules.append(
                ObjectiveBurn(
                    name=name,
                    severity="page" if severity == "page" else "ticket",
                    objective=plan.objective,
                    pairs=pairs,
                    columns=columns_of(plan),
                    noun=NOUNS.get(plan.kind, "requests"),
                    every_minutes=1 if severity == "page" else 5,
                    inhibited_by=others if severity == "page" else (f"slo-{plan.name}",),
                    summary=f"The error budget of {plan.name} is spent too fast.",
                )
            )
    return tuple(rules)


def find_pairs(plan: SloPlan, severity: Severity) -> tuple[tuple[int, int, float], ...]:
    """Long and short windows in minutes, with the burn rate from which both fire: at least 1, and one that can be
    reached, which for an objective of 80 % rules out a rate of 14."""
    pairs = []
    for level, long, short, share in PAIRS:
        factor = max(1.0, share * plan.window_days * MINUTES_PER_DAY / long)
        if level == severity and long < plan.window_days * MINUTES_PER_DAY and factor * plan.budget() < 1.0:
            pairs.append((long, short, round(factor, 4)))
    return tuple(pairs)


def judge_slo(plan: SloPlan, whole: SloCount, recent: Mapping[str, SloCount], firing: bool) -> SloStatus:
    """Where an objective stands. `whole` is over its window, `recent` over those of `BURN_WINDOWS_S`; `firing`: one of
    its rules does."""
    budget = plan.budget()
    allowed = whole.total * budget
    chance = binomial_tail(whole.bad, whole.total, budget)
    state: SloState
    if allowed < 1.0 and not (whole.bad >= 3 and chance < CERTAIN):
        state = "not enough traffic to judge"
        why = f"{whole.total:,} in {plan.window_days} days; one bad one alone would be more than the budget"
    elif whole.bad > allowed:
        state, why = "budget spent", f"{whole.bad:,} of {whole.total:,} were bad; {allowed:,.0f} may be"
    elif firing:
        state, why = "burning", "an alert of this objective is firing"
    else:
        state, why = "met", f"{whole.bad:,} of {whole.total:,} were bad; {allowed:,.0f} may be"
    return SloStatus(
        name=plan.name,
        kind=plan.kind,
        objective=plan.objective,
        threshold=plan.threshold,
        window_days=plan.window_days,
        state=state,
        total=whole.total,
        bad=whole.bad,
        good_share=1.0 - whole.bad / whole.total if whole.total else None,
        budget_left=1.0 - whole.bad / allowed if allowed else None,
        burn_rates={name: count.burn_rate(budget) for name, count in recent.items()},
        why=why,
    )
