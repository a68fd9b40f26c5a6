"""What the rules would have said of history, through the same code as the live watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import nan
from typing import Final

import msgspec

from steward.core.durations import DAY_S
from steward.core.histogram import encode_buckets
from steward.core.minutes import empty_sums, minute_of
from steward.core.reactions import Reaction
from steward.core.series import VERSIONS, SeriesRow, collect_series
from steward.monitoring.events import Event
from steward.monitoring.history import MINUTES_OF_DAY
from steward.monitoring.rules import WatchedRule
from steward.monitoring.slo import SloPlan, count_minutes
from steward.monitoring.watch import MAX_NAMES, Change, Minute, Watch

OnMinute = Callable[[int, int], None]  # how many minutes are done, of how many

MAX_GAP_MINUTES: Final = 3 * MINUTES_OF_DAY  # without an event that is watched minute by minute; a longer one is a jump
WEEK_S: Final = 7 * DAY_S


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """From when until when a rule fired, in seconds since the epoch; `end` is null where it still fires."""

    start: float
    end: float | None
    value: float | None  # the worst that was seen
    expected: float | None
    evidence: str
    scopes: tuple[str, ...]  # "all", "model NAME", "route NAME"


class RuleReport(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over the whole history."""

    name: str
    severity: str
    firings: tuple[Firing, ...]
    pages_per_week: float


class NotJudged(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that could not say anything of this history."""

    rule: str
    why: str


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """`steward alerts backtest --json`."""

    span_s: float
    events: int
    unreadable: int
    rules: tuple[RuleReport, ...]
    pages: int
    tickets: int
    not_judged: tuple[NotJudged, ...]


def collect_minutes(events: Iterable[Event]) -> dict[int, Minute]:
    """Sums of each minute by model and route, whatever the order of the events."""
    minutes: dict[int, Minute] = {}
    names: tuple[set[str], set[str]] = (set(), set())
    for event in events:
        minute = minutes.setdefault(minute_of(event.at), {})
        group = (_bounded(names[0], event.model), _bounded(names[1], event.route))
        sums = minute.get(group)
        if sums is None:
            sums = minute[group] = empty_sums()
        event.add_to(sums)
    return minutes


def _bounded(names: set[str], name: str | None) -> str:
    """A client that invents names does not make the watch grow."""
    if not name or name in names:
        return name or ""
    if len(names) >= MAX_NAMES:
        return "other"
    names.add(name)
    return name


def collect_objectives(plans: Sequence[SloPlan], events: Iterable[Event]) -> dict[int, list[float]]:
    """What the columns of objectives hold in each minute: events go through the series, as live requests do.

    A score counts for satisfaction as a rating and for quality as an evaluator's.
    """
    if not plans:
        return {}
    rows, reactions = [], []
    for event in events:
        model, route = event.model or "", event.route or ""
        rows.append(_make_row(event, model, route))
        if event.score is not None:
            reactions += [
                Reaction(tenant="", at=event.at, model=model, route=route, key="", kind=kind, score=event.score)
                for kind in ("explicit", "judge")
            ]
    minutes = [
        SeriesRow(start, model, route, key, tuple(one.sums), tuple(encode_buckets(each) for each in one.histograms))
        for (_, start, model, route, key), one in collect_series(rows, reactions).items()
    ]
    return count_minutes(plans, minutes)


def _make_row(event: Event, model: str, route: str) -> dict[str, object]:
    """As the store's table of exchanges has it; what is not known is NaN, which no histogram counts."""
    return {
        "tenant": "",
        "key_id": "",
        "settled_at": event.at,
        "model": model,
        "route": route,
        "outcome": event.outcome or "ok",
        "status": event.status,
        "input_tokens": event.input_tokens or 0,
        "output_tokens": event.output_tokens or 0,
        "usd": event.usd,
        "ttft_s": None if event.ttft_ms is None else event.ttft_ms / 1000.0,
        "duration_s": nan if event.latency_ms is None else event.latency_ms / 1000.0,
        "streamed": event.ttft_ms is not None,
        "ready_s": None,
        "queued_s": None,
        "project": "",
        **dict.fromkeys(VERSIONS),
    }


def replay(
    rules: Sequence[WatchedRule],
    minutes: Mapping[int, Minute],
    on_minute: OnMinute | None = None,
    objectives: Mapping[int, Sequence[float]] | None = None,
    columns: tuple[str, ...] = (),
) -> tuple[list[Change], list[tuple[str, str]]]:
    """Every change of every alert, and the rules that could not be judged, with the reason. `objectives` are by minute
    what `columns` hold."""
    watch, changes = Watch(rules, columns), []
    more = objectives or {}
    nothing: Minute = {}
    ordered = sorted(minutes)
    for index, (minute, following) in enumerate(pairwise([*ordered, *ordered[-1:]])):
        changes += watch.step(minute, minutes[minute], more=more.get(minute, ()))
        if on_minute is not None and index % 500 == 0:
            on_minute(index, len(ordered))
        for silent in range(minute + 1, min(following, minute + MAX_GAP_MINUTES)):
            changes += watch.step(silent, nothing)
        if following - minute > MAX_GAP_MINUTES:
            watch.jump()
    return changes, watch.not_judged()


def report(
    rules: Sequence[WatchedRule],
    minutes: Mapping[int, Minute],
    *,
    objectives: Mapping[int, Sequence[float]] | None = None,
    columns: tuple[str, ...] = (),
    events: int = 0,
    unreadable: int = 0,
    on_minute: OnMinute | None = None,
) -> Backtest:
    """Replays `minutes` and sums up what fired. Scopes of one rule that fire together are one alert."""
    changes, not_judged = replay(rules, minutes, on_minute, objectives, columns)
    span_s = 60.0 * (max(minutes) + 1 - min(minutes)) if minutes else 0.0
    reports = []
    for rule in rules:
        firings = merge_firings([change for change in changes if change.rule == rule.name])
        pages = len(firings) if rule.severity == "page" else 0
        reports.append(
            RuleReport(
                name=rule.name,
                severity=rule.severity,
                firings=firings,
                pages_per_week=pages * WEEK_S / span_s if span_s else 0.0,
            )
        )
    return Backtest(
        span_s=span_s,
        events=events,
        unreadable=unreadable,
        rules=tuple(reports),
        pages=sum(len(one.firings) for one in reports if one.severity == "page"),
        tickets=sum(len(one.firings) for one in reports if one.severity == "ticket"),
        not_judged=tuple(NotJudged(rule=name, why=why) for name, why in not_judged),
    )


def merge_firings(changes: Sequence[Change]) -> tuple[Firing, ...]:
    """Of one rule: an alert begins with its first scope and ends with its last."""
    firings: list[Firing] = []
    open_scopes: dict[str, Change] = {}
    begun: list[Change] = []
    for change in changes:
        if change.firing:
            open_scopes[change.scope] = change
            begun.append(change)
            continue
        open_scopes.pop(change.scope, None)
        begun.append(change)
        if not open_scopes:
            firings.append(_firing(begun, end=change.minute))
            begun = []
    if begun:
        firings.append(_firing(begun, end=None))
    return tuple(firings)


def _firing(changes: Sequence[Change], end: int | None) -> Firing:
    worst = max(changes, key=lambda change: abs((change.reading.value or 0.0) - (change.reading.expected or 0.0)))
    return Firing(
        start=60.0 * changes[0].minute,
        end=None if end is None else 60.0 * end,
        value=worst.reading.value,
        expected=worst.reading.expected,
        evidence=worst.reading.why,
        scopes=tuple(dict.fromkeys(change.scope or "all" for change in changes)),
    )
