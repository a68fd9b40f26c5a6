"""What each kind of channel is told of an alert: names, numbers and a link, never a word of a prompt.

Webhooks get the JSON of Alertmanager's webhook receiver, version 4 (Prometheus, Alertmanager, configuration:
webhook_config), which every receiver made for it understands. PagerDuty gets Events API v2 with `dedup_key`, so that an
alert is one incident from its first notice to its end.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from steward.core.alerts import Alert, NoticeKind
from steward.monitoring.rule_cards import find_runbook

_SOURCE: Final = "steward"
_NO_END: Final = "0001-01-01T00:00:00Z"  # Go's zero time, which Alertmanager sends while an alert fires


def describe(alert: Alert, kind: NoticeKind) -> str:
    """One line for people."""
    word = {"firing": alert.severity.upper(), "resolved": "RESOLVED", "test": "TEST"}[kind]
    where = ", ".join(scope for scope in alert.scopes if scope != "all")
    return f"[{word}] {alert.rule}{f' ({where})' if where else ''}: {alert.summary}"


def make_webhook(alert: Alert, kind: NoticeKind, receiver: str, page: str) -> dict[str, Any]:
    """Alertmanager's webhook, version 4."""
    status = "resolved" if kind == "resolved" else "firing"
    labels = {"alertname": alert.rule, "severity": alert.severity, "source": _SOURCE}
    annotations = {
        "summary": alert.summary,
        "description": alert.evidence,
        "scopes": ", ".join(alert.scopes),
        "runbook": find_runbook(alert.rule),
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert.rule}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": {"alertname": alert.rule},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": page,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": _time(alert.started_at),
                "endsAt": _NO_END if alert.ended_at is None else _time(alert.ended_at),
                "generatorURL": f"{page}/alerts" if page else "",
                "fingerprint": hashlib.sha256(alert.rule.encode()).hexdigest()[:16],
            }
        ],
    }


def make_slack(alert: Alert, kind: NoticeKind, page: str) -> dict[str, Any]:
    """An incoming webhook's message; what comes from names is escaped as Slack asks (&, <, >)."""
    lines = [f"*{_escape(describe(alert, kind))}*", _escape(alert.evidence)]
    if kind == "firing":
        lines.append(_escape(find_runbook(alert.rule)))
    if page:
        lines.append(f"<{page}/alerts|Open the console>")
    return {"text": "\n".join(line for line in lines if line)}


def make_pagerduty(alert: Alert, kind: NoticeKind, routing_key: str, page: str) -> dict[str, Any]:
    """Events API v2. `dedup_key` has at most 255 characters."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if kind == "resolved" else "trigger",
        "dedup_key": f"{_SOURCE}:{alert.id}"[:255],
    }
    if kind != "resolved":
        event["payload"] = {
            "summary": describe(alert, kind)[:1024],
            "source": _SOURCE,
            "severity": "critical" if alert.severity == "page" else "warning",
            "timestamp": _time(alert.started_at),
            "component": ", ".join(alert.scopes),
            "class": alert.rule,
            "custom_details": {
                "evidence": alert.evidence,
                "value": alert.value,
                "expected": alert.expected,
                "runbook": find_runbook(alert.rule),
            },
        }
        event["links"] = [{"href": f"{page}/alerts", "text": "Console"}] if page else []
    return event


def make_mail(alert: Alert, kind: NoticeKind, page: str) -> tuple[str, str]:
    """Subject and text."""
    since = datetime.fromtimestamp(alert.started_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    until = datetime.fromtimestamp(alert.ended_at, UTC).strftime("%Y-%m-%d %H:%M UTC") if alert.ended_at else ""
    lines = [alert.summary, "", alert.evidence, "", f"Since {since}." + (f" Over at {until}." if until else "")]
    lines += ["", f"What to do: {find_runbook(alert.rule)}"] if kind == "firing" else []
    lines += ["", f"{page}/alerts"] if page else []
    lines += ["", f"Silence it for an hour: steward alerts silence {alert.rule} --for 1h"]
    return " ".join(describe(alert, kind).split()), "\n".join(lines) + "\n"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
