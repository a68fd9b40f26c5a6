"""When looks come in a replay."""

from __future__ import annotations

from steward.core.records import Arm
from steward.improvement.backtest import backtest
from steward.improvement.config import ReleaseConfig
from steward.improvement.events import ReleaseEvent


def failing(*times: float) -> list[ReleaseEvent]:
    """At each time somebody for whom the candidate fails, and another for whom the champion does not."""
    return [
        ReleaseEvent(at=at, subject=f"{arm} {at}", arm=arm, weight=0.5, bad=arm == "candidate")
        for at in times
        for arm in ARMS
    ]


ARMS: tuple[Arm, Arm] = ("champion", "candidate")
PLAN = ReleaseConfig(warm_up_s=0.0, look_every_s=60.0).plan()


def test_a_decision_comes_at_the_first_look_after_its_evidence() -> None:
    decision = backtest(failing(*range(30), 59.0, 60.0, 61.0), PLAN)
    assert (decision.decision, decision.at, decision.events) == ("roll back", 59.0, 62)
    late = backtest(failing(0.0, *(500.0 + n for n in range(30)), 539.9, 540.0), PLAN)
    assert (late.decision, late.at) == ("roll back", 539.9)  # looks stay at whole periods after a pause


def test_the_end_is_a_look_and_nothing_is_no_release() -> None:
    assert backtest(failing(*range(30)), PLAN).decision == "roll back"
    nothing = backtest([], PLAN)
    assert (nothing.decision, nothing.why, nothing.at, nothing.events) == ("inconclusive", "no request", None, 0)


def test_progress_is_told() -> None:
    seen: list[int] = []
    healthy = (ReleaseEvent(at=float(n), arm=ARMS[n % 2], weight=0.5) for n in range(59_999))
    backtest(healthy, PLAN, seen.append)
    assert seen == [20_000, 40_000]
