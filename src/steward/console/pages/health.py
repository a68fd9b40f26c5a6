"""Whether this process answers, for load balancers and supervisors."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.shell import Page, page_endpoint


def page() -> Page:
    return Page((page_endpoint("/healthz", "public", answer),))


async def answer(request: Request, who: object) -> Response:
    return PlainTextResponse("ok")
