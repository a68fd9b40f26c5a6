"""Alerts of other systems over a real store: once each, bounded, and told on no channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert, NoticeKind
from steward.core.errors import Refused
from steward.core.identity import Principal
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.monitoring.outside_alerts import AlertmanagerAlert, AlertmanagerMessage
from steward.workflows.outside_alerts import MOST_NEW, MOST_OPEN, OutsideAlerts
from steward.workflows.watch import UNHEARD_S, AlertWatch

NOW = 1_764_547_200.0
WHO = Principal(kind="key", id="0123abcd")
HOOK = ChannelPlan(name="hook", kind="webhook", url="http://h")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def intake(store: SqlStore) -> OutsideAlerts:
    return OutsideAlerts(store.alerts, lambda: "https://console")


def message(status: Any = "firing", group: str = "g", at: str = "2025-11-30T23:00:00Z", **more: Any) -> Any:
    labels = {"alertname": "Down", "severity": "critical"}
    member = AlertmanagerAlert(status=status, labels=labels, startsAt=at)
    return AlertmanagerMessage(alerts=[member], status=status, version="4", groupKey=group, commonLabels=labels, **more)


def test_a_group_opens_once_and_is_resolved(intake: OutsideAlerts, store: SqlStore) -> None:
    assert intake.receive(message(), WHO, NOW).result == "opened"
    assert intake.receive(message(), WHO, NOW + 1).result == "changed"  # another replica, or a repetition
    assert [alert.rule for alert in store.alerts.list_alerts(10, open_only=True)] == ["external:Down"]
    assert intake.receive(message("resolved"), WHO, NOW + 60).result == "resolved"
    assert intake.receive(message("resolved"), WHO, NOW + 61).result == "nothing"
    assert intake.receive(message(), WHO, NOW + 62).why == "it has been resolved since"
    (alert,) = store.alerts.list_alerts(10)
    assert alert.ended_at == NOW + 60
    assert intake.receive(message(at="2025-11-30T23:30:00Z"), WHO, NOW + 63).result == "opened"
    assert len(store.alerts.list_alerts(10)) == 2


def test_who_acknowledged_it_stays(intake: OutsideAlerts, store: SqlStore) -> None:
    name = intake.receive(message(), WHO, NOW).alert
    store.alerts.acknowledge(name, "person:anna", NOW + 1)
    intake.receive(message(), WHO, NOW + 2)
    kept = store.alerts.find_alert(name)
    assert kept is not None and kept.acknowledged_by == "person:anna"


def test_our_own_messages_do_not_come_back(intake: OutsideAlerts, store: SqlStore) -> None:
    own = message(externalURL="https://console")
    own.commonLabels["source"] = "steward"
    assert intake.receive(own, WHO, NOW).result == "nothing" and store.alerts.list_alerts(10) == []


def test_a_flood_is_refused_and_ours_stay_in_sight(intake: OutsideAlerts, store: SqlStore) -> None:
    ours = Alert(id="a" * 32, rule="r", severity="page", summary="", evidence="", scopes=(), started_at=NOW - 99999)
    store.alerts.put(ours)
    for number in range(MOST_OPEN):
        intake.receive(message(group=str(number)), WHO, NOW)
    with pytest.raises(Refused, match="200 are open") as refused:
        intake.receive(message(group="one more"), WHO, NOW)
    assert refused.value.status == 429
    assert intake.receive(message(group="0"), WHO, NOW).result == "changed"  # what is open is still told of
    assert store.alerts.list_alerts(10, open_only=True, outside=False) == [ours]
    for number in range(MOST_NEW - MOST_OPEN):
        intake.receive(message("resolved", group=str(number)), WHO, NOW + 1)
        intake.receive(message(group=f"new {number}"), WHO, NOW + 1)
    intake.receive(message("resolved", group="150"), WHO, NOW + 2)
    with pytest.raises(Refused, match="300 began within an hour"):
        intake.receive(message(group="yet another"), WHO, NOW + 2)
    assert intake.receive(message(group="yet another"), WHO, NOW + 3601).result == "opened"


def test_the_keeper_neither_tells_nor_ends_what_others_reported(intake: OutsideAlerts, store: SqlStore) -> None:
    told, now = [], [NOW]

    def send(channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        told.append(alert.rule)

    intake.receive(message(), WHO, NOW)
    watch = AlertWatch(store.minutes, store.alerts, MonitoringPlan(channels=(HOOK,)), clock=lambda: now[0], send=send)
    for _ in range(3):
        watch.run()
        now[0] += 60
    (alert,) = store.alerts.list_alerts(10)
    assert told == [] and alert.ended_at is None and store.alerts.list_notices(alert.id) == []
    now[0] = NOW + UNHEARD_S + 60
    watch.run()
    (alert,) = store.alerts.list_alerts(10)
    assert alert.ended_at == now[0]  # nobody has said anything for three days
    assert intake.receive(message(), WHO, now[0] + 3600).result == "opened"  # a late repetition: it goes on
    (alert,) = store.alerts.list_alerts(10)
    assert alert.ended_at is None
