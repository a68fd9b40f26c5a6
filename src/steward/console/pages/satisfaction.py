"""What people think of the answers: by time, model, prompt and route, and by topic and language of sampled requests,
as rates with intervals."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint
from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.console.time_range import RANGES, TimeRange
from steward.console.traffic_view import Figure, TrafficCharts
from steward.core.identity import Principal
from steward.core.rates import Rate
from steward.core.reactions import PersonRatings, ReactionRow
from steward.core.records import FeedbackReport
from steward.monitoring.satisfaction import (
    SampledField,
    SatisfactionField,
    SatisfactionRow,
    summarise,
    summarise_sampled,
)
from steward.monitoring.slo import SloPlan
from steward.monitoring.traffic import Traffic

NEWEST: Final = 30
FIELDS: Final[tuple[tuple[SatisfactionField, str], ...]] = (
    ("model", "By model"),
    ("prompt", "By prompt version"),
    ("route", "By route version"),
)
SAMPLED_FIELDS: Final[tuple[tuple[SampledField, str], ...]] = (
    ("topic", "By topic, of sampled requests"),
    ("language", "By language, of sampled requests"),
)
MOST_SAMPLED: Final = 10_000  # sampled requests that are read, the newest
COLUMNS: Final = (
    *("by", "row.name", "row.answered", "row.ratings", "row.people", "satisfaction", "satisfaction_low"),
    *("satisfaction_high", "response_rate", "regenerate", "abandon", "copied", "rephrase", "quality"),
)


class SavedRates(NamedTuple):
    """A row of the tables as a file has it: shares of 0 to 1, empty where nothing was observed."""

    by: SatisfactionField | SampledField
    row: SatisfactionRow
    satisfaction: float | None
    satisfaction_low: float | None
    satisfaction_high: float | None
    response_rate: float | None
    regenerate: float | None
    abandon: float | None
    copied: float | None
    rephrase: float | None
    quality: float | None


class SatisfactionReport(msgspec.Struct, frozen=True, kw_only=True):
    whole: tuple[SatisfactionRow, ...]
    tables: tuple[tuple[str, tuple[SatisfactionRow, ...]], ...]
    sampled: tuple[tuple[str, tuple[SatisfactionRow, ...]], ...]  # empty where no sampled request was rated
    traffic: Traffic
    newest: FeedbackReport | None  # None: whoever asks may not see single ratings
    slos: tuple[SloPlan, ...]


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time = source.find_range(request, "30d")
        report = await source.read(request, who, lambda: read_report(source, who, time))
        return render_page(request, "satisfaction.html", time=time, **view(report, request.state.reader))

    def list_saved(request: Request, who: Principal) -> list[SavedRates]:
        return save_rates(source, who, source.find_range(request, "30d"))

    endpoints = (
        page_endpoint("/satisfaction", "usage.read", show, tenancy="principal"),
        csv_endpoint("/satisfaction", "usage.read", "principal", COLUMNS, list_saved),
    )
    return Page(endpoints, title="Satisfaction", group="Watch", words="feedback ratings comments thumbs people")


def save_rates(source: ConsoleSource, who: Principal, time: TimeRange) -> list[SavedRates]:
    """The rows of all tables. It blocks."""
    rows, people = _read_reactions(source, who, time)
    tables = [(field, summarise(rows, people, field)) for field, _ in FIELDS]
    return [_save_row(field, row) for field, table in (*tables, *_read_sampled(source, who, time)) for row in table]


def _save_row(field: SatisfactionField | SampledField, row: SatisfactionRow) -> SavedRates:
    return SavedRates(
        field,
        row,
        satisfaction=row.satisfaction.value,
        satisfaction_low=row.satisfaction.low,
        satisfaction_high=row.satisfaction.high,
        response_rate=row.response_rate.value,
        regenerate=row.regenerate.value,
        abandon=row.abandon.value,
        copied=row.copied.value,
        rephrase=row.rephrase.value,
        quality=row.quality.value,
    )


def _read_sampled(
    source: ConsoleSource, who: Principal, time: TimeRange
) -> list[tuple[SampledField, tuple[SatisfactionRow, ...]]]:
    """Nothing where nobody rated a sampled request."""
    outcomes = source.store.features.read_outcomes(time.since, time.until, tenant=find_scope(who), newest=MOST_SAMPLED)
    if all(one.score is None for one in outcomes):
        return []
    return [(field, summarise_sampled(outcomes, field)) for field, _ in SAMPLED_FIELDS]


def _read_reactions(
    source: ConsoleSource, who: Principal, time: TimeRange
) -> tuple[list[ReactionRow], list[PersonRatings]]:
    scope, reactions = find_scope(who), source.store.reactions
    rows = reactions.read(time.since, tenant=scope, until=time.until)
    return rows, reactions.read_people(time.since, tenant=scope, until=time.until)


def read_report(source: ConsoleSource, who: Principal, time: TimeRange) -> SatisfactionReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope, store = find_scope(who), source.store
    rows, people = _read_reactions(source, who, time)
    newest = None
    if who.has("feedback.read"):
        newest = store.feedback.report(time.since, NEWEST, tenant=scope, until=time.until)
    return SatisfactionReport(
        whole=summarise(rows, people, "all"),
        tables=tuple((title, summarise(rows, people, field)) for field, title in FIELDS),
        sampled=tuple((dict(SAMPLED_FIELDS)[field], table) for field, table in _read_sampled(source, who, time)),
        traffic=source.read_traffic(time.since, time.until, time.step_s(), tenant=scope),
        newest=newest,
        slos=source.plan().monitoring.slos,
    )


def view(report: SatisfactionReport, reader: Reader) -> dict[str, Any]:
    """The values of satisfaction.html."""
    whole = report.whole[0] if report.whole else None
    some = whole is not None and whole.ratings > 0
    return {
        "figures": list_rates(whole, reader) if whole is not None else [],
        "chart": TrafficCharts(report.traffic, None, reader, slos=report.slos).satisfaction() if some else None,
        "tables": [(title, rows) for title, rows in (*report.tables, *report.sampled) if rows],
        "is_sampled": bool(report.sampled),
        "most_sampled": MOST_SAMPLED,
        "newest": report.newest.last if report.newest is not None else None,
        "say": lambda rate: say_rate(rate, reader),
        "ranges": RANGES,
    }


def list_rates(whole: SatisfactionRow, reader: Reader) -> list[Figure]:
    named = (
        (
            "Satisfied",
            whole.satisfaction,
            f"{reader.number(whole.ratings)} ratings of {reader.number(whole.people)} people",
        ),
        ("Answers rated", whole.response_rate, f"of {reader.compact(whole.answered)} answers"),
        ("Asked again", whole.regenerate, "regenerated the answer"),
        ("Left", whole.abandon, "stopped before the end"),
        ("Copied", whole.copied, "copied the answer"),
        ("Rephrased", whole.rephrase, "said it in other words"),
    )
    return [Figure(name, reader.share(rate.value), note, say_interval(rate, reader)) for name, rate, note in named]


def say_interval(rate: Rate, reader: Reader) -> str:
    return f"{reader.share(rate.low)} to {reader.share(rate.high)}" if rate.value is not None else ""


def say_rate(rate: Rate, reader: Reader) -> str:
    return f"{reader.share(rate.value)} ({say_interval(rate, reader)})" if rate.value is not None else "–"
