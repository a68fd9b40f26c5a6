"""The links of the chain that differ for the endpoints of `gateway/passthrough.py`: reading, guarding and calling.

All others are the same as for chat: prompts (which these endpoints cannot carry), limits, the queue, the ledger,
routing with its retries, fallbacks and breakers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from steward.core.errors import Unavailable
from steward.core.excerpts import cut_text
from steward.core.extend import EngineAnswer, Guard, Offload
from steward.core.records import Attempt
from steward.gateway import guards as seam
from steward.gateway.answer import Answer
from steward.gateway.error_answers import convert_error
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import GUARDED_BYTES, is_large, refuse_many_parts
from steward.gateway.middleware.call import (
    LONG_ANSWER_BYTES,
    LONGEST_ERROR_BYTES,
    SSE,
    find_error_within,
    select_forwarded,
    upstream_refusal,
)
from steward.gateway.middleware.identify import name_people
from steward.gateway.middleware.offload import HERE
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import Outgoing, check_endpoint
from steward.gateway.passthrough import (
    PASSTHROUGH,
    PassthroughEndpoint,
    PassthroughRequest,
    read_report,
    read_request,
    rename_model,
    unreadable,
)
from steward.gateway.passthrough_stream import PassthroughStream
from steward.gateway.relay import select_headers
from steward.gateway.route_records import Route
from steward.gateway.wire import JSON, bad_request, upstream_error
from steward.gateway.wire_fields import Request

MOST_PARTS: Final = 300_000  # names and values of one JSON body; 100,000 documents to be ranked are 100,000
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024  # ten pictures of 1536x1024 in base64 are about 40 MB


def identify_passthrough(subject_key: Callable[[str], bytes], offload: Offload = HERE) -> Middleware:
    """Read the request of one of these endpoints, and name its subject and conversation."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            endpoint = PASSTHROUGH[exchange.endpoint]
            kind = exchange.headers.get("content-type", "")
            if not is_large(exchange.body):
                request = read_request(endpoint, exchange.body, kind)
            else:  # a while for the processor: others shall not wait for it
                request = await offload.run_beside(_read_large, endpoint, exchange.body, kind)
            exchange.passthrough = request
            exchange.request = Request(model=request.model, stream=request.wants_events, user=request.user)
            name_people(exchange, subject_key)
            return await inner(exchange)

        return handle

    return wrap


def _read_large(endpoint: PassthroughEndpoint, body: bytes, content_type: str) -> PassthroughRequest:
    """In a thread, which one call of a library may not hold for long; a form's files are looked at by their ends."""
    if not content_type.startswith("multipart/"):
        refuse_many_parts(body, MOST_PARTS)
    return read_request(endpoint, body, content_type)


def guard_passthrough(guards: Sequence[Guard], routes: Mapping[str, Route], offload: Offload = HERE) -> Middleware:
    """Show the guards the texts; what they cannot read is refused, unless the route lets it pass."""

    def wrap(inner: Handler) -> Handler:
        if not guards:
            return inner

        async def handle(exchange: Exchange) -> Answer:
            request = passthrough_of(exchange)
            unread = request.endpoint.unread
            if unread and routes[exchange.route].unreadable != "pass":
                raise unreadable(request.endpoint, exchange.route)
            if request.wants_events and request.endpoint.answers == "text":
                raise bad_request(
                    "A guard checks this model's answers, and cannot read streamed transcripts; leave out 'stream'.",
                    "stream",
                )
            if unread:
                exchange.guards.append(f"unread={unread.replace(' and ', '+')}")
            if len(exchange.body) < GUARDED_BYTES and not seam.wait_for_others(guards):
                _guard_texts(guards, exchange, request)
            else:
                await offload.run_beside(_guard_texts, guards, exchange, request)
            answer = await inner(exchange)
            if answer.stream is None and answer.status < 400 and "answer" not in unread:
                answer.body = await offload.run_beside(_guard_answer, guards, exchange, answer)
            answer.headers.append((b"x-steward-guards", ", ".join(exchange.guards).encode()))
            return answer

        return handle

    return wrap


def _guard_texts(guards: Sequence[Guard], exchange: Exchange, request: PassthroughRequest) -> None:
    if request.form is None:
        seam.guard_request(guards, exchange)
        return
    texts = {str(number): text for number, text in enumerate(request.form.list_texts())}
    request.form.put_texts(list(seam.guard_values(guards, exchange, texts).values()))
    exchange.body, request.content_type = request.form.encode()


