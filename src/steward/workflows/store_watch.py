"""Tells people when the store is gone, locked or full: the one alert that cannot be kept in it.

Every keeper looks for itself, without a lease, which the store would have to give. What was told is remembered here, so
a keeper that is restarted meanwhile may tell once more. The heartbeat stops as well, since the watch does not run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from steward.core.alerts import Alert, NoticeKind
from steward.core.errors import Exhausted, StewardError, Unavailable
from steward.monitoring.config import ChannelPlan, MonitoringPlan

log = logging.getLogger(__name__)

GONE_S: Final = 120.0  # without an answer, from which people are told
RULE: Final = "store-gone"

Send = Callable[[ChannelPlan, Alert, NoticeKind, str], None]


class StoreWatch:
    """A job of every keeper: call `run` every few seconds."""

    def __init__(
        self,
        check: Callable[[], None],
        current: Callable[[], MonitoringPlan],
        send: Send,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`check` raises Unavailable where the store does not answer, Exhausted where it is full."""
        self._check, self._current, self._send, self._clock = check, current, send, clock
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="store")  # a thread for each channel
        self._sending: list[tuple[str, Future[None]]] = []
        self._gone_since: float | None = None
        self._told = False

    def run(self) -> None:
        self._log_failures()
        now = self._clock()
        try:
            self._check()
        except (Unavailable, Exhausted) as error:
            if self._gone_since is None:
                self._gone_since = now
            if not self._told and now - self._gone_since >= GONE_S:
                self._tell("firing", self._gone_since, None, str(error))
                self._told = True
            return
        if self._told and self._gone_since is not None:
            self._tell("resolved", self._gone_since, now, "the store takes records again")
        self._gone_since, self._told = None, False

    def _tell(self, kind: NoticeKind, since: float, until: float | None, evidence: str) -> None:
        plan = self._current()
        alert = Alert(
            id=f"{RULE}-{since:.0f}",
            rule=RULE,
            severity="page",
            summary="The store takes nothing; requests are served and recorded in files, and nothing is watched.",
            evidence=evidence,
            scopes=("all",),
            started_at=since,
            ended_at=until,
        )
        for channel in plan.channels:
            if alert.severity in channel.severities:
                sent = self._threads.submit(self._send_or_fall_back, channel, alert, kind, plan)
                self._sending.append((channel.name, sent))

    def _send_or_fall_back(self, channel: ChannelPlan, alert: Alert, kind: NoticeKind, plan: MonitoringPlan) -> None:
        """Nothing is kept of a notice while the store is gone, so that it cannot be tried again later.

        :raises StewardError: neither the channel nor its fallback, nor the fallback's, takes it
        """
        try:
            self._send(channel, alert, kind, plan.page)
        except StewardError as error:
            fallback = next((one for one in plan.channels if one.name == channel.fallback), None)
            if fallback is None:
                raise
            log.warning("channel %s could not be told that the store is gone: %s", channel.name, error)
            self._send_or_fall_back(fallback, alert, kind, plan)

    def _log_failures(self) -> None:
        for name, sent in [one for one in self._sending if one[1].done()]:
            error = sent.exception()
            if error is not None:
                reason = str(error) if isinstance(error, StewardError) else type(error).__name__
                log.warning("channel %s could not be told that the store is gone: %s", name, reason)
        self._sending = [one for one in self._sending if not one[1].done()]
