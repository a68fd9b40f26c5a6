"""Who is to be told what now: pure decisions over alerts, channels and silences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steward.core.alerts import FALLBACK_ATTEMPTS, Alert, ChannelState, Notice, Silence
from steward.monitoring.conditions import CHANNEL_FAILING, Condition
from steward.monitoring.config import ChannelPlan


def judge_channels(channels: Iterable[ChannelPlan], states: Iterable[ChannelState]) -> list[Condition]:
    """Whether channels that are configured do not take what they are told."""
    refusing = {state.channel: state.error for state in states if state.is_failing()}
    failing = [channel for channel in channels if channel.name in refusing]
    if not failing:
        return []
    listed = [
        f"{channel.name} refused {FALLBACK_ATTEMPTS} tries or more ({refusing[channel.name]})" for channel in failing
    ]
    return [
        Condition(
            rule=CHANNEL_FAILING,
            severity="page" if any("page" in channel.severities for channel in failing) else "ticket",
            summary="A channel does not take alerts; whoever reads it is not told of what is wrong.",
            evidence="; ".join(listed),
            scopes=tuple(_name_scope(channel) for channel in failing),
        )
    ]


def _name_scope(channel: ChannelPlan) -> str:
    return f"channel {channel.name}"


def plan_notices(
    alert: Alert,
    channels: Iterable[ChannelPlan],
    silences: Sequence[Silence],
    earlier: Sequence[Notice],
    now: float,
    repeat_s: float,
) -> list[Notice]:
    """The notices that `alert` needs and does not have yet. `earlier` are those of this alert.

    Whoever was told that it fires is told that it is over, silence or not; what is acknowledged is not repeated. What
    a channel did not take, its fallback is told, whatever severities that has. That a channel does not take alerts is
    told on the others, and on its fallback in any case.
    """
    channels, notices = list(channels), []
    failing = {one.name for one in channels if alert.rule == CHANNEL_FAILING and _name_scope(one) in alert.scopes}
    fallbacks = {one.fallback for one in channels if one.name in failing}
    silenced = any(one.covers(alert.rule, now) for one in silences)
    for channel in channels:
        sent = [notice for notice in earlier if notice.channel == channel.name]
        if alert.ended_at is not None:
            if sent and not any(notice.kind == "resolved" for notice in sent):
                notices.append(_make(alert, channel, "resolved", 0, now))
            continue
        if silenced or channel.name in failing:
            continue
        if alert.severity not in channel.severities and channel.name not in fallbacks:
            continue
        last = max((notice.created_at for notice in sent), default=None)
        if last is None or (alert.acknowledged_at is None and now - last >= repeat_s):
            notices.append(_make(alert, channel, "firing", len(sent), now))
    return notices + _plan_fallbacks(alert, channels, [*earlier, *notices], silenced, now)


def _plan_fallbacks(
    alert: Alert, channels: Sequence[ChannelPlan], sent: Sequence[Notice], silenced: bool, now: float
) -> list[Notice]:
    """For each notice that failed too often, unless the fallback was told the same since."""
    by_name = {channel.name: channel for channel in channels}
    notices: list[Notice] = []
    for notice in sent:
        channel = by_name.get(notice.channel)
        fallback = by_name.get(channel.fallback or "") if channel is not None else None
        if fallback is None or not notice.needs_fallback():
            continue
        if notice.kind == "firing" and (silenced or alert.ended_at is not None):
            continue
        own = [one for one in (*sent, *notices) if one.channel == fallback.name]
        if not any(one.kind == notice.kind and one.created_at >= notice.created_at for one in own):
            notices.append(_make(alert, fallback, notice.kind, len(own), now))
    return notices


def _make(alert: Alert, channel: ChannelPlan, kind: str, number: int, now: float) -> Notice:
    return Notice(
        id=f"{alert.id}:{channel.name}:{kind}:{number}",
        alert_id=alert.id,
        channel=channel.name,
        kind="resolved" if kind == "resolved" else "firing",
        created_at=now,
        next_at=now,
    )
