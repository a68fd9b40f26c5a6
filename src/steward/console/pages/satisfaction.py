"""What people think of the answers: by time, model, prompt and route, as rates with intervals."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.console.time_range import RANGES, TimeRange
from steward.console.traffic_view import Figure, TrafficCharts
from steward.core.identity import Principal
from steward.core.rates import Rate
from steward.core.records import FeedbackReport
from steward.monitoring.satisfaction import SatisfactionField, SatisfactionRow, summarise
from steward.monitoring.slo import SloPlan
from steward.monitoring.traffic import Traffic

NEWEST: Final = 30
FIELDS: Final[tuple[tuple[SatisfactionField, str], ...]] = (
    ("model", "By model"),
    ("prompt", "By prompt version"),
    ("route", "By route version"),
)


class SatisfactionReport(msgspec.Struct, frozen=True, kw_only=True):
    whole: tuple[SatisfactionRow, ...]
    tables: tuple[tuple[str, tuple[SatisfactionRow, ...]], ...]
    traffic: Traffic
    newest: FeedbackReport | None  # None: whoever asks may not see single ratings
    slos: tuple[SloPlan, ...]


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time = source.find_range(request, "30d")
        report = await source.read(request, who, lambda: read_report(source, who, time))
        return render_page(request, "satisfaction.html", time=time, **view(report, request.state.reader))

    endpoint = page_endpoint("/satisfaction", "usage.read", show, tenancy="principal")
    return Page((endpoint,), title="Satisfaction", group="Watch", words="feedback ratings comments thumbs people")


def read_report(source: ConsoleSource, who: Principal, time: TimeRange) -> SatisfactionReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope, store = find_scope(who), source.store
    rows = [row for row in store.reactions.read(time.since, tenant=scope) if row.key.day < time.until]
    people = store.reactions.read_people(time.since, tenant=scope)
    return SatisfactionReport(
        whole=summarise(rows, people, "all"),
        tables=tuple((title, summarise(rows, people, field)) for field, title in FIELDS),
        traffic=source.read_traffic(time.since, time.until, time.step_s(), tenant=scope),
        newest=store.feedback.report(time.since, NEWEST, tenant=scope) if who.has("feedback.read") else None,
        slos=source.plan().monitoring.slos,
    )


def view(report: SatisfactionReport, reader: Reader) -> dict[str, Any]:
    """The values of satisfaction.html."""
    whole = report.whole[0] if report.whole else None
    some = whole is not None and whole.ratings > 0
    return {
        "figures": list_rates(whole, reader) if whole is not None else [],
        "chart": TrafficCharts(report.traffic, None, reader, slos=report.slos).satisfaction() if some else None,
        "tables": [(title, rows) for title, rows in report.tables if rows],
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
