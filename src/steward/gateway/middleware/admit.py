"""Whether a request may start: its route exists, and its key, team and route have room for it.

What it reserves is settled with what it used when its answer has ended; a request that was turned away behind
this handler, before it was admitted, leaves no trace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Final

from steward.core.errors import Refused, Unavailable
from steward.core.extend import Limiter, Offload
from steward.core.identity import Caller
from steward.core.records import Reservation, Scope
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.answer_lengths import AnswerLengths
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import is_large
from steward.gateway.limit_table import LimitTable
from steward.gateway.limits import cost_usd, counts_tokens, cut_off_error, limit_refusal, list_scopes, max_price
from steward.gateway.middleware.offload import HERE
from steward.gateway.models import ModelEntry
from steward.gateway.output_limits import OWN_MAXIMUM, declared_maximum, fit_maximum, refuse_other_maxima
from steward.gateway.pricing.prices import Counts, Prices, price_at_most
from steward.gateway.route_records import Route
from steward.gateway.routing import find_route
from steward.gateway.running_estimate import RunningEstimate
from steward.gateway.wire import rewrite

EXTENSION: Final = 64  # tokens that a stream reserves further at least, where it runs past what it had


def admit(
    limiter: Limiter,
    table: LimitTable,
    routes: Mapping[str, Route],
    models: Mapping[str, ModelEntry],
    lengths: AnswerLengths,
    offload: Offload = HERE,
) -> Middleware:
    """Reserve, and settle. `lengths` is what is known of each key's answers; it grows here."""
    settling: set[asyncio.Task[None]] = set()
    known = _KnownTerms(table)
    prices, candidate_prices = _Prices(models), _Prices(models)

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            route = find_route(routes, exchange.request.model, exchange.caller.models)
            exchange.route = route.name
            terms = known.list_scopes(exchange.caller, route.name)
            of_arm = candidate_prices if exchange.arm == "candidate" else prices
            price = _size(exchange, exchange.find_route(routes), terms, of_arm, lengths, table.max_output_tokens)
            if exchange.enforced_maximum is not None:
                await _write_maximum(exchange, exchange.enforced_maximum, offload)
            if not terms.scopes:
                answer = await inner(exchange)
                exchange.when_ended(answer, lambda: _learn(exchange, lengths))
                return answer
            held = await _reserve(limiter, exchange, terms.scopes)
            try:
                answer = await inner(exchange)
            except BaseException:
                await _release(limiter, exchange, held, terms)
                raise
            if answer.stream is None:
                _learn(exchange, lengths)
                await _release(limiter, exchange, held, terms)
                return answer
            exchange.when_ended(answer, lambda: _learn(exchange, lengths))
            if terms.counted:
                answer.stream.budget = _ReservedTokens(limiter, exchange, held, price)
            if terms.settled:
                exchange.when_ended(answer, lambda: _release_later(settling, _release(limiter, exchange, held, terms)))
            return answer

        return handle

    return wrap


class _Terms:
    """What a caller's limits on a route ask for, so that it is not worked out for each request."""

    __slots__ = ("budgeted", "caller", "counted", "scopes", "settled")

    def __init__(self, caller: Caller, scopes: tuple[Scope, ...]) -> None:
        self.caller, self.scopes = caller, scopes
        self.budgeted = any(scope.limits.has_budget() for scope in scopes)
        self.counted = counts_tokens(scopes)  # a request's length matters
        self.settled = needs_settling(scopes)


class _KnownTerms:
    """The terms of each caller and route; a key that was changed is another caller."""

    MOST: ClassVar[int] = 10_000

    def __init__(self, table: LimitTable) -> None:
        self._table = table
        self._found: dict[tuple[str, str], _Terms] = {}

    def list_scopes(self, caller: Caller, route: str) -> _Terms:
        name = caller.principal.id, route  # another principal of this id is another caller
        known = self._found.get(name)
        if known is not None and known.caller is caller:
            return known
        if len(self._found) >= self.MOST:
            self._found.clear()
        terms = self._found[name] = _Terms(caller, list_scopes(caller, route, self._table))
        return terms


class _Prices:
    """The dearest prices that a route may cost, looked up once for each."""

    def __init__(self, models: Mapping[str, ModelEntry]) -> None:
        self._models = models
        self._found: dict[str, tuple[float, float] | None] = {}

    def find_price(self, route: Route) -> tuple[float, float] | None:
        """USD per million input and output tokens; None where a model has no price."""
        if route.name not in self._found:
            list_prices = self.list_prices(route)
            known = all(prices is not None for _, prices in list_prices)
            self._found[route.name] = max_price(list_prices) if known else None
        return self._found[route.name]

    def list_prices(self, route: Route) -> list[tuple[str, Prices | None]]:
        """Name and prices of each model that the route may reach."""
        reachable = [self._models[name] for name in route.reachable()]
        return [(entry.name, entry.prices) for entry in reachable]


def needs_settling(scopes: tuple[Scope, ...]) -> bool:
    """A limit of requests a minute alone is not changed by how a request ends."""
    return counts_tokens(scopes) or any(scope.limits.concurrent is not None for scope in scopes)


