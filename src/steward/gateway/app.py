"""The data plane as a raw ASGI application: reads requests, runs the handlers, writes answers.

The table of mounts is the only place where a path becomes reachable, and a mount cannot be made without
its permission, tenancy rule, guard set and audit class.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import Refused
from steward.core.keys import KeyRecord
from steward.gateway import dialects
from steward.gateway.exchange import Answer, Exchange, Handler
from steward.gateway.limits import limit_headers
from steward.gateway.rejections import RejectionCounter
from steward.gateway.wire import invalid, new_request_id

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON: Final = b"application/json"
WRITE: Final = "steward.write"  # in a scope's extensions: sends a part of the answer; false where the client is slow
ON_DISCONNECT: Final = "steward.hung_up"  # in a scope's extensions: takes what to call when the client goes, or None
ALREADY_COUNTED: Final = "steward.counted"  # in a scope: the connection has refused the request, and counted it


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A path and what must be declared of it; every field is required."""

    method: Literal["GET", "POST"]
    path: str
    permission: Literal["public", "infer", "list-models", "feedback"]
    tenancy: Literal["none", "key-project"]
    guards: Literal["none", "request-and-answer"]
    audit: Literal["none", "ledger"]


def _infer(path: str) -> Mount:
    return Mount(
        method="POST",
        path=path,
        permission="infer",
        tenancy="key-project",
        guards="request-and-answer",
        audit="ledger",
    )


MOUNTS: Final = (
    _infer("/v1/chat/completions"),
    _infer("/v1/completions"),
    _infer("/v1/embeddings"),
    _infer("/v1/responses"),
    _infer("/v1/messages"),
    Mount(
        method="POST",
        path="/v1/feedback",
        permission="feedback",
        tenancy="key-project",
        guards="none",
        audit="ledger",
    ),
    Mount(
        method="GET", path="/v1/models", permission="list-models", tenancy="key-project", guards="none", audit="none"
    ),
    Mount(method="GET", path="/healthz", permission="public", tenancy="none", guards="none", audit="none"),
    Mount(method="GET", path="/readyz", permission="public", tenancy="none", guards="none", audit="none"),
)


