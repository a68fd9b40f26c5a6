"""The call in the middle: the exchange goes to its model's engine, the answer is relayed and metered.

What goes out is decided in `outgoing.py`, what comes back in `relay.py` and `error_answers.py`.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.extend import EngineAnswer, Offload
from steward.core.records import Attempt
from steward.core.traces import continue_trace
from steward.gateway.answer import Answer
from steward.gateway.dialects import find_dialect
from steward.gateway.dialects.answer_forms import join_events
from steward.gateway.engine_input import check_engine_input, has_long_rules
from steward.gateway.error_answers import convert_error
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.first_event import HEARTBEAT_S, can_hold, take_events
from steward.gateway.large import Upstream, build_large_outgoing, is_large
from steward.gateway.line_answer import BEGINNINGS, LineAnswer
from steward.gateway.middleware.offload import HERE
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import NOTHING_AVOIDED, Outgoing, build_outgoing
from steward.gateway.refused_fields import RefusedFields, find_refused_fields
from steward.gateway.relay import (
    STREAM_TYPES,
    Relay,
    convert_answer,
    is_form_of_stream,
    is_stream,
    ledger_usage,
    note_answer,
    parse_early_error,
    read_answer,
    select_headers,
    translate_answer,
)
from steward.gateway.sse import Scanner
from steward.gateway.stream import Stream
from steward.gateway.upstream_errors import find_error_instead, unwrap_event_error
from steward.gateway.usage import note_cost
from steward.gateway.withheld import is_withheld

SSE_TYPE: Final = "text/event-stream"
SSE: Final = SSE_TYPE.encode()
LONG_ANSWER_BYTES: Final = 1024 * 1024  # of a whole answer that is read at once
LONGEST_ERROR_BYTES: Final = 256 * 1024  # of an upstream's error; the rest of a longer one is left out
MAX_DROPPED: Final = 20  # paths that the header names
FORWARDED: Final = frozenset(
    {"anthropic-version", "anthropic-beta", "openai-beta", "x-client-request-id", "traceparent", "tracestate"}
)


def call(
    models: Mapping[str, ModelEntry],
    heartbeat_s: float = HEARTBEAT_S,
    clock: Callable[[], float] = time.monotonic,
    offload: Offload = HERE,
    begins_traces: bool = False,
) -> Handler:
    """Send the exchange to the engine of its model and take in the answer. A stream that has not begun after
    `heartbeat_s` gets its headers, and a comment every so often.

    With `begins_traces` a request whose client sent no trace begins one.

    Where the upstream refuses a field that only the gateway put in, it is asked again without; `clock` tells how long
    that is remembered.
    """
    learned = {name: RefusedFields() for name in models}

    async def handle(exchange: Exchange) -> Answer:
        entry = models[exchange.model or ""]
        known = learned[entry.name]
        avoided = known.current(clock()) if known else NOTHING_AVOIDED
        tried = NOTHING_AVOIDED
        while True:
            without = avoided | tried if tried else avoided
            if is_large(exchange.body):
                outgoing = await _build_large(exchange, entry, without, offload)
            else:
                outgoing = build_outgoing(exchange, entry, without)
                if entry.embedded:
                    await _check_rules(outgoing.body, offload)
            answer = await _ask(exchange, entry, outgoing, heartbeat_s, offload, begins_traces)
            if isinstance(answer, Answer):
                if tried and answer.status < 400:
                    known.add(tried, clock())
                return answer
            tried |= answer

    return handle


async def _check_rules(body: bytes, offload: Offload) -> None:
    """:raises Refused: 400, the embedded engine could not read the request"""
    if has_long_rules(body):
        await offload.run_beside(check_engine_input, body)
    else:
        check_engine_input(body)


async def _build_large(exchange: Exchange, entry: ModelEntry, avoided: frozenset[str], offload: Offload) -> Outgoing:
    """As `_build_small`, for a body that would keep others waiting."""
    model = Upstream(entry.name, entry.upstream_model, entry.endpoints, entry.embedded)
    maximum, kept = exchange.enforced_maximum, exchange.kept
    request, fields, endpoint = exchange.request, exchange.fields, exchange.endpoint
    built = await offload.run(
        build_large_outgoing, request, fields, endpoint, exchange.body, maximum, model, avoided, kept
    )
    exchange.asked_usage = built.asked_usage
    outgoing = Outgoing(built.endpoint, built.body, built.translation, built.asked)
    outgoing.dropped, outgoing.added, outgoing.embedded = built.dropped, built.added, built.embedded
    outgoing.maximum = built.maximum
    return outgoing


async def _convert_large(exchange: Exchange, outgoing: Outgoing, body: bytes, offload: Offload) -> Answer:
    """As `convert_answer`, for a body that would keep others waiting."""
    translation = outgoing.translation
    facts = await offload.run(read_answer, outgoing.endpoint, body) if len(body) > LONG_ANSWER_BYTES else None
    if translation is None:
        return convert_answer(exchange, outgoing, body, facts)
    note_answer(exchange, facts or read_answer(outgoing.endpoint, body), len(body))
    usage = ledger_usage(exchange)
    return Answer(
        200,
        await offload.run(translate_answer, translation, usage, body, outgoing.asked, exchange.request_id, exchange.at),
    )


async def _ask(
    exchange: Exchange,
    entry: ModelEntry,
    outgoing: Outgoing,
    heartbeat_s: float,
    offload: Offload,
    begins_traces: bool,
) -> Answer | frozenset[str]:
    """One try: the answer, or the fields without which another may have one.

    :raises Refused: 502 or 504, the upstream gave none
    """
    headers = select_forwarded(exchange, begins_traces)
    started_at, started = time.time(), time.perf_counter()
    status: int | None = None
    problem: str | None = None
    try:
        upstream = await entry.engine.call(outgoing.endpoint, outgoing.body, headers, exchange.streamed)
        status = upstream.status
        if not 200 <= status < 300 and not 400 <= status < 600:  # a redirect may lead anywhere, with the content
            upstream.close()
            raise Unavailable(f"it answered with status {status} instead of 200 or an error; check its url")
        held: tuple[int, bytes] | None = None
        if status < 400 and is_stream(exchange, upstream):
            begun = await _hold(exchange, outgoing, upstream, heartbeat_s, offload)
            if isinstance(begun, Answer):
                return begun
            held = begun
        taken: tuple[int, bytes] = held or (upstream.status, await upstream.read())
        kind = upstream.headers.get("content-type", "")
        if len(taken[1]) > LONG_ANSWER_BYTES:
            taken = await offload.run(read_status, kind, outgoing.endpoint, *taken)
        else:
            taken = read_status(kind, outgoing.endpoint, *taken)
        status, body = taken
        if status == 500 and entry.embedded:
            status = 400
        if refused := find_refused_fields(status, body, outgoing.added, exchange.fields):
            problem = f"it does not take {', '.join(sorted(refused))}"
            return refused
    except Unavailable as error:
        problem = str(error)
        raise upstream_refusal(entry.name, error) from error
    finally:
        duration_s = time.perf_counter() - started
        exchange.attempts.append(Attempt(entry.name, status, problem, started_at, duration_s))
    exchange.ttft_s = time.perf_counter() - exchange.started
    if status >= 400:
        answer = _take_error(exchange, outgoing, upstream.status, status, body)
    elif is_large(body):
        answer = await _convert_large(exchange, outgoing, body, offload)
    else:
        answer = convert_answer(exchange, outgoing, body)
        if is_withheld(outgoing.endpoint, body):
            answer.error_class = "content_filter"
    answer.headers += select_headers(upstream.headers, status)
    _name_dropped(answer, outgoing)
    return answer


def _take_error(exchange: Exchange, outgoing: Outgoing, told: int, status: int, body: bytes) -> Answer:
    """The answer for an error that came with status `told` and stands for `status`."""
    if told < 400 and b'"usage"' in body:  # an answer that failed on its way, and is billed
        _note_cost_of_failure(exchange, outgoing, body)
    return convert_error(exchange, outgoing, status, body, passes=status == told or not exchange.streamed)


def _note_cost_of_failure(exchange: Exchange, outgoing: Outgoing, body: bytes) -> None:
    exchange.usage = find_dialect(outgoing.endpoint).envelope(body).usage
    note_cost(exchange)
    exchange.usage = None


def read_status(kind: str, endpoint: str, status: int, body: bytes) -> tuple[int, bytes]:
    """The status that a body stands for, and the body: whole, and no longer than an error needs. `kind`: its type."""
    if status >= 400:
        return status, body[:LONGEST_ERROR_BYTES]
    if body[:1] == b"\xef":
        body = body.removeprefix(codecs.BOM_UTF8)
    if is_form_of_stream(kind, body):
        body = join_events(endpoint, body)
    error = find_error_instead(endpoint, body)
    return status if error is None else error.status, body


async def find_error_within(endpoint: str, body: bytes, offload: Offload) -> Refused | None:
    """The error that an answer with status 200 carries in the place of an answer."""
    if len(body) > LONG_ANSWER_BYTES:
        return await offload.run(find_error_instead, endpoint, body)
    return find_error_instead(endpoint, body)


async def _hold(
    exchange: Exchange, outgoing: Outgoing, upstream: EngineAnswer, heartbeat_s: float, offload: Offload
) -> Answer | tuple[int, bytes]:
    """An answer whose status is held back until its first content has arrived, or for `heartbeat_s`; the status and the
    error where an event tells of one in place of content.
    """
    relay = Relay(exchange, outgoing)
    try:
        upstream, events, first = await _read_first_events(upstream, relay.scanner, outgoing.endpoint, heartbeat_s)
        first = None if first is None else unwrap_event_error(first)
        early = None if first is None else parse_early_error(first)
    except ValueError as error:
        upstream.close()
        raise Unavailable(str(error)) from error
    except BaseException:
        upstream.close()
        raise
    if early is not None:
        upstream.close()
        return early.status, first or b""
    if first is not None:
        exchange.ttft_s = time.perf_counter() - exchange.started
    stream = Stream(exchange, upstream, relay, events, heartbeat_s if first is None else None, offload)
    answer = Answer(200, stream=stream, content_type=SSE)
    if first is not None and is_withheld(outgoing.endpoint, first):
        answer.error_class = "content_filter"
    exchange.when_ended(answer, stream.close)
    answer.headers += select_headers(upstream.headers, 200)
    _name_dropped(answer, outgoing)
    return answer


async def _read_first_events(
    upstream: EngineAnswer, scanner: Scanner, endpoint: str, patience_s: float
) -> tuple[EngineAnswer, list[bytes], bytes | None]:
    """The events up to the first that has content, and its data; None where it has not come within `patience_s`, nor
    among so many events. The upstream before them: another where it sends no events but JSON.

    :raises Unavailable: the stream ended or broke before :raises ValueError: an event beyond all bounds
    """
    events: list[bytes] = []
    if not upstream.headers.get("content-type", "").startswith(SSE_TYPE):
        upstream = LineAnswer(upstream, endpoint) if _is_json_type(upstream) else upstream
    piece = upstream.take_arrived()
    if piece is not None and piece.startswith(BEGINNINGS):
        upstream = LineAnswer(upstream, endpoint, piece)
        piece = upstream.take_arrived()
    if piece is not None and (data := take_events(piece, scanner, events)) is not None:
        return upstream, events, data  # as nearly always where the network gave both at once
    try:
        async with asyncio.timeout(patience_s):
            while can_hold(events):
                piece = await upstream.read_piece()
                if not (events or scanner.rest) and piece.startswith(BEGINNINGS):
                    upstream = LineAnswer(upstream, endpoint, piece)
                    piece = await upstream.read_piece()
                if (data := take_events(piece, scanner, events)) is not None:
                    return upstream, events, data
    except TimeoutError:
        pass
    return upstream, events, None


def _is_json_type(upstream: EngineAnswer) -> bool:
    kind = upstream.headers.get("content-type", "")
    return kind.startswith(("application/json", *STREAM_TYPES[1:]))


def upstream_refusal(model: str, error: Unavailable) -> Refused:
    """502, or 504 where it was too slow: a model's server did not answer as it should."""
    timed_out = isinstance(error, TimedOut)
    return Refused(
        f"The upstream of model '{model}' failed: {error}",
        status=504 if timed_out else 502,
        type="api_error",
        code="upstream_timeout" if timed_out else "upstream_unavailable",
    )


