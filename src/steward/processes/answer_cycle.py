"""A request and its answer on a client's connection: ASGI's `receive` and `send`, and what the gateway calls directly.

Ours because each request of the data plane goes through it: uvicorn looks at every header twice, makes an event and a
dictionary of settings for each request, and takes three coroutines where the whole request has arrived already and the
whole answer is at hand (docs/explanation/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from steward.gateway.http import CONNECTION, OnDisconnect


class RequestConnection(Protocol):
    """The connection that a request came on."""

    loop: Any
    transport: Any
    flow: FlowControl
    logger: Any
    on_disconnect: OnDisconnect | None

    def on_response_complete(self) -> None: ...


class AnswerCycle(RequestResponseCycle):
    """One request and its answer. Its scope leads back to it until the answer is complete."""

    scope: Any  # uvicorn has no extensions in it
    framing: ClassVar[tuple[bytes, ...]] = (b"transfer-encoding: chunked",)  # headers of a body of unknown length

    def __init__(  # uvicorn's takes ten settings, which are the connection's here
        self, scope: dict[str, Any], connection: RequestConnection, keep_alive: bool, expects_100: bool
    ) -> None:
        self.scope = scope
        self.transport, self.flow, self.logger = connection.transport, connection.flow, connection.logger
        self.keep_alive, self.waiting_for_100_continue = keep_alive, expects_100
        self.disconnected = self.response_started = self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0
        self.more_body = True
        self.on_response: Callable[..., None] = connection.on_response_complete
        self._parts: list[bytes] = []  # of the body that have arrived and are not taken
        self.waiting_bytes = 0  # of these
        self._connection = connection
        self._news = False  # something has arrived since `receive` last returned
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        scope["extensions"] = {CONNECTION: self}

    # -- arriving ----------------------------------------------------------------------------------

    def add_body(self, part: bytes) -> None:
        self._parts.append(part)
        self.waiting_bytes += len(part)
        self._news = True
        if self._waiter is not None:
            self.wake()

    def wake(self) -> None:
        """Let `receive` look again."""
        self._news = True
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete):
            if self.flow.read_paused:
                self.flow.resume_reading()
            while not self._news:
                if self._waiter is None:
                    self._waiter = self._connection.loop.create_future()
                await asyncio.shield(self._waiter)
            self._news = False
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take_parts(), "more_body": self.more_body}

    def take_body(self) -> bytes | None:
        """The whole body where it has arrived and none of it was taken; None: `receive` it."""
        if self.more_body or self.disconnected or not self._news or self.response_complete:
            return None
        self._news = False
        return self._take_parts()

    def _take_parts(self) -> bytes:
        parts, self._parts, self.waiting_bytes = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def watch(self, on_disconnect: OnDisconnect | None) -> None:
        """Have `on_disconnect` called once if the client goes; None: not any more."""
        self._connection.on_disconnect = on_disconnect

    # -- answering ---------------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            headers = message["headers"]
            length = next((int(value) for name, value in headers if name == b"content-length"), None)
            self._write_head(message["status"], headers, length)
        elif not self.response_complete:
            self._write_body(message["body"], message.get("more_body", False))
        else:
            raise RuntimeError("the answer is complete already")

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer at once; false where it must wait for the client, and nothing was sent."""
        if self.disconnected:
            return True
        if self.flow.write_paused or self.response_started:
            return False
        self._write_head(status, headers, len(body))
        self._write_body(body, False)
        return True

    def write(self, events: bytes) -> bool:
        """Send a further part of an answer in chunks at once; false where the client does not keep up."""
        if not self.disconnected:
            self.transport.write(b"%x\r\n%b\r\n" % (len(events), events))
        return not self.flow.write_paused

    def _write_head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        """The gateway names a content-length, or streams."""
        self.response_started, self.waiting_for_100_continue = True, False
        lines = [*map(b": ".join, headers)]
        if length is None:
            self.chunked_encoding = True
            lines += self.framing
        else:
            self.chunked_encoding, self.expected_content_length = False, length
        if not self.keep_alive:
            lines.append(b"connection: close")
        head, count = STATUS_LINE[status] + b"\r\n".join(lines), len(lines)
        if head.count(b"\n") != count or head.count(b"\r") != count or head.find(b"\0") >= 0:
            raise RuntimeError("a line end in a header")
        self._head = head + b"\r\n\r\n"  # goes out with what follows: one system call, one packet

    def _write_body(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            body, more = b"", False
        elif not self.chunked_encoding:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("the body is not as long as its content-length says")
        else:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                body += b"0\r\n\r\n"
        self.transport.write(head + body)
        if not more:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.scope["extensions"] = {}  # they lead back to here: no work for the collector
        if self._waiter is not None:
            self.wake()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class PlainCycle(AnswerCycle):
    """For HTTP/1.0, which knows no chunks (RFC 9112, section 6.1): a stream ends with its connection."""

    framing: ClassVar[tuple[bytes, ...]] = ()

    def write(self, events: bytes) -> bool:
        if not self.disconnected:
            self.transport.write(events)
        return not self.flow.write_paused

    def _write_body(self, body: bytes, more: bool) -> None:
        if not self.chunked_encoding:
            super()._write_body(body, more)
            return
        head, self._head = self._head, b""
        self.transport.write(head + (b"" if self.scope["method"] == "HEAD" else body))
        if not more:
            self._complete()
