"""The handlers that wrap a handler: authenticate, admit, settle, guard, route, and the call in the middle.

Each is a function that takes its dependencies and returns a wrapper; `workflows/serve.py` lists them in
order. A request goes down the list and its answer comes back up, so that `settle`, which stands behind
`admit`, writes the admitted record before anything is dispatched and the settled one when the answer
ended, however it ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import msgspec

from steward.core.errors import Refused, Unavailable
from steward.core.extend import Engine, EngineAnswer, Guard, Ledger
from steward.core.records import Admitted, Attempt, KeyRecord, Outcome, Settled
from steward.gateway import guards as seam
from steward.gateway.exchange import Answer, Exchange, Handler, Wrapper
from steward.gateway.limits import RequestLimits
from steward.gateway.routing import RETRYABLE, Route, find, order
from steward.gateway.sse import Scanner
from steward.gateway.wire import COMMON_OUTPUT_TOKENS, decode_answer, decode_request, error_event, rewrite

SSE: Final = b"text/event-stream"


class ModelEntry(msgspec.Struct, frozen=True):
    """A model that can be called: its engine, the name it has there, its price in USD per million tokens."""

    name: str
    engine: Engine
    upstream_model: str
    input_price: float | None = None
    output_price: float | None = None


# -- authenticate ------------------------------------------------------------------------------------


def authenticate(find_key: Callable[[str], KeyRecord | None], pepper: bytes) -> Wrapper:
    """Refuse requests without a valid key; name the tenant, subject and conversation of the others."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            exchange.key = key_of(find_key, exchange.headers)
            exchange.request = decode_request(exchange.endpoint, exchange.body)
            headers, request = exchange.headers, exchange.request
            subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
            exchange.subject = pseudonym(pepper, exchange.project, subject)
            exchange.conversation = pseudonym(pepper, exchange.project, headers.get("x-steward-conversation"))
            return await inner(exchange)

        return handle

    return wrap


