"""How much is asked, how fast it is answered and what it costs, by model, route, key and outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.csv_file import answer_csv
from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope, list_key_names
from steward.console.time_range import COMPARISONS, RANGES, TimeRange
from steward.console.traffic_view import TrafficCharts, label_heat, list_figures, make_heat_rows
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.series import OTHER, SeriesFilter
from steward.monitoring.slo import SloPlan
from steward.monitoring.traffic import DIMENSIONS, Dimension, Traffic, TrafficSums

MOST_LETTERS: Final = 200
MOST_OTHERS: Final = 200
UNKNOWN: Final[Mapping[Dimension, str]] = {"model": "no model answered", "route": "no route", "key": "no key"}
COLUMNS: Final = (
    *("requests", "judged", "failed", "input_tokens", "output_tokens", "usd", "rated", "satisfied"),
    *("p50_s", "p95_s"),
)


class TrafficReport(msgspec.Struct, frozen=True, kw_only=True):
    """`before` is another time, or the traffic of `beside`: another value of the first filter."""

    traffic: Traffic
    before: Traffic | None
    key_names: dict[str, str]
    slos: tuple[SloPlan, ...]
    beside: str = ""
    others: tuple[str, ...] = ()  # names that `beside` may be


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time, reader = source.find_range(request), request.state.reader
        keep: dict[str, str] = {name: request.query_params.get(name, "")[:MOST_LETTERS] for name in DIMENSIONS}
        beside = request.query_params.get("beside", "").strip()[:MOST_LETTERS]
        report = await source.read(request, who, lambda: read_report(source, who, time, keep, beside))
        return render_page(request, "traffic.html", time=time, **view(report, time, keep, reader))

    async def save(request: Request, who: Principal) -> Response:
        """The groups of one dimension, with numbers as they were measured."""
        asked = request.query_params.get("by", "")
        by = next((one for one in DIMENSIONS if one == asked), DIMENSIONS[0])
        keep: dict[str, str] = {name: request.query_params.get(name, "")[:MOST_LETTERS] for name in DIMENSIONS}
        report = await asyncio.to_thread(read_report, source, who, source.find_range(request), keep)
        rows = (
            [report.key_names.get(group.name, group.name) if by == "key" else group.name, group.name]
            + [getattr(group.sums, name) for name in COLUMNS]
            for group in report.traffic.groups[by]
        )
        return answer_csv(f"traffic-by-{by}.csv", (by, "id", *COLUMNS), rows)

    endpoints = (
        page_endpoint("/traffic", "usage.read", show, tenancy="project"),
        page_endpoint("/traffic.csv", "usage.read", save, tenancy="project"),
    )
    return Page(endpoints, title="Traffic", group="Watch", words="tokens latency percentiles heat map models")


def read_report(
    source: ConsoleSource, who: Principal, time: TimeRange, keep: dict[str, str], beside: str = ""
) -> TrafficReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope = find_scope(who)
    kept = {name: value for name, value in keep.items() if value}
    where = SeriesFilter(**{name: value or None for name, value in keep.items()}, project=who.within)
    names, fixed = list_key_names(source, who), find_fixed(kept)
    others = list_others(source, who, fixed, names) if fixed is not None else ()

    def read(since: float, until: float, where: SeriesFilter) -> Traffic:
        return source.read_traffic(since, until, time.step_s(), tenant=scope, where=where, dimensions=DIMENSIONS)

    other = None
    if beside and fixed is not None:
        wanted = next((key for key, name in names.items() if name == beside), beside) if fixed == "key" else beside
        other = read(time.since, time.until, msgspec.structs.replace(where, **{fixed: wanted}))
    elif shift_s := time.shift_s():
        other = read(time.since - shift_s, time.until - shift_s, where)
    return TrafficReport(
        traffic=source.read_traffic(
            time.since,
            time.until,
            time.step_s(),
            tenant=scope,
            where=where,
            dimensions=DIMENSIONS,
            detailed=find_heat(kept),
        ),
        before=other,
        key_names=names,
        slos=source.plan().monitoring.slos if who.within is None else (),
        beside=beside if fixed is not None else "",
        others=others,
    )


def find_fixed(kept: Mapping[str, str]) -> Dimension | None:
    """The first filter, whose value can be compared with another one.

    >>> find_fixed({"key": "k", "model": "m"}), find_fixed({})
    ('model', None)
    """
    return next((dimension for dimension in DIMENSIONS if dimension in kept), None)


def list_others(source: ConsoleSource, who: Principal, fixed: Dimension, keys: Mapping[str, str]) -> tuple[str, ...]:
    """Names to compare with; what serves is known to the tenant that looks after the deployment."""
    if fixed == "key":
        return tuple(sorted(keys.values()))[:MOST_OTHERS]
    if who.tenant != DEFAULT_TENANT or who.within is not None:
        return ()
    plan = source.plan()
    return tuple(one.name for one in (plan.models if fixed == "model" else plan.routes))[:MOST_OTHERS]


def view(report: TrafficReport, time: TimeRange, keep: dict[str, str], reader: Reader) -> dict[str, Any]:
    """The values of traffic.html."""
    traffic, before = report.traffic, report.before
    slos = [
        slo for slo in report.slos if slo.covers(keep["model"] or slo.model or "", keep["route"] or slo.route or "")
    ]
    charts = TrafficCharts(traffic, before, reader, slos=slos, beside=report.beside or "before")
    drawn = [charts.requests(), charts.latency(), charts.tokens(), charts.errors(), charts.first_token()]
    if any(point.usd for point in traffic.points):
        drawn.append(charts.spend())
    kept = {name: value for name, value in keep.items() if value}
    return {
        "figures": list_figures(traffic.total, before.total if before is not None else None, reader),
        "charts": drawn if traffic.total.requests else [],
        "outcomes": list_outcomes(traffic.total, time, kept),
        "tables": [make_table(report, dimension, time, kept, reader) for dimension in DIMENSIONS],
        "heat": make_heat_rows(traffic, find_heat(kept), report.key_names, time, kept, reader),
        "heat_by": find_heat(kept),
        "heat_labels": label_heat(traffic, reader),
        "filters": [
            (name, report.key_names.get(value, value), time.query({**kept, name: ""})) for name, value in kept.items()
        ],
        "keep": {**kept, "beside": report.beside},
        "fixed": find_fixed(kept),
        "beside": report.beside,
        "others": report.others,
        "alone": time.query(kept),
        "ranges": RANGES,
        "comparisons": COMPARISONS,
    }


def find_heat(keep: dict[str, str]) -> Dimension:
    """What the heat map tells apart: the first that no filter has fixed."""
    return next((dimension for dimension in DIMENSIONS if dimension not in keep), "model")


def make_table(
    report: TrafficReport, dimension: Dimension, time: TimeRange, keep: dict[str, str], reader: Reader
) -> dict[str, Any]:
    groups = report.traffic.groups[dimension]
    before = {group.name: group.sums for group in report.before.groups[dimension]} if report.before else {}
    rows = [
        {
            "name": (report.key_names.get(group.name, group.name) if dimension == "key" else group.name)
            or UNKNOWN[dimension],
            "link": time.query({**keep, dimension: group.name}) if group.name not in ("", OTHER) else "",
            "sums": group.sums,
            "share": 100 * group.sums.requests / max(1, report.traffic.total.requests),
            "before": before.get(group.name),
        }
        for group in groups
    ]
    csv = f"{time.query(keep)}&by={dimension}"
    compared = report.beside or "Before" if report.before is not None else ""
    return {"title": f"By {dimension}", "rows": rows, "compared": compared, "csv": csv}


def list_outcomes(total: TrafficSums, time: TimeRange, keep: dict[str, str]) -> list[dict[str, Any]]:
    """How requests ended, each with the query of the requests that did."""
    counts: tuple[tuple[str, int, dict[str, str]], ...] = (
        ("answered", total.judged - total.failed, {"outcome": "ok"}),
        ("failed", total.failed, {"kept": "error"}),
        ("left or refused", total.left, {}),
    )
    return [
        {
            "name": name,
            "count": count,
            "share": count / total.requests if total.requests else None,
            "link": time.query({**keep, **query}) if query and count else "",
        }
        for name, count, query in counts
    ]