def _guard_answer(guards: Sequence[Guard], exchange: Exchange, answer: Answer) -> bytes:
    if answer.content_type.startswith(JSON):
        return seam.guard_plain_answer(guards, exchange, answer.body)
    return seam.guard_text(guards, exchange, answer.body.decode("utf-8", "replace")).encode()


def call_passthrough(models: Mapping[str, ModelEntry], offload: Offload = HERE, begins_traces: bool = False) -> Handler:
    """Send the exchange to its model's server as it is, and take in the answer; `begins_traces` as for `call`."""

    async def handle(exchange: Exchange) -> Answer:
        entry, request = models[exchange.model or ""], passthrough_of(exchange)
        check_endpoint(exchange.endpoint, entry)
        target = request.endpoint.upstream or exchange.endpoint
        body, kind = rename_model(request, exchange.body, entry.upstream_model)
        headers = select_forwarded(exchange, begins_traces)
        headers["content-type"] = kind
        streamed = request.wants_events or request.endpoint.answers == "bytes"
        at, started = time.time(), time.perf_counter()
        status: int | None = None
        problem: str | None = None
        try:
            upstream = await entry.engine.call(target, body, headers, streamed)
            status = upstream.status
            answer = await _take_answer(exchange, request, upstream, streamed, offload)
            status = answer.status
        except Unavailable as error:
            problem = str(error)
            raise upstream_refusal(entry.name, error) from error
        finally:
            exchange.attempts.append(Attempt(entry.name, status, problem, at, time.perf_counter() - started))
        exchange.ttft_s = time.perf_counter() - exchange.started
        answer.headers += select_headers(upstream.headers, upstream.status)
        return answer

    return handle


async def _take_answer(
    exchange: Exchange, request: PassthroughRequest, upstream: EngineAnswer, streamed: bool, offload: Offload
) -> Answer:
    """:raises Unavailable: it broke off, or is none"""
    status, kind = upstream.status, upstream.headers.get("content-type", "")
    if not 200 <= status < 300 and not 400 <= status < 600:  # a redirect may lead anywhere, with the content
        upstream.close()
        raise Unavailable(f"it answered with status {status} instead of 200 or an error; check its url")
    is_json = kind.startswith("application/json")
    if status < 400 and streamed and not is_json:
        return await _begin_stream(exchange, request, upstream, kind)
    body = await read_whole(upstream)
    embedded = await find_error_within(exchange.endpoint, body, offload) if status < 400 and is_json else None
    if status >= 400 or embedded is not None:
        status = status if embedded is None else embedded.status
        return convert_error(exchange, Outgoing(exchange.endpoint, b""), status, body[:LONGEST_ERROR_BYTES])
    if not is_json and request.endpoint.answers != "text":
        raise upstream_error(
            f"the upstream answered with {cut_text(kind)!r} where JSON was expected", "upstream_malformed"
        )
    request.answered, request.answer_bytes = True, len(body)
    if is_json:  # of many pictures it takes a while: others shall not wait for it
        long = len(body) > LONG_ANSWER_BYTES
        request.report = await offload.run(read_report, body) if long else read_report(body)
    if request.report is not None and isinstance(request.report.id, str):
        exchange.upstream_id = request.report.id
    return Answer(200, body, content_type=JSON if is_json else kind.encode("latin-1", "replace"))


async def _begin_stream(exchange: Exchange, request: PassthroughRequest, upstream: EngineAnswer, kind: str) -> Answer:
    """The status is held back until the first bytes are there, so that another model may be tried until then."""
    try:
        first = await upstream.read_piece()
        if not first:
            raise Unavailable("it closed the answer before the first byte")
    except BaseException:
        upstream.close()
        raise
    request.answered = True
    stream = PassthroughStream(exchange, request, upstream, first, kind.startswith(SSE.decode()))
    answer = Answer(200, stream=stream, content_type=kind.encode("latin-1", "replace") or b"application/octet-stream")
    exchange.when_ended(answer, stream.close)
    return answer


async def read_whole(upstream: EngineAnswer, most: int = MOST_ANSWER_BYTES) -> bytes:
    """:raises Unavailable: it is longer than `most` bytes, or broke off"""
    pieces: list[bytes] = []
    size = 0
    while piece := await upstream.read_piece():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            upstream.close()
            raise Unavailable(f"its answer is longer than {most:,} bytes")
    return b"".join(pieces)


def passthrough_of(exchange: Exchange) -> PassthroughRequest:
    """What `identify_passthrough` has read."""
    assert exchange.passthrough is not None
    return exchange.passthrough
