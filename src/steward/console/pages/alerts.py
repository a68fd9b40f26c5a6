"""What fires and since when, with its evidence; what can be done about it; objectives, rules and history."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import MOST_SAVED, csv_endpoint
from steward.console.reader import Reader
from steward.console.shell import FormTooLarge, Page, act_endpoint, page_endpoint, read_form, redirect, render_page
from steward.console.source import ConsoleSource
from steward.console.traffic_view import TrafficCharts
from steward.core.alerts import Alert, Notice, RuleState, Silence
from steward.core.durations import parse_span_s
from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.monitoring.conditions import FACTS
from steward.monitoring.rule_cards import RuleCard, find_runbook, make_cards
from steward.monitoring.slo import SloPlan, SloStatus
from steward.monitoring.traffic import Traffic
from steward.workflows import alerting
from steward.workflows.watch import rules_of

HISTORY: Final = 100
SILENCES: Final = {"1h": "1 hour", "8h": "8 hours", "3d": "3 days"}
SHARES: Final = ("failures", "refusals", "satisfaction")  # rules that look at a share of requests
AROUND_S: Final = 3 * 3600  # that a chart of evidence shows before and after

COLUMNS: Final = (
    *("id", "rule", "severity", "summary", "evidence", "scopes", "value", "expected", "started_at", "ended_at"),
    *("acknowledged_by", "acknowledged_at"),
)


class AlertReport(msgspec.Struct, frozen=True, kw_only=True):
    firing: list[Alert]
    ended: list[Alert]  # newest first
    silences: list[Silence]
    objectives: list[SloStatus]
    cards: tuple[RuleCard, ...]
    states: dict[str, RuleState]  # what each rule said last, by name


class AlertEvidence(msgspec.Struct, frozen=True, kw_only=True):
    alert: Alert
    notices: list[Notice]
    traffic: Traffic
    slos: tuple[SloPlan, ...]


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        report = await source.read(request, who, lambda: read_report(source))
        return render_page(request, "alerts.html", report=report, durations=SILENCES, now=source.clock())

    async def show_one(request: Request, who: Principal) -> Response:
        name = request.path_params["alert"]
        story = await source.read(request, who, lambda: read_story(source, name))
        return render_page(request, "alert.html", durations=SILENCES, **view_story(story, request.state.reader))

    async def acknowledge(request: Request, who: Principal) -> Response:
        name = request.path_params["alert"]
        await asyncio.to_thread(alerting.acknowledge, source.home, name, who)
        return redirect("/alerts")

    async def silence(request: Request, who: Principal) -> Response:
        try:
            form = await read_form(request)
        except FormTooLarge as error:
            raise InputError(str(error)) from error
        seconds = parse_span_s(form.get("for", ""), "for")
        comment = form.get("comment", "").strip()[:500] or "from the console"
        await asyncio.to_thread(alerting.silence, source.home, form.get("rule", "")[:200], seconds, comment, who)
        return redirect("/alerts")

    def list_rows(request: Request, who: Principal) -> list[Alert]:
        return source.store.alerts.list_alerts(MOST_SAVED)

    return Page(
        (
            page_endpoint("/alerts", "console.read", show, tenancy="deployment"),
            csv_endpoint("/alerts", "console.read", "deployment", COLUMNS, list_rows),
            page_endpoint("/alerts/{alert}", "console.read", show_one, tenancy="deployment"),
            act_endpoint("/alerts/{alert}/acknowledge", "alerts.manage", acknowledge, tenancy="deployment"),
            act_endpoint("/silences", "alerts.manage", silence, tenancy="deployment"),
        ),
        title="Alerts & SLOs",
        group="Watch",
        words="incident firing silence acknowledge objective error budget rules",
    )


def read_report(source: ConsoleSource) -> AlertReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    store, now = source.store, source.clock()
    known = store.alerts.list_alerts(HISTORY)
    firing = store.alerts.list_alerts(open_only=True)
    return AlertReport(
        firing=firing,
        ended=[alert for alert in known if alert.ended_at is not None],
        silences=store.alerts.list_silences(now),
        objectives=source.objectives.read(source, None),
        cards=make_cards(rules_of(source.plan().monitoring), FACTS),
        states={state.rule: state for state in store.alerts.list_rule_states()},
    )


def read_story(source: ConsoleSource, name: str) -> AlertEvidence:
    """:raises UnknownName: no alert has this id"""
    store = source.store
    alert = store.alerts.find_alert(name)
    if alert is None:
        raise UnknownName("alert", name, [one.id for one in store.alerts.list_alerts(HISTORY)])
    since = alert.started_at - AROUND_S
    until = min(source.clock(), (alert.ended_at or source.clock()) + AROUND_S)
    step_s = 300 if until - since <= 86400 else 3600
    traffic = source.read_traffic(since, until, step_s, tenant=None)
    return AlertEvidence(
        alert=alert, notices=store.alerts.list_notices(alert.id), traffic=traffic, slos=source.plan().monitoring.slos
    )


def view_story(story: AlertEvidence, reader: Reader) -> dict[str, Any]:
    """The values of alert.html."""
    return {
        "alert": story.alert,
        "notices": story.notices,
        "chart": choose_evidence(story, reader),
        "measured": say_measured(story.alert, reader),
        "runbook": find_runbook(story.alert.rule),
    }


def say_measured(alert: Alert, reader: Reader) -> str:
    """What was measured beside what was expected, as a share where the rule is about one; empty: not known.

    >>> known = {"id": "a", "severity": "page", "summary": "", "evidence": "", "scopes": (), "started_at": 0.0}
    >>> say_measured(Alert(rule="failures-up", value=0.295, expected=0.004, **known), Reader())
    'Measured 29.5 %, expected 0.4 %.'
    >>> say_measured(Alert(rule="prompt-length-shift", value=402.0, expected=295.0, **known), Reader())
    'Measured 402, expected 295.'
    """
    if alert.value is None or alert.expected is None:
        return ""
    is_share = any(word in alert.rule for word in SHARES) and max(alert.value, alert.expected) <= 1.0
    seen, wanted = (
        reader.share(value) if is_share else reader.compact(round(value, 3)) for value in (alert.value, alert.expected)
    )
    return f"Measured {seen}, expected {wanted}."


def choose_evidence(story: AlertEvidence, reader: Reader) -> Markup | None:
    """The chart of what the rule looks at; None: of something that is no traffic, such as a full disk."""
    if story.alert.is_outside:
        return None
    charts = TrafficCharts(story.traffic, None, reader, slos=story.slos)
    kinds = {f"slo-{slo.name}{end}": slo.kind for slo in story.slos for end in ("", "-slow")}
    drawn = {"availability": charts.errors, "ttft": charts.first_token, "total": charts.latency, "cost": charts.spend}
    drawn["satisfaction"] = charts.satisfaction
    rule = story.alert.rule
    if rule in kinds:
        return drawn.get(kinds[rule], charts.latency)()
    for words, draw in (
        (("error", "failures", "refusals"), charts.errors),
        (("first-token",), charts.first_token),
        (("latency",), charts.latency),
        (("satisfaction",), charts.satisfaction),
        (("traffic",), charts.requests),
        (("cost", "budget"), charts.spend),
        (("answer-length", "prompt-length"), charts.tokens),
    ):
        if any(word in rule for word in words):
            return draw()
    return None
