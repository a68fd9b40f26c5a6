"""What channels are told."""

from __future__ import annotations

import re

import msgspec

from steward.core.alerts import Alert
from steward.monitoring.messages import describe, make_mail, make_pagerduty, make_slack, make_webhook

ALERT = Alert(
    id="a1", rule="error-burn", severity="page", summary="Requests <fail>.", evidence="9 of 10 & more",
    scopes=("model m", "all"), value=0.9, expected=0.1, started_at=1764547200.0,
)  # fmt: skip
OVER = Alert(**{**{name: getattr(ALERT, name) for name in ALERT.__struct_fields__}, "ended_at": 1764550800.0})


def test_one_line() -> None:
    assert describe(ALERT, "firing") == "[PAGE] error-burn (model m): Requests <fail>."
    assert describe(OVER, "resolved") == "[RESOLVED] error-burn (model m): Requests <fail>."


def test_the_webhook_is_alertmanagers_version_4() -> None:
    # field names: Prometheus's documentation of Alertmanager, webhook_config
    body = make_webhook(ALERT, "firing", "hook", "http://c:1")
    assert set(body) == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    (one,) = body["alerts"]
    assert set(one) == {
        "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
    }  # fmt: skip
    assert (body["version"], body["status"], one["startsAt"]) == ("4", "firing", "2025-12-01T00:00:00Z")
    assert one["endsAt"] == "0001-01-01T00:00:00Z" and one["generatorURL"] == "http://c:1/alerts"
    assert re.fullmatch("[0-9a-f]{16}", one["fingerprint"])  # as Alertmanager's own, 64 bits in hexadecimal
    over = make_webhook(OVER, "resolved", "hook", "")
    assert (over["status"], over["alerts"][0]["endsAt"]) == ("resolved", "2025-12-01T01:00:00Z")
    assert over["alerts"][0]["fingerprint"] == one["fingerprint"]


def test_slack_escapes_what_it_would_take_for_markup() -> None:
    text = make_slack(ALERT, "firing", "http://c:1")["text"]
    assert "Requests &lt;fail&gt;." in text and "9 of 10 &amp; more" in text and "<http://c:1/alerts|" in text


def test_pagerduty_opens_and_closes_one_incident() -> None:
    opened, closed = make_pagerduty(ALERT, "firing", "K", ""), make_pagerduty(OVER, "resolved", "K", "")
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "steward:a1" and "payload" not in closed
    assert opened["payload"]["severity"] == "critical" and opened["routing_key"] == "K"


def test_mail_says_since_when_and_how_to_silence() -> None:
    subject, text = make_mail(OVER, "resolved", "")
    assert "\n" not in subject
    assert "Since 2025-12-01 00:00 UTC. Over at 2025-12-01 01:00 UTC." in text
    assert "steward alerts silence error-burn --for 1h" in text


def test_mail_says_what_to_do_while_an_alert_fires_and_not_when_it_is_over() -> None:
    (_, begun), (_, over) = make_mail(ALERT, "firing", "http://c:1"), make_mail(OVER, "resolved", "http://c:1")
    assert "What to do: steward tail" in begun and "Since 2025-12-01 00:00 UTC.\n" in begun
    assert "What to do" not in over and "http://c:1/alerts" in over


def test_slack_is_told_what_to_do_when_it_begins_and_not_when_it_is_over() -> None:
    begun, over = make_slack(ALERT, "firing", ""), make_slack(OVER, "resolved", "")
    assert begun["text"].count("\n") == over["text"].count("\n") + 1
    assert "steward " in begun["text"].rpartition("\n")[2]


def test_pagerduty_gets_no_more_than_it_takes() -> None:
    """Events API v2: a dedup_key has at most 255 characters, a summary 1,024."""
    long = msgspec.structs.replace(ALERT, id="a" * 300, summary="s" * 2_000, severity="ticket")
    event = make_pagerduty(long, "firing", "K", "")
    assert len(event["dedup_key"]) == 255 and len(event["payload"]["summary"]) == 1_024
    assert event["payload"]["severity"] == "warning"
