"""A client's connection, guarded against who sends too much, too slowly, or reads nothing.

Ours because uvicorn bounds neither the size of a request's head nor the time in which a request arrives or an answer is
taken, lets trailers change the head, and because waiting for a client to hang up takes a task for each request with
ASGI's `receive`, and a callback here; a stranger needs no key to hold connections open. The rates are Apache's
(mod_reqtimeout: 20 s, and a second more for every 500 bytes, a head at most twice as long), the size of a head is four
times Node's (16 KiB), the excess of a chunked body's framing is counted as Go does (CVE-2023-39326), the time for a
reader that takes nothing is nginx's (send_timeout, 60 s). What is refused here is told in OpenAI's shape. On the path
of a request that arrives at once no timer is set.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar, Final, NoReturn, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.timeouts import ClientTimeouts
from steward.core.tls import name_client
from steward.gateway.cors import Headers
from steward.gateway.http import ALREADY_COUNTED, CERTIFICATE, OnDisconnect
from steward.gateway.wire import error_body, new_request_id
from steward.processes.answer_cycle import AnswerCycle, PlainCycle
from steward.processes.descriptors import DescriptorRoom
from steward.processes.known_head import KnownHead, learn_head

log = logging.getLogger(__name__)

MOST_HEAD_BYTES: Final = 64 * 1024
LOOK_BYTES: Final = 8 * 1024  # of a head, or of chunks, that are parsed before a look at what they amount to
MOST_HEADERS: Final = 200  # twice Apache's LimitRequestFields
MOST_PIPELINED: Final = 64  # requests of one connection that wait for the answers to earlier ones
MOST_FRAMING_BYTES: Final = 16 * 1024  # of a chunked body beyond what its chunks account for: extensions, trailers
CHUNK_BYTES: Final = 16  # that a chunk's own framing may take, beside twice its content
MOST_LEARNT: Final = 8  # heads of one connection: where each is another, as behind a proxy, none is known
MOST_DROPPED_BYTES: Final = 64 * 1024 * 1024  # of a body that is still coming when its request has been answered
LINGER_S: Final = 2.0  # for a client to read why it was refused; what it still sends is dropped
BYTES_PER_S: Final = 500.0  # that a request must come in at, once `receive_s` is over, and a full buffer be taken at
HEAD_TIMES, BODY_TIMES = 2, 6  # of `receive_s`: in which a head, or a whole request, has arrived at the latest

# Headers that have one value (RFC 9110, section 5.3), and the proofs and names that the servers read. One that stands
# twice is read in two ways by two readers; of all others, several lines mean the same as one with commas.
SINGLE_HEADERS: Final = frozenset(
    [
        *(b"authorization", b"proxy-authorization", b"x-api-key", b"api-key", b"host", b"content-length"),
        *(b"content-type", b"content-encoding", b"content-range", b"transfer-encoding", b"expect", b"upgrade"),
        *(b"origin", b"referer", b"user-agent", b"date", b"from", b"max-forwards", b"range", b"if-match"),
        *(b"anthropic-version", b"openai-organization", b"openai-project", b"idempotency-key", b"traceparent"),
        *(b"x-client-request-id", b"x-request-id", b"x-real-ip", b"x-forwarded-host", b"x-forwarded-proto"),
    ]
)


class _HeadRefused(Exception):
    """Ends the parser's work on a head; `_refused` says why."""


class _Trailers(list[tuple[bytes, bytes]]):
    """Where the parser puts headers that come after the head: nothing is kept."""

    def append(self, item: tuple[bytes, bytes]) -> None:
        pass


_TRAILERS: Final = _Trailers()


