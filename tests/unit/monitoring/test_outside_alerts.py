"""Messages of Alertmanager's webhook, and what is kept of hostile ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.alerts import Alert
from steward.core.errors import InputError
from steward.monitoring.outside_alerts import (
    MOST_MEMBERS,
    MOST_SCOPES,
    OLDEST_S,
    AlertmanagerMessage,
    clean,
    is_late,
    is_own,
    read_group,
)

NOW = 1_764_547_200.0  # 2025-12-01T00:00:00Z
SENDER = "key:0123abcd"


def member(**changed: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "HighLatency", "severity": "critical", "instance": "a:9100"},
        "annotations": {"summary": "It is slow", "description": "p95 is 3 s"},
        "startsAt": "2025-11-30T23:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "f",
        **changed,
    }


def message(*members: dict[str, Any], **changed: Any) -> AlertmanagerMessage:
    body = {
        "version": "4",
        "groupKey": '{}:{alertname="HighLatency"}',
        "status": "firing",
        "receiver": "steward",
        "groupLabels": {"alertname": "HighLatency"},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(members or (member(),)),
        "truncatedAlerts": 0,
        **changed,
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=AlertmanagerMessage)


def read(*members: dict[str, Any], **changed: Any) -> Alert:
    return read_group(message(*members, **changed), SENDER, NOW).alert


def labels(**own: str) -> dict[str, str]:
    return {"alertname": "HighLatency", **own}


def test_a_group_that_fires() -> None:
    alert = read()
    assert (alert.rule, alert.severity, alert.summary) == ("external:HighLatency", "page", "It is slow")
    assert alert.evidence == (
        "p95 is 3 s; http://prometheus/graph; reported by key:0123abcd (http://alertmanager:9093)"
    )
    assert alert.started_at == pytest.approx(NOW - 3600 + 0.123456) and alert.ended_at is None
    assert alert.scopes == ("alertname=HighLatency, instance=a:9100, severity=critical",)
    assert alert.is_outside and len(alert.id) <= 64


def test_members_are_told_apart_by_what_differs() -> None:
    two = (member(labels=labels(instance="b", job="x")), member(labels=labels(instance="a", job="x")))
    assert read(*two).scopes == ("instance=a", "instance=b")
    assert read(*two, member(labels=labels(instance="c", job="x"), status="resolved")).scopes == (
        "instance=a", "instance=b",
    )  # fmt: skip
    assert read(member(labels={"alertname": "A", "severity": "warning"})).scopes == ("all",)


def test_the_group_is_over_with_its_last_member() -> None:
    over = read(member(status="resolved", endsAt="2025-11-30T23:30:00Z"), status="resolved")
    assert over.ended_at == NOW - 1800
    assert read(member(status="resolved", endsAt="2030-01-01T00:00:00Z"), status="resolved").ended_at == NOW
    early = read(member(status="resolved", endsAt="2025-11-01T00:00:00Z"), status="resolved")
    assert early.ended_at == early.started_at


def test_groups_of_one_key_have_one_id_and_others_another() -> None:
    first = read_group(message(), SENDER, NOW)
    assert read_group(message(member(annotations={})), SENDER, NOW).alert.id == first.alert.id
    assert first.alert.id.startswith(first.prefix)
    assert read_group(message(), "key:other", NOW).prefix != first.prefix
    assert read_group(message(receiver="other"), SENDER, NOW).prefix != first.prefix
    assert read_group(message(groupKey="{}"), SENDER, NOW).prefix != first.prefix
    later = read_group(message(member(startsAt="2025-11-30T23:10:00Z")), SENDER, NOW)
    assert later.prefix == first.prefix and later.alert.id != first.alert.id


@pytest.mark.parametrize(
    ("severity", "ours"), [("critical", "page"), ("PAGE", "page"), ("warning", "ticket"), ("", "ticket")]
)
def test_severities(severity: str, ours: str) -> None:
    assert read(member(labels=labels(severity=severity))).severity == ours


def test_the_oldest_beginning_counts_within_reason() -> None:
    two = (member(startsAt="2025-11-30T22:00:00Z"), member(startsAt="2025-11-30T23:00:00Z"))
    assert read(*two).started_at == NOW - 7200
    assert read(member(startsAt="1999-01-01T00:00:00Z")).started_at == NOW - OLDEST_S
    for odd in ("2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "yesterday", "", "9" * 1000):
        assert read(member(startsAt=odd)).started_at == NOW


def test_hostile_texts_are_cut_and_command_nothing() -> None:
    name = "\x1b[2J" + "<script>" * 1000 + "\u202e\x00"
    alert = read(
        member(labels={"alertname": name, name: name}, annotations={"summary": name * 5, "description": name}),
        groupLabels={},
        externalURL=name,
    )
    for text in (alert.rule, alert.summary, alert.evidence, *alert.scopes):
        assert text.isprintable() and len(text) < 2000
    assert len(alert.rule) <= 110 and len(alert.summary) == 500 and all(len(scope) <= 120 for scope in alert.scopes)


def test_lists_are_bounded_and_say_so() -> None:
    many = [member(labels=labels(instance=f"{number:04}")) for number in range(MOST_MEMBERS + 100)]
    alert = read(*many, truncatedAlerts=7)
    assert len(alert.scopes) == MOST_SCOPES + 1
    assert alert.scopes[-1] == f"and {MOST_MEMBERS - MOST_SCOPES + 107} more"
    wide = read(member(labels={f"l{number}": "v" for number in range(5000)}))
    assert len(wide.scopes) == 1 and len(wide.scopes[0]) == 120


def test_of_very_many_labels_the_first_hundred_are_read() -> None:
    for count, is_read in ((99, True), (100, False)):
        wide = {f"l{number:03}": "v" for number in range(count)} | {"a": "v"}
        assert read(member(labels=wide)).scopes[0].startswith("a=v") is is_read


def test_of_a_text_four_times_its_room_is_read() -> None:
    assert (clean("\x00" * 39 + "a", 10), clean("\x00" * 40 + "a", 10)) == ("a", "")


def test_what_is_missing_is_made_up_for() -> None:
    bare = AlertmanagerMessage(alerts=[msgspec.convert({}, type(message().alerts[0]))], status="firing", version="1")
    alert = read_group(bare, SENDER, NOW).alert
    assert (alert.rule, alert.summary) == ("external:unnamed", "unnamed fires.")


@pytest.mark.parametrize(("changed", "words"), [({"version": "3"}, "version '3'"), ({"alerts": []}, "alerts: empty")])
def test_other_messages_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(**changed)


def test_our_own_message_is_known() -> None:
    own = message(commonLabels={"source": "steward"}, externalURL="https://console")
    assert is_own(own, "https://console") and not is_own(own, "https://other") and not is_own(own, "")
    assert not is_own(message(externalURL="https://console"), "https://console")
    assert is_own(message(member(labels={"source": "steward"}), externalURL="https://console"), "https://console")


def test_a_message_is_late_for_ten_minutes_after_the_end() -> None:
    ended = msgspec.structs.replace(read(), ended_at=NOW)
    assert is_late(ended, NOW + 599) and not is_late(ended, NOW + 600)
    assert not is_late(read(), NOW)


def test_clean() -> None:
    assert clean("  a \n\t b\x07 ", 10) == "a b"
    assert clean("x" * 10, 10) == "x" * 10 and clean("x" * 11, 10) == "x" * 9 + "…"


def test_what_is_not_shown_is_counted_however_many_are() -> None:
    """Alertmanager leaves out as many alerts of a group as its setting max_alerts says."""
    two = (member(labels=labels(instance="b")), member(labels=labels(instance="a")))
    assert read(*two, truncatedAlerts=7).scopes == ("instance=a", "instance=b", "and 7 more")
    assert read(*two, truncatedAlerts=-7).scopes == ("instance=a", "instance=b")
    twenty = [member(labels=labels(instance=f"{number:02}")) for number in range(20)]
    assert len(read(*twenty).scopes) == 20
    assert read(*twenty, member(labels=labels(instance="x"))).scopes[-1] == "and 1 more"


def test_what_is_kept_of_a_message_is_bounded_by_the_documented_sizes() -> None:
    assert (MOST_MEMBERS, MOST_SCOPES, OLDEST_S) == (500, 20, 30 * 86_400)
    wide = read(externalURL="http://" + "x" * 300)
    assert wide.evidence.endswith("(http://" + "x" * 192 + "…)")
    named = read(groupLabels={"alertname": "n" * 101}).rule
    assert named == "external:" + "n" * 99 + "…"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2025-11-30T23:00:00", "yesterday", ""])
def test_an_alert_without_a_time_that_can_be_read_begins_now(at: str) -> None:
    """Go writes its zero time where there is none; a time without a zone is no moment."""
    assert read(member(startsAt=at)).started_at == NOW
