"""The status page, its record and its verdict as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.headline import list_open_alerts
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource
from steward.console.status import Standing, judge_standing, judge_without_store, view
from steward.core.errors import Exhausted, Unavailable
from steward.core.identity import Principal
from steward.core.records import Snapshot


def page(snapshot: Callable[[], Snapshot], source: ConsoleSource | None = None) -> Page:
    """`snapshot` may block; it runs in a thread. With a `source`, objectives and alerts count for the verdict."""

    def judge() -> tuple[Snapshot, Standing]:
        seen = snapshot()
        if source is None:
            return seen, judge_standing(seen)
        try:
            return seen, judge_standing(seen, source.objectives.read(source, None), list_open_alerts(source))
        except (Unavailable, Exhausted) as error:
            return seen, judge_without_store(error)

    async def status(request: Request, who: Principal) -> Response:
        seen, standing = await asyncio.to_thread(judge)
        return render_page(request, "status.html", **view(seen, request.state.reader, standing))

    async def show_json(request: Request, who: Principal) -> Response:
        return Response(msgspec.json.encode(await asyncio.to_thread(snapshot)), media_type="application/json")

    async def show_standing(request: Request, who: Principal) -> Response:
        try:
            _, verdict = await asyncio.to_thread(judge)
        except (Unavailable, Exhausted) as error:
            verdict = judge_without_store(error)
        return Response(msgspec.json.encode(verdict), media_type="application/json")

    endpoints = (
        page_endpoint("/status", "console.read", status, tenancy="deployment"),
        page_endpoint("/api/snapshot", "console.read", show_json, tenancy="deployment"),
        page_endpoint("/api/status", "console.read", show_standing, tenancy="deployment"),
    )
    return Page(endpoints, title="Processes", group="Run", words="status gpu models workers keeper now")