def _size(
    exchange: Exchange,
    route: Route,
    terms: _Terms,
    prices: _Prices,
    lengths: AnswerLengths,
    configured: int,
) -> tuple[float, float]:
    """Note what the request may use at most. -> USD per million input and output tokens, 0 where money is no matter.

    :raises Refused: a money budget and a model without a price, a field that hides how long the answer may be
    """
    if exchange.passthrough is not None:
        return _size_passthrough(exchange, exchange.passthrough.counts, route, terms, prices)
    declared = exchange.declared_maximum = declared_maximum(exchange.request, exchange.endpoint)
    if terms.counted:
        refuse_other_maxima(exchange.fields, exchange.body, exchange.endpoint)
    exchange.reserved_input = exchange.estimate_input()
    price = prices.find_price(route)
    if price is None and terms.budgeted:
        max_price(prices.list_prices(route))  # refuses, and names the model
    if exchange.endpoint == "/v1/embeddings":
        exchange.reserved_output = 0
    elif declared is not None:
        exchange.reserved_output = declared
    elif terms.counted and not exchange.streamed:
        exchange.reserved_output = _enforce(exchange, terms.scopes, price or (0.0, 0.0), configured)
    else:
        learned = lengths.quantile(exchange.caller.principal.account, route.name)
        exchange.reserved_output = learned * exchange.request.choices()
    if price is None:
        return 0.0, 0.0
    exchange.reserved_usd = cost_usd(exchange.reserved_input, exchange.reserved_output, price)
    return price


def _size_passthrough(
    exchange: Exchange, most: Counts, route: Route, terms: _Terms, prices: _Prices
) -> tuple[float, float]:
    """Units are estimated at their most and reserved once; such an answer has no length that could be limited."""
    exchange.reserved_input, exchange.reserved_output = most.input, most.output
    listed = prices.list_prices(route)
    if terms.budgeted:
        max_price(listed)  # refuses a model without a price
    known = [each for _, each in listed if each is not None]
    exchange.reserved_usd = max((price_at_most(most, each) for each in known), default=None)
    return 0.0, 0.0


def _enforce(exchange: Exchange, scopes: tuple[Scope, ...], prices: tuple[float, float], configured: int) -> int:
    """A whole answer cannot be cut off in the middle, so it gets a maximum, which a header tells. -> tokens of all
    answers together"""
    choices = exchange.request.choices()
    exchange.enforced_maximum = fit_maximum(configured, exchange.reserved_input, scopes, prices, choices)
    return exchange.enforced_maximum * choices


async def _write_maximum(exchange: Exchange, maximum: int, offload: Offload) -> None:
    """Send the enforced maximum along, where the endpoint has a field for one."""
    own = OWN_MAXIMUM.get(exchange.endpoint)
    if own is None:
        return
    changes = {own[0]: maximum}
    large = is_large(exchange.body)
    exchange.body = await offload.run(rewrite, exchange.body, changes) if large else rewrite(exchange.body, changes)


async def _reserve(limiter: Limiter, exchange: Exchange, scopes: tuple[Scope, ...]) -> Reservation:
    tokens = exchange.reserved_input + exchange.reserved_output
    try:
        decision, held = await limiter.reserve(
            exchange.request_id, scopes, tokens, exchange.reserved_usd or 0.0, time.time()
        )
    except Unavailable as error:  # what cannot be counted is not let through
        raise Refused(
            f"Limits cannot be checked: {error}. Send the request again in a second.",
            status=503,
            type="api_error",
            code="limits_unavailable",
            headers=(("retry-after", "1"),),
        ) from error
    if held is None:
        raise limit_refusal(decision, tokens)
    exchange.decision = decision
    return held


async def _release(limiter: Limiter, exchange: Exchange, held: Reservation, terms: _Terms) -> None:
    """Settle with what the ledger says was used; a request that never was admitted is cancelled."""
    record = exchange.settled
    try:
        if record is None:
            await limiter.cancel(held, time.time())
        elif terms.settled:
            await limiter.settle(held, record.input_tokens + record.output_tokens, record.usd or 0.0, time.time())
    except Unavailable:
        return  # the server that counts is gone; what was reserved is free again when its minute or day has passed


def _release_later(settling: set[asyncio.Task[None]], release: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(release)
    settling.add(task)
    task.add_done_callback(settling.discard)


def _learn(exchange: Exchange, lengths: AnswerLengths) -> None:
    """Only from an answer that ended by itself: one that met a maximum says nothing of how long answers become."""
    record = exchange.settled
    if (
        exchange.passthrough is not None
        or record is None
        or record.outcome != "ok"
        or exchange.shortened
        or record.estimated
    ):
        return
    if exchange.request.choices() == 1 and 0 < record.output_tokens < exchange.reserved_output_limit():
        lengths.learn(exchange.caller.principal.account, exchange.route, record.output_tokens)


class _ReservedTokens:
    """A stream, as long as what it runs up can be reserved."""

    def __init__(self, limiter: Limiter, exchange: Exchange, held: Reservation, prices: tuple[float, float]) -> None:
        self._limiter, self._exchange, self._held, self._prices = limiter, exchange, held, prices
        self._estimate = RunningEstimate()
        self._reserved = exchange.reserved_output

    def count_missing(self, events: bytes) -> int:
        return self._estimate.add(events) - self._reserved

    async def grow(self, tokens: int) -> bool:
        more = await _extend_reservation(self._limiter, self._held, self._prices, tokens)
        self._reserved += more
        if not more:
            self._exchange.cut_off = True
            self._exchange.events = max(self._exchange.events, self._estimate.tokens())  # billed without a usage
        return more > 0

    def cut_off(self) -> bytes:
        error = cut_off_error(", ".join(scope.name.partition(":")[0] for scope in self._held.scopes))
        return dialects.find_dialect(self._exchange.endpoint).error_event(error, self._exchange.request_id)


async def _extend_reservation(limiter: Limiter, held: Reservation, prices: tuple[float, float], missing: int) -> int:
    """Tokens by which the reservation grew: some in advance, else just what is missing, else none."""
    try:
        for tokens in (max(EXTENSION, missing), missing):
            if await limiter.extend(held, tokens, cost_usd(0, tokens, prices), time.time()):
                return tokens
    except Unavailable:
        return 0
    return 0
