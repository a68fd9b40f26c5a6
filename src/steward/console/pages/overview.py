"""Is everything all right, and if not, what is it?"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource
from steward.console.time_range import COMPARISONS, RANGES
from steward.core.identity import Principal


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time = source.find_range(request)
        return render_page(request, "overview.html", time=time, ranges=RANGES, comparisons=COMPARISONS)

    return Page((page_endpoint("/", "console.read", show, tenancy="principal"),), title="Overview")
