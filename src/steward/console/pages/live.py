"""Tells open pages when there is something new, as server-sent events.

An event says only that something of the viewer's tenant has changed; the page then asks for itself again. One look at
the store serves all viewers. A stream ends after a few minutes and the browser comes back, so that a session that has
ended sees nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.errors import Unavailable
from steward.core.identity import Principal

LOOK_S: Final = 0.5
QUIET_S: Final = 15.0  # after which a comment shows that the connection lives
LONGEST_S: Final = 300.0
MOST_VIEWERS: Final = 200
MOST_OF_ONE: Final = 40  # of one person, so that nobody takes the places of all others


def page(source: ConsoleSource) -> Page:
    viewers: dict[object, str] = {}

    async def follow(request: Request, who: Principal) -> Response:
        if len(viewers) >= MOST_VIEWERS:
            return _refuse(MOST_VIEWERS)
        if sum(1 for name in viewers.values() if name == who.actor) >= MOST_OF_ONE:
            return _refuse(MOST_OF_ONE)
        return StreamingResponse(
            list_events(source, find_scope(who), viewers, who.actor),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return Page((page_endpoint("/live", "console.read", follow, tenancy="principal"),))


def _refuse(most: int) -> Response:
    words = f"{most} pages are open already; this one does not update by itself."
    return PlainTextResponse(words, status_code=503, headers={"retry-after": "60"})


async def list_events(
    source: ConsoleSource,
    scope: str | None,
    viewers: dict[object, str],
    actor: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[str, None]:
    """What a viewer is sent; `viewers` holds a mark of each while it looks."""
    mark, seen, quiet_s = object(), "", 0.0
    viewers[mark] = actor
    try:
        yield "retry: 3000\n\n"
        for _ in range(int(LONGEST_S / LOOK_S)):
            newest = await _find_newest(source, scope)
            quiet_s += LOOK_S
            if newest != seen:
                if seen:
                    yield f"event: change\ndata: {newest}\n\n"
                    quiet_s = 0.0
                seen = newest
            elif quiet_s >= QUIET_S:
                yield ": still here\n\n"
                quiet_s = 0.0
            await sleep(LOOK_S)
    finally:
        viewers.pop(mark, None)


async def _find_newest(source: ConsoleSource, scope: str | None) -> str:
    """What changes whenever there is something new to see."""

    def look() -> str:
        rows = source.store.exchanges.tail(1, tenant=scope)
        alerts = source.store.alerts.list_alerts(1) if scope is None else []
        ended = [f"{alert.id} {alert.ended_at} {alert.acknowledged_at}" for alert in alerts]
        return " ".join([*(row.request_id for row in rows), *ended]) or "nothing yet"

    try:
        return (await source.answers.find(("live", scope), look, LOOK_S * 0.9)).value
    except Unavailable:
        return "no answer"
