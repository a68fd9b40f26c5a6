"""Takes in what other systems report: each group of alerts is one alert here, which is shown and told on no channel.

Bounded: so many groups are open at the same time, and so many begin in an hour. More are refused, so that the sender
sees it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from steward.core.errors import Refused
from steward.core.identity import Principal
from steward.core.stores import AlertStore
from steward.monitoring.outside_alerts import AlertmanagerMessage, OutsideGroup, is_late, is_own, read_group

MOST_OPEN: Final = 200
MOST_NEW: Final = 300  # in an hour
HOUR_S: Final = 3600.0


class ReceivedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message: opened, changed, resolved, or nothing, with the reason."""

    result: str
    alert: str = ""
    why: str = ""


class OutsideAlerts:
    """For one console; its threads share it."""

    def __init__(self, alerts: AlertStore, find_page: Callable[[], str]) -> None:
        self._alerts, self._find_page = alerts, find_page
        self._lock = threading.Lock()
        self._begun: deque[float] = deque()

    def receive(self, message: AlertmanagerMessage, who: Principal, now: float) -> ReceivedGroup:
        """It blocks.

        :raises InputError: no message of Alertmanager's webhook :raises Refused: 429, too many
        :raises Unavailable: the store does not answer
        """
        if is_own(message, self._find_page()):
            return ReceivedGroup(result="nothing", why="this deployment sent it itself")
        group = read_group(message, who.actor, now)
        with self._lock:
            return self._keep(group, now)

    def _keep(self, group: OutsideGroup, now: float) -> ReceivedGroup:
        alert = group.alert
        open_now = self._alerts.list_alerts(open_only=True, outside=True)
        known = next((one for one in open_now if one.id.startswith(group.prefix)), None)
        if known is not None:
            changed = msgspec.structs.replace(
                known, evidence=alert.evidence, scopes=alert.scopes, ended_at=alert.ended_at
            )
            self._alerts.hear(changed, now)
            return ReceivedGroup(result="changed" if alert.ended_at is None else "resolved", alert=known.id)
        if alert.ended_at is not None:
            return ReceivedGroup(result="nothing", why="no alert of this group is open")
        before = self._alerts.find_alert(alert.id)
        if before is not None and is_late(before, now):
            return ReceivedGroup(result="nothing", alert=alert.id, why="it has been resolved since")
        self._count(len(open_now), now)
        self._alerts.hear(alert, now)
        return ReceivedGroup(result="opened", alert=alert.id)

    def _count(self, open_now: int, now: float) -> None:
        """:raises Refused: more than are taken"""
        while self._begun and self._begun[0] <= now - HOUR_S:
            self._begun.popleft()
        if open_now >= MOST_OPEN or len(self._begun) >= MOST_NEW:
            reason = f"{open_now} are open" if open_now >= MOST_OPEN else f"{len(self._begun)} began within an hour"
            raise Refused(
                f"Too many groups of alerts: {reason}. Group them more coarsely (group_by), or resolve some.",
                status=429,
                type="rate_limit_error",
                code="too_many_alerts",
                headers=(("retry-after", "60"),),
            )
        self._begun.append(now)