class Gateway:
    """`infer` answers exchanges; `models` and `ready` answer the two questions about the gateway itself; `feedback`
    checks the key, keeps what the body says of an earlier answer and returns JSON.

    `known(headers)` refuses a stranger before its body is read; `models(headers)` checks the key and returns the list's
    JSON; `ready()` is true when a request would be answered.
    """

    def __init__(
        self,
        infer: Handler,
        known: Callable[[Mapping[str, str]], KeyRecord],
        models: Callable[[Mapping[str, str]], bytes],
        feedback: Callable[[Mapping[str, str], bytes], bytes],
        ready: Callable[[], Awaitable[bool]],
        max_body_bytes: int,
        rejections: RejectionCounter,
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._infer = infer
        self._known = known
        self._models = models
        self._feedback = feedback
        self._ready = ready
        self.max_body_bytes = max_body_bytes
        self._rejections = rejections
        self._on_start, self._on_stop = on_start, on_stop
        self._mounts = {(mount.path): mount for mount in MOUNTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._on_start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id(time.time())
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        mount: Mount | None = None
        try:
            mount = self._mounts.get(scope["path"])
            if mount is None:
                raise Refused(f"No endpoint at {scope['path'][:200]}.", status=404, type="invalid_request_error")
            if scope["method"] != mount.method:
                raise Refused(
                    f"{mount.path} accepts {mount.method}, not {scope['method']}.",
                    status=405,
                    type="invalid_request_error",
                )
            if mount.permission == "infer":
                await self._exchange(request_id, mount.path, headers, scope, receive, send)
            elif mount.permission == "feedback":
                said = self._feedback(headers, await self._body(headers, receive))
                await _write(send, request_id, Answer(202, said))
            else:
                await _write(send, request_id, await self._about(mount, headers))
        except Refused as error:
            if ALREADY_COUNTED not in scope and (mount is None or mount.permission != "public"):
                self._rejections.count_rejection(error, "")
            await _write(send, request_id, _refusal(error, scope["path"], request_id))
        except Exception:
            log.exception("request failed", extra={"request_id": request_id})
            await _write(send, request_id, _refusal(_internal_error(), scope["path"], request_id))

    async def _about(self, mount: Mount, headers: Mapping[str, str]) -> Answer:
        if mount.path == "/v1/models":
            return Answer(200, self._models(headers))
        if mount.path == "/healthz" or await self._ready():
            return Answer(200, b'{"status":"ok"}')
        raise Refused("Not ready: no model is available yet.", status=503, type="api_error", code="not_ready")

    async def _exchange(
        self, request_id: str, path: str, headers: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        key = self._known(headers)  # before the body: a stranger's 32 MB are not read
        body = await self._body(headers, receive)
        exchange = Exchange(request_id, path, headers, body, time.time(), time.perf_counter())
        exchange.key = key
        task = asyncio.current_task()
        assert task is not None
        forget = _watch(scope, receive, exchange, task)
        begun = False
        try:
            try:
                answer = await self._infer(exchange)
            except Refused as error:
                if exchange.settled is None:
                    self._rejections.count_rejection(error, exchange.route)
                answer = _refusal(error, path, request_id)
                answer.headers += _retry_headers(exchange, answer)
            answer.headers.extend(_limit_headers(exchange))
            begun = True
            if answer.stream is None:
                forget()
                await _write(send, request_id, answer)
            else:
                await _write_stream(send, exchange, answer, scope.get("extensions", {}).get(WRITE))
        except asyncio.CancelledError:
            task.uncancel()
            if not (exchange.client_closed or begun):
                await _write(send, request_id, _refusal(_stopping_error(), path, request_id))
        finally:
            forget()
            exchange.end()

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The whole body. :raises Refused: 413 by declared or actual length, 415, 400 where the client hung up"""
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.max_body_bytes:
            raise self._too_large(int(declared))
        _check_type(headers)
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise invalid("The client disconnected before its request was complete.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body_bytes:
                raise self._too_large(size)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self, size: int) -> Refused:
        return Refused(
            f"The request body has at least {size:,} bytes; the limit is {self.max_body_bytes:,} "
            "(gateway.max_body_bytes).",
            status=413,
            type="invalid_request_error",
            code="request_too_large",
        )


def _check_type(headers: Mapping[str, str]) -> None:
    """:raises Refused: 415 where the body is not JSON in UTF-8, uncompressed"""
    if headers.get("content-type") == "application/json" and "content-encoding" not in headers:
        return
    kind, _, parameters = headers.get("content-type", "application/json").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip('" ') or "utf-8"
    encoding = headers.get("content-encoding", "identity").lower()
    for name, seen, expected in (
        ("content type", kind.strip(), "application/json"),
        ("charset", charset, "utf-8"),
        ("content encoding", encoding, "identity"),
    ):
        if seen != expected and (name, seen) != ("charset", "utf8"):
            raise Refused(
                f"Unsupported {name} {seen[:100]!r}; send {expected}.", status=415, type="invalid_request_error"
            )


def _watch(scope: Scope, receive: Receive, exchange: Exchange, task: asyncio.Task[None]) -> Callable[[], object]:
    """Cancel the exchange as soon as its client is gone. -> what stops watching"""

    def gone() -> None:
        exchange.client_closed = True
        task.cancel()

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone()

    when_gone = scope.get("extensions", {}).get(ON_DISCONNECT)
    if when_gone is None:  # another server than ours
        return asyncio.ensure_future(listen()).cancel
    when_gone(gone)
    return lambda: when_gone(None)


def _limit_headers(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    decision = exchange.decision
    if decision is None:
        return []
    return [(name.encode(), value.encode()) for name, value in limit_headers(decision)]


def _retry_headers(exchange: Exchange, answer: Answer) -> list[tuple[bytes, bytes]]:
    """Clients need not repeat what was tried on several models already; see `x-should-retry` in OpenAI's SDKs."""
    told = any(name == b"x-should-retry" for name, _ in answer.headers)
    if answer.status < 500 or told or len(exchange.attempts) < 2:
        return []
    return [(b"x-should-retry", b"false")]


def _refusal(error: Refused, path: str, request_id: str) -> Answer:
    answer = Answer(error.status, dialects.find_dialect(path).error_body(error, request_id))
    answer.headers = [(name.encode(), value.encode()) for name, value in error.headers]
    return answer


def _internal_error() -> Refused:
    return Refused(
        "Internal error: this is a bug in steward. The gateway's log has the details.", status=500, type="server_error"
    )


def _stopping_error() -> Refused:
    return Refused(
        "The gateway is shutting down and the time for open requests to finish is over. Send the request again.",
        status=503,
        type="api_error",
        code="stopping",
        headers=(("retry-after", "1"),),
    )


def _start(request_id: str, answer: Answer) -> dict[str, Any]:
    name = request_id.encode()
    headers = [(b"content-type", answer.content_type), (b"x-request-id", name), (b"request-id", name), *answer.headers]
    if answer.stream is None:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    else:
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _write(send: Send, request_id: str, answer: Answer) -> None:
    await send(_start(request_id, answer))
    await send({"type": "http.response.body", "body": answer.body})


def _error_event(exchange: Exchange, error: Refused) -> dict[str, Any]:
    event = dialects.find_dialect(exchange.endpoint).error_event(error, exchange.request_id)
    return {"type": "http.response.body", "body": event, "more_body": True}


async def _write_stream(send: Send, exchange: Exchange, answer: Answer, write: Callable[[bytes], bool] | None) -> None:
    """Relay event by event; `send` waits for a slow client, so that nothing piles up here."""
    assert answer.stream is not None
    stream = answer.stream
    await send(_start(exchange.request_id, answer))
    try:
        async for events in stream:
            await send({"type": "http.response.body", "body": events, "more_body": True})
            if write is not None:
                await stream.flow(write)
    except Refused as error:
        await send(_error_event(exchange, error))
    except asyncio.CancelledError:
        if exchange.client_closed:
            raise
        exchange.cut_off = True
        await send(_error_event(exchange, _stopping_error()))
    except Exception:
        log.exception("stream failed", extra={"request_id": exchange.request_id})
        await send(_error_event(exchange, _internal_error()))
    finally:
        stream.close()
    await send({"type": "http.response.body", "body": b""})
