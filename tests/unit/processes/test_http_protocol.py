"""Bytes of a client in, bytes of an answer out, on a transport that only remembers. Framing: RFC 9112."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from steward.core.errors import Refused
from steward.core.timeouts import ClientTimeouts
from steward.gateway.answer import Answer
from steward.gateway.http import ALREADY_COUNTED, CONNECTION, HttpRequest
from steward.processes import http_protocol
from steward.processes.http_protocol import (
    GuardedHttpProtocol,
    decline_upgrade,
    hold_name,
    join_repeated,
    make_protocol,
    repeated_header,
    split_target,
)

App = Callable[[Any, Any, Any], Awaitable[None]]
POST = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = [(b"content-length", b"0")]
GET = b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.paused = self.aborted = False
        self.waiting_bytes = 0  # of answers, that the client has yet to take

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def connect(
    app: App, keep_alive_s: int = 5, clock: Clock | None = None, refused: Callable[[Refused], None] = lambda error: None
) -> tuple[GuardedHttpProtocol, Transport]:
    """Within a running loop."""
    made = make_protocol(ClientTimeouts(), refused)
    config = uvicorn.Config(app, http=made, ws="none", log_config=None, timeout_keep_alive=keep_alive_s)
    config.load()
    loop: Any = clock or asyncio.get_running_loop()
    protocol, transport = made(config, ServerState(), {}, loop), Transport()
    protocol.connection_made(transport)
    return protocol, transport


class Clock:
    """The running loop, with a time that stands still until a test moves it."""

    def __init__(self) -> None:
        self._loop, self._now = asyncio.get_running_loop(), 0.0
        self.timers: list[Alarm] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        self.timers.append(Alarm(self, when, callback))
        return self.timers[-1]

    def call_later(self, delay: float, callback: Callable[[], None]) -> Alarm:
        return self.call_at(self._now + delay, callback)

    def move_to(self, now: float) -> None:
        while due := [each for each in self.timers if each.when <= now]:
            first = min(due, key=lambda each: each.when)
            self.timers.remove(first)
            self._now = max(self._now, first.when)
            first.callback()
        self._now = now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


@dataclass(eq=False)
class Alarm:
    clock: Clock
    when: float
    callback: Callable[[], None]

    def cancel(self) -> None:
        if self in self.clock.timers:
            self.clock.timers.remove(self)


def serve(app: App, *pieces: bytes) -> Transport:
    """What the client got for its `pieces`, each of which arrives when there is nothing left to do for the last."""

    async def run() -> Transport:
        protocol, transport = connect(app)
        for piece in pieces:
            protocol.data_received(piece)
            await settle()
        protocol.connection_lost(None)
        return transport

    return asyncio.run(run())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def wait_until_closed(transport: Any) -> None:
    """Or for ten seconds."""
    for _ in range(2000):
        if transport.closed:
            return
        await asyncio.sleep(0.005)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body, by ASGI alone."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    length = b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


async def echo_at_once(scope: Any, receive: Any, send: Any) -> None:
    """The same by what our server offers beside it."""
    connection = scope["extensions"][CONNECTION]
    body = connection.take_body()
    assert body is not None
    assert connection.respond(200, [(b"content-length", b"%d" % len(body))], body)


@pytest.mark.parametrize("app", [echo, echo_at_once])
def test_an_answer_goes_out_in_one_write_on_a_connection_that_stays(app: App) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    found = serve(app, POST, POST)
    assert found.written == answer * 2


@pytest.mark.parametrize("app", [echo, echo_at_once])
def test_the_answer_to_head_has_no_body(app: App) -> None:
    assert serve(app, POST.replace(b"POST", b"HEAD")).written == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


def test_a_body_in_two_pieces_is_received_whole_and_not_taken_at_once() -> None:
    taken: list[bytes | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        taken.append(scope["extensions"][CONNECTION].take_body())
        await echo(scope, receive, send)

    assert serve(app, POST[:-2], POST[-2:]).written.endswith(b"\r\n\r\nhello")
    assert taken == [None]


def test_http_1_0_is_closed_after_its_answer() -> None:
    found = serve(echo, POST.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found.written == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
    assert found.closed


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Three parts, the second by what our server offers beside ASGI."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    assert scope["extensions"][CONNECTION].write(b"two")
    await send({"type": "http.response.body", "body": b"three"})


def test_c01_a_stream_is_chunked_for_those_who_know_chunks_and_ends_with_its_connection_for_others() -> None:
    """RFC 9112, section 6.1: no Transfer-Encoding in the answer to a request of HTTP/1.0."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
    found = serve(stream, POST)
    assert found.written == head + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"
    found = serve(stream, POST.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found.written == head + b"connection: close\r\n\r\nonetwothree" and found.closed
    found = serve(stream, POST.replace(b"POST", b"HEAD").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found.written.startswith(head + b"connection: close\r\n\r\n")


def test_requests_that_were_not_waited_for_are_answered_one_after_another() -> None:
    second = POST.replace(b"hello", b"there")
    written = serve(echo, POST + second).written
    assert written.index(b"hello") < written.index(b"there")
    assert written.count(b"HTTP/1.1 200 OK") == 2


def test_a_client_that_waits_for_100_gets_it_before_it_sends_the_body() -> None:
    head, _, body = POST.replace(b"Host: a", b"Host: a\r\nExpect: 100-Continue").partition(b"\r\n\r\n")
    written = serve(echo, head + b"\r\n\r\n", body).written
    assert written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_an_answer_without_a_length_is_chunked() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        assert scope["extensions"][CONNECTION].write(b"0123456789abcdef")
        await send({"type": "http.response.body", "body": b""})

    chunks = b"3\r\none\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
    assert serve(app, GET).written == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_with_a_line_end_is_never_sent(value: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(RuntimeError, match="a line end in a header"):
            scope["extensions"][CONNECTION].respond(200, [(b"x", value), (b"content-length", b"0")], b"")

    assert b"set-cookie" not in serve(app, GET).written


def test_an_answer_that_must_wait_for_the_client_is_not_sent_at_once() -> None:
    sent: list[bool] = []

    async def run() -> Transport:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            protocol.pause_writing()
            sent.append(scope["extensions"][CONNECTION].respond(200, EMPTY, b""))
            protocol.resume_writing()
            sent.append(scope["extensions"][CONNECTION].respond(200, EMPTY, b""))

        protocol, transport = connect(app)
        protocol.data_received(GET)
        await settle()
        protocol.connection_lost(None)
        return transport

    assert asyncio.run(run()).written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert sent == [False, True]


def test_a_client_that_goes_is_told_once_to_who_watches_and_to_who_receives() -> None:
    told: list[str] = []

    async def run() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"][CONNECTION].watch(lambda: told.append("gone"))
            await receive()
            told.append((await receive())["type"])

        protocol, _ = connect(app)
        protocol.data_received(POST)
        await settle()
        assert told == []
        protocol.connection_lost(None)
        await settle()

    asyncio.run(run())
    assert told == ["gone", "http.disconnect"]


def test_a_large_body_that_nobody_takes_stops_the_reading() -> None:
    async def run() -> list[bool]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await ready.wait()
            await echo(scope, receive, send)

        ready = asyncio.Event()
        protocol, transport = connect(app)
        size = 64 * 1024
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (size + 2))
        seen = []
        for piece in (b"x" * size, b"y"):
            protocol.data_received(piece)
            seen.append(transport.paused)
        ready.set()
        await settle()
        seen.append(transport.paused)
        protocol.connection_lost(None)
        return seen

    assert asyncio.run(run()) == [False, True, False]  # 64 KiB are held, a byte more is too much; taken, it goes on


def test_a_connection_is_closed_when_nothing_came_for_as_long_as_one_is_kept() -> None:
    async def run() -> list[bool]:
        protocol, transport = connect(echo, keep_alive_s=0)
        protocol.data_received(POST)
        before = transport.closed
        await wait_until_closed(transport)
        return [before, transport.closed]

    assert asyncio.run(run()) == [False, True]


def test_a_connection_with_a_request_on_it_is_not_idle() -> None:
    async def run() -> tuple[bool, bool]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await ready.wait()
            await echo(scope, receive, send)

        ready = asyncio.Event()
        ready.set()
        protocol, transport = connect(app, keep_alive_s=0)
        protocol.data_received(POST)
        protocol.data_received(POST)  # before the idle time of the first answer began
        await asyncio.sleep(0)
        ready.clear()
        protocol._on_idle_timer()
        open_while_answering = not transport.closed
        ready.set()
        await wait_until_closed(transport)
        return open_while_answering, transport.closed

    assert asyncio.run(run()) == (True, True)


def test_what_is_not_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Refused] = []

    async def run() -> Transport:
        protocol, transport = connect(echo)
        monkeypatch.setattr(protocol, "count_refusal", found.append)
        protocol.data_received(b"\x16\x03\x01\x02\x00\x01")
        return transport

    assert asyncio.run(run()).written.startswith(b"HTTP/1.1 400 ")
    assert [error.code for error in found] == ["malformed_http"]


def test_targets_are_split_as_they_were_sent() -> None:
    assert split_target(b"/v1/models/a%2Fb?x=1&y") == ("/v1/models/a/b", b"/v1/models/a%2Fb", b"x=1&y")
    assert split_target(b"http://a:80/v1") == ("/v1", b"/v1", b"")
    assert split_target(b"/") == ("/", b"/", b"")


def test_only_the_head_declines_an_upgrade() -> None:
    data = b"POST / HTTP/1.1\r\nUPGRADE : h2c\r\n\r\nupgrade: h2c"
    assert decline_upgrade(data) == b"POST / HTTP/1.1\r\nx-declined-upgrade: h2c\r\n\r\nupgrade: h2c"


OFFER = (
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nContent-Length: 2\r\n\r\n{}"
)


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.2", b"foo, h2c"])
@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_c01_a_request_that_offers_another_protocol_is_answered_however_it_arrives(protocol: bytes, cut: int) -> None:
    data = OFFER % protocol
    answer = serve(echo, *(data[at : at + cut] for at in range(0, len(data), cut))).written
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n{}")


def test_c01_every_place_where_a_head_can_be_cut() -> None:
    data = OFFER % b"h2c"
    for at in range(1, len(data)):
        assert serve(echo, data[:at], data[at:]).written.endswith(b"\r\n\r\n{}"), data[:at]


def test_a_name_that_may_be_an_offer_waits_for_its_rest() -> None:
    assert hold_name(b"GET / HTTP/1.1\r\nUPGRADE \t") == 9 and hold_name(b"up", in_head=True) == 2
    assert hold_name(b"up") == hold_name(b"GET / HTTP/1.1\r\nupgrades") == hold_name(b"a\r\nupgrade:") == 0
    assert hold_name(b"a\r\n\r\nup") == hold_name(b"") == hold_name(b"a\r\n") == 0


CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSED = CHUNKED.replace(b"chunked", b"gzip, chunked")


async def answer_at_once(scope: Any, receive: Any, send: Any) -> None:
    """As a gateway does that knows no such key: what still comes is dropped."""
    await send({"type": "http.response.start", "status": 401, "headers": EMPTY})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize("head", [CHUNKED, REFUSED])
def test_what_is_dropped_is_read_in_turns_with_other_connections(head: bytes) -> None:
    async def run() -> None:
        protocol, transport = connect(answer_at_once)
        protocol.data_received(head)
        await settle()
        for _ in range(3):
            protocol.data_received(b"4\r\nabcd\r\n" * 2_000)
            assert transport.paused  # however much has arrived, the others come first
            await settle()
            assert not transport.paused
        protocol.data_received(b"4\r\nabcd\r\n")
        transport.close()
        await settle()
        assert transport.paused  # a closed connection is not read again
        protocol.connection_lost(None)

    asyncio.run(run())


def test_lists_that_stand_twice_are_joined_and_single_headers_are_refused() -> None:
    """RFC 9110, section 5.3; cookies: RFC 6265, section 5.4."""
    headers = [(b"accept", b"a"), (b"cookie", b"x=1"), (b"accept", b"b"), (b"cookie", b"y=2"), (b"accept", b"c")]
    headers.append((b"via", b"v"))
    assert join_repeated(headers) == [(b"accept", b"a, b, c"), (b"cookie", b"x=1; y=2"), (b"via", b"v")]
    for name in (b"host", b"authorization", b"content-length", b"x-steward-project"):
        with pytest.raises(Refused, match=name.decode()):
            join_repeated([(name, b"1"), (b"a", b"b"), (name, b"1")])
        assert join_repeated([(name, b"1")]) == [(name, b"1")]


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, b"200"), (64 * 1024 + 1, b"431")])
def test_a_heads_target_and_fields_have_at_most_64_kib(size: int, status: bytes) -> None:
    """Each field counts with the four characters ": " and the line's end, as on the wire."""
    long = b"x" * (size - len("/v1/x") - len("Hosta") - 4 - len("X-Long") - 4)
    head = b"GET /v1/x HTTP/1.1\r\nHost: a\r\nX-Long: " + long + b"\r\n\r\n"
    for pieces in ((head,), (head[:-100], head[-100:]), (head[:30_000], head[30_000:])):
        assert serve(echo_at_once, *pieces).written.startswith(b"HTTP/1.1 " + status)


