"""`steward alerts list|show|rules|ack|silence|test|backtest`: what is wrong, who was told, what rules would say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.cli.common import (
    MOST_LINES,
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_progress,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.alerts import RuleState
from steward.core.durations import parse_span_s
from steward.monitoring.backtest import Backtest
from steward.monitoring.rule_cards import RuleCard, find_runbook

AlertArgument = Annotated[str, typer.Argument(help="Rule that fires, or the beginning of the alert's id.")]


def list_(
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=MOST_LINES, help="Number of alerts to show, newest first.")
    ] = 20,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("alerts")] = False,
) -> None:
    """Show alerts, newest first, silences, and rules that cannot judge. Exits with 1 if any alert is firing."""
    from steward.workflows import alerting

    folder = find_home(home)
    alerts, silences = alerting.list_alerts(folder, limit), alerting.list_silences(folder)
    not_judged = [one for one in alerting.list_rule_states(folder).values() if one.state == "cannot tell"]
    if json:
        show_json({"alerts": alerts, "silences": silences, "not_judged": not_judged})
    else:
        rows = [
            [
                alert.id[:8],
                alert.rule,
                alert.severity,
                "over" if alert.ended_at else "acknowledged" if alert.acknowledged_by else "firing",
                _time(alert.started_at),
                None if alert.ended_at is None else _time(alert.ended_at),
                alert.evidence,
            ]
            for alert in alerts
        ]
        if rows:
            show_table(["id", "rule", "severity", "state", "since", "until", "evidence"], rows)
        else:
            show_lines(["No alerts."])
        show_lines(f"Silence {one.id} of {one.rule} until {_time(one.ends_at)}: {one.comment}" for one in silences)
        _show_not_judged(not_judged)
    if alerting.list_alerts(folder, open_only=True):  # of which the newest may be older than those that are shown
        raise typer.Exit(1)


def show(
    alert: AlertArgument, home: HomeOption = None, json: Annotated[JsonOption, CsvRows("notices")] = False
) -> None:
    """Show one alert and who was notified of it; of a rule that has not fired, whether it can judge."""
    from steward.core.errors import UnknownName
    from steward.workflows import alerting

    folder = find_home(home)
    try:
        story = alerting.show_alert(folder, alert)
    except UnknownName:
        cards = alerting.list_cards(folder)
        card = next((card for card in cards if card.name == alert), None)
        if card is None:
            raise UnknownName("alert or rule", alert, [card.name for card in cards]) from None
        state = alerting.list_rule_states(folder).get(card.name)
        if json:
            show_json({"alert": None, "rule": card, "now": state, "notices": []})
        else:
            show_lines([f"{card.name} has not fired.", *_describe_card(card, state)])
        return
    if json:
        show_json(story)
        return
    one = story.alert
    show_lines([f"{one.rule} ({one.severity}): {one.summary}", one.evidence, ""])
    until = "still firing" if one.ended_at is None else f"over since {_time(one.ended_at)}"
    show_lines([f"Since {_time(one.started_at)}, {until}. Concerns: {', '.join(one.scopes)}."])
    show_lines([f"What to do: {find_runbook(one.rule)}"])
    if one.acknowledged_by:
        show_lines([f"Acknowledged by {one.acknowledged_by} at {_time(one.acknowledged_at or 0.0)}."])
    show_lines([""])
    rows = [
        [
            notice.channel,
            notice.kind,
            "delivered" if notice.delivered_at else "failed" if notice.failed() else "waiting",
            _time(notice.delivered_at or notice.created_at),
            notice.attempts,
            notice.error or None,
        ]
        for notice in story.notices
    ]
    if one.is_outside:
        show_lines(["Nobody was told by steward: whoever reported it tells people itself."])
    elif rows:
        show_table(["channel", "what", "state", "at", "tries", "error"], rows)
    else:
        show_lines(["Nobody was told: no channel takes it. Add one under monitoring.channels in steward.yaml."])


def _show_not_judged(states: list[RuleState]) -> None:
    """Rules whose silence says nothing, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for one in states:
        reasons.setdefault(one.why, []).append(one.rule)
    if reasons:
        show_lines(["", "These rules cannot judge now, so their silence says nothing:"])
        show_lines(f"  {', '.join(names)}: {why}" for why, names in reasons.items())


