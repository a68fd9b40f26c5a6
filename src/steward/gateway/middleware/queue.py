"""A place for the request among those that its route runs at once, or a wait for one, or the advice to come back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.records import Priority
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.queue_records import QueueDecision, QueuedRequest, QueuePlan
from steward.gateway.route_queue import WEIGHTS, RouteQueue, lower_priority, retry_after_s, worker_share
from steward.gateway.route_records import Route
from steward.gateway.routing import client_deadline_s
from steward.gateway.wire import bad_request


def queue(
    routes: Mapping[str, Route], plan: QueuePlan, workers: int, lines: dict[str, RouteQueue] | None = None
) -> Middleware:
    """Let as many exchanges of a route run as it may, and refuse what would wait too long.

    `lines` is filled with the line of each route that was asked for, for others to look at.
    """
    gates: dict[str, _QueueGate] = {}

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            gate = gates.get(exchange.route)
            if gate is None:
                line = build_queue(routes[exchange.route], plan, workers)
                gate = gates[exchange.route] = _QueueGate(line, exchange.route)
                if lines is not None:
                    lines[exchange.route] = line
            if not gate.enter_at_once(exchange):
                arrived = time.perf_counter()
                waited = arrived - exchange.started
                await gate.enter(exchange, client_deadline_s(exchange.headers, plan.wait_s) - waited)
                exchange.queued_s = time.perf_counter() - arrived
            exchange.ready = entered = time.perf_counter()
            try:
                answer = await inner(exchange)
            except BaseException:
                gate.leave(entered)
                raise
            if answer.stream is None:
                gate.leave(entered)
            else:
                exchange.when_ended(answer, lambda: gate.leave(entered))
            return answer

        return handle

    return wrap


def build_queue(route: Route, plan: QueuePlan, workers: int) -> RouteQueue:
    """This worker's part of the route's line."""
    concurrency = plan.concurrency if route.concurrency is None else route.concurrency
    length = plan.queue if route.queue is None else route.queue
    return RouteQueue(worker_share(concurrency, workers), worker_share(length, workers))


class _QueueGate:
    """A line and the tasks that wait in it."""

    def __init__(self, line: RouteQueue, route: str) -> None:
        self._line, self._route = line, route
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def enter_at_once(self, exchange: Exchange) -> bool:
        """Whether the request has a place without waiting, as nearly always; else `enter`."""
        return "x-steward-priority" not in exchange.headers and self._line.start_at_once()

    async def enter(self, exchange: Exchange, deadline_s: float) -> None:
        """Return with a place. :raises Refused: 503, the line is full or too slow"""
        ticket = QueuedRequest(next(self._numbers), exchange.caller.principal.account, requested_priority(exchange))
        verdict = self._line.arrive(ticket, deadline_s)
        if verdict.action == "run":
            return
        if verdict.action == "shed":
            raise overloaded_error(self._route, verdict)
        if verdict.displaced is not None:
            place = self._waiting.pop(verdict.displaced.number)
            if not place.done():
                place.set_exception(overloaded_error(self._route, QueueDecision("shed", "full", verdict.wait_s)))
        await self._wait(ticket, deadline_s)

    async def _wait(self, ticket: QueuedRequest, deadline_s: float) -> None:
        place = self._waiting[ticket.number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(deadline_s):
                await place
        except TimeoutError:
            self._give_up(ticket, place)
            raise overloaded_error(
                self._route, QueueDecision("shed", "late", self._line.predict_wait_s(ticket))
            ) from None
        except asyncio.CancelledError:
            self._give_up(ticket, place)
            raise
        finally:
            del place  # it holds an error whose traceback holds this frame

    def _give_up(self, ticket: QueuedRequest, place: asyncio.Future[None]) -> None:
        if self._waiting.pop(ticket.number, None) is not None:
            self._line.leave(ticket)
        elif place.done() and not place.cancelled() and place.exception() is None:
            self._pass_on(self._line.finish(None))  # the place came in the same moment

    def leave(self, entered: float) -> None:
        following = self._line.finish(time.perf_counter() - entered)
        if following is not None:
            self._pass_on(following)

    def _pass_on(self, following: QueuedRequest | None) -> None:
        while following is not None:
            place = self._waiting.pop(following.number)
            if not place.done():
                place.set_result(None)
                return
            following = self._line.finish(None)  # its client left in the same moment


def requested_priority(exchange: Exchange) -> Priority:
    """The key's priority, or a lower one that the request asks for.

    :raises Refused: 400, no such priority
    """
    ceiling = exchange.caller.priority
    asked = exchange.headers.get("x-steward-priority")
    if asked is None:
        return ceiling
    if asked not in WEIGHTS:
        raise bad_request(
            f"x-steward-priority is {cut_text(asked)!r}; expected high, normal or low.", "x-steward-priority"
        )
    return lower_priority(asked, ceiling)


def overloaded_error(route: str, verdict: QueueDecision) -> Refused:
    why = "its queue is full" if verdict.reason == "full" else "the answer would arrive after the client's deadline"
    after = retry_after_s(verdict.wait_s)
    return Refused(
        f"The model '{route}' is overloaded: {why}. Try again in {after} s.",
        status=503,
        type="api_error",
        code="overloaded",
        headers=(("retry-after", str(after)), ("retry-after-ms", str(after * 1000))),
    )
