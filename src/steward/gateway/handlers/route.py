"""Which model answers, and which is tried when it does not."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from steward.core.errors import Refused
from steward.gateway.exchange import Answer, Exchange, Handler, Wrapper
from steward.gateway.routing import RETRYABLE, Route, order


def route(routes: Mapping[str, Route], draw: Callable[[], float] = random.random) -> Wrapper:
    """Try the route's models in order until one answers."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            names = order(routes[exchange.route], draw())
            for name in names[:-1]:
                exchange.model = name
                try:
                    answer = await inner(exchange)
                except Refused as error:
                    if error.status in RETRYABLE:
                        continue
                    raise
                if answer.status not in RETRYABLE:
                    return answer
            exchange.model = names[-1]
            return await inner(exchange)

        return handle

    return wrap
