"""Copies of requests to a model whose answers nobody gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.large import is_large
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import has_endpoint
from steward.gateway.wire import decode_request

# Counted under a name that no key has, since keys are named by twelve random characters
SHADOW: Final = Caller(principal=Principal(kind="key", id="shadow", project="shadow"))
TOOLS: Final = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")


class TaskPool:
    """At most `most` tasks at the same time; what comes beyond is not started."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        return len(self._tasks) >= self._most

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way; each is settled as it stands."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Shadows:
    """`handler` settles and calls; its rows stand under the key `shadow`, so that no client pays for them.

    Where `most` are under way, where it is large, and where the model does not have its endpoint, a request goes
    without its copy.
    """

    def __init__(self, handler: Handler, models: Mapping[str, ModelEntry], most: int) -> None:
        self._handler, self._models, self._pool = handler, models, TaskPool(most)

    def start(self, exchange: Exchange, model: str) -> None:
        if self._pool.is_full or is_large(exchange.body):
            return
        if has_endpoint(exchange.endpoint, self._models[model]):
            self._pool.start(self._run(copy_for_shadow(exchange, model)))

    async def _run(self, exchange: Exchange) -> None:
        try:
            answer = await self._handler(exchange)
            if answer.stream is not None:
                async for _ in answer.stream:
                    pass
        except Refused:
            return  # its row says so
        finally:
            exchange.end()

    async def close(self) -> None:
        await self._pool.close()


def copy_for_shadow(exchange: Exchange, model: str, body: bytes | None = None, mark: str = "shadow") -> Exchange:
    """A request like `exchange` under the shadow key, without tools: what a shadow calls must not happen.

    `body` instead of the exchange's. `mark` tells the rows of one request apart.
    """
    fields = msgspec.json.decode(exchange.body if body is None else body, type=dict[str, msgspec.Raw])
    body = msgspec.json.encode({name: value for name, value in fields.items() if name not in TOOLS})
    copy = Exchange(
        f"{exchange.request_id}-{mark}",
        exchange.endpoint,
        exchange.headers,
        body,
        time.time(),
        time.perf_counter(),
        SHADOW,
    )
    copy.request = decode_request(exchange.endpoint, body)
    copy.route, copy.model = exchange.route, model
    copy.route_version, copy.prompt_version = exchange.route_version, exchange.prompt_version
    return copy
