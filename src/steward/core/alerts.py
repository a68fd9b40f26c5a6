"""Alerts as they are kept and told: what is wrong since when, who was told, and what is not to be told for a while.

They hold names, numbers and times, never a word of a prompt or an answer. Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Severity = Literal["page", "ticket"]
NoticeKind = Literal["firing", "resolved", "test"]
MAX_ATTEMPTS: Final = 10  # to tell a channel: with the waits below, about five hours
FALLBACK_ATTEMPTS: Final = 4  # after which, a minute or so, the channel's fallback is told
FIRST_WAIT_S: Final = 10.0
LONGEST_WAIT_S: Final = 3600.0
MOST_ALERTS: Final = 1000  # of the newest, that are looked through; those that are open are all read
OUTSIDE_ID: Final = "outside-"  # how ids of alerts begin that another system reported
OUTSIDE_RULE: Final = "external:"  # how their rules begin


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that fired, from its first scope to its last."""

    id: str
    rule: str
    severity: Severity
    summary: str
    evidence: str  # the sentence with the numbers
    scopes: tuple[str, ...]  # "all", "model NAME", "route NAME"
    value: float | None = None
    expected: float | None = None
    started_at: float
    ended_at: float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None

    @property
    def is_outside(self) -> bool:
        """Whether another system reported it, which tells people itself: it is kept and shown, and told on no channel.

        >>> Alert(id="outside-1", rule="external:Down", severity="page", summary="", evidence="", scopes=(),
        ...       started_at=0.0).is_outside
        True
        """
        return self.id.startswith(OUTSIDE_ID)


class RuleState(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule said of all requests when it last looked: that it cannot judge is not that all is well."""

    rule: str
    state: Literal["fine", "wrong", "cannot tell"]
    why: str  # the numbers; of what is fine, nothing
    at: float


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of a rule (or of all: "*") are kept but not told until `ends_at`."""

    id: str
    rule: str
    starts_at: float
    ends_at: float
    comment: str
    created_by: str

    def covers(self, rule: str, now: float) -> bool:
        return self.rule in ("*", rule) and self.starts_at <= now < self.ends_at


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel is to be told of one alert. Its id is made of what it says, so that it exists once."""

    id: str
    alert_id: str
    channel: str
    kind: NoticeKind
    created_at: float
    attempts: int = 0
    next_at: float = 0.0
    delivered_at: float | None = None
    error: str = ""

    def failed(self) -> bool:
        """Whether nobody tries any more."""
        return self.delivered_at is None and self.attempts >= MAX_ATTEMPTS

    def needs_fallback(self) -> bool:
        """Whether it failed so often that another channel should be told; it is tried again itself, too."""
        return self.delivered_at is None and self.attempts >= FALLBACK_ATTEMPTS


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a channel takes what it is told: when it last did, and when it last refused a notice for the fourth time
    or a later one. None: never."""

    channel: str
    delivered_at: float | None = None
    refused_at: float | None = None
    error: str = ""

    def is_failing(self) -> bool:
        """
        >>> ChannelState(channel="a", delivered_at=1.0, refused_at=2.0).is_failing()
        True
        """
        return self.refused_at is not None and self.refused_at > (self.delivered_at or 0.0)


def wait_s(attempts: int) -> float:
    """Until the next try, after so many failed ones.

    >>> [wait_s(attempts) for attempts in (1, 2, 3, 20)]
    [10.0, 20.0, 40.0, 3600.0]
    """
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))
