"""The metrics of all workers, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.shell import Page, page_endpoint
from steward.core.identity import Principal


def page(metrics_text: Callable[[], str]) -> Page:
    """`metrics_text` may block; it runs in a thread."""

    async def metrics(request: Request, who: Principal) -> Response:
        return PlainTextResponse(await asyncio.to_thread(metrics_text), media_type="text/plain; version=0.0.4")

    return Page((page_endpoint("/metrics", "metrics.read", metrics, tenancy="deployment"),))
