"""The call in the middle: the exchange goes to its model's engine, the answer is relayed and metered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.extend import EngineAnswer
from steward.core.records import Attempt
from steward.gateway.exchange import Answer, Exchange, Handler, ModelEntry
from steward.gateway.sse import Scanner, data_of
from steward.gateway.wire import decode_answer, error_event, rewrite

SSE: Final = b"text/event-stream"
PASSED: Final = ("retry-after", "retry-after-ms", "x-should-retry")  # what an upstream says of trying again


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
                answer = await _held(exchange, upstream)
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
        envelope = decode_answer(body)
        exchange.usage, exchange.upstream_id = envelope.usage, envelope.id
        content_type = upstream.headers.get("content-type", "application/json")
        answer = Answer(upstream.status, body, content_type=content_type.encode("latin-1"))
        answer.headers += [
            (name.encode(), upstream.headers[name].encode()) for name in PASSED if name in upstream.headers
        ]
        return answer

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
    if (error := early_error(events[0])) is not None:
        upstream.close()
        return error
    exchange.ttft_s = time.perf_counter() - exchange.started
    return Answer(200, stream=_relay(exchange, upstream, scanner, events, pieces), content_type=SSE)


def early_error(event: bytes) -> Answer | None:
    """The answer that an upstream meant by a stream that begins with an error (vLLM and SGLang do); None: no error."""
    if b'"error"' not in event:
        return None
    try:
        error = _error.decode(data_of(event)).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else 502
    return Answer(status, msgspec.json.encode({"error": error}))


class _Error(msgspec.Struct):
    error: dict[str, Any] | str | None = None


_error = msgspec.json.Decoder(_Error)


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
        exchange.failed = scanner.failed = True
        yield error_event(_broken(f"the upstream failed in mid-stream: {error}", "upstream_error"))
    finally:
        upstream.close()
        if exchange.truncated or scanner.failed:
            exchange.attempts[-1] = msgspec.structs.replace(exchange.attempts[-1], error="the stream broke off")


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