class GuardedHttpProtocol(HttpToolsProtocol):
    """One connection. Seconds: for a request to arrive, and for a client that takes no byte of its answer."""

    receive_s: ClassVar[float] = ClientTimeouts().receive_s
    send_s: ClassVar[float] = ClientTimeouts().send_s
    room: ClassVar[DescriptorRoom] = DescriptorRoom()
    cycle: AnswerCycle

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = self._in_body = False
        self._bytes = 0  # of the request that is arriving, and of the piece that is being looked at
        self._arriving = 0
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._left = 0  # bytes that the client had yet to take when it was last looked at
        self._held = b""  # of a head: the name of a field that has arrived in part
        self._refused: Refused | None = None
        self._number = 0  # of the request on this connection
        self._chunked = False  # the body that is arriving comes in chunks
        self._delivered = 0  # bytes of a body, without its framing
        self._chunks = 0
        self._excess = 0  # bytes of framing that no chunk accounts for
        self._dropped = 0  # bytes of a body that came after the answer
        self.on_disconnect: OnDisconnect | None = None  # to be called once if the client goes
        self._idle = False  # nothing came since the last answer was complete
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None  # looks when it rings; it is not set for each request
        self._certificate: str | None = None  # the name in the client's, which has been checked
        self._common: dict[str, Any] = {}  # of the scopes of all its requests
        self._known: KnownHead | None = None  # of the last request, where another came before it
        self._learnt = 0

    # -- arriving ----------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.scheme == "https":
            self._certificate = name_client(transport.get_extra_info("peercert"))
        self._common = self._make_common()
        self._began = self.loop.time()
        self._timer = self.loop.call_at(self._began + self.receive_s, self._on_timer)
        connection = transport.get_extra_info("socket")
        if connection is not None and not self.room.admits(connection.fileno()):
            self._turn_away()

    def _turn_away(self) -> None:
        """End a connection that there is no room for, without a wait: others would come meanwhile."""
        self._refused = no_room()
        self.count_refusal(self._refused)
        self.transport.write(encode_refusal(self._refused, ()))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stall, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self.connections.discard(self)
        if self.cycle is not None:
            self.cycle.disconnected = self.cycle.disconnected or not self.cycle.response_complete
            self.cycle.wake()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = cast(Any, None)
        self._call_on_disconnect()
        self._let_go()

    def _let_go(self) -> None:
        """End the circles of references, so that what a connection holds, some 8 KB, goes with it. The collector would
        come after thousands of connections (`worker.GC_THRESHOLDS`)."""
        self._timer = self._stall = self._idle_timer = self._known = None
        self.pipeline.clear()
        self.cycle = cast(Any, None)

    def _call_on_disconnect(self) -> None:
        callback, self.on_disconnect = self.on_disconnect, None
        if callback is not None:
            callback()

    def data_received(self, data: bytes) -> None:
        if self._known is not None and self._receive_known(data, self._known):
            return
        start = 0
        while len(data) - start > LOOK_BYTES and self._refused is None and (self._chunked or not self._in_body):
            self._receive(data[start : start + LOOK_BYTES])
            start += LOOK_BYTES
        self._receive(data[start:] if start else data)

    def _receive_known(self, data: bytes, known: KnownHead) -> bool:
        """Begin a request that came whole, with a head that was read before; false: it must be parsed."""
        before = self.cycle
        if self._in_head or self._in_body or self._held or self._refused is not None or not before.response_complete:
            return False
        found = known.split(data) if len(data) <= HIGH_WATER_LIMIT else None
        if found is None:
            return False
        scope, body = found
        scope["state"] = self.app_state.copy()
        self._idle = False
        self._number += 1
        self.cycle = cycle = AnswerCycle(scope, self, True, False)
        self._start_asgi_task(cycle, self.app)
        cycle.add_body(body)
        cycle.more_body = False
        return True

    def _learn_head(self, data: bytes) -> None:
        """Know the head of a request that came whole and alone; of the first none, which may be the only one."""
        cycle = self.cycle
        if self._learnt == MOST_LEARNT or self._in_head or self._in_body or self._held or self._chunked:
            return
        if type(cycle) is AnswerCycle and cycle.keep_alive and not self.expect_100_continue and not self.pipeline:
            offers = (
                data.find(b"pgrade") >= 0 or data.find(b"PGRADE") >= 0
            )  # are taken out of a head before it is parsed
            if not offers and not cycle.scope["query_string"]:  # which may hold what must not be kept
                self._learnt += 1
                self._known = learn_head(data, cycle.scope)

    def _receive(self, data: bytes) -> None:
        if self._refused is not None:
            self._give_turn()
            return
        self._idle = False
        if self._in_body:
            self._receive_body(data)
        else:
            self._arriving, number = len(data), self._number
            self._parse_head(data)
            if number and self._number == number + 1 and self._refused is None:
                self._learn_head(data)
        if self._refused is None and (self._in_head or self._in_body):  # the parser may have refused it
            self._bytes += len(data)
            if self._in_head and self._bytes > MOST_HEAD_BYTES:
                self._refuse(head_too_long_error())
            elif self._in_head and len(self.headers) > MOST_HEADERS:
                self._refuse(too_many_headers())
            elif self._timer is None:
                self._timer = self.loop.call_at(self._find_deadline(), self._on_timer)

    def _parse_head(self, data: bytes) -> None:
        """Feed the parser what is no offer of another protocol."""
        if self._held:
            data, self._held = self._held + data, b""
        if data.find(b"\r\n\r\n") < 0 and (held := hold_name(data, self._in_head)):
            data, self._held = data[:-held], data[-held:]
        self._parse(decline_upgrade(data) if data.find(b"pgrade") >= 0 or data.find(b"PGRADE") >= 0 else data)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:  # also where a callback raised
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")
        except httptools.HttpParserUpgrade:  # to something that is not spoken here
            self._unsupported_upgrade_warning()

    def _receive_body(self, data: bytes) -> None:
        """A further part of a body; its end and a next request may follow in the same bytes."""
        number, delivered, chunks = self._number, self._delivered, self._chunks
        self._parse(data)
        if not self._in_body or self._number != number or self._refused is not None:
            return
        framing = len(data) - (self._delivered - delivered)
        accounted = CHUNK_BYTES * (self._chunks - chunks) + 2 * (self._delivered - delivered)
        self._excess = max(0, self._excess + framing - accounted)
        if self._excess > MOST_FRAMING_BYTES:
            self._refuse(malformed_request_error())
        elif self.cycle.response_complete:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED_BYTES:
                self.transport.close()
            else:
                self._give_turn()

    def _give_turn(self) -> None:
        """Let other connections be read before more of what is dropped: the loop would read megabytes of it at once."""
        if not self.flow.read_paused and not self.transport.is_closing():
            self.flow.pause_reading()
            self.loop.call_soon(self._go_on_reading)

    def _go_on_reading(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        self.url, self.headers = b"", []
        self._in_head, self._bytes, self._began = True, 0, self.loop.time()
        self._number += 1
        self._delivered = self._chunks = self._excess = self._dropped = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """In place of uvicorn's, which looks at each for what `on_headers_complete` finds among all."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """In place of uvicorn's: with bounds, without other protocols, and with an `AnswerCycle`."""
        if self._bytes + self._arriving > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._refuse_head(head_too_long_error())
        if len(self.headers) > MOST_HEADERS:
            self._refuse_head(too_many_headers())
        fields = dict(self.headers)
        if len(fields) != len(self.headers):
            self._join_repeated()
        self.expect_100_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        self._chunked = b"transfer-encoding" in fields
        if self._chunked:
            self._check_framing(fields)
        if len(self.pipeline) >= MOST_PIPELINED:
            self._refuse_head(too_many_pipelined())
        self._in_head, self._in_body = False, True
        self._begin_cycle()
        self.headers = _TRAILERS

    def _begin_cycle(self) -> None:
        parser, before = self.parser, self.cycle
        version: str = parser.get_http_version()
        if version != "1.0":
            cycle: AnswerCycle = AnswerCycle(
                self._make_scope(version), self, parser.should_keep_alive(), self.expect_100_continue
            )
        else:
            cycle = PlainCycle(self._make_scope(version), self, False, self.expect_100_continue)
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:  # the client did not wait for its last answer
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _make_scope(self, version: str) -> dict[str, Any]:
        split = split_target if b"?" in self.url else _split_known
        path, raw_path, query = split(self.url)
        return {
            **self._common,
            "http_version": version,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "method": self.parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
        }

    def _make_common(self) -> dict[str, Any]:
        """What the scopes of all requests of a connection share; nobody changes what is in it."""
        common = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
        }
        return common if self._certificate is None else {**common, CERTIFICATE: self._certificate}

    def _join_repeated(self) -> None:
        try:
            self.headers[:] = join_repeated(self.headers)
        except Refused as error:
            self._refuse_head(error)

    def _check_framing(self, fields: dict[bytes, bytes]) -> None:
        """Where a proxy in front might see another end of the body (RFC 9112, sections 6.1 and 6.3)."""
        if fields[b"transfer-encoding"].lower() != b"chunked":
            self._refuse_head(unknown_transfer_coding())
        if b"content-length" in fields or self.parser.get_http_version() != "1.1":
            self._refuse_head(malformed_request_error())

    def _refuse_head(self, error: Refused) -> NoReturn:
        self._refused = error
        raise _HeadRefused

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._delivered += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.add_body(body)
        if cycle.waiting_bytes > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_message_complete(self) -> None:
        self._in_body = False
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.wake()

    def _find_deadline(self) -> float:
        allowed_s = self.receive_s + self._bytes / BYTES_PER_S
        return self._began + min(allowed_s, (HEAD_TIMES if self._in_head else BODY_TIMES) * self.receive_s)

    def _on_timer(self) -> None:
        self._timer = None
        if self._refused is not None:
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not (self._in_head or self._in_body):
            if self.cycle is None:
                self.transport.close()  # nothing ever came
        elif self._in_head and answering:  # the head of a next request trickles in while this one is answered
            self._timer = self.loop.call_later(self.receive_s, self._on_timer)
        elif self.loop.time() < self._find_deadline():
            self._timer = self.loop.call_at(self._find_deadline(), self._on_timer)
        elif self._in_body and (not answering or self.cycle.response_started):
            self.transport.close()  # what there is to say has been said
        else:
            self._refuse(slow_request_error())

    # -- refusing ----------------------------------------------------------------------------------

    def count_refusal(self, error: Refused) -> None:
        """Called at each refusal, for a subclass to count it."""

    def list_page_headers(self, origin: str) -> Headers:
        """What a refusal tells the browser of a web page of `origin`, for a subclass that knows which may read it."""
        return ()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the parser gives up."""
        self._refuse(self._refused or malformed_request_error())

    def _refuse(self, error: Refused) -> None:
        """End the connection with `error`, behind the answers to the requests before the refused one."""
        self._refused = error
        self.count_refusal(error)
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self._write_refusal()
        elif not self._in_body:
            return  # an earlier request is being answered; `on_response_complete` goes on
        elif self.pipeline and self.pipeline[0][0] is cycle:  # it waits for the answers to earlier ones
            self.pipeline.popleft()
        else:
            cycle.scope[ALREADY_COUNTED] = True  # the gateway will think that the client hung up
            if cycle.response_started:
                self.transport.close()  # in the middle of an answer nothing else can be said
                return
            self._write_refusal()
            cycle.disconnected = True  # who waits for the body need not wait any more
            cycle.wake()
            self._call_on_disconnect()

    def on_response_complete(self) -> None:
        """In place of uvicorn's, which sets and cancels a timer for each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._refused is not None and not self.pipeline:
            self._write_refusal()
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle, self._idle_since = True, self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._on_idle_timer)

    def _on_idle_timer(self) -> None:
        """Close a connection on which nothing came for as long as one is kept."""
        self._idle_timer = None
        if not self._idle:
            return
        due = self._idle_since + self.timeout_keep_alive
        if self.loop.time() < due:
            self._idle_timer = self.loop.call_at(due, self._on_idle_timer)
        else:
            self.timeout_keep_alive_handler()

    def _write_refusal(self) -> None:
        assert self._refused is not None
        self.transport.write(encode_refusal(self._refused, self._find_page_headers()))
        if self.transport.can_write_eof():
            self.transport.write_eof()  # closing at once would reset the connection before the client has read
        self.loop.call_later(LINGER_S, self.transport.close)

    def _find_page_headers(self) -> Headers:
        """For a browser, which shows its page nothing of an answer without them. The origin is known as soon as its
        line has been read; one that stands twice is no browser's.
        """
        head = self.cycle.scope["headers"] if self._in_body else self.headers
        origins = [value for name, value in head if name == b"origin"]
        return self.list_page_headers(origins[0].decode("latin-1")) if len(origins) == 1 else ()

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
        if self._left - left < BYTES_PER_S * self.send_s:
            self.transport.abort()  # nothing was taken, or next to nothing
        else:
            self._left = left
            self._stall = self.loop.call_later(self.send_s, self._check_reader)