def select_forwarded(exchange: Exchange, begins_traces: bool) -> dict[str, str]:
    """What of the client's headers its upstream sees; of a trace, that this request is its parent now."""
    if FORWARDED.isdisjoint(exchange.headers):
        headers = {}
    else:
        headers = {name: v for name, v in exchange.headers.items() if name in FORWARDED and _is_technical(name, v)}
    if begins_traces or "traceparent" in headers:
        headers["traceparent"] = continue_trace(headers.get("traceparent"), exchange.request_id)
    return headers


_TECHNICAL: Final = re.compile(r"[A-Za-z0-9_.:/=+*,;~ -]*")


def _is_technical(name: str, value: str) -> bool:
    """Whether a header has versions and ids alone, as it should: no guard reads it.

    >>> _is_technical("anthropic-beta", "a-2025-01-01, b"), _is_technical("x-client-request-id", "bob@example.com")
    (True, False)
    >>> _is_technical("tracestate", "acme@vendor=a1,b=2"), _is_technical("tracestate", "u=bob@example.com")
    (True, False)
    """
    if name == "tracestate":  # where a tenant stands before a vendor's name (W3C Trace Context, section 3.3.1.3.1)
        value = ",".join(entry.partition("=")[2] for entry in value.split(","))
    return _TECHNICAL.fullmatch(value) is not None


def _name_dropped(answer: Answer, outgoing: Outgoing) -> None:
    """Tell the client which fields of its request were left out in the translation, and what maximum was put in."""
    if outgoing.maximum is not None:
        answer.headers.append((b"x-steward-max-output-tokens", b"%d" % outgoing.maximum))
    if outgoing.dropped:
        answer.headers.append((b"x-steward-dropped", format_dropped(outgoing.dropped)))


def format_dropped(paths: list[str]) -> bytes:
    """
    >>> format_dropped(["tools.1", "store"])
    b'tools.1, store'
    """
    named = [path for path in dict.fromkeys(paths) if path.isascii() and path.isprintable()]
    listed = ", ".join(named[:MAX_DROPPED])
    more = len(named) - MAX_DROPPED
    return (f"{listed}, and {more} more" if more > 0 else listed).encode()
