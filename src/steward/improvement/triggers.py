"""When to begin improving: a policy over what is known, decided in one place.

Data alone is no reason, and neither is a bad day: new rows and a quality that has dropped in most of the last windows,
or enough time, begin a run. Pure: the time and all counts are handed over.

Sources: retraining by cost-aware rules rather than drift alone (arXiv 2310.04216, 2505.14903).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Final, Literal

import msgspec

from steward.core.improvements import TriggerKind

Mode = Literal["off", "propose", "act"]
WINDOWS: Final = 3  # days whose quality is compared with those before
NEEDED: Final = 2  # of them that must be worse
FEWEST: Final = 20  # ratings of a window that says anything
Z: Final = 1.645  # one-sided 95 %


class StepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One command of the circle. `{run}` stands for the run's folder."""

    name: str
    command: tuple[str, ...]
    retries: int = 0
    timeout_s: float = 86400.0


class ImprovePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of `improve:`, complete."""

    mode: Mode = "off"
    steps: tuple[StepPlan, ...] = ()
    every_s: float | None = None
    minimum_rows: int = 200
    minimum_share: float = 0.2
    on_drop: bool = True
    patience_s: float = 30 * 86400.0
    cool_down_s: float = 7 * 86400.0


class QualityWindow(msgspec.Struct, frozen=True):
    """Ratings of one day, and how many of them were good."""

    rated: int
    satisfied: int


class TriggerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`last_at`: when the last run began; `new_rows`: ratings since; `last_rows`: those that the last run had.

    `windows`: the last days, newest last; `before`: the time before them.
    """

    now: float
    last_at: float | None
    new_rows: int
    last_rows: int
    windows: tuple[QualityWindow, ...] = ()
    before: QualityWindow = QualityWindow(0, 0)


class TriggerResult(msgspec.Struct, frozen=True, kw_only=True):
    """What begins a run, or why nothing does."""

    kind: TriggerKind | None
    why: str


def choose_trigger(plan: ImprovePlan, facts: TriggerFacts) -> TriggerResult:
    """Whether a run is due, by the policy."""
    if plan.mode == "off":
        return TriggerResult(kind=None, why="improve.mode is off")
    if facts.last_at is not None and facts.last_at > facts.now:
        ahead = "the last run began at a time that is yet to come, since a clock was ahead or this one is behind"
        return TriggerResult(kind=None, why=f"{ahead}; begin by hand: steward improve run")
    if facts.last_at is not None and facts.now - facts.last_at < plan.cool_down_s:
        left = (plan.cool_down_s - (facts.now - facts.last_at)) / 86400.0
        return TriggerResult(kind=None, why=f"the last run began recently; {left:.1f} days of the cool-down are left")
    since_s = None if facts.last_at is None else facts.now - facts.last_at
    if plan.every_s is not None and (since_s is None or since_s >= plan.every_s):
        return TriggerResult(kind="schedule", why=f"improve.every_days: {plan.every_s / 86400:g} days have passed")
    needed = max(plan.minimum_rows, ceil(plan.minimum_share * facts.last_rows))
    if facts.new_rows < needed:
        return TriggerResult(kind=None, why=f"{facts.new_rows} new ratings; {needed} are needed")
    if plan.on_drop and count_drops(facts.windows, facts.before) >= NEEDED:
        return TriggerResult(
            kind="drift", why=f"{facts.new_rows} new ratings, and quality dropped in {NEEDED} of {WINDOWS} days"
        )
    if since_s is None or since_s >= plan.patience_s:
        return TriggerResult(kind="new rows", why=f"{facts.new_rows} new ratings, {needed} were needed")
    return TriggerResult(kind=None, why=f"{facts.new_rows} new ratings, and quality has not dropped")


def count_drops(windows: Sequence[QualityWindow], before: QualityWindow) -> int:
    """How many of the last windows are worse than the time before, one-sided at 95 % (two proportions, pooled)."""
    return sum(_is_worse(window, before) for window in windows[-WINDOWS:])


def _is_worse(window: QualityWindow, before: QualityWindow) -> bool:
    if min(window.rated, before.rated) < FEWEST:
        return False
    pooled = (window.satisfied + before.satisfied) / (window.rated + before.rated)
    spread = sqrt(pooled * (1 - pooled) * (1 / window.rated + 1 / before.rated))
    return before.satisfied / before.rated - window.satisfied / window.rated > Z * spread
