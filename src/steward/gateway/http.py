"""One HTTP request as the handler of an endpoint sees it: who sent it, its body when it is wanted, a way to answer.

Raw ASGI. Two things go beyond it, for our own server (`processes/http_protocol.py`): a connection that takes and gives
what is at hand without waiting (`DirectConnection`), and a mark that a rejection has been counted already.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from steward.core.errors import Refused, StewardError, Unavailable, describe_trace
from steward.core.excerpts import cut_text
from steward.core.identity import NOBODY, Caller
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.cors import Headers
from steward.gateway.exchange import Exchange
from steward.gateway.passthrough import JSON_TYPE
from steward.gateway.wire import bad_request

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
OnDisconnect = Callable[[], None]

CONNECTION: Final = "steward.connection"  # in a scope's extensions: a `DirectConnection`
CERTIFICATE: Final = "steward.certificate"  # in a scope: the name in the client's certificate, which has been checked
FIELDS: Final = "steward.fields"  # in a scope: its headers as texts by name, which nobody changes
ALREADY_COUNTED: Final = "steward.counted"  # in a scope: the connection has rejected the request, and counted it


class DirectConnection(Protocol):
    """What our own server offers beside `receive` and `send`: the same at once, where nothing must be waited for."""

    def take_body(self) -> bytes | None:
        """The whole body; None where it has not arrived yet, or was taken."""
        ...

    def watch(self, on_disconnect: OnDisconnect | None) -> None:
        """Call `on_disconnect` once as soon as the client is gone; None: not any more."""
        ...

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer, with its content-length among `headers`; false where the client is slow."""
        ...

    def write(self, events: bytes) -> bool:
        """Send a part of a stream that has begun; false where the client is slow, after it was sent."""
        ...


