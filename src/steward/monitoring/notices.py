"""Who is to be told what now: pure decisions over alerts, channels and silences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from steward.core.alerts import Alert, Notice, Silence
from steward.monitoring.config import ChannelPlan


def plan_notices(
    alert: Alert,
    channels: Iterable[ChannelPlan],
    silences: Sequence[Silence],
    earlier: Sequence[Notice],
    now: float,
    repeat_s: float,
) -> list[Notice]:
    """The notices that `alert` needs and does not have yet. `earlier` are those of this alert.

    Whoever was told that it fires is told that it is over, silence or not; what is acknowledged is not repeated.
    """
    notices = []
    for channel in channels:
        sent = [notice for notice in earlier if notice.channel == channel.name]
        if alert.ended_at is not None:
            if sent and not any(notice.kind == "resolved" for notice in sent):
                notices.append(_make(alert, channel, "resolved", 0, now))
            continue
        if alert.severity not in channel.severities or any(one.covers(alert.rule, now) for one in silences):
            continue
        last = max((notice.created_at for notice in sent), default=None)
        if last is None or (alert.acknowledged_at is None and now - last >= repeat_s):
            notices.append(_make(alert, channel, "firing", len(sent), now))
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
