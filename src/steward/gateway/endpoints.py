"""The table of the gateway's endpoints: the only place where a path becomes reachable."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from steward.core.endpoint import Endpoint, Guards
from steward.core.errors import Refused
from steward.core.identity import Caller
from steward.gateway.answer import Answer
from steward.gateway.batch_endpoints import BatchApi, build_batch_endpoints
from steward.gateway.early_stream import EarlyStream
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.feedback import MAX_BODY_BYTES
from steward.gateway.http import HttpRequest, stopping_error
from steward.gateway.limits import encode_limit_headers
from steward.gateway.passthrough import JSON_TYPE, PASSTHROUGH
from steward.gateway.rejections import RejectionCounter
from steward.gateway.response_endpoints import ResponseApi, build_response_endpoints
from steward.gateway.token_count import COUNTED
from steward.gateway.token_count import MAX_BODY_BYTES as MAX_COUNTED_BYTES

AI_GENERATED: Final = (b"x-ai-generated", b"true")  # of what a model has made
NOT_READY: Final = (("retry-after", "2"),)  # readiness is found out as often
STREAM: Final = b'"stream"'  # in a body that may ask for one
ASKS_STREAM: Final = re.compile(rb'"stream"\s*:\s*true')
NOT_CONTENT: Final = frozenset({"/v1/embeddings", "/v1/moderations", "/v1/rerank"})  # numbers: nobody reads them

EndpointHandler = Callable[[HttpRequest], Awaitable[None]]
GatewayEndpoint = Endpoint[EndpointHandler]


class GatewayService(Protocol):
    """What the endpoints are answered with."""

    @property
    def max_body_bytes(self) -> int: ...

    @property
    def discloses(self) -> bool:
        """Whether answers say that a model has made them."""
        ...

    @property
    def heartbeat_s(self) -> float:
        """After which a stream that has not begun gets its headers."""
        ...

    @property
    def batches(self) -> BatchApi: ...

    @property
    def responses(self) -> ResponseApi: ...

    async def infer(self, exchange: Exchange) -> Answer:
        """The answer of a model. :raises Refused: the request cannot be answered"""
        ...

    async def pass_through(self, exchange: Exchange) -> Answer:
        """The answer of a model's server to an endpoint of `passthrough.py`. :raises Refused: as `infer`"""
        ...

    def list_models(self, caller: Caller) -> bytes:
        """The list of models as JSON."""
        ...

    def show_model(self, caller: Caller, name: str) -> bytes:
        """One model as JSON. :raises Refused: 404, there is none of that name"""
        ...

    async def count_tokens(self, caller: Caller, path: str, body: bytes) -> Answer:
        """The answer of one of `token_count.COUNTED`. :raises Refused: 400, 404"""
        ...

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        """Keep what the body says about an earlier answer; a receipt as JSON. `subject`: who rates, as the request was
        told. :raises Refused: 400"""
        ...

    def accept_appeal(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        """Keep what the body says against an earlier answer; a receipt as JSON. `subject`: who appeals, as the request
        was told. :raises Refused: 400"""
        ...

    async def find_problem(self) -> str | None:
        """Why a request would not be answered now; None where it would be."""
        ...

    @property
    def is_degraded(self) -> bool:
        """Whether some model did not answer when that was last found out."""
        ...


def build_endpoints(service: GatewayService, rejections: RejectionCounter) -> tuple[GatewayEndpoint, ...]:
    def infer(request: HttpRequest) -> Awaitable[None]:  # no coroutine of its own: each request goes through here
        return serve_exchange(request, service, rejections)

    def pass_through(request: HttpRequest) -> Awaitable[None]:
        kind = PASSTHROUGH[request.path].content_type
        return serve_exchange(request, service, rejections, service.pass_through, kind)

    async def accept_feedback(request: HttpRequest) -> None:
        body = await request.read_body(service.max_body_bytes)
        subject = request.headers.get("x-steward-subject")
        await request.respond(Answer(202, service.accept_feedback(request.caller, body, subject)))

    async def accept_appeal(request: HttpRequest) -> None:
        body = await request.read_body(service.max_body_bytes)
        subject = request.headers.get("x-steward-subject")
        await request.respond(Answer(202, service.accept_appeal(request.caller, body, subject)))

    async def count_tokens(request: HttpRequest) -> None:
        body = await request.read_body(service.max_body_bytes)
        await request.respond(await service.count_tokens(request.caller, request.path, body))

    async def list_models(request: HttpRequest) -> None:
        await request.respond(Answer(200, service.list_models(request.caller)))

    async def show_model(request: HttpRequest) -> None:
        await request.respond(Answer(200, service.show_model(request.caller, request.rest)))

    async def report_ready(request: HttpRequest) -> None:
        if (problem := await service.find_problem()) is not None:
            raise Refused(f"Not ready: {problem}.", status=503, type="api_error", code="not_ready", headers=NOT_READY)
        await request.respond(Answer(200, b'{"status":"degraded"}' if service.is_degraded else b'{"status":"ok"}'))

    return (
        declare_inference("/v1/chat/completions", infer),
        declare_inference("/v1/completions", infer),
        declare_inference("/v1/embeddings", infer),
        declare_inference("/v1/responses", infer),
        declare_inference("/v1/messages", infer),
        *(
            declare_inference(row.path, pass_through, "in-part" if row.unread else "request-and-answer")
            for row in PASSTHROUGH.values()
        ),
        *build_batch_endpoints(lambda: service.batches, lambda: service.max_body_bytes),
        *build_response_endpoints(lambda: service.responses),
        declare_feedback("/v1/feedback", accept_feedback),
        declare_feedback("/v1/appeals", accept_appeal),
        *(declare_count(path, count_tokens) for path in COUNTED),
        declare_model_list("/v1/models", list_models),
        declare_model_list("/v1/models/{model...}", show_model),  # names may have slashes
        declare_probe("/healthz", report_alive),
        declare_probe("/readyz", report_ready),
    )


def declare_inference(path: str, handler: EndpointHandler, guards: Guards = "request-and-answer") -> GatewayEndpoint:
    """An endpoint whose requests go through all middleware."""
    return Endpoint(
        method="POST",
        path=path,
        permission="infer",
        tenancy="principal",
        guards=guards,
        audit="ledger",
        max_body_bytes=None,
        handler=handler,
    )


def declare_feedback(path: str, handler: EndpointHandler) -> GatewayEndpoint:
    """An endpoint that takes what people say of an answer."""
    return Endpoint(
        method="POST",
        path=path,
        permission="feedback",
        tenancy="principal",
        guards="none",
        audit="ledger",
        max_body_bytes=MAX_BODY_BYTES,
        handler=handler,
    )


def declare_count(path: str, handler: EndpointHandler) -> GatewayEndpoint:
    """An endpoint that counts a request's tokens; nothing leaves this machine, and nobody answers."""
    return Endpoint(
        method="POST",
        path=path,
        permission="models.read",
        tenancy="principal",
        guards="none",
        audit="none",
        max_body_bytes=MAX_COUNTED_BYTES,
        handler=handler,
    )


def declare_model_list(path: str, handler: EndpointHandler) -> GatewayEndpoint:
    """An endpoint that tells which models there are."""
    return Endpoint(
        method="GET",
        path=path,
        permission="models.read",
        tenancy="principal",
        guards="none",
        audit="none",
        max_body_bytes=0,
        handler=handler,
    )


def declare_probe(path: str, handler: EndpointHandler) -> GatewayEndpoint:
    """An endpoint for load balancers, who have no key."""
    return Endpoint(
        method="GET",
        path=path,
        permission="public",
        tenancy="none",
        guards="none",
        audit="none",
        max_body_bytes=0,
        handler=handler,
    )


async def report_alive(request: HttpRequest) -> None:
    await request.respond(Answer(200, b'{"status":"ok"}'))


async def serve_exchange(
    request: HttpRequest,
    service: GatewayService,
    rejections: RejectionCounter,
    handler: Handler | None = None,
    content_type: str = JSON_TYPE,
) -> None:
    """Answer a request of a model; end the exchange as soon as its client is gone."""
    at, started = time.time(), time.perf_counter()
    body = await request.read_body(service.max_body_bytes, content_type)
    exchange = Exchange(request.request_id, request.path, request.headers, body, at, started, request.caller)
    task = asyncio.current_task()
    assert task is not None

    def cancel() -> None:
        exchange.client_closed = True
        task.cancel()

    request.watch(cancel)
    begun = False
    early: EarlyStream | None = None
    if handler is None and body.find(STREAM) >= 0 and ASKS_STREAM.search(body):
        early = EarlyStream(request, exchange, service.heartbeat_s, list_early_headers, service.discloses)
    try:
        try:
            answer = await (service.infer if handler is None else handler)(exchange)
            if service.discloses and answer.status < 300 and request.path not in NOT_CONTENT:
                answer.headers.append(AI_GENERATED)
        except Refused as error:
            if exchange.settled is None:
                rejections.count_rejection(error, exchange.route)
            answer = request.refusal(error)
            answer.headers += _retry_headers(exchange, answer)
        answer.headers += list_limit_headers(exchange)
        begun = True
        if early is not None and not (early.cancel() and await early.stop()):
            early = None
        if answer.stream is not None:
            await request.respond_stream(exchange, answer, early is not None)
        elif early is not None:
            await early.end_with(answer)
        else:
            request.unwatch()
            await request.respond(answer)
    except asyncio.CancelledError:
        task.uncancel()
        if exchange.client_closed or begun:
            return
        if early is not None and early.cancel() and await early.stop():
            await early.end_with(request.refusal(stopping_error()))
        else:
            await request.respond(request.refusal(stopping_error()))
    finally:
        if early is not None and early.cancel():
            await early.stop()
        request.unwatch()
        exchange.end()


def list_limit_headers(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """What an answer says of the limits that it was admitted under."""
    headers: list[tuple[bytes, bytes]] = []
    if exchange.decision is not None:
        headers += encode_limit_headers(exchange.decision)
    if exchange.enforced_maximum is not None:
        headers.append((b"x-steward-max-output-tokens", str(exchange.enforced_maximum).encode()))
    return headers


def list_early_headers(exchange: Exchange, discloses: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a stream of which nothing is known but how it was admitted."""
    return [*list_limit_headers(exchange), *([AI_GENERATED] if discloses else [])]


def _retry_headers(exchange: Exchange, answer: Answer) -> list[tuple[bytes, bytes]]:
    """Clients need not repeat what was tried on several models already; see `x-should-retry` in OpenAI's SDKs."""
    is_set = any(name == b"x-should-retry" for name, _ in answer.headers)
    if answer.status < 500 or is_set or len(exchange.attempts) < 2:
        return []
    return [(b"x-should-retry", b"false")]
