"""How many requests were turned away before they were admitted, by reason: they leave no row that could be counted.

The worker writes what has come together to its ledger file every second, from where it takes the rows' way to the
store. A killed process loses a second of it, and nothing that anybody pays for.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from steward.core.errors import Refused
from steward.core.meters import TURNED_AWAY, Labels, classify_status
from steward.core.records import Tally

REASONS: Final = frozenset(  # codes of our own refusals; another code counts under its status class
    {
        "content_policy_violation",
        "context_length_exceeded",
        "headers_too_large",
        "insufficient_quota",
        "invalid_api_key",
        "limits_unavailable",
        "malformed_http",
        "model_has_no_price",
        "model_not_found",
        "out_of_resources",
        "overloaded",
        "rate_limit_exceeded",
        "request_timeout",
        "request_too_large",
    }
)


class RejectionCounter:
    """Counts since it was last read."""

    def __init__(self) -> None:
        self._counts: Counter[Labels] = Counter()

    def count_rejection(self, error: Refused, route: str) -> None:
        """`route` is a configured name, or empty where the request did not get that far."""
        reason = error.code if error.code in REASONS else classify_status(error.status)
        labels = (("reason", reason), ("route", route), ("limit", error.limit), ("scope", error.scope))
        self._counts[labels] += 1

    def take(self, now: float) -> Tally | None:
        """What came together; None: nothing."""
        if not self._counts:
            return None
        counts, self._counts = self._counts, Counter()
        return Tally(at=now, meter=TURNED_AWAY, counts=tuple(counts.items()))
