"""S5: the key comes before the body; each endpoint bounds the body it reads, and a body has its time to arrive in."""

from __future__ import annotations

from typing import Any

import pytest

from raw_connection import CHUNKED, POST, Connection, converse, echo
from steward.console import rating
from steward.console.app import list_pages
from steward.console.sessions import Sessions
from steward.console.shell import FORM_LIMIT
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.core.timeouts import ClientTimeouts
from steward.gateway.app import Gateway
from steward.gateway.endpoints import build_endpoints
from steward.gateway.feedback import MAX_BODY_BYTES
from steward.gateway.rejections import RejectionCounter
from steward.processes.http_protocol import BODY_TIMES, MOST_DROPPED_BYTES

TIMES = ClientTimeouts(receive_s=20.0, send_s=60.0)


class OneKey:
    def authenticate(self, sender: Any) -> Caller:
        headers = getattr(sender, "headers", sender)
        if headers.get("authorization") != "Bearer right":
            raise Refused("No.", status=401, type="invalid_request_error", code="invalid_api_key")
        return Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


class Service:
    max_body_bytes = 32 * 1024 * 1024

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        return b"{}"

    async def infer(self, exchange: Any) -> Any:
        raise Refused("reached", status=400, type="invalid_request_error", code="reached")


SERVICE: Any = Service()


def gateway() -> Any:
    rejections = RejectionCounter()
    return Gateway(build_endpoints(SERVICE, rejections), OneKey(), rejections, None)  # type: ignore[arg-type]


def console_endpoints() -> list[Any]:
    pages = list_pages(lambda: None, Sessions("a"), lambda: "")  # type: ignore[arg-type, return-value]
    return [endpoint for page in pages for endpoint in page.endpoints]


def test_every_endpoint_says_how_long_a_body_it_reads() -> None:
    for endpoint in build_endpoints(SERVICE, RejectionCounter()):
        if endpoint.method == "GET":
            assert endpoint.max_body_bytes == 0
        elif endpoint.permission != "infer":  # None: as the operator sets it
            assert endpoint.max_body_bytes is not None and endpoint.max_body_bytes <= 1024 * 1024
    for page in (*console_endpoints(), *rating.list_endpoints(None)):  # type: ignore[arg-type]
        assert page.max_body_bytes == (FORM_LIMIT if page.method == "POST" else 0)


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/chat/completions", "/v1/nothing"])
def test_without_a_key_no_byte_of_a_body_is_kept(path: str) -> None:
    async def talk(connection: Connection) -> None:
        await connection.send(POST.replace(b"/x", path.encode()) + b"content-length: 33000000\r\n\r\n")
        assert connection.statuses == [404 if path.endswith("nothing") else 401]
        await connection.send(*[b"a" * 1_000_000] * 10)
        assert connection.protocol.cycle.waiting_bytes == 0

    converse(gateway(), talk)


@pytest.mark.parametrize("length", [MAX_BODY_BYTES + 1, 33_000_000])
def test_a_rating_is_no_larger_than_its_endpoint_says(length: int) -> None:
    async def talk(connection: Connection) -> None:
        head = b"POST /v1/feedback HTTP/1.1\r\nhost: a\r\nauthorization: Bearer right\r\n"
        await connection.send(head + b"content-length: %d\r\n\r\n" % length)
        assert connection.statuses == [413] and b"1,048,576 for /v1/feedback" in connection.transport.written

    converse(gateway(), talk)


def test_a_rating_in_chunks_is_bounded_too() -> None:
    async def talk(connection: Connection) -> None:
        head = b"POST /v1/feedback HTTP/1.1\r\nhost: a\r\nauthorization: Bearer right\r\n"
        head += b"transfer-encoding: chunked\r\n\r\n"
        await connection.send(head, *[b"186a0\r\n" + b" " * 100_000 + b"\r\n"] * 12)
        assert connection.statuses == [413]

    converse(gateway(), talk)


def test_a_body_has_a_time_to_arrive_in() -> None:
    """32 MB at the least rate would take 18 hours."""

    async def talk(connection: Connection) -> None:
        await connection.send(POST + b"content-length: 33000000\r\n\r\n")
        for _ in range(BODY_TIMES):
            assert not connection.statuses
            await connection.send(b"a" * 20_000)  # the rate is kept
            await connection.wait(TIMES.receive_s)
        assert connection.statuses == [408] and connection.refused == ["request_timeout"]
        await connection.wait(3.0)
        assert connection.transport.closed

    converse(echo, talk, TIMES)


def test_a_body_that_goes_on_after_its_answer_ends_too() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def endless(connection: Connection) -> None:
        await connection.send(CHUNKED)
        pieces = MOST_DROPPED_BYTES // 1_000_000
        for number in range(pieces + 2):
            assert connection.transport.closed == (number > pieces), number
            await connection.send(b"f4240\r\n" + b"a" * 1_000_000 + b"\r\n")

    async def slow(connection: Connection) -> None:
        await connection.send(CHUNKED)
        for _ in range(BODY_TIMES):
            assert not connection.transport.closed
            await connection.send(b"4e20\r\n" + b"a" * 20_000 + b"\r\n")
            await connection.wait(TIMES.receive_s)
        assert connection.transport.closed and connection.statuses == [401]

    converse(answer, endless, TIMES)
    converse(answer, slow, TIMES)


def test_a_reader_that_takes_next_to_nothing_is_cut_off() -> None:
    async def busy(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def talk(connection: Connection) -> None:
        await connection.send(POST + b"content-length: 0\r\n\r\n")
        connection.transport.backlog = 1_000_000
        connection.protocol.pause_writing()
        connection.transport.backlog -= int(TIMES.send_s * 500)  # the least rate
        await connection.wait(TIMES.send_s)
        assert not connection.transport.closed
        connection.transport.backlog -= 100
        await connection.wait(TIMES.send_s)
        assert connection.transport.closed

    converse(busy, talk, TIMES)


@pytest.mark.parametrize("declared", [True, False])
def test_a_form_is_no_longer_than_its_page_says(declared: bool) -> None:
    from steward.console.app import build

    app: Any = build(lambda: None, Sessions("a"), lambda: "")  # type: ignore[arg-type, return-value]

    async def talk(connection: Connection) -> None:
        head = b"POST /login HTTP/1.1\r\nhost: a\r\n"
        if declared:
            await connection.send(head + b"content-length: 100000000\r\n\r\n")
        else:
            await connection.send(
                head + b"transfer-encoding: chunked\r\n\r\n", *[b"2710\r\n" + b"a" * 10_000 + b"\r\n"] * 8
            )
        assert connection.statuses == [413]
        await connection.send(b"a" * 10) if declared else None
        assert connection.protocol.cycle.waiting_bytes == 0

    converse(app, talk)