def rules(
    rule: Annotated[str | None, typer.Argument(help="One rule; all of them where none is named.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show what is watched: when each rule fires, what it says now, what to do then, and how often it cries wolf."""
    from steward.core.errors import UnknownName
    from steward.workflows import alerting

    folder = find_home(home)
    cards, states = alerting.list_cards(folder), alerting.list_rule_states(folder)
    chosen = [card for card in cards if rule in (None, card.name)]
    if not chosen:
        raise UnknownName("rule", rule or "", [card.name for card in cards])
    if json:
        show_json([{**msgspec.to_builtins(card), "now": states.get(card.name)} for card in chosen])
    elif rule is None:
        show_table(
            ["rule", "severity", "fires when", "now", "false alarms a month"],
            [
                [
                    card.name,
                    card.severity,
                    card.summary,
                    _describe_state(card, states.get(card.name)),
                    _false_alarms(card),
                ]
                for card in chosen
            ],
        )
    else:
        (card,) = chosen
        show_lines(_describe_card(card, states.get(card.name)))


def _describe_card(card: RuleCard, state: RuleState | None) -> list[str]:
    now = _describe_state(card, state)
    reason = f": {state.why}" if state is not None and state.why else ""
    return [
        f"{card.name} ({card.severity}): {card.summary}",
        f"Then: {card.runbook}",
        *([f"Now: {now}{reason}"] if now else []),
        f"False alarms a month: {_false_alarms(card)}",
    ]


def _describe_state(card: RuleCard, state: RuleState | None) -> str | None:
    """None: of a fact, which is known or its alert says that it is not."""
    if card.basis == "of a fact":
        return None
    return "has not looked yet" if state is None else state.state


def _false_alarms(card: RuleCard) -> str:
    if card.basis == "of a fact":
        return "none: a fact"
    if card.false_alarms_per_month is None:
        return "not measured; try steward alerts backtest"
    return f"at most {card.false_alarms_per_month:.2g} (95 %)"


def ack(alert: AlertArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Acknowledge an alert: its notices are not repeated while it lasts."""
    from steward.core.identity import operator
    from steward.workflows import alerting

    acknowledged = alerting.acknowledge(find_home(home), alert, operator(os.getuid(), reason))
    if json:
        show_json(acknowledged)
    else:
        show_lines([f"{acknowledged.rule} is acknowledged by {acknowledged.acknowledged_by}."])


def silence(
    rule: Annotated[str, typer.Argument(help="Rule to silence; * means all.")],
    duration: Annotated[str, typer.Option("--for", help="How long, such as 30m, 8h or 2d; a year at most.")] = "1h",
    comment: Annotated[str, typer.Option(help="Why, for whoever reads it.")] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Send no notices of a rule's alerts for a while; the alerts are recorded all the same."""
    from steward.core.identity import operator
    from steward.workflows import alerting

    for_s = parse_span_s(duration, "--for")
    created = alerting.silence(find_home(home), rule, for_s, comment, operator(os.getuid(), comment))
    if json:
        show_json(created)
    else:
        show_lines([f"{'All rules are' if rule == '*' else f'{rule} is'} silent until {_time(created.ends_at)}."])


def test(
    channel: Annotated[str | None, typer.Argument(help="Channel to try; all of them where none is named.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Send a test message through the channels. Exits with 1 if one does not take it."""
    from steward.workflows import alerting
    from steward.workflows.findings import describe_alert_test

    folder = find_home(home)
    results = alerting.try_channels(folder, channel)
    if channel is None:
        keep_finding(describe_alert_test(results), folder)
    if json:
        show_json(results)
    elif not results:
        show_lines(["No channels. Add one under monitoring.channels in steward.yaml, then run `steward reload`."])
    else:
        rows = [[one.channel, "ok" if one.delivered else "failed", one.error or None] for one in results]
        show_table(["channel", "state", "error"], rows)
    if not all(one.delivered for one in results):
        raise typer.Exit(1)


def backtest(
    rules: Annotated[Path, typer.Argument(help="YAML file of rules; an empty one means steward's own.")],
    events: Annotated[Path | None, typer.Option("--events", help="Requests, one JSON object a line.")] = None,
    since: Annotated[str | None, typer.Option(help="Replay this deployment's own history, such as 30d.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("rules")] = False,
) -> None:
    """Replay requests through alert rules: what would have fired, when and why. Exits with 1 if anything fired."""
    from steward.core.errors import InputError
    from steward.workflows.alerts import backtest_file, backtest_history

    if (events is None) == (since is None):
        raise InputError("name either a file of requests (--events FILE) or a time (--since 30d)")
    with show_progress(hidden=json) as progress:
        if events is not None:
            result = backtest_file(rules, events, progress)
        else:
            result = backtest_history(rules, find_home(home), since or "", progress)
    if json:
        show_json(result)
    else:
        _show(result)
    if result.pages or result.tickets:
        raise typer.Exit(1)


def _show(result: Backtest) -> None:
    unreadable = f" {result.unreadable:,} lines could not be read." if result.unreadable else ""
    show_lines([f"{result.events:,} requests over {result.span_s / 86400:.1f} days.{unreadable}", ""])
    rows = [
        [rule.name, rule.severity, len(rule.firings), f"{rule.pages_per_week:.2f}" if rule.severity == "page" else None]
        for rule in result.rules
    ]
    show_table(["rule", "severity", "fired", "pages a week"], rows)
    for rule in result.rules:
        for firing in rule.firings:
            end = "still firing" if firing.end is None else f"until {_time(firing.end)}"
            where = ", ".join(scope for scope in firing.scopes if scope != "all")
            show_lines(["", f"{rule.name}: from {_time(firing.start)} {end}{f' ({where})' if where else ''}"])
            show_lines([f"  {firing.evidence}"])
    if result.not_judged:
        show_lines(["", "These rules could not be judged on this history:"])
        show_lines(f"  {item.rule}: {item.why}" for item in result.not_judged)
    show_lines(["", f"{_plural(result.pages, 'page')}, {_plural(result.tickets, 'ticket')}."])


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