def encode_refusal(error: Refused, page_headers: Headers) -> bytes:
    """An answer after which the connection ends."""
    body = error_body(error)
    lines = [
        STATUS_LINE[error.status] + b"content-type: application/json",
        b"x-request-id: " + new_request_id(time.time()).encode(),
        b"content-length: " + str(len(body)).encode(),
        b"connection: close",
        *(f"{name}: {value}".encode() for name, value in error.headers),
        *(name + b": " + value for name, value in page_headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def split_target(target: bytes) -> tuple[str, bytes, bytes]:
    """Path, the same as it was sent, and query of a request's target.

    >>> split_target(b"/v1/models/a%20b?limit=1")
    ('/v1/models/a b', b'/v1/models/a%20b', b'limit=1')
    """
    parsed = httptools.parse_url(target)
    path = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


_split_known: Final = lru_cache(maxsize=256)(split_target)  # without queries: those may hold what must not be kept


_UPGRADE: Final = re.compile(rb"^upgrade[ \t]*:", re.IGNORECASE | re.MULTILINE)


def decline_upgrade(data: bytes) -> bytes:
    """The head of a request without its offer to go on in another protocol, which a server may ignore (RFC 9110,
    section 7.8).

    The parser would take the body of such a request for the other protocol. Java's HttpClient and `curl --http2` offer
    HTTP/2 with every first request, others TLS or a web socket.

    >>> decline_upgrade(b"GET / HTTP/1.1\\r\\nUpgrade: h2c\\r\\n\\r\\n")
    b'GET / HTTP/1.1\\r\\nx-declined-upgrade: h2c\\r\\n\\r\\n'
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"x-declined-upgrade:", head) + end + body


def hold_name(data: bytes, in_head: bool = False) -> int:
    """How many bytes at the end of an incomplete head may be the beginning of an offer: they wait for their rest.
    `in_head`: lines of it came before.

    >>> hold_name(b"GET / HTTP/1.1\\r\\nUpgr"), hold_name(b"GET / HTTP/1.1\\r\\nhost: a"), hold_name(b"x\\r\\n\\r\\nup")
    (4, 0, 0)
    """
    if data.find(b"\r\n\r\n") >= 0:
        return 0
    line = data[data.rfind(b"\n") + 1 :]
    is_name = in_head or len(line) < len(data)  # and not the request's own line
    return len(line) if line and is_name and b"upgrade".startswith(line.lower().rstrip(b" \t")) else 0


def join_repeated(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Each name once, so that all readers see the same: lists are joined.

    >>> join_repeated([(b"accept", b"a"), (b"accept", b"b")])
    [(b'accept', b'a, b')]

    :raises Refused: 400, a header that has one value stands twice
    """
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in joined:
            joined[name] = value
        elif name in SINGLE_HEADERS or name.startswith(b"x-steward-"):
            raise repeated_header(name.decode("latin-1"))
        else:
            joined[name] += (b"; " if name == b"cookie" else b", ") + value
    return list(joined.items())


def make_protocol(
    timeouts: ClientTimeouts,
    refused: Callable[[Refused], None],
    list_page_headers: Callable[[str], Headers] = lambda origin: (),
) -> type[GuardedHttpProtocol]:
    """The class of connections that uvicorn makes, with these times; `refused` is told of each refusal, and
    `list_page_headers` says what a web page of an origin must be told with it.
    """
    named = {
        "receive_s": timeouts.receive_s,
        "send_s": timeouts.send_s,
        "room": DescriptorRoom(),
        "count_refusal": lambda self, error: refused(error),
        "list_page_headers": lambda self, origin: list_page_headers(origin),
    }
    return type("GuardedConnection", (GuardedHttpProtocol,), named)


def log_rejection(error: Refused) -> None:
    """For servers that count none: a line of the log, without anything that the client sent."""
    log.info("rejected a connection: %s", error.code)


def malformed_request_error() -> Refused:
    return Refused(
        "Not a valid HTTP/1.1 request. Check the request line, the headers and content-length.",
        status=400,
        type="invalid_request_error",
        code="malformed_http",
    )


def head_too_long_error() -> Refused:
    return Refused(
        f"The request line and headers are longer than {MOST_HEAD_BYTES:,} bytes. Send smaller headers.",
        status=431,
        type="invalid_request_error",
        code="headers_too_large",
    )


def too_many_headers() -> Refused:
    return Refused(
        f"The request has more than {MOST_HEADERS} headers. Send fewer.",
        status=431,
        type="invalid_request_error",
        code="headers_too_large",
    )


def repeated_header(name: str) -> Refused:
    """`name` is one of a list, or begins as our own do; the value is never repeated."""
    return Refused(
        f"The request has the header {cut_text(name)!r} twice. Send it once.",
        status=400,
        type="invalid_request_error",
        code="repeated_header",
    )


def unknown_transfer_coding() -> Refused:
    return Refused(
        "Of transfer-encoding only 'chunked' is supported. Send the body uncompressed.",
        status=501,
        type="invalid_request_error",
        code="unsupported_transfer_encoding",
    )


def too_many_pipelined() -> Refused:
    return Refused(
        f"More than {MOST_PIPELINED} requests wait on this connection. Read the answers before sending more.",
        status=400,
        type="invalid_request_error",
        code="too_many_pipelined",
    )


def slow_request_error() -> Refused:
    return Refused(
        "The request did not arrive in time (gateway.receive_timeout_s). Send it faster.",
        status=408,
        type="invalid_request_error",
        code="request_timeout",
    )


def no_room() -> Refused:
    return Refused(
        "The server has no room for more connections. Use connections that are open already, or try again later.",
        status=503,
        type="api_error",
        code="out_of_resources",
        headers=(("retry-after", "5"),),
    )
