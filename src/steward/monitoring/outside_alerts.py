"""Alerts of other systems, as Alertmanager's webhook tells them (version 4): what is kept of a message. Pure.

A message speaks of a group of alerts and names all that still fire, so each message says how the group stands. What it
holds is the sender's: every text is cut, every list bounded, and what could command a terminal is taken out. Source:
Prometheus, Alertmanager, configuration: webhook_config. Grafana's webhook has the same fields and version 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from steward.core.alerts import OUTSIDE_ID, OUTSIDE_RULE, Alert, Severity
from steward.core.durations import DAY_S
from steward.core.errors import InputError
from steward.core.excerpts import cut_text

VERSIONS: Final = ("4", "1")
MOST_MEMBERS: Final = 500  # alerts of a group that are looked at
MOST_SCOPES: Final = 20  # that are named
MOST_NAME: Final = 100
MOST_SCOPE: Final = 120
MOST_TEXT: Final = 500
OLDEST_S: Final = 30 * DAY_S  # a beginning that is said to be earlier is taken to be this
LATE_S: Final = 600.0  # after its end, in which a message that it fires is an old one that was held up
PAGES: Final = frozenset({"page", "critical", "emergency", "fatal", "disaster"})  # values of the label `severity`
UNSEEN: Final = frozenset({"alertname", "severity", "source"})  # labels that no scope needs to name


class AlertmanagerAlert(msgspec.Struct, frozen=True):
    """One alert of a group; what is not read here is ignored."""

    status: Literal["firing", "resolved"] = "firing"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    startsAt: str = ""
    endsAt: str = ""
    generatorURL: str = ""


class AlertmanagerMessage(msgspec.Struct, frozen=True):
    """The body of a webhook."""

    alerts: list[AlertmanagerAlert]
    status: Literal["firing", "resolved"]
    version: str = ""
    groupKey: str = ""
    receiver: str = ""
    groupLabels: dict[str, str] = {}
    commonLabels: dict[str, str] = {}
    commonAnnotations: dict[str, str] = {}
    externalURL: str = ""
    truncatedAlerts: int = 0


class OutsideGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says of its group. `alert.id` is made of the group and its beginning."""

    prefix: str  # how the ids of all alerts of this group begin
    alert: Alert  # `ended_at` is set where nothing of the group fires any more


def read_group(message: AlertmanagerMessage, sender: str, now: float) -> OutsideGroup:
    """`sender` is who proved to be sending it: two senders' groups are never one.

    :raises InputError: another version, or a message without any alert
    """
    if message.version not in VERSIONS:
        raise InputError(f"version {cut_text(message.version)!r}: expected '4', that of Alertmanager's webhook")
    if not message.alerts:
        raise InputError("alerts: empty; expected at least one alert")
    members = message.alerts[:MOST_MEMBERS]
    shown = [member for member in members if member.status == message.status] or members
    key = message.groupKey or repr(sorted((message.groupLabels or message.commonLabels).items()))
    digest = hashlib.sha256(repr((sender, message.receiver, key)).encode("utf-8", "replace")).hexdigest()
    prefix = f"{OUTSIDE_ID}{digest[:20]}-"
    started_at = _find_start(shown, now)
    alert = Alert(
        id=f"{prefix}{started_at:.0f}",
        rule=OUTSIDE_RULE + _find_name(message, shown),
        severity=_find_severity(shown),
        summary=_find_text(message, shown, ("summary", "title", "description", "message"))
        or f"{_find_name(message, shown)} fires.",
        evidence=_describe(message, shown, sender),
        scopes=_list_scopes(shown, message.truncatedAlerts + len(message.alerts) - len(members)),
        started_at=started_at,
        ended_at=None if message.status == "firing" else max(started_at, _find_end(members, now)),
    )
    return OutsideGroup(prefix=prefix, alert=alert)


def is_own(message: AlertmanagerMessage, page: str) -> bool:
    """Whether this deployment sent it: a channel that leads back here would double every alert."""
    labels = message.commonLabels or (message.alerts[0].labels if message.alerts else {})
    return bool(page) and message.externalURL == page and labels.get("source") == "steward"


def is_late(ended: Alert, now: float) -> bool:
    """Whether what says that an alert fires, which has ended, was held up on its way; else it goes on."""
    return ended.ended_at is not None and now - ended.ended_at < LATE_S


def clean(text: str, most: int) -> str:
    """One line of at most `most` characters, without any that is not printed.

    >>> clean("a\\x1b[31m\\n b", 20), clean("x" * 30, 5)
    ('a[31m b', 'xxxx…')
    """
    line = "".join(sign if sign.isprintable() else " " if sign.isspace() else "" for sign in text[: 4 * most])
    line = re.sub(" +", " ", line).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def _find_name(message: AlertmanagerMessage, members: Sequence[AlertmanagerAlert]) -> str:
    for labels in (message.groupLabels, message.commonLabels, *(member.labels for member in members)):
        if name := clean(labels.get("alertname", ""), MOST_NAME):
            return name
    return "unnamed"


def _find_severity(members: Sequence[AlertmanagerAlert]) -> Severity:
    return "page" if any(member.labels.get("severity", "").lower() in PAGES for member in members) else "ticket"


def _find_text(message: AlertmanagerMessage, members: Sequence[AlertmanagerAlert], names: Sequence[str]) -> str:
    sources: list[Mapping[str, str]] = [message.commonAnnotations, *(member.annotations for member in members)]
    return next((text for name in names for one in sources if (text := clean(one.get(name, ""), MOST_TEXT))), "")


def _describe(message: AlertmanagerMessage, members: Sequence[AlertmanagerAlert], sender: str) -> str:
    """What is wrong, where to look, and who says so."""
    parts = [
        _find_text(message, members, ("description", "message", "summary")),
        _find_text(message, members, ("runbook_url", "runbook")),
        next((url for member in members if (url := clean(member.generatorURL, MOST_TEXT))), ""),
        f"reported by {clean(sender, MOST_NAME)}" + (f" ({url})" if (url := clean(message.externalURL, 200)) else ""),
    ]
    return "; ".join(part for part in parts if part)


def _list_scopes(members: Sequence[AlertmanagerAlert], unseen: int) -> tuple[str, ...]:
    """By what the members differ, so that one can be told from another."""
    common = set.intersection(*(set(member.labels.items()) for member in members)) if len(members) > 1 else set()
    scopes = sorted(
        {
            clean(", ".join(f"{name}={value}" for name, value in own), MOST_SCOPE)
            for member in members
            if (own := sorted(set(list(member.labels.items())[:100]) - common)) and not {n for n, _ in own} <= UNSEEN
        }
    )
    more = max(0, len(scopes) - MOST_SCOPES) + max(0, unseen)
    named = scopes[:MOST_SCOPES] or ["all"]
    return (*named, f"and {more} more") if more else tuple(named)


def _find_start(members: Sequence[AlertmanagerAlert], now: float) -> float:
    starts = [at for member in members if (at := _read_moment(member.startsAt)) is not None]
    return min(now, max(now - OLDEST_S, min(starts, default=now)))


def _find_end(members: Sequence[AlertmanagerAlert], now: float) -> float:
    ends = [at for member in members if (at := _read_moment(member.endsAt)) is not None]
    return min(now, max(ends, default=now))


def _read_moment(text: str) -> float | None:
    """None: no time, or Go's zero time, which stands for none."""
    try:
        moment = datetime.fromisoformat(text)
        at = moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return at if at is not None and at > 0.0 else None
