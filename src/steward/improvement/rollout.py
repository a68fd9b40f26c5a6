"""A live release: what its rows mean to the guards, when its share grows, and what its shadows say.

Pure: rows and the time are handed over. `canary.py` decides who wins; what happens then is the workflows' work.
"""

from __future__ import annotations

from math import log
from typing import Final, Literal

import msgspec

from steward.core.releases import ReleaseRow
from steward.improvement.anytime import log_coin_evidence
from steward.improvement.config import ReleasePlan
from steward.improvement.events import ReleaseEvent

BAD_OUTCOMES: Final = frozenset({"upstream_error", "timeout", "lost"})
SHADOW_KEY: Final = "shadow"
_MOST_WAITING: Final = 100_000  # requests whose other half may still come; most have none
ShadowVerdict = Literal["go on", "roll back", "wait"]


def make_release_event(row: ReleaseRow, own: frozenset[str], slow_s: float | None) -> ReleaseEvent:
    """A row as the guards see it. `own`: the models of the arm that was drawn.

    Help from another model, after a retry or because its own rests, is a failure of the arm. An answer that the client
    gave up on says nothing of its length.
    """
    assert row.arm is not None
    rescued = row.model is not None and row.model not in own
    ended = row.outcome == "ok"
    return ReleaseEvent(
        at=row.settled_at,
        arm=row.arm,
        weight=row.weight,
        subject=row.subject,
        bad=row.outcome in BAD_OUTCOMES or row.attempt_failed or rescued,
        slow=row.duration_s > slow_s if ended and slow_s is not None else None,
        usd=row.usd if ended and not rescued else None,
        refused=None if rescued else row.refused,
        guard_hit=None if rescued else row.guard_hit,
    )


def choose_weight(plan: ReleasePlan, weight: float, held_s: float, people: int) -> float:
    """The share from now on: the next step once this one has lasted, and been met by, enough; else the same.

    >>> choose_weight(ReleasePlan(guards=()), 0.05, 600.0, 50), choose_weight(ReleasePlan(guards=()), 0.05, 600.0, 49)
    (0.25, 0.05)
    """
    if held_s < plan.step_minimum_s or people < plan.step_minimum_people:
        return weight
    return next((step for step in plan.steps if step > weight), weight)


def promoted_weight(plan: ReleasePlan) -> float:
    """The candidate's share after a promotion: all but the holdback."""
    return 1.0 - plan.holdback


class ShadowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the copies of a release came to so far."""

    verdict: ShadowVerdict
    copies: int
    failed: int
    only_candidate: int  # requests whose copy failed while the champion answered
    only_champion: int
    compared: int
    usd: float | None  # of copies and judge; None: a model without a price
    why: str


class ShadowTrials:
    """Copies of requests, each beside the request that it is a copy of.

    Of the requests that exactly one of both failed, either would fail as often if they were equal: a fair coin.
    """

    def __init__(self, plan: ReleasePlan) -> None:
        self._plan = plan
        self._champion: dict[str, bool] = {}  # by request: whether it failed, while its copy is awaited
        self._candidate: dict[str, bool] = {}
        self._copies = self._failed = self._only_candidate = self._only_champion = self._compared = 0
        self._usd: float | None = 0.0

    def add(self, row: ReleaseRow) -> None:
        """A row of the release: a request of a client, a copy of one, or a judge's."""
        if row.key_id == SHADOW_KEY:
            self._usd = None if self._usd is None or row.usd is None else self._usd + row.usd
        if row.judged is not None:
            self._compared += 1
        failed = row.outcome in BAD_OUTCOMES or row.attempt_failed
        if row.key_id != SHADOW_KEY:
            self._pair(row.request_id, failed, self._champion, self._candidate)
        elif row.request_id.endswith("-candidate-trial"):
            self._copies += 1
            self._failed += failed
            self._pair(row.request_id.removesuffix("-candidate-trial"), failed, self._candidate, self._champion)

    def _pair(self, request_id: str, failed: bool, own: dict[str, bool], other: dict[str, bool]) -> None:
        if request_id not in other:
            own[request_id] = failed
            if len(own) > _MOST_WAITING:
                del own[next(iter(own))]
            return
        before = other.pop(request_id)
        champion, candidate = (failed, before) if own is self._champion else (before, failed)
        self._only_candidate += candidate and not champion
        self._only_champion += champion and not candidate

    def decide(self) -> ShadowResult:
        """Whether people may get the candidate now."""
        split = self._only_candidate + self._only_champion
        harm = log_coin_evidence(self._only_candidate, split, 0.5, 1.0, "above")
        enough = self._copies >= self._plan.shadow_minimum
        verdict: ShadowVerdict = "wait"
        why = f"{self._copies} of {self._plan.shadow_minimum} copies are answered"
        if harm >= log(len(self._plan.guards) / self._plan.rollback_alpha):
            verdict, why = "roll back", f"{self._only_candidate} copies failed that the champion answered"
        elif enough and harm < log(1.0 / self._plan.promotion_alpha):
            verdict, why = "go on", f"{self._copies} copies, {self._failed} of them failed"
        elif enough:
            why = f"{self._only_candidate} copies failed that the champion answered; more are needed to tell"
        return ShadowResult(
            verdict=verdict,
            copies=self._copies,
            failed=self._failed,
            only_candidate=self._only_candidate,
            only_champion=self._only_champion,
            compared=self._compared,
            usd=self._usd,
            why=why,
        )
