"""The keeper's watch: from the minutes in the store to alerts, and from alerts to whoever must be told.

What was judged, which alerts are open and who was told stand in the store, so a keeper that dies in the middle, or
another machine's that takes over, repeats nothing and forgets nothing. Each channel is told in a thread of its own: a
receiver that does not answer holds up neither the ledger nor other channels.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.notifiers.apprise import send_apprise
from steward.adapters.notifiers.http import ask, post_json
from steward.adapters.notifiers.mail import send_mail
from steward.core.alerts import MOST_ALERTS, Alert, Notice, NoticeKind, RuleState, Severity, wait_s
from steward.core.errors import InputError, StewardError
from steward.core.excerpts import cut_reason
from steward.core.minutes import MinuteRow, minute_of
from steward.core.secret import Secret, resolve, resolve_value
from steward.core.series import MINUTE_S
from steward.core.stores import AlertStore, MinuteStore, SeriesStore
from steward.core.threads import open_thread
from steward.monitoring.conditions import Condition
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.monitoring.history import KEPT_MINUTES
from steward.monitoring.messages import make_mail, make_pagerduty, make_slack, make_webhook
from steward.monitoring.notices import judge_channels, plan_notices
from steward.monitoring.rule_file import read_rules
from steward.monitoring.rules import DEFAULT_RULES, WatchedRule
from steward.monitoring.slo import columns_of, count_minutes, make_rules
from steward.monitoring.watch import Minute, Watch

log = logging.getLogger(__name__)

SETTLED_S: Final = 10.0  # after a minute, until its requests are in the store
SLICE_S: Final = 0.3  # of catching up, before other jobs have their turn
CHUNK_MINUTES: Final = 1440
KEPT_S: Final = 60.0 * (KEPT_MINUTES + 4 * 1440)  # of minutes in the store
ALERTS_KEPT_S: Final = 400 * 86400.0
CLEAN_EVERY_S: Final = 3600.0
UNHEARD_S: Final = 3 * 86400.0  # without a word of it, an alert of another system is taken to be over
HEARTBEAT_S: Final = 60.0
STATES_EVERY_S: Final = 600.0  # that what rules said is kept anew where only numbers changed
PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"

Send = Callable[[ChannelPlan, Alert, NoticeKind, str], None]


def rules_of(plan: MonitoringPlan) -> tuple[WatchedRule, ...]:
    """Those of the file, or steward's own, and those of the objectives.

    :raises InputError: the file of rules cannot be understood
    """
    return (*(read_rules(Path(plan.rules)) if plan.rules else DEFAULT_RULES), *make_rules(plan.slos))


class AlertWatch:
    """A job of the keeper: call `run` every few seconds."""

    def __init__(
        self,
        minutes: MinuteStore,
        alerts: AlertStore,
        plan: MonitoringPlan,
        conditions: Sequence[Callable[[], list[Condition]]] = (),
        clock: Callable[[], float] = time.time,
        send: Send | None = None,
        series: SeriesStore | None = None,
    ) -> None:
        """`series` tell of durations, for objectives; without them there are none to watch."""
        self._series, self._slos = series, plan.slos if series is not None else ()
        self._minutes, self._alerts, self._plan, self._clock = minutes, alerts, plan, clock
        self._conditions, self._send = conditions, send or send_notice
        self._rules = rules_of(plan if series is not None else msgspec.structs.replace(plan, slos=()))
        self._watch: Watch | None = None
        self._next = 0  # the minute that the watch has not seen
        self._cleaned_at = self._beat_at = self._stated_at = 0.0
        self._stated: dict[str, str] = {}  # by rule, the state that the store has
        self._threads: dict[str, ThreadPoolExecutor] = {}  # by channel; "": the heartbeat's
        self._sending: dict[str, Future[None]] = {}

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        now = self._clock()
        self._beat(now)
        if self._catch_up(minute_of(now - SETTLED_S)):
            self._keep_alerts(now)
            self._keep_states(now)
        self._collect(now)
        self._tell(now)
        if now - self._cleaned_at >= CLEAN_EVERY_S:
            self._cleaned_at = now
            self._minutes.delete_before(minute_of(now - KEPT_S))
            self._alerts.end_unheard(now - UNHEARD_S, now)
            self._alerts.delete_before(now - ALERTS_KEPT_S)

    def close(self) -> None:
        for thread in self._threads.values():
            thread.shutdown(wait=False, cancel_futures=True)

    def _find_thread(self, channel: str) -> ThreadPoolExecutor:
        if channel not in self._threads:
            self._threads[channel] = open_thread(f"channel {channel}")
        return self._threads[channel]

    def _catch_up(self, end: int) -> bool:
        """Feed the watch with minutes before `end`; False where more are left than one turn takes."""
        watched = self._alerts.read_watched()
        if self._watch is None or (watched is not None and watched != self._next):
            self._watch = self._resume(end)
        until = time.monotonic() + SLICE_S
        while self._next < end:
            chunk_end = min(end, self._next + CHUNK_MINUTES)
            rows = group_minutes(self._minutes.read(self._next, chunk_end, tenant=None))
            more = self._read_objectives(self._next, chunk_end)
            for minute in range(self._next, chunk_end):
                judge = watched is None or minute >= watched
                self._watch.step(minute, rows.get(minute, {}), judge, more.get(minute, ()))
            self._next = chunk_end
            if watched is None or self._next > watched:
                self._alerts.write_watched(self._next)
                watched = self._next
            if time.monotonic() > until and self._next < end:
                return False
        return True

    def _read_objectives(self, start: int, end: int) -> dict[int, list[float]]:
        """What the columns of the objectives hold in minutes `start` to `end`, the end not included."""
        if self._series is None or not self._slos:
            return {}
        rows = self._series.read_rollup(MINUTE_S, start * MINUTE_S, end * MINUTE_S, tenant=None) or []
        return count_minutes(self._slos, rows)

    def _resume(self, end: int) -> Watch:
        """A watch that knows the alerts of before; its minutes follow."""
        columns = tuple(name for plan in self._slos for name in columns_of(plan))
        watch, span = Watch(self._rules, columns), self._minutes.span(tenant=None)
        first = end if span is None else min(end, span[0])
        self._next = max(first, end - KEPT_MINUTES)
        for alert in reversed(self._alerts.list_alerts(MOST_ALERTS, outside=False)):
            until = None if alert.ended_at is None else minute_of(alert.ended_at)
            scopes = ["" if scope == "all" else scope for scope in alert.scopes]
            watch.resume(alert.rule, scopes, minute_of(alert.started_at), until)
        return watch

    def _keep_alerts(self, now: float) -> None:
        """What fires is open in the store, and nothing else."""
        assert self._watch is not None
        opened = {alert.rule: alert for alert in self._alerts.list_alerts(open_only=True, outside=False)}
        for alert in [*self._from_rules(now, opened), *self._from_conditions(now, opened)]:
            if opened.pop(alert.rule, None) != alert:
                self._alerts.put(alert)
        for alert in opened.values():
            self._alerts.put(msgspec.structs.replace(alert, ended_at=now))

    def _keep_states(self, now: float) -> None:
        """What rules said last: one that cannot judge is seen before it is needed."""
        assert self._watch is not None
        readings = self._watch.list_readings()
        states = {name: reading.state for name, reading in readings.items()}
        if states == self._stated and now - self._stated_at < STATES_EVERY_S:
            return
        self._stated, self._stated_at = dict(states), now
        self._alerts.put_rule_states(
            [RuleState(rule=name, state=reading.state, why=reading.why, at=now) for name, reading in readings.items()],
            [rule.name for rule in self._rules],
        )

    def _from_rules(self, now: float, opened: dict[str, Alert]) -> list[Alert]:
        assert self._watch is not None
        alerts = []
        for firing in self._watch.list_firing():
            scopes = tuple(scope or "all" for scope in firing.scopes)
            alert = opened.get(firing.rule.name)
            if alert is None or firing.reading.why:
                alert = msgspec.structs.replace(
                    alert or _make_alert(firing.rule.name, firing.rule.severity, now),
                    summary=firing.rule.summary or f"The rule {firing.rule.name} fires.",
                    evidence=firing.reading.why,
                    value=firing.reading.value,
                    expected=firing.reading.expected,
                    scopes=tuple(dict.fromkeys([*(alert.scopes if alert else ()), *scopes])),
                )
            alerts.append(alert)
        return alerts

    def _from_conditions(self, now: float, opened: dict[str, Alert]) -> list[Alert]:
        conditions = [condition for look in self._conditions for condition in look()]
        conditions += judge_channels(self._plan.channels, self._alerts.read_channel_states())
        return [
            msgspec.structs.replace(
                opened.get(condition.rule) or _make_alert(condition.rule, condition.severity, now),
                summary=condition.summary,
                evidence=condition.evidence,
                scopes=condition.scopes,
            )
            for condition in conditions
        ]

    def _tell(self, now: float) -> None:
        """Write down who is to be told, then begin to tell whoever is due."""
        silences = self._alerts.list_silences(now)
        alerts = {alert.id: alert for alert in self._alerts.list_alerts(MOST_ALERTS, outside=False)}
        for alert in alerts.values():
            if alert.ended_at is None or now - alert.ended_at < 86400.0:
                earlier = self._alerts.list_notices(alert.id)
                notices = plan_notices(alert, self._plan.channels, silences, earlier, now, self._plan.repeat_s)
                if notices:
                    self._alerts.add_notices(notices)
        channels = {channel.name: channel for channel in self._plan.channels}
        for notice in self._alerts.due_notices(now):
            due, channel = alerts.get(notice.alert_id), channels.get(notice.channel)
            if due is None or channel is None:
                self._alerts.put_notice(_try_again(notice, now, "the channel is no longer configured"))
            elif notice.id not in self._sending:
                thread = self._find_thread(channel.name)
                self._sending[notice.id] = thread.submit(self._send, channel, due, notice.kind, self._plan.page)

    def _collect(self, now: float) -> None:
        """Keep what became of notices that were being told."""
        due = {notice.id: notice for notice in self._alerts.due_notices(now)} if self._sending else {}
        for notice_id, sent in list(self._sending.items()):
            if not sent.done():
                continue
            del self._sending[notice_id]
            notice, error = due.get(notice_id), sent.exception()
            if notice is None:
                continue
            if error is None:
                self._alerts.put_notice(msgspec.structs.replace(notice, attempts=notice.attempts + 1, delivered_at=now))
                continue
            reason = str(error) if isinstance(error, StewardError) else type(error).__name__
            failed = _try_again(notice, now, reason)
            if failed.failed():
                log.warning("channel %s could not be told of an alert: %s", notice.channel, reason)
            self._alerts.put_notice(failed)

    def _beat(self, now: float) -> None:
        """Tell the outside that the watch is awake; nobody waits for the answer."""
        if self._plan.heartbeat and now - self._beat_at >= HEARTBEAT_S:
            self._beat_at = now
            self._find_thread("").submit(ask, resolve_value(self._plan.heartbeat))


def send_notice(channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
    """Tell one channel now. :raises Unavailable: it does not take it :raises InputError: a secret leads nowhere"""
    url = resolve_value(channel.url) if channel.url else Secret(PAGERDUTY)
    key = resolve(channel.key) if channel.key else None
    match channel.kind:
        case "webhook":
            post_json(url, make_webhook(alert, kind, channel.name, page), key)
        case "slack":
            post_json(url, make_slack(alert, kind, page))
        case "pagerduty":
            if key is None:
                raise InputError(f"channel {channel.name}: kind pagerduty needs a key")
            post_json(url, make_pagerduty(alert, kind, key.reveal(), page))
        case "email":
            password = resolve(channel.password) if channel.password else None
            subject, text = make_mail(alert, kind, page)
            send_mail(url, channel.sender, channel.to, subject, text, channel.user, password)
        case "apprise":
            send_apprise(url, *make_mail(alert, kind, page), is_bad=kind == "firing")


def make_test_alert(now: float) -> Alert:
    """What `steward alerts test` tells a channel."""
    return msgspec.structs.replace(
        _make_alert("test", "ticket", now),
        summary="This is a test of the channel; nothing is wrong.",
        evidence="Sent by `steward alerts test`.",
        scopes=("all",),
    )


def _make_alert(rule: str, severity: Severity, now: float) -> Alert:
    return Alert(id=uuid.uuid4().hex, rule=rule, severity=severity, summary="", evidence="", scopes=(), started_at=now)


def _try_again(notice: Notice, now: float, reason: str) -> Notice:
    attempts = notice.attempts + 1
    return msgspec.structs.replace(notice, attempts=attempts, next_at=now + wait_s(attempts), error=cut_reason(reason))


def group_minutes(rows: Sequence[MinuteRow]) -> dict[int, Minute]:
    """By minute; rows of several tenants count together."""
    minutes: dict[int, Minute] = {}
    for row in rows:
        group = minutes.setdefault(row.minute, {})
        sums = group.get((row.model, row.route))
        if sums is None:
            group[row.model, row.route] = list(row.sums)
        else:
            for index, value in enumerate(row.sums):
                sums[index] += value
    return minutes
