"""Appeals: somebody says that an answer wronged them, and asks for a person's decision.

An appeal and its decision are kept as feedback is, sealed under the key of the person, so that an export finds them and
an erasure reaches them. They count as no rating. The deadline stands in the appeal's label, the decision in its own.
"""

from __future__ import annotations

import datetime
import time
from typing import Final, Literal, get_args

import msgspec

from steward.core.durations import DAY_S

AppealOutcome = Literal["upheld", "partly", "rejected"]
AppealState = Literal["open", "late", "upheld", "partly", "rejected"]

APPEAL: Final = "appeal"  # kinds of feedback
DECISION: Final = "decision"
OUTCOMES: Final[tuple[AppealOutcome, ...]] = get_args(AppealOutcome)
APPEAL_DAYS: Final = 30  # GDPR, Article 12(3): one month


class AppealRow(msgspec.Struct, frozen=True, kw_only=True):
    """One appeal, and what was decided; its words are not in it."""

    id: str  # "appeal_" and 24 hex digits
    at: float
    decide_by: str  # a day: "2026-12-29"
    tenant: str
    project: str
    key_id: str
    request_id: str
    model: str | None = None
    route: str | None = None
    has_content: bool = True
    decided_at: float | None = None
    decided_by: str | None = None
    outcome: AppealOutcome | None = None

    def state_at(self, now: float) -> AppealState:
        """Late from the end of the day on by which somebody should have decided (UTC)."""
        if self.outcome is not None:
            return self.outcome
        return "late" if now >= end_of_day(self.decide_by) else "open"


def find_deadline(at: float, days: int) -> str:
    """The day by which somebody decides.

    >>> find_deadline(1_795_900_000.0, 30)
    '2026-12-28'
    """
    return time.strftime("%Y-%m-%d", time.gmtime(at + days * DAY_S))


def end_of_day(day: str) -> float:
    """Seconds since the epoch at which a UTC day is over; 0 for what is no day."""
    try:
        begin = datetime.datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        return 0.0
    return begin.timestamp() + DAY_S


def name_decision(appeal_id: str) -> str:
    """The id of the decision of an appeal: there is one at most."""
    return f"decision_{appeal_id.removeprefix('appeal_')}"
