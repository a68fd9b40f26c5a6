"""Releases: what each is doing, and the evidence of its guards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.paging import match_words, take_page
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.errors import UnknownName
from steward.core.identity import Principal
from steward.core.releases import ReleaseRecord
from steward.improvement.canary import GuardReport
from steward.improvement.guard_text import format_estimate, format_interval, format_margin
from steward.workflows.release_watch import describe_release
from steward.workflows.releases import MOST_RELEASES

COLUMNS: Final = (
    *("id", "route", "state", "weight", "started_at", "started_by", "ended_at", "why", "changed_by", "evidence"),
)
FRESH_S: Final = 10.0  # a release of a week is a hundred thousand rows
LAMPS: Final = {"passed": "good", "regressed": "bad", "inconclusive": "unknown"}
STATES: Final = {"promoted": "good", "rolled back": "bad", "failed": "bad", "paused": "warning"}


class GuardView(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of guards."""

    name: str
    lamp: str  # a CSS class
    verdict: str
    estimate: str
    interval: str
    allowed: str
    people: tuple[int, int]  # the candidate's, the champion's
    why: str
    e_value: float | None


def page(source: ConsoleSource) -> Page:
    async def show_all(request: Request, who: Principal) -> Response:
        return await show_page(
            source, request, who, "releases.html", lambda: list_rows(source, dict(request.query_params), who)
        )

    async def show_one(request: Request, who: Principal) -> Response:
        name = request.path_params["release"]
        return await show_page(
            source, request, who, "release.html", lambda: describe(source, name, who), fresh_s=FRESH_S
        )

    def list_saved(request: Request, who: Principal) -> list[ReleaseRecord]:
        return filter_releases(source, request.query_params, who)

    return Page(
        (
            page_endpoint("/releases", "console.read", show_all, tenancy="principal"),
            csv_endpoint("/releases", "console.read", "principal", COLUMNS, list_saved),
            page_endpoint("/releases/{release}", "console.read", show_one, tenancy="principal"),
        ),
        title="Releases",
        group="Improve",
        words="canary shadow candidate champion promote rollback guards judge",
    )


def list_rows(source: ConsoleSource, query: dict[str, str], who: Principal) -> dict[str, Any]:
    """The values of releases.html."""
    return {"page": take_page(filter_releases(source, query, who), query, "/releases"), "states": STATES}


def filter_releases(source: ConsoleSource, query: Mapping[str, str], who: Principal) -> list[ReleaseRecord]:
    records = source.store.releases.list_releases(MOST_RELEASES, tenant=find_scope(who))
    words = query.get("words", "")
    return [one for one in records if match_words(words, one.id, one.route, one.state, one.candidate.describe())]


def describe(source: ConsoleSource, name: str, who: Principal) -> dict[str, Any]:
    """The values of release.html. :raises UnknownName: the tenant has no such release"""
    record = source.store.releases.find(name, tenant=find_scope(who))
    if record is None:
        raise UnknownName("release", name, [])
    status = describe_release(source.home, source.store, record, source.clock())
    decision = status.guards
    return {
        "record": record,
        "status": status,
        "lamp": STATES.get(record.state, "unknown"),
        "decision": decision,
        "guards": [] if decision is None else [view_guard(one) for one in decision.guards],
        "commands": list_commands(record),
    }


def view_guard(guard: GuardReport) -> GuardView:
    return GuardView(
        name=guard.name.replace("_", " "),
        lamp=LAMPS[guard.verdict],
        verdict=guard.verdict,
        estimate=format_estimate(guard, guard.estimate) or "–",
        interval=format_interval(guard) or "–",
        allowed=format_margin(guard),
        people=(guard.units["candidate"], guard.units["champion"]),
        why=guard.why if guard.required or guard.verdict == "regressed" else f"{guard.why}; never holds a promotion up",
        e_value=guard.e_value,
    )


def list_commands(record: ReleaseRecord) -> list[str]:
    """What can be done with it now."""
    if record.is_open:
        steps = ("resume",) if record.state == "paused" else ("pause",)
        return [f"steward release {step} {record.id}" for step in (*steps, "promote", "rollback")]
    return [f"steward release rollback {record.id}"] if record.state == "promoted" else []
