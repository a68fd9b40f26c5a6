"""Which model answers, which is tried when it does not, and who sees a copy of the request."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from steward.core.errors import Refused
from steward.gateway.answer import Answer
from steward.gateway.error_answers import OF_THE_REQUEST
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.health import HealthTracker, ModelHealth
from steward.gateway.middleware.release_trial import ReleaseTrials
from steward.gateway.middleware.shadow import Shadows
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import list_serving
from steward.gateway.route_records import Failure, Route
from steward.gateway.routing import RETRYABLE, choose_retry, client_deadline_s, order_models, parse_retry_after
from steward.gateway.upstream_errors import ErrorClass, classify_refusal
from steward.gateway.usage import note_cost
from steward.gateway.wire import bad_request


def route(
    routes: Mapping[str, Route],
    health: HealthTracker,
    total_s: float,
    models: Mapping[str, ModelEntry],
    shadows: Shadows | None = None,
    draw: Callable[[], float] = random.random,
    trials: ReleaseTrials | None = None,
) -> Middleware:
    """Try the route's models until one answers, of those that have the endpoint. `total_s` bounds the time until its
    first byte, over all tries.
    """

    def wrap(inner: Handler) -> Handler:
        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own
            requested = exchange.find_route(routes)
            if shadows is not None and requested.shadow is not None and draw() < requested.shadow.sample:
                shadows.start(exchange, requested.shadow.model)
            if trials is not None and exchange.release is not None:
                trials.consider(exchange, routes[exchange.route])
            patience = client_deadline_s(exchange.headers, total_s)
            untimed = (
                patience == total_s
            )  # the engine's own timeouts bound a first try; a timer here would say nothing new
            ends = exchange.started + patience
            exchange.begin_by = exchange.started + total_s
            return _Attempts(inner, exchange, requested, health, models, ends, untimed, draw).answer()

        return handle

    return wrap


class _Attempts:
    """The tries of one exchange. `ends` is on the clock of `Exchange.started`."""

    def __init__(
        self,
        inner: Handler,
        exchange: Exchange,
        requested: Route,
        health: HealthTracker,
        models: Mapping[str, ModelEntry],
        ends: float,
        untimed: bool,
        draw: Callable[[], float],
    ) -> None:
        self._inner, self._exchange, self._route, self._models = inner, exchange, requested, models
        self._health, self._ends, self._untimed, self._draw = health, ends, untimed, draw
        self._caller = exchange.caller.principal.account
        self._failures: dict[str, Failure] = {}
        self._last: Answer | Refused | None = None
        self._refusal: Answer | Refused | None = None  # what a model said of the request itself
        self._instead: tuple[str, ...] | None = None
        self._names: tuple[str, ...] = ()

    async def answer(self) -> Answer:
        """:raises Refused: what the last try came to"""
        names = waiting = self._names = self._order()
        while waiting:
            name, *others = waiting
            waiting = tuple(others)
            if (answer := await self._try(name)) is not None:
                return answer
            if self._instead is not None:  # the error was of a class that others are named for
                waiting, self._instead = self._list_others(self._instead), None
        for number in range(self._route.retries):
            again = choose_retry(names, self._failures, number, self._draw(), self._ends - time.perf_counter())
            if again is None or not self._health[again.model].budget.take():
                break
            await asyncio.sleep(again.wait_s)
            if (answer := await self._try(again.model)) is not None:
                return answer
        return self._last_failure(names)

    def _order(self) -> tuple[str, ...]:
        """The models to ask, in order. :raises Refused: 400, none has the endpoint"""
        requested, exchange = self._route, self._exchange
        if len(requested.targets) == 1 and not requested.fallback:
            name = requested.targets[0].model
            return (name,) if self._health[name].is_sound else self._list_serving((name,))
        targets = [target.model for target in requested.targets]
        sticky = {"none": None, "subject": exchange.subject, "conversation": exchange.conversation}[requested.sticky]
        standings = self._health.standings(targets, requested.fallback, time.monotonic())
        return self._list_serving(order_models(requested, self._draw(), standings, sticky))

    def _list_others(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the models named for an error that have not been asked and have the endpoint."""
        try:
            return self._list_serving(tuple(name for name in names if name not in self._failures))
        except Refused:  # the error itself says more
            return ()

    def _list_serving(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return list_serving(self._exchange.endpoint, names, self._models)

    async def _try(self, name: str) -> Answer | None:
        """The answer to give to the client; None: another try may do better."""
        exchange, health, now = self._exchange, self._health[name], time.monotonic()
        left_s = self._ends - time.perf_counter()
        sound = health.is_sound
        probe = not sound and health.is_probing(self._caller, now)
        if left_s <= 0 or not (sound or health.admits(self._caller, now)):
            return None
        if exchange.attempts:
            note_cost(exchange)
        exchange.model, exchange.usage, exchange.upstream_id = name, None, None
        if name not in self._failures:
            health.budget.request()
        health.in_flight += 1
        streaming = False
        try:
            answer = await (self._inner(exchange) if self._untimed else self._call_within(left_s))
            kind = answer.error_class
            if kind is not None and not self._is_passed_on(name, kind, answer):
                return None
            if answer.status >= 400 and kind is not None:
                return answer
            if answer.status >= 500 or answer.status in RETRYABLE:
                self._last = answer
                headers = {key.decode(): value.decode("latin-1") for key, value in answer.headers}
                self._record_failure(name, Failure(answer.status, parse_retry_after(headers, time.time())))
                return None
            streaming = answer.stream is not None
            self._record_answer(name, health, answer, now)
            return answer
        except TimeoutError:  # the client's deadline: says nothing of the model
            self._last = self._deadline_error(name)
        except Refused as error:
            if error.status not in RETRYABLE:
                if (refused := classify_refusal(error)) is None or self._is_passed_on(name, refused, error):
                    self._last = self._refusal = None  # see `forget_frames`
                    raise
                forget_frames(error)
                return None
            self._last = forget_frames(error)
            self._record_failure(name, Failure(error.status, timed_out=error.status == 504))
        finally:
            if not streaming:
                health.in_flight -= 1
            if probe:
                health.release(self._caller)
        return None

    def _is_passed_on(self, name: str, kind: ErrorClass, answer: Answer | Refused) -> bool:
        """Whether an error of this class goes to the client; else the others are asked.

        Notes what it says of the model: a request that it cannot take, that is too long or not welcome, says nothing,
        least of all where it was not asked (`Refused`).
        """
        rule = getattr(self._route.error_fallbacks, kind)
        self._failures[name] = Failure(answer.status, final=True)
        if isinstance(answer, Answer) and answer.stream is not None:
            if rule is False or self._failures.keys() >= {*(self._names if rule is True else rule)}:
                return True
            self._exchange.end()  # a stream cannot be kept while another is asked
            answer = withheld_error(name)
        if kind in OF_THE_REQUEST:
            self._refusal = self._refusal or answer
            if not isinstance(answer, Refused) or kind == "content_filter":
                self._health[name].record_success(self._caller, time.monotonic())
        else:
            self._record_failure(name, self._failures[name])
        self._last = answer
        self._instead = None if isinstance(rule, bool) else rule
        return rule is False

    async def _call_within(self, seconds: float) -> Answer:
        async with asyncio.timeout(seconds):
            return await self._inner(self._exchange)

    def _record_answer(self, name: str, health: ModelHealth, answer: Answer, started: float) -> None:
        now = time.monotonic()
        if answer.status < 400:
            health.latency.add(now - started, now)
        if answer.stream is None:
            health.record_success(self._caller, now)
        else:
            health.breaker.record_answer(now)
            self._exchange.when_ended(answer, lambda: self._record_stream_end(name))

    def _record_failure(self, name: str, failure: Failure) -> None:
        """A limit (429) is no sign of ill health; a model that names a pause is asked last until it is over."""
        self._untimed = False
        self._failures[name] = failure
        health, now = self._health[name], time.monotonic()
        if failure.retry_after_s is not None:
            health.rests_until = max(health.rests_until, now + failure.retry_after_s)
        if failure.status in (500, 504):  # which a request alone may bring about: one that breaks it, or takes too long
            health.record_error(self._caller, now)
        elif failure.status == 501:  # "Not Implemented" (RFC 9110, 15.6.2) is about what was asked
            health.breaker.record_answer(now)
        elif failure.status > 500 or failure.status == 408:
            health.breaker.record_failure(now)
        else:
            health.breaker.record_answer(now)

    def _record_stream_end(self, name: str) -> None:
        """A stream is over: a client that hung up, or a guard that blocked, says nothing of the model."""
        exchange, health, now = self._exchange, self._health[name], time.monotonic()
        health.in_flight -= 1
        if exchange.attempts and exchange.attempts[-1].error is not None:
            health.record_error(self._caller, now)
        elif not exchange.client_closed:
            health.record_success(self._caller, now)

    def _deadline_error(self, name: str) -> Refused:
        exchange = self._exchange
        if exchange.attempts:
            exchange.attempts[-1] = msgspec.structs.replace(exchange.attempts[-1], error="no answer by the deadline")
        return Refused(
            f"Model '{name}' did not answer within {self._ends - exchange.started:.3g} s, the limit set by the client "
            "or by gateway.total_timeout_s.",
            status=504,
            type="api_error",
            code="upstream_timeout",
        )

    def _last_failure(self, names: tuple[str, ...]) -> Answer:
        """The last failure, as it is, unless a model said something of the request itself; after several tries the
        client's SDK is told not to multiply them.
        """
        self._last = self._refusal or self._last
        if self._last is None:
            self._exchange.model = None
            raise self._resting_error(names)
        several = len(self._exchange.attempts) > 1
        if isinstance(self._last, Refused):
            if several:
                self._last.headers += (("x-should-retry", "false"),)
            try:
                raise self._last
            finally:  # its traceback holds this frame, and so whatever the request holds
                self._last = self._refusal = None
        if several and not any(name == b"x-should-retry" for name, _ in self._last.headers):
            self._last.headers.append((b"x-should-retry", b"false"))
        return self._last

    def _resting_error(self, names: tuple[str, ...]) -> Refused:
        now = time.monotonic()
        wait = int(min(self._health[name].wait_s(self._caller, now) for name in names)) + 1
        return Refused(
            f"No model of '{self._route.name}' is available: {', '.join(names)} failed repeatedly. "
            f"The gateway tries again in {wait} s.",
            status=503,
            type="api_error",
            code="upstream_unavailable",
            headers=(("retry-after", str(wait)),),
        )


def forget_frames(error: Refused) -> Refused:
    """An error that is kept, without what its traceback holds: the request, and all of an answer that came. An error
    that is kept by what it was raised in is a cycle, and cycles are seldom searched for in a worker.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def withheld_error(model: str) -> Refused:
    return bad_request(f"The content filter of model '{model}' withheld the answer.", code="content_filter")
