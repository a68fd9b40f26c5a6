"""Alerts as operators handle them: list, show, acknowledge, silence, test."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
import yaml

from steward.core.alerts import MOST_ALERTS, OUTSIDE_RULE, Alert, Notice, RuleState, Silence
from steward.core.errors import InputError, StewardError, Unavailable, UnknownName
from steward.core.identity import Principal
from steward.monitoring.conditions import FACTS, RULES
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.prometheus_rules import make_dashboard, make_prometheus_rules
from steward.monitoring.rule_cards import RuleCard, make_cards
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import find_deployment, open_served_store
from steward.workflows.serve.plan import read_plan
from steward.workflows.watch import make_test_alert, rules_of, send_notice

log = logging.getLogger(__name__)

LONGEST_SILENCE_S: Final = 366 * 86400.0  # what nobody has thought of for a year is no plan


class AlertStory(msgspec.Struct, frozen=True, kw_only=True):
    """One alert and who was told of it."""

    alert: Alert
    notices: tuple[Notice, ...]


class ChannelTest(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a channel took a test message."""

    channel: str
    delivered: bool
    error: str = ""


def list_cards(home: Path) -> tuple[RuleCard, ...]:
    """Every rule that is watched now, or would be if nothing has been served yet.

    :raises InputError: the file of rules cannot be understood
    """
    file = home / "run" / "plan.json"
    plan = read_plan(file).monitoring if file.exists() else MonitoringPlan()
    return make_cards(rules_of(plan), FACTS)


def list_alerts(home: Path, limit: int | None = None, open_only: bool = False) -> list[Alert]:
    """Newest first. :raises Unavailable: the store does not answer"""
    with closing(open_served_store(home)) as store:
        return store.alerts.list_alerts(limit, open_only)


def show_alert(home: Path, name: str) -> AlertStory:
    """By id, the beginning of one, or the rule that fires. :raises UnknownName: there is none"""
    with closing(open_served_store(home)) as store:
        alert = _find(store.alerts.list_alerts(MOST_ALERTS), name)
        return AlertStory(alert=alert, notices=tuple(store.alerts.list_notices(alert.id)))


def acknowledge(home: Path, name: str, who: Principal) -> Alert:
    """Somebody looks after it: it is not repeated. :raises UnknownName: no open alert of this name"""
    with closing(open_served_store(home)) as store:
        alert = _find(store.alerts.list_alerts(open_only=True), name)
        find_deployment(home).open_audit_log().record(make_act(who, "alerts.acknowledge", f"alert:{alert.rule}"))
        return store.alerts.acknowledge(alert.id, who.actor, time.time()) or alert


def silence(home: Path, rule: str, for_s: float, comment: str, who: Principal) -> Silence:
    """Alerts of `rule` ("*": of all) are kept, and not told for so long.

    :raises UnknownName: no such rule :raises InputError: a duration that is none
    """
    if for_s <= 0:
        raise InputError(f"a silence of {for_s:g} s has ended; give it a duration such as --for 1h")
    if not for_s <= LONGEST_SILENCE_S:
        raise InputError(f"a silence of {for_s / 86400:,.0f} days; expected a year at most, such as --for 30d")
    if rule.startswith(OUTSIDE_RULE):
        raise InputError(f"{rule}: no channel is told of alerts of other systems; silence it where it comes from")
    plan = _monitoring(home)
    with closing(open_served_store(home)) as store:
        known = {item.name for item in rules_of(plan)} | {alert.rule for alert in store.alerts.list_alerts(MOST_ALERTS)}
        known |= {"*", *RULES}
        if rule not in known:
            raise UnknownName("rule", rule, known)
        now = time.time()
        created = Silence(
            id=uuid.uuid4().hex[:12],
            rule=rule,
            starts_at=now,
            ends_at=now + for_s,
            comment=comment,
            created_by=who.actor,
        )
        act = make_act(who, "alerts.silence", f"rule:{rule}", after=f"until {created.ends_at:.0f}")
        find_deployment(home).open_audit_log().record(act)
        store.alerts.add_silence(created)
    return created


def list_silences(home: Path) -> list[Silence]:
    with closing(open_served_store(home)) as store:
        return store.alerts.list_silences(time.time())


def list_rule_states(home: Path) -> dict[str, RuleState]:
    """What each rule said when it last looked, by name; nothing of one that has not looked yet, or before the first
    start.

    :raises Unavailable: the store does not answer
    """
    if not (home / "run" / "plan.json").exists():
        return {}
    with closing(open_served_store(home)) as store:
        return {state.rule: state for state in store.alerts.list_rule_states()}


def try_channels(home: Path, name: str | None) -> list[ChannelTest]:
    """Send a test message through one channel, or all. :raises UnknownName: no channel of this name"""
    plan = _monitoring(home)
    chosen = [channel for channel in plan.channels if name in (None, channel.name)]
    if name is not None and not chosen:
        raise UnknownName("channel", name, [channel.name for channel in plan.channels])
    tests = []
    for channel in chosen:
        try:
            send_notice(channel, make_test_alert(time.time()), "test", plan.page)
            tests.append(ChannelTest(channel=channel.name, delivered=True))
        except StewardError as error:
            tests.append(ChannelTest(channel=channel.name, delivered=False, error=str(error)))
    _keep_deliveries(home, [test.channel for test in tests if test.delivered])
    return tests


def _keep_deliveries(home: Path, channels: Sequence[str]) -> None:
    """That these take alerts again ends the alert that they did not. Without a store there is none to end."""
    now = time.time()
    delivered = [
        Notice(
            id=f"test:{channel}:{now}", alert_id="test", channel=channel, kind="test", created_at=now, attempts=1,
            delivered_at=now,
        )
        for channel in channels
    ]  # fmt: skip
    try:
        with closing(open_served_store(home)) as store:
            store.alerts.add_notices(delivered)
    except Unavailable as error:
        log.warning("what the test of the channels showed could not be kept: %s", error)


def export_rules(home: Path | None, as_json: bool = False) -> str:
    """Alert rules for Prometheus, as YAML or JSON, with the objectives of `home` where it has served."""
    served = home is not None and (home / "run" / "plan.json").exists()
    slos = _monitoring(home).slos if home is not None and served else ()
    rules = make_prometheus_rules(slos)
    if as_json:
        return json.dumps(rules, indent=2) + "\n"
    return yaml.safe_dump(rules, sort_keys=False, width=1000, allow_unicode=True)


def export_dashboard() -> str:
    """A dashboard for Grafana, as JSON."""
    return json.dumps(make_dashboard(), indent=2) + "\n"


def _monitoring(home: Path) -> MonitoringPlan:
    return read_plan(home / "run" / "plan.json").monitoring


def _find(alerts: list[Alert], name: str) -> Alert:
    for alert in alerts:
        if name == alert.rule or (len(name) >= 4 and alert.id.startswith(name)):
            return alert
    raise UnknownName("alert", name, {alert.rule for alert in alerts})
