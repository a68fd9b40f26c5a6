"""Whether a request may start: its route exists and its key has room."""

from __future__ import annotations

import time
from collections.abc import Mapping

from steward.core.errors import Refused
from steward.gateway.exchange import Answer, Exchange, Handler, Wrapper
from steward.gateway.limits import RequestLimits
from steward.gateway.routing import Route, find


def admit(limits: RequestLimits, routes: Mapping[str, Route]) -> Wrapper:
    """Refuse what asks for an unknown model or is over its key's requests per minute."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            exchange.route = find(dict(routes), exchange.request.model).name
            key = exchange.key
            assert key is not None
            decision = exchange.decision = limits.take(key.id, key.rpm, time.time())
            if decision is not None and not decision.allowed:
                raise too_many(decision.limit, decision.retry_after_s)
            return await inner(exchange)

        return handle

    return wrap


def too_many(limit: int, retry_after_s: float) -> Refused:
    wait_ms = max(1, int(retry_after_s * 1000) + 1)
    return Refused(
        f"Rate limit reached: {limit} requests per minute. Try again in {retry_after_s:.1f} s.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
        headers=(("retry-after-ms", str(wait_ms)), ("retry-after", str(-(-wait_ms // 1000)))),
    )