def key_of(find_key: Callable[[str], KeyRecord | None], headers: Mapping[str, str]) -> KeyRecord:
    """The key of a request, from `Authorization: Bearer` or `x-api-key`.

    :raises Refused: 401; the message never repeats the key
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    given = text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    record = find_key(given) if given else None
    if record is None:
        message = (
            "Incorrect API key provided: it is malformed, unknown or revoked."
            if given
            else "You didn't provide an API key. Send it as 'Authorization: Bearer stw_…'."
        )
        raise Refused(message, status=401, type="invalid_request_error", code="invalid_api_key")
    return record


def pseudonym(pepper: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under the home's pepper, so that none is kept; one project's differ from another's."""
    if not value:
        return None
    return hmac.new(pepper, f"{project}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]


# -- admit -------------------------------------------------------------------------------------------


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


# -- settle ------------------------------------------------------------------------------------------


def settle(ledger: Ledger, models: Mapping[str, ModelEntry]) -> Wrapper:
    """One admitted record before, one settled after, on every path out."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            ledger.append(admitted(exchange))
            try:
                answer = await inner(exchange)
            except Refused as error:
                ledger.append(
                    settled(exchange, "timeout" if error.status == 504 else _failure(error), error.status, models)
                )
                raise
            except asyncio.CancelledError:
                exchange.client_closed = True
                ledger.append(settled(exchange, "client_closed", 499, models))
                raise
            except Exception:
                ledger.append(settled(exchange, "upstream_error", 500, models))
                raise
            if answer.stream is None:
                ledger.append(settled(exchange, whole_outcome(answer.status), answer.status, models))
            else:
                answer.stream = _settling(exchange, answer, answer.stream, ledger, models)
            return answer

        return handle

    return wrap


def whole_outcome(status: int) -> Outcome:
    """An upstream that refuses a request (4xx) has not failed."""
    return "ok" if status < 400 else "refused" if status < 500 else "upstream_error"


def _failure(error: Refused) -> Outcome:
    return "upstream_error" if error.status >= 500 else "refused"


async def _settling(
    exchange: Exchange, answer: Answer, stream: AsyncIterator[bytes], ledger: Ledger, models: Mapping[str, ModelEntry]
) -> AsyncIterator[bytes]:
    outcome: Outcome | None = None  # none yet: the client left
    try:
        async for events in stream:
            yield events
        outcome = "upstream_error" if exchange.failed else "truncated" if exchange.truncated else "ok"
    finally:
        status = 499 if outcome is None else answer.status
        ledger.append(settled(exchange, outcome or "client_closed", status, models))


def admitted(exchange: Exchange) -> Admitted:
    """The reservation: input estimated at 4 bytes a token, output as declared or `COMMON_OUTPUT_TOKENS`."""
    assert exchange.key is not None
    declared = exchange.request.output_limit()
    output = 0 if exchange.endpoint == "/v1/embeddings" else COMMON_OUTPUT_TOKENS if declared is None else declared
    return Admitted(
        request_id=exchange.request_id,
        at=exchange.at,
        key_id=exchange.key.id,
        project=exchange.project,
        endpoint=exchange.endpoint,
        route=exchange.route,
        streamed=exchange.streamed,
        reserved_input_tokens=estimate_input(exchange),
        reserved_output_tokens=output,
        subject=exchange.subject,
        conversation=exchange.conversation,
        prompt_version=exchange.prompt_version,
        route_version=exchange.route_version,
    )


def estimate_input(exchange: Exchange) -> int:
    return -(-exchange.request.content_bytes() // 4)


def settled(exchange: Exchange, outcome: Outcome, status: int, models: Mapping[str, ModelEntry]) -> Settled:
    """What the exchange used: the upstream's usage, else an estimate (one token an event of a stream)."""
    usage = exchange.usage
    called = bool(exchange.attempts)
    if usage is not None:
        tokens = (usage.prompt_tokens or 0, usage.completion_tokens or 0)
    else:
        tokens = (estimate_input(exchange), exchange.events) if exchange.events else (0, 0)
    entry = models.get(exchange.model or "")
    return Settled(
        request_id=exchange.request_id,
        at=time.time(),
        outcome=outcome,
        status=status,
        model=exchange.model,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        estimated=called and usage is None,
        usd=cost(entry, *tokens),
        ttft_s=exchange.ttft_s,
        duration_s=time.perf_counter() - exchange.started,
        attempts=tuple(exchange.attempts),
        guards=tuple(exchange.guards),
        upstream_id=exchange.upstream_id,
    )


def cost(entry: ModelEntry | None, input_tokens: int, output_tokens: int) -> float | None:
    """US dollars; None where the model has no price."""
    if entry is None or entry.input_price is None or entry.output_price is None:
        return None
    return (input_tokens * entry.input_price + output_tokens * entry.output_price) / 1e6


# -- guard -------------------------------------------------------------------------------------------


def guard(guards: Sequence[Guard]) -> Wrapper:
    """Show the guards the texts of the request and of the answer."""

    def wrap(inner: Handler) -> Handler:
        if not guards:
            return inner

        async def handle(exchange: Exchange) -> Answer:
            seam.guard_request(guards, exchange)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream = _guarding(guards, exchange, answer.stream)
            elif answer.status < 400:
                answer.body = seam.guard_answer(guards, exchange, answer.body)
            answer.headers.append((b"x-steward-guards", ", ".join(exchange.guards).encode()))
            return answer

        return handle

    return wrap


async def _guarding(guards: Sequence[Guard], exchange: Exchange, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    seen: set[tuple[int, str]] = set()
    splitter = Scanner()
    try:
        async for piece in stream:
            events = splitter.feed(piece)
            if events:
                yield b"".join(seam.guard_event(guards, exchange, seen, event) for event in events)
        seam.close(guards, exchange)
        yield b": x-steward-guards " + ", ".join(exchange.guards).encode() + b"\n\n"
    except Refused as error:
        exchange.failed = True
        yield error_event(error)


# -- route and call ----------------------------------------------------------------------------------


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


def call(models: Mapping[str, ModelEntry]) -> Handler:
    """Send the exchange to the engine of its model and take in the answer."""

    async def handle(exchange: Exchange) -> Answer:
        entry = models[exchange.model or ""]
        started_at, started = time.time(), time.perf_counter()
        status: int | None = None
        problem: str | None = None
        try:
            upstream = await entry.engine.call(exchange.endpoint, upstream_body(exchange, entry))
            status = upstream.status
            if status < 400 and is_stream(upstream):
                exchange.ttft_s = time.perf_counter() - exchange.started
                return await _held(exchange, upstream)
            body = await upstream.read()
        except Unavailable as error:
            problem = str(error)
            timed_out = "in time" in problem
            raise Refused(
                f"The upstream of model '{entry.name}' failed: {problem}",
                status=504 if timed_out else 502,
                type="api_error",
                code="upstream_timeout" if timed_out else "upstream_unavailable",
            ) from error
        finally:
            duration_s = time.perf_counter() - started
            exchange.attempts.append(Attempt(entry.name, status, problem, started_at, duration_s))
        exchange.ttft_s = time.perf_counter() - exchange.started
        envelope = decode_answer(body)
        exchange.usage, exchange.upstream_id = envelope.usage, envelope.id
        content_type = upstream.headers.get("content-type", "application/json")
        return Answer(upstream.status, body, content_type=content_type.encode("latin-1"))

    return handle


def is_stream(upstream: EngineAnswer) -> bool:
    return upstream.headers.get("content-type", "").startswith("text/event-stream")


def upstream_body(exchange: Exchange, entry: ModelEntry) -> bytes:
    """The client's bytes, changed only for another model name upstream, or to ask for usage."""
    changes: dict[str, object] = {}
    if entry.upstream_model != exchange.request.model:
        changes["model"] = entry.upstream_model
    if exchange.streamed:
        options = exchange.request.stream_options
        exchange.asked_usage = bool(options and options.include_usage)
        if not exchange.asked_usage:
            changes["stream_options"] = {"include_usage": True}
    return rewrite(exchange.body, changes) if changes else exchange.body


async def _held(exchange: Exchange, upstream: EngineAnswer) -> Answer:
    """An answer whose status is held back until the first event has arrived: an early failure keeps its status."""
    pieces = upstream.chunks()
    scanner = Scanner()
    events: list[bytes] = []
    try:
        async for piece in pieces:
            events = scanner.feed(piece)
            if events:
                break
    except BaseException:
        upstream.close()
        raise
    if not events:
        upstream.close()
        raise Unavailable("it closed the stream before the first event")
    exchange.ttft_s = time.perf_counter() - exchange.started
    return Answer(200, stream=_relay(exchange, upstream, scanner, events, pieces), content_type=SSE)


async def _relay(
    exchange: Exchange, upstream: EngineAnswer, scanner: Scanner, events: list[bytes], pieces: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The upstream's events, unchanged but for a usage event that the client did not ask for."""
    try:
        yield _look(exchange, scanner, events)
        async for piece in pieces:
            if out := _look(exchange, scanner, scanner.feed(piece)):
                yield out
        if not scanner.done:
            if not scanner.finished:
                exchange.truncated = True
                yield error_event(_broken("the upstream ended the stream without a finish_reason", "stream_truncated"))
            elif scanner.rest:
                yield scanner.rest
    except (Unavailable, ValueError) as error:
        exchange.failed = True
        yield error_event(_broken(f"the upstream failed in mid-stream: {error}", "upstream_error"))
    finally:
        upstream.close()


def _look(exchange: Exchange, scanner: Scanner, events: list[bytes]) -> bytes:
    kept = []
    for event in events:
        scanner.look(event)
        if scanner.only_usage:
            exchange.usage = scanner.usage
            if not exchange.asked_usage:
                continue
        elif not scanner.done:
            exchange.events += 1
        kept.append(event)
    if scanner.usage is not None:
        exchange.usage = scanner.usage
    exchange.upstream_id = scanner.upstream_id
    exchange.failed = exchange.failed or scanner.failed
    return b"".join(kept)


def _broken(message: str, code: str) -> Refused:
    return Refused(message[0].upper() + message[1:] + ".", status=502, type="api_error", code=code)
