"""A client's connection, guarded against who sends too much, too slowly, or reads nothing.

Ours because uvicorn bounds neither the size of a request's head nor the time in which a request arrives or an answer is
taken, and because waiting for a client to hang up takes a task for each request with ASGI's `receive`, and a callback
here; a stranger needs no key to hold connections open. The rates are Apache's (mod_reqtimeout: 20 s, and a second more
for every 500 bytes, a head at most twice as long), the size of a head is four times Node's (16 KiB), the time for a
reader that takes nothing is nginx's (send_timeout, 60 s). What is refused here is told in OpenAI's shape. On the path
of a request that arrives at once no timer is set.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from steward.core.errors import Refused
from steward.core.timeouts import ClientTimeouts
from steward.gateway.http import ALREADY_COUNTED, ON_DISCONNECT, WRITE
from steward.gateway.wire import error_body, new_request_id

log = logging.getLogger(__name__)

MOST_HEAD_BYTES: Final = 64 * 1024
LINGER_S: Final = 2.0  # for a client to read why it was refused; what it still sends is dropped
BYTES_PER_S: Final = 500.0  # that a request must come in at, once `receive_s` is over


class _HeadTooLong(Exception):
    """The head of a request is too long."""


class GuardedHttpProtocol(HttpToolsProtocol):
    """One connection. Seconds: for a request to arrive, and for a client that takes no byte of its answer."""

    receive_s: ClassVar[float] = ClientTimeouts().receive_s
    send_s: ClassVar[float] = ClientTimeouts().send_s

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = self._in_body = False
        self._bytes = 0  # of the request that is arriving, and of the piece that is being looked at
        self._arriving = 0
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._left = 0  # bytes that the client had yet to take when it was last looked at
        self._refused: Refused | None = None
        self._on_disconnect: Callable[[], None] | None = None

    def _set_on_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called once if the client goes; None: not any more."""
        self._on_disconnect = callback

    # -- arriving ----------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._began = self.loop.time()
        self._timer = self.loop.call_at(self._began + self.receive_s, self._on_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._call_on_disconnect()

    def _call_on_disconnect(self) -> None:
        callback, self._on_disconnect = self._on_disconnect, None
        if callback is not None:
            callback()

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        if not self._in_body and b"pgrade" in data:
            data = decline_upgrade(data)
        self._arriving = len(data)
        super().data_received(data)
        if self._refused is None and (self._in_head or self._in_body):  # the parser may have refused it
            self._bytes += len(data)
            if self._in_head and self._bytes > MOST_HEAD_BYTES:
                self._refuse(head_too_long())
            elif self._timer is None:
                self._timer = self.loop.call_at(self._due(), self._on_timer)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._bytes, self._began = True, 0, self.loop.time()

    def on_headers_complete(self) -> None:
        if self._bytes + self._arriving > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._refused = head_too_long()
            raise _HeadTooLong
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.__class__ = AnswerCycle
        cycle.scope["extensions"] = {ON_DISCONNECT: self._set_on_disconnect, WRITE: cycle.write}

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _due(self) -> float:
        allowed_s = self.receive_s + self._bytes / BYTES_PER_S
        return self._began + (min(allowed_s, 2 * self.receive_s) if self._in_head else allowed_s)

    def _on_timer(self) -> None:
        self._timer = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if not (self._in_head or self._in_body):
            if self.cycle is None:
                self.transport.close()  # nothing ever came
        elif self._in_head and answering:  # the head of a next request trickles in while this one is answered
            self._timer = self.loop.call_later(self.receive_s, self._on_timer)
        elif self.loop.time() < self._due():
            self._timer = self.loop.call_at(self._due(), self._on_timer)
        elif self._in_body and (not answering or self.cycle.response_started):
            self.transport.close()  # what there is to say has been said
        else:
            self._refuse(arrived_too_slowly())

    # -- refusing ----------------------------------------------------------------------------------

    def count_refusal(self, error: Refused) -> None:
        """Called at each refusal, for a subclass to count it."""

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the parser gives up."""
        self._refuse(self._refused or malformed_request())

    def _refuse(self, error: Refused) -> None:
        self._refused = error
        self.count_refusal(error)
        if self.cycle is not None and not self.cycle.response_complete:
            cast(dict[str, Any], self.cycle.scope)[ALREADY_COUNTED] = (
                True  # the gateway will think that the client hung up
            )
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # in the middle of an answer nothing else can be said
            return
        body = error_body(error)
        lines = [
            STATUS_LINE[error.status] + b"content-type: application/json",
            b"x-request-id: " + new_request_id(time.time()).encode(),
            b"content-length: " + str(len(body)).encode(),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # who waits for the body need not wait any more
            self.cycle.message_event.set()
            self._call_on_disconnect()
        if self.transport.can_write_eof():
            self.transport.write_eof()  # closing at once would reset the connection before the client has read
        self.loop.call_later(LINGER_S, self.transport.close)

    # -- answering ---------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._left = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.send_s, self._check_reader)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _check_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= self._left:
            self.transport.abort()  # nothing was taken
        else:
            self._left = left
            self._stall = self.loop.call_later(self.send_s, self._check_reader)


class AnswerCycle(RequestResponseCycle):
    """A request and its answer, written with one look at the head where uvicorn takes two for each header."""

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._write_head(message["status"], message["headers"])
        elif not self.response_complete:
            self._write_body(message["body"], message.get("more_body", False))
        else:
            raise RuntimeError("the answer is complete already")

    def write(self, body: bytes) -> bool:
        """Send a further part of an answer in chunks at once; false where the client does not keep up."""
        if not self.disconnected:
            self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return not self.flow.write_paused

    def _write_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The gateway names a content-length, or streams."""
        self.response_started, self.waiting_for_100_continue = True, False
        lines = [name + b": " + value for name, value in headers]
        length = next((value for name, value in headers if name == b"content-length"), None)
        self.chunked_encoding = length is None
        self.expected_content_length = 0 if length is None else int(length)
        if length is None:
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = STATUS_LINE[status] + b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a line end in a header")
        self.head = head + b"\r\n\r\n"  # goes out with what follows: one system call, one packet

    def _write_body(self, body: bytes, more: bool) -> None:
        head, self.head = self.head, b""
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
            self.response_complete = True
            cast(dict[str, Any], self.scope)["extensions"] = {}  # they lead back to here: no work for the collector
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


_UPGRADE: Final = re.compile(rb"^upgrade[ \t]*:[ \t]*h2c", re.IGNORECASE | re.MULTILINE)


def decline_upgrade(data: bytes) -> bytes:
    """The head of a request without its offer to go on in HTTP/2 (RFC 7540, section 3.2), which a server may ignore.

    The parser would take the body of such a request for the other protocol. Java's HttpClient and `curl --http2` offer
    it with every first request.

    >>> decline_upgrade(b"GET / HTTP/1.1\\r\\nUpgrade: h2c\\r\\n\\r\\n")
    b'GET / HTTP/1.1\\r\\nx-declined-upgrade: h2c\\r\\n\\r\\n'
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"x-declined-upgrade: h2c", head) + end + body


def make_protocol(timeouts: ClientTimeouts, refused: Callable[[Refused], None]) -> type[GuardedHttpProtocol]:
    """The class of connections that uvicorn makes, with these times; `refused` is told of each refusal."""
    named = {
        "receive_s": timeouts.receive_s,
        "send_s": timeouts.send_s,
        "count_refusal": lambda self, error: refused(error),
    }
    return type("GuardedConnection", (GuardedHttpProtocol,), named)


def log_rejection(error: Refused) -> None:
    """For servers that count none: a line of the log, without anything that the client sent."""
    log.info("rejected a connection: %s", error.code)


def malformed_request() -> Refused:
    return Refused(
        "Not a valid HTTP/1.1 request. Check the request line, the headers and content-length.",
        status=400,
        type="invalid_request_error",
        code="malformed_http",
    )


def head_too_long() -> Refused:
    return Refused(
        f"The request line and headers are longer than {MOST_HEAD_BYTES:,} bytes. Send smaller headers.",
        status=431,
        type="invalid_request_error",
        code="headers_too_large",
    )


def arrived_too_slowly() -> Refused:
    return Refused(
        "The request did not arrive in time (gateway.receive_timeout_s). Send it faster.",
        status=408,
        type="invalid_request_error",
        code="request_timeout",
    )
