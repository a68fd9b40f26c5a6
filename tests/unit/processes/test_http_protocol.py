"""Bytes of a client in, bytes of an answer out, on a transport that only remembers. Framing: RFC 9112."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from steward.core.errors import Refused
from steward.core.timeouts import ClientTimeouts
from steward.gateway.http import CONNECTION
from steward.processes.http_protocol import (
    GuardedHttpProtocol,
    decline_upgrade,
    hold_name,
    join_repeated,
    make_protocol,
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
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def connect(app: App, keep_alive_s: int = 5) -> tuple[GuardedHttpProtocol, Transport]:
    """Within a running loop."""
    made = make_protocol(ClientTimeouts(), lambda error: None)
    config = uvicorn.Config(app, http=made, ws="none", log_config=None, timeout_keep_alive=keep_alive_s)
    config.load()
    protocol, transport = made(config, ServerState(), {}, asyncio.get_running_loop()), Transport()
    protocol.connection_made(transport)
    return protocol, transport


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


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body, by ASGI alone."""
    body, more = b"", True
    while more:
        message = await receive()
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
        await asyncio.sleep(0.01)
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
        await asyncio.sleep(0.01)
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
