"""The status page, its record and its verdict as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import Page, page_endpoint, render_page
from steward.console.status import Standing, judge_standing, view
from steward.core.errors import Exhausted, Unavailable
from steward.core.identity import Principal
from steward.core.records import Snapshot


def page(snapshot: Callable[[], Snapshot]) -> Page:
    """`snapshot` may block; it runs in a thread."""

    async def status(request: Request, who: Principal) -> Response:
        return render_page(request, "status.html", **view(await asyncio.to_thread(snapshot), request.state.reader))

    async def show_json(request: Request, who: Principal) -> Response:
        return Response(msgspec.json.encode(await asyncio.to_thread(snapshot)), media_type="application/json")

    async def show_standing(request: Request, who: Principal) -> Response:
        try:
            verdict = judge_standing(await asyncio.to_thread(snapshot))
        except (Unavailable, Exhausted) as error:
            verdict = Standing("degraded", f"Requests are recorded in files, and nothing is watched: {error}.")
        return Response(msgspec.json.encode(verdict), media_type="application/json")

    endpoints = (
        page_endpoint("/status", "console.read", status, tenancy="deployment"),
        page_endpoint("/api/snapshot", "console.read", show_json, tenancy="deployment"),
        page_endpoint("/api/status", "console.read", show_standing, tenancy="deployment"),
    )
    return Page(endpoints, title="Processes", group="Run", words="status gpu models workers keeper now")