async def answer_never(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def leave(protocol: GuardedHttpProtocol) -> None:
    protocol.connection_lost(None)
    await settle()


def find_end(app: App, sent: bytes) -> tuple[float | None, bytes]:
    """After how many tenths of a second, as seconds, a client's connection is ended that sends this and no more, and
    what it is told; None: it never is."""

    async def run() -> tuple[float | None, bytes]:
        clock = Clock()
        protocol, transport = connect(app, keep_alive_s=10_000, clock=clock)
        if sent:
            protocol.data_received(sent)
        await settle()
        before = transport.written
        found: tuple[float | None, bytes] = (None, b"")
        for tenths in range(3_000):
            clock.move_to(tenths / 10)
            if transport.closed or transport.written != before:
                found = tenths / 10, transport.written[len(before) :][:12]
                break
        await leave(protocol)
        return found

    return asyncio.run(run())


def head_of(size: int) -> bytes:
    """The beginning of a head, of so many bytes."""
    start = b"GET /v1/x HTTP/1.1\r\nHost: a\r\nX-Long: "
    return start + b"x" * (size - len(start))


def body_of(size: int) -> bytes:
    """A head of which all has arrived, and the beginning of a longer body: so many bytes altogether."""
    head = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
    return head + b"x" * (size - len(head))


@pytest.mark.parametrize(
    ("sent", "ends_s", "told"),
    [
        (b"", 20.0, b""),  # nothing came: there is no request that could be answered
        (head_of(1_000), 22.0, b"HTTP/1.1 408"),
        (head_of(10_000), 40.0, b"HTTP/1.1 408"),
        (head_of(60_000), 40.0, b"HTTP/1.1 408"),
        (body_of(1_000), 22.0, b"HTTP/1.1 408"),
        (body_of(50_000), 120.0, b"HTTP/1.1 408"),
        (body_of(60_000), 120.0, b"HTTP/1.1 408"),
        (GET, None, b""),  # the answer takes as long as it takes
        (GET + head_of(1_000), None, b""),  # and so may the beginning of a next request until then
    ],
)
def test_a_request_arrives_in_20_s_and_one_more_for_each_500_bytes(
    sent: bytes, ends_s: float | None, told: bytes
) -> None:
    """Apache's RequestReadTimeout, here 20 s, MinRate=500, and at most twice as long for a head; six times for all."""
    assert find_end(answer_never, sent) == (ends_s, told)


def test_a_client_that_has_its_answer_and_does_not_end_its_body_is_not_told_another() -> None:
    assert find_end(answer_at_once, body_of(1_000)) == (22.0, b"")


def test_a_next_request_that_stops_halfway_is_refused_once_the_one_before_is_answered() -> None:
    assert find_end(answer_at_once, GET + head_of(1_000 - len(GET))) == (22.0, b"HTTP/1.1 408")


def test_no_timer_is_set_for_a_request_that_arrives_at_once() -> None:
    async def run() -> list[int]:
        clock = Clock()
        protocol, _ = connect(echo, keep_alive_s=10_000, clock=clock)
        counts = []
        for now in (0.0, 30.0, 31.0):
            clock.move_to(now)
            protocol.data_received(POST)
            await settle()
            counts.append(len(clock.timers))
        return counts

    assert asyncio.run(run()) == [2, 1, 1]  # one looks for a first request, one for an idle connection


def test_a_connection_is_kept_for_as_long_after_its_last_answer_as_the_settings_say() -> None:
    async def run() -> list[bool]:
        clock = Clock()
        protocol, transport = connect(echo, keep_alive_s=5, clock=clock)
        for now in (0.0, 3.0):
            clock.move_to(now)
            protocol.data_received(POST)
            await settle()
        closed = []
        for now in (5.0, 7.9, 8.0):
            clock.move_to(now)
            closed.append(transport.closed)
        return closed

    assert asyncio.run(run()) == [False, False, True]


@pytest.mark.parametrize(("taken", "is_ended"), [(0, True), (29_999, True), (30_000, False), (50_000, False)])
def test_a_reader_takes_500_bytes_a_second_or_is_ended(taken: int, is_ended: bool) -> None:
    """nginx's send_timeout of 60 s."""

    async def run() -> list[bool]:
        clock = Clock()
        protocol, transport = connect(echo, clock=clock)
        transport.waiting_bytes = 100_000
        protocol.pause_writing()
        clock.move_to(59.9)
        aborted = [transport.aborted]
        transport.waiting_bytes -= taken
        clock.move_to(60.0)
        aborted.append(transport.aborted)
        if not is_ended:
            clock.move_to(120.0)  # and nothing after that
            aborted.append(transport.aborted)
        return aborted

    assert asyncio.run(run()) == ([False, True] if is_ended else [False, False, True])


def test_a_reader_that_has_taken_all_is_not_looked_at_again() -> None:
    async def run() -> bool:
        clock = Clock()
        protocol, transport = connect(echo, clock=clock)
        protocol.pause_writing()
        protocol.resume_writing()
        clock.move_to(1_000.0)
        return transport.aborted

    assert not asyncio.run(run())


def find_refusals(*pieces: bytes, app: App = echo) -> tuple[list[str | None], Transport, float | None]:
    """The codes that are counted, what was sent, and how long the client has to read it."""

    async def run() -> tuple[list[str | None], Transport, float | None]:
        codes: list[str | None] = []
        clock = Clock()
        protocol, transport = connect(app, clock=clock, refused=lambda error: codes.append(error.code))
        for piece in pieces:
            protocol.data_received(piece)
            await settle()
        closed_s = None
        for tenths in range(30):
            clock.move_to(tenths / 10)
            if transport.closed:
                closed_s = tenths / 10
                break
        await leave(protocol)
        return codes, transport, closed_s

    return asyncio.run(run())


def test_a_refusal_is_counted_and_told_once_and_the_client_has_two_seconds_to_read_it() -> None:
    codes, transport, closed_s = find_refusals(
        GET[:-2] + b"X-Long: " + b"x" * 66_000 + b"\r\n\r\n", b"more", b"and more"
    )
    assert codes == ["headers_too_large"] and transport.written.count(b"HTTP/1.1 431 ") == 1
    assert closed_s == 2.0


@pytest.mark.parametrize("end", [b"\r\n", b""])
@pytest.mark.parametrize(("count", "refused"), [(200, []), (201, ["headers_too_large"])])
def test_a_head_has_at_most_200_headers_whether_it_has_arrived_or_not(
    end: bytes, count: int, refused: list[str]
) -> None:
    lines = b"".join(b"X-%d: a\r\n" % number for number in range(count - 1))
    codes, transport, _ = find_refusals(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + (end or b"X-"))
    assert codes == refused and (b"HTTP/1.1 431 " in transport.written) == bool(refused)


@pytest.mark.parametrize(("waiting", "refused"), [(64, []), (65, ["too_many_pipelined"])])
def test_64_requests_may_wait_for_the_answer_to_an_earlier_one(waiting: int, refused: list[str]) -> None:
    assert find_refusals(GET * (1 + waiting), app=answer_never)[0] == refused


@pytest.mark.parametrize(("extension", "refused"), [(16_397, []), (16_398, ["malformed_http"])])
@pytest.mark.parametrize("cut", [8_192, 100_000])
def test_chunks_have_16_kib_of_framing_beyond_what_they_account_for(
    extension: int, refused: list[str], cut: int
) -> None:
    """A chunk accounts for 16 bytes and twice its content: here 18. Of 16,402 bytes five are its size and line ends."""
    data = b"1;" + b"e" * (extension - 1) + b"\r\na\r\n"
    codes, _, _ = find_refusals(CHUNKED, *(data[at : at + cut] for at in range(0, len(data), cut)))
    assert codes == refused


def test_what_comes_behind_too_much_framing_does_not_make_up_for_it() -> None:
    data = b"186a0;" + b"e" * 40_000 + b"\r\n" + b"a" * 100_000 + b"\r\n"
    assert find_refusals(CHUNKED, data)[0] == ["malformed_http"]


@pytest.mark.parametrize(("size", "closed"), [(1_000, False), (1_001, True)])
def test_a_client_that_sends_on_after_its_answer_is_cut_off(
    size: int, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_DROPPED_BYTES", 1_000)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
    _, _, closed_s = find_refusals(head, b"x" * 500, b"x" * (size - 500), app=answer_at_once)
    assert (closed_s is not None) == closed


def test_of_a_body_that_nobody_wants_64_mib_are_read() -> None:
    """So that a client which sends all of it before it reads gets its answer."""
    assert http_protocol.MOST_DROPPED_BYTES == 67_108_864


def test_a_request_that_breaks_off_behind_another_is_told_so_after_the_others_answer() -> None:
    async def run() -> list[bytes]:
        go_on = asyncio.Event()

        async def wait(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()
            await echo(scope, receive, send)

        protocol, transport = connect(wait)
        protocol.data_received(POST + CHUNKED)
        protocol.data_received(b"1;" + b"e" * 17_000)
        await settle()
        written = [transport.written]
        go_on.set()
        await settle()
        return [*written, transport.written]

    before, after = asyncio.run(run())
    assert before == b"" and after.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 400 ")


def test_a_body_that_is_refused_ends_the_request_and_is_not_counted_as_a_client_that_left() -> None:
    scopes: list[Any] = []

    async def receive_all(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["ended"] = True

    codes, transport, _ = find_refusals(CHUNKED, b"1;" + b"e" * 17_000, app=receive_all)
    assert codes == ["malformed_http"] and transport.written.startswith(b"HTTP/1.1 400 ")
    assert scopes[0]["ended"] and scopes[0][ALREADY_COUNTED]


def test_a_body_that_is_refused_in_the_middle_of_its_answer_ends_the_connection() -> None:
    async def begin(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await answer_never(scope, receive, send)

    codes, transport, closed_s = find_refusals(CHUNKED, b"1;" + b"e" * 17_000, app=begin)
    assert codes == ["malformed_http"] and closed_s == 0.0
    assert transport.written.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"Transfer-Encoding: gzip, chunked\r\n", b"501", "unsupported_transfer_encoding"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", b"400", "malformed_http"),
        (b"Host: b\r\n", b"400", "repeated_header"),
    ],
)
def test_a_head_that_two_readers_read_differently_is_refused(head: bytes, status: bytes, code: str) -> None:
    """RFC 9112, sections 6.1 and 6.3; RFC 9110, section 5.3."""
    codes, transport, _ = find_refusals(GET[:-2] + head + b"\r\n")
    assert codes == [code] and transport.written.startswith(b"HTTP/1.1 " + status)


def test_chunks_in_http_1_0_are_refused() -> None:
    codes, transport, _ = find_refusals(CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert codes == ["malformed_http"] and b" 400 " in transport.written[:13]


def test_of_a_long_header_that_stands_twice_the_beginning_is_named() -> None:
    assert f"'{'x' * 99}…' twice" in str(repeated_header("x" * 200))


def test_a_connection_that_has_ended_is_let_go_without_the_collector() -> None:
    async def run() -> None:
        protocol, _ = connect(answer_at_once)
        ended = weakref.ref(protocol)
        for _ in range(3):
            protocol.data_received(GET)
            await settle()
        await leave(protocol)
        await settle()
        del protocol
        assert ended() is None

    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("data", "answers"),
    [(b"", True), (GET, True), (GET, False), (POST[:-1], True), (POST[:-1], False), (2 * POST, True)],
)
def test_a_connection_goes_when_its_client_goes_and_waits_for_no_collector(data: bytes, answers: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = HttpRequest("req_1", scope, receive, send)
        if answers:
            await request.respond(Answer(200, b"{}"))
        while (await receive())["type"] != "http.disconnect":
            pass

    async def run() -> weakref.ref[GuardedHttpProtocol]:
        protocol, _ = connect(app)
        protocol.data_received(data)
        await settle()
        protocol.connection_lost(None)
        await settle()
        return weakref.ref(protocol)

    gc.disable()
    try:
        assert asyncio.run(run())() is None
    finally:
        gc.enable()
