"""A release replayed through the code that decides it live."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from steward.improvement.canary import Canary, ReleaseDecision
from steward.improvement.config import ReleasePlan
from steward.improvement.events import ReleaseEvent

_REPORT_EVERY = 20_000


def backtest(
    events: Iterable[ReleaseEvent], plan: ReleasePlan, on_event: Callable[[int], None] = lambda _: None
) -> ReleaseDecision:
    """What would have been decided, and when. A look comes before the first event of each period, and at the end."""
    canary = Canary(plan)
    next_look: float | None = None
    for number, event in enumerate(events, 1):
        if next_look is None:
            next_look = event.at + plan.look_every_s
        elif event.at >= next_look:
            if (decision := canary.decide()) is not None:
                return decision
            periods = (event.at - next_look) // plan.look_every_s + 1
            next_look += periods * plan.look_every_s
        canary.add(event)
        if number % _REPORT_EVERY == 0:
            on_event(number)
    if next_look is None:
        return canary.report("inconclusive", "no request")
    return canary.decide() or canary.report("inconclusive", "the requests end before the guards decide")
