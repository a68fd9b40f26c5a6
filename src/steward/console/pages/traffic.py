"""How much is asked, how fast it is answered and what it costs, by model, route, key and outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.csv_file import answer_csv
from steward.console.paging import MOST_LETTERS
from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope, list_key_names
from steward.console.time_range import COMPARISONS, RANGES, TimeRange
from steward.console.traffic_view import TrafficCharts, label_heat, list_figures, make_heat_rows
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.series import OTHER, TOTALS, VERSIONS, SeriesFilter, VersionDimension, VersionTotal
from steward.monitoring.slo import SloPlan
from steward.monitoring.traffic import DIMENSIONS, Dimension, Traffic, TrafficSums

MOST_OTHERS: Final = 200
UNKNOWN: Final[Mapping[Dimension, str]] = {"model": "no model answered", "route": "no route", "key": "no key"}
FILTERS: Final[tuple[Dimension | VersionDimension, ...]] = (*DIMENSIONS, *VERSIONS)
WORDS: Final[Mapping[Dimension | VersionDimension, str]] = {
    "model": "model", "route": "route", "key": "key",
    "model_version": "model version", "prompt_version": "prompt version", "route_version": "route version",
}  # fmt: skip
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
    versions: tuple[VersionTotal, ...] = ()  # that answered in this time


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time, reader = source.find_range(request), request.state.reader
        keep = read_filters(request)
        beside = request.query_params.get("beside", "").strip()[:MOST_LETTERS]
        report = await source.read(request, who, lambda: read_report(source, who, time, keep, beside))
        return render_page(request, "traffic.html", time=time, **view(report, time, keep, reader))

    async def save(request: Request, who: Principal) -> Response:
        """The groups of one dimension, with numbers as they were measured."""
        asked = request.query_params.get("by", "")
        by = next((one for one in DIMENSIONS if one == asked), DIMENSIONS[0])
        keep = read_filters(request)
        report = await asyncio.to_thread(read_report, source, who, source.find_range(request), keep)
        if asked == "version":
            found = (
                [one.dimension, one.value, *(getattr(one.sums, name) for name in TOTALS)] for one in report.versions
            )
            return answer_csv("traffic-by-version.csv", ("kind", "version", *TOTALS), found)
        rows = (
            [report.key_names.get(group.name, group.name) if by == "key" else group.name, group.name]
            + [getattr(group.sums, name) for name in COLUMNS]
            for group in report.traffic.groups.get(by, ())
        )
        return answer_csv(f"traffic-by-{by}.csv", (by, "id", *COLUMNS), rows)

    endpoints = (
        page_endpoint("/traffic", "usage.read", show, tenancy="project"),
        page_endpoint("/traffic.csv", "usage.read", save, tenancy="project"),
    )
    return Page(endpoints, title="Traffic", group="Watch", words="tokens latency percentiles heat map models")


def read_filters(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "")[:MOST_LETTERS] for name in FILTERS}


def read_report(
    source: ConsoleSource, who: Principal, time: TimeRange, keep: dict[str, str], beside: str = ""
) -> TrafficReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope = find_scope(who)
    kept = {name: value for name, value in keep.items() if value}
    where = SeriesFilter(**{name: value or None for name, value in keep.items()}, project=who.within)
    names, fixed = list_key_names(source, who), find_fixed(kept)

    def read(since: float, until: float, where: SeriesFilter, **more: Any) -> Traffic:
        return source.read_traffic(
            since, until, time.step_s(), tenant=scope, where=where, dimensions=DIMENSIONS, **more
        )

    traffic = read(time.since, time.until, where, detailed=find_heat(kept))
    keys = [group.name for group in traffic.groups.get("key", ())]
    other = None
    if beside and fixed is not None:
        wanted = next((key for key, name in names.items() if name == beside), beside) if fixed == "key" else beside
        of_other = msgspec.structs.replace(where, **{fixed: wanted})
        other = read(time.since, time.until, of_other, keys=None if fixed == "key" else keys)
    elif shift_s := time.shift_s():
        other = read(time.since - shift_s, time.until - shift_s, where, keys=keys)
    versions = list_versions(source, time, scope, where)
    return TrafficReport(
        traffic=traffic,
        before=other,
        key_names=names,
        slos=source.plan().monitoring.slos if who.within is None else (),
        beside=beside if fixed is not None else "",
        others=list_others(source, who, fixed, names, versions) if fixed is not None else (),
        versions=versions,
    )


def find_fixed(kept: Mapping[str, str]) -> Dimension | VersionDimension | None:
    """The filter whose value can be compared with another one: a version, or else the first.

    >>> find_fixed({"key": "k", "model": "m"}), find_fixed({"model": "m", "prompt_version": "p@2"}), find_fixed({})
    ('model', 'prompt_version', None)
    """
    return next((name for name in (*VERSIONS, *DIMENSIONS) if name in kept), None)


def list_versions(
    source: ConsoleSource, time: TimeRange, scope: str | None, where: SeriesFilter
) -> tuple[VersionTotal, ...]:
    """What answered in this time, beside the filter for a version; none where a key or a project is chosen, of which no
    sums by version are kept."""
    if where.key is not None or where.project is not None:
        return ()
    every = msgspec.structs.replace(where, model_version=None, prompt_version=None, route_version=None)
    return source.traffic.list_versions(
        source.store, source.clock(), time.since, time.until, time.step_s(), scope, every
    )


def list_others(
    source: ConsoleSource,
    who: Principal,
    fixed: Dimension | VersionDimension,
    keys: Mapping[str, str],
    versions: Sequence[VersionTotal],
) -> tuple[str, ...]:
    """Names to compare with; what serves is known to the tenant that looks after the deployment."""
    if fixed == "key":
        return tuple(sorted(keys.values()))[:MOST_OTHERS]
    if fixed in VERSIONS:
        return tuple(one.value for one in versions if one.dimension == fixed)[:MOST_OTHERS]
    if who.tenant != DEFAULT_TENANT or who.within is not None:
        return ()
    plan = source.plan()
    return tuple(one.name for one in (plan.models if fixed == "model" else plan.routes))[:MOST_OTHERS]


def list_version_rows(report: TrafficReport, time: TimeRange, keep: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each with the query that shows it alone, and the one that puts it beside the version before it."""
    rows, before = [], None
    without = {name: value for name, value in keep.items() if name not in VERSIONS}
    whole = max(1, report.traffic.total.requests)
    for one in report.versions:
        alone = {**without, one.dimension: one.value}
        beside = before.value if before is not None and before.dimension == one.dimension else ""
        rows.append(
            {
                "kind": WORDS[one.dimension].capitalize(),
                "name": one.value,
                "link": time.query(alone),
                "beside": beside,
                "compare": time.query(alone, compare="", beside=beside) if beside else "",
                "sums": one.sums,
                "share": None if any(name in keep for name in VERSIONS) else one.sums.requests / whole,
                "errors": one.sums.failed / one.sums.judged if one.sums.judged else None,
            }
        )
        before = one
    return rows


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
        "tables": [make_table(report, one, time, kept, reader) for one in DIMENSIONS if one in traffic.groups],
        "keyless": "key" not in traffic.groups,
        "versions": list_version_rows(report, time, kept),
        "versions_csv": f"{time.query(kept)}&by=version",
        "counted": traffic.counted,
        "counted_since": traffic.counted_since,
        "heat": make_heat_rows(traffic, find_heat(kept), report.key_names, time, kept, reader),
        "heat_by": find_heat(kept),
        "heat_labels": label_heat(traffic, reader),
        "filters": [
            (WORDS[name], report.key_names.get(kept[name], kept[name]), time.query({**kept, name: ""}))
            for name in FILTERS
            if name in kept
        ],
        "keep": {**kept, "beside": report.beside},
        "fixed": WORDS[fixed] if (fixed := find_fixed(kept)) is not None else "",
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
    before = {group.name: group.sums for group in report.before.groups.get(dimension, ())} if report.before else {}
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
