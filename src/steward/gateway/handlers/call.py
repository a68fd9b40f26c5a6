"""The call in the middle: the exchange goes to its model's engine, the answer is relayed and metered.

What goes out and what comes back is decided in `relay.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.extend import EngineAnswer
from steward.core.records import Attempt
from steward.gateway import dialects
from steward.gateway.exchange import Answer, Exchange, Handler, ModelEntry
from steward.gateway.relay import Outgoing, Relay, early_error, failed, is_stream, outgoing_of, passed_back, taken_in
from steward.gateway.sse import data_of
from steward.gateway.wire import upstream_failed

SSE: Final = b"text/event-stream"
REST_S: Final = 0.25
FORWARDED: Final = ("anthropic-version", "anthropic-beta", "openai-beta", "x-client-request-id", "traceparent")


def call(models: Mapping[str, ModelEntry]) -> Handler:
    """Send the exchange to the engine of its model and take in the answer."""

    async def handle(exchange: Exchange) -> Answer:
        entry = models[exchange.model or ""]
        outgoing = outgoing_of(exchange, entry)
        headers = {name: exchange.headers[name] for name in FORWARDED if name in exchange.headers}
        started_at, started = time.time(), time.perf_counter()
        status: int | None = None
        problem: str | None = None
        try:
            upstream = await entry.engine.call(outgoing.endpoint, outgoing.body, headers)
            status = upstream.status
            if not 200 <= status < 300 and not 400 <= status < 600:  # a redirect may lead anywhere, with the content
                upstream.close()
                raise Unavailable(f"it answered with status {status}, expected 200 or an error; check its url")
            if status < 400 and is_stream(exchange, upstream):
                answer = await _held(exchange, outgoing, upstream)
                status = answer.status
                return answer
            body = await upstream.read()
        except Unavailable as error:
            problem = str(error)
            timed_out = isinstance(error, TimedOut)
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
        answer = failed(exchange, outgoing, status, body) if status >= 400 else taken_in(exchange, outgoing, body)
        answer.headers += passed_back(upstream.headers, status)
        return answer

    return handle


async def _held(exchange: Exchange, outgoing: Outgoing, upstream: EngineAnswer) -> Answer:
    """An answer whose status is held back until the first event has arrived: an early failure keeps its status."""
    pieces = upstream.chunks()
    relay = Relay(exchange, outgoing)
    events: list[bytes] = []
    try:
        async for piece in pieces:
            events += relay.scanner.feed(piece)
            if any(data_of(event) for event in events):
                break
        else:
            events += relay.scanner.end()
        first = next((data for event in events if (data := data_of(event))), None)
        if first is None:
            raise Unavailable("it closed the stream before the first event")
        early = early_error(first)
    except ValueError as error:
        upstream.close()
        raise Unavailable(str(error)) from error
    except BaseException:
        upstream.close()
        raise
    if early is not None:
        upstream.close()
        body = dialects.of(exchange.endpoint).error_body(early, exchange.request_id)
        return Answer(early.status, body)
    exchange.ttft_s = time.perf_counter() - exchange.started
    answer = Answer(200, stream=_relayed(exchange, upstream, relay, events, pieces), content_type=SSE)
    answer.headers += passed_back(upstream.headers, 200)
    return answer


async def _relayed(
    exchange: Exchange, upstream: EngineAnswer, relay: Relay, events: list[bytes], pieces: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The upstream's events, unchanged but for a usage event that the client did not ask for, or translated."""
    broke = False
    try:
        if out := relay.pass_on(events):
            yield out
        while not (relay.over or relay.scanner.done) and (piece := await anext(pieces, None)) is not None:
            if out := relay.pass_on(relay.scanner.feed(piece)):
                yield out
        if relay.over:
            return
        if out := relay.end():
            yield out
        await _read_rest(pieces)
    except (Unavailable, ValueError) as error:
        exchange.failed = broke = True
        yield relay.error(upstream_failed(f"the upstream failed in mid-stream: {error}", "upstream_error"))
    finally:
        upstream.close()
        if broke or exchange.truncated or relay.scanner.failed:
            exchange.attempts[-1] = msgspec.structs.replace(exchange.attempts[-1], error="the stream broke off")


async def _read_rest(pieces: AsyncIterator[bytes]) -> None:
    """Nothing follows the last event but the end, after which the connection can be used again; some never send it."""
    with contextlib.suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(REST_S):
            async for _ in pieces:
                pass