class HttpRequest:
    """One request. `caller` is set before the handler of an endpoint that is not public sees it."""

    __slots__ = (
        "_listener",
        "caller",
        "connection",
        "cors",
        "headers",
        "max_body_bytes",
        "path",
        "receive",
        "request_id",
        "rest",
        "scope",
        "send",
    )

    def __init__(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        self.request_id = request_id
        self.scope, self.receive, self.send = scope, receive, send
        self.path: str = scope["path"]
        self.rest = ""  # what a path that ends in "{name...}" has in its place
        self.headers: Mapping[str, str] = scope.get(FIELDS) or {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        self.caller: Caller = NOBODY
        self.max_body_bytes: int | None = None  # the endpoint's own bound
        self.cors: Headers = ()  # what a browser must be told with any answer
        # taken out, since it leads back to the scope: where the client goes early nobody else ends that circle
        self.connection: DirectConnection | None = scope.get("extensions", {}).pop(CONNECTION, None)
        self._listener: asyncio.Future[None] | None = None  # where there is no connection of ours

    @property
    def certificate(self) -> str | None:
        """See `core.extend.RequestSender`."""
        name: str | None = self.scope.get(CERTIFICATE)
        return name

    def list_hops(self) -> list[str]:
        """The addresses that the request came through, nearest first; see `core.extend.RequestSender`."""
        client = self.scope.get("client")
        lines = [value.decode("latin-1") for key, value in self.scope["headers"] if key == b"x-forwarded-for"]
        return [client[0] if client else "", *reversed(",".join(lines).split(",") if lines else [])]

    async def read_body(self, configured: int, content_type: str = JSON_TYPE) -> bytes:
        """The whole body, of at most `configured` bytes and of no more than its endpoint takes.

        :raises Refused: 413 by declared or actual length, 415, 400 where the client disconnected
        """
        own = self.max_body_bytes
        limit = configured if own is None else min(own, configured)
        body = self.connection.take_body() if self.connection is not None else None
        is_named = _check_type(self.headers, content_type)
        if body is None or len(body) > limit:
            setting = " (gateway.max_body_bytes)" if limit == configured else f" for {self.path}"
            declared = self.headers.get("content-length", "") if body is None else str(len(body))
            if declared.isdigit() and int(declared) > limit:
                raise _body_too_large(int(declared), limit, setting)
            body = await self._receive_body(limit, setting)
        if not is_named and _JSON_OBJECT.match(body) is None:
            raise _unsupported_type(self.headers.get("content-type", ""), JSON_TYPE)
        return body

    async def _receive_body(self, limit: int, setting: str) -> bytes:
        whole = io.BytesIO()  # grows in small steps, where joining 32 MB at the end would hold the loop for 0.1 s
        size, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise bad_request("The client disconnected before its request was complete.")
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _body_too_large(size, limit, setting)
            more = message.get("more_body", False)
            if not more and not whole.tell():
                return part  # nearly always
            whole.write(part)
        return whole.getvalue()

    def watch(self, on_disconnect: OnDisconnect) -> None:
        """Call `on_disconnect` as soon as the client is gone."""
        if self.connection is not None:
            self.connection.watch(on_disconnect)
        else:  # another server than ours
            self._listener = asyncio.ensure_future(self._listen(on_disconnect))

    def unwatch(self) -> None:
        if self.connection is not None:
            self.connection.watch(None)
        elif self._listener is not None:
            self._listener.cancel()

    async def _listen(self, on_disconnect: OnDisconnect) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        on_disconnect()

    async def respond(self, answer: Answer) -> None:
        """Send a whole answer."""
        headers = self._headers(answer)
        if self.connection is None or not self.connection.respond(answer.status, headers, answer.body):
            await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await self.send({"type": "http.response.body", "body": answer.body})

    async def respond_pieces(self, content_type: bytes, length: int, pieces: AsyncIterator[bytes]) -> None:
        """Send a body of `length` bytes that is read piece by piece. Where reading fails, the connection ends early."""
        headers = self._headers(Answer(200, content_type=content_type))
        headers[-1] = (b"content-length", b"%d" % length)
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async for piece in pieces:
                await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        except (StewardError, OSError) as error:
            log.error("%s: the rest of a file cannot be read: %s", self.request_id, error)
            return
        await self.send({"type": "http.response.body", "body": b""})

    async def begin_stream(self, answer: Answer) -> None:
        """Send the head of a stream whose parts follow."""
        headers = self._headers(answer)
        if answer.stream is None:  # it is still to come
            headers[-1:] = _STREAM_HEADERS
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def send_part(self, events: bytes) -> None:
        """Send events of a stream that has begun."""
        await self.send({"type": "http.response.body", "body": events, "more_body": True})

    async def end_stream(self) -> None:
        """Say that nothing follows."""
        await self.send({"type": "http.response.body", "body": b""})

    async def respond_stream(self, exchange: Exchange, answer: Answer, begun: bool = False) -> None:
        """Send a stream event by event; `send` waits for a slow client, so that nothing piles up here. `begun`: its
        head has been sent.
        """
        assert answer.stream is not None
        stream = answer.stream
        connection = self.connection
        if not begun:
            await self.send({"type": "http.response.start", "status": answer.status, "headers": self._headers(answer)})
        try:
            async for events in stream:
                await self.send({"type": "http.response.body", "body": events, "more_body": True})
                if connection is not None:
                    await stream.forward(connection.write)
        except Refused as error:
            await self._send_error(error)
        except Unavailable:  # sound that broke off: an end without an end is all that its client can notice
            return
        except asyncio.CancelledError:
            if exchange.client_closed:
                raise
            exchange.cut_off = True
            await self._send_error(stopping_error())
        except Exception as error:
            log.error("%s: stream failed\n%s", exchange.request_id, describe_trace(error))
            await self._send_error(internal_error())
        finally:
            exchange.end()
        await self.send({"type": "http.response.body", "body": b""})

    def refusal(self, error: Refused) -> Answer:
        """An error as an answer, in the dialect that its client reads."""
        dialect = dialects.find_error_dialect(self.path, self.headers)
        answer = Answer(error.status, dialect.error_body(error, self.request_id))
        answer.headers = [(name.encode(), value.encode()) for name, value in error.headers]
        return answer

    async def _send_error(self, error: Refused) -> None:
        event = dialects.find_dialect(self.path).error_event(error, self.request_id)
        await self.send({"type": "http.response.body", "body": event, "more_body": True})

    def _headers(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        name = self.request_id.encode()
        headers = [(b"content-type", answer.content_type), (b"x-request-id", name), (b"request-id", name)]
        headers += answer.headers
        if self.cors:
            headers += self.cors
        if answer.stream is None:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        else:
            headers += _STREAM_HEADERS
        return headers


_JSON_OBJECT: Final = re.compile(rb"[ \t\r\n]*+\{")  # no form begins so: a browser writes a brace as %7B
_STREAM_HEADERS: Final = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


def _body_too_large(size: int, limit: int, setting: str) -> Refused:
    return Refused(
        f"The request body has at least {size:,} bytes; the limit is {limit:,}{setting}.",
        status=413,
        type="invalid_request_error",
        code="request_too_large",
    )


def _check_type(headers: Mapping[str, str], expected_type: str) -> bool:
    """Whether the body is named as what it is to be; false where it is to be JSON and has another name, as curl's `-d`
    gives it: then what it is counts.

    Not for a form of several parts, nor for a web page (`Origin`, which browsers add to every POST: Fetch standard,
    3.2): a page may send any text to any site unasked, except as application/json, and with it the browser's client
    certificate. Keys are in headers that a page cannot set unasked, and cookies count for nothing here.

    :raises Refused: 415 where the body is not of the expected type in UTF-8, uncompressed
    """
    named = headers.get("content-type", "")
    if named == expected_type and "content-encoding" not in headers:
        return True
    kind, _, parameters = named.lower().partition(";")
    kind = kind.strip()
    charset = parameters.partition("charset=")[2].strip('" ') or "utf-8"
    encoding = headers.get("content-encoding", "identity").lower()
    may_be_json = expected_type == JSON_TYPE and "origin" not in headers and not kind.startswith("multipart/")
    if kind != expected_type and not may_be_json:
        raise _unsupported_type(kind, expected_type)
    if charset not in ("utf-8", "utf8"):
        raise _unsupported("charset", charset, "utf-8")
    if encoding != "identity":
        raise _unsupported("content encoding", encoding, "identity")
    return kind == expected_type or not kind


def _unsupported_type(kind: str, expected: str) -> Refused:
    hint = " With curl: -H 'Content-Type: application/json' -d @request.json" if expected == JSON_TYPE else ""
    return _unsupported("content type", kind, expected, hint)


def _unsupported(what: str, value: str, expected: str, hint: str = "") -> Refused:
    return Refused(
        f"Unsupported {what} {cut_text(value)!r}; send {expected}.{hint}", status=415, type="invalid_request_error"
    )


def internal_error() -> Refused:
    return Refused(
        "Internal error: this is a bug in steward. The gateway's log has the details.", status=500, type="server_error"
    )


def stopping_error() -> Refused:
    return Refused(
        "The gateway is shutting down and the time for open requests to finish is over. Send the request again.",
        status=503,
        type="api_error",
        code="stopping",
        headers=(("retry-after", "1"),),
    )
