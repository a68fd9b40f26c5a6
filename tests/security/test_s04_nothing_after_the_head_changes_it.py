"""S4: a request is read in one way only: trailers are dropped, what stands twice or ambiguously is refused, and the
framing around a body is bounded. The gateway, the console and the pages of studies share one guard of connections."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from raw_connection import CHUNKED, POST, Connection, converse, echo
from steward.console.app import build
from steward.console.sessions import Sessions
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.app import Gateway
from steward.gateway.endpoints import build_endpoints
from steward.gateway.rejections import RejectionCounter
from steward.processes.http_protocol import MOST_HEADERS, MOST_PIPELINED

SOURCE = Path(__file__).parent.parent.parent / "src" / "steward"


class OneKey:
    def authenticate(self, sender: Any) -> Caller:
        headers = getattr(sender, "headers", sender)
        if headers.get("authorization") != "Bearer right":
            raise Refused("No.", status=401, type="invalid_request_error", code="invalid_api_key")
        return Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


class Service:
    max_body_bytes = 1_000_000

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        return b"{}"

    def list_models(self, caller: Caller) -> bytes:
        return b"{}"


def gateway() -> Any:
    rejections = RejectionCounter()
    return Gateway(build_endpoints(Service(), rejections), OneKey(), rejections, None)  # type: ignore[arg-type]


def console() -> Any:
    return build(lambda: None, Sessions("right"), lambda: "")  # type: ignore[arg-type, return-value]


def ask(app: Any, *pieces: bytes) -> tuple[list[int], list[str | None], bytes]:
    """Statuses of the answers, codes of the refusals of the connection, and all that was written."""
    seen: list[Any] = []

    async def talk(connection: Connection) -> None:
        await connection.send(*pieces)
        seen.extend([connection.statuses, connection.refused, connection.transport.written])

    converse(app, talk)
    return seen[0], seen[1], seen[2]


def test_a_trailer_is_dropped() -> None:
    statuses, _, said = ask(echo, CHUNKED + b"3\r\nabc\r\n0\r\nauthorization: Bearer right\r\nhost: b\r\n\r\n")
    assert statuses == [200] and said.endswith(b"/x host=a; transfer-encoding=chunked abc")


@pytest.mark.parametrize("cut", [range(1), range(1, 400, 7)])
def test_a_key_in_a_trailer_opens_nothing(cut: range) -> None:
    """However the bytes are cut into packets."""
    sent = b"POST /v1/feedback HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    sent += b"authorization: Bearer right\r\n\r\n"
    edges = [0, *cut, len(sent)]
    pieces = [sent[start:end] for start, end in itertools.pairwise(edges) if start < end]
    assert ask(gateway(), *pieces)[0] == [401]


def test_a_bad_trailer_takes_no_key_away() -> None:
    sent = b"POST /v1/feedback HTTP/1.1\r\nhost: a\r\nauthorization: Bearer right\r\ntransfer-encoding: chunked\r\n\r\n"
    sent += b"2\r\n{}\r\n0\r\nauthorization: Bearer wrong\r\ncontent-type: text/html\r\n\r\n"
    assert ask(gateway(), sent)[0] == [202]


def test_a_cookie_in_a_trailer_signs_nobody_in() -> None:
    cookie = Sessions("right").issue(4e9).encode()
    sent = b"POST /logout HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    opened = ask(
        console(), sent.replace(b"POST /logout", b"GET /status") + b"cookie: steward_console=" + cookie + b"\r\n\r\n"
    )
    assert opened[0] == [303] and b"location: /login" in opened[2]


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED + b"0\r\n", *[b"x: y\r\n" * 3000] * 4],  # many
        [CHUNKED + b"0\r\nx: ", *[b"y" * 10_000] * 4],  # one that never ends
        [CHUNKED + b"0\r\n", *[b"y" * 10_000] * 4],  # a name that never ends
        [CHUNKED + b"3;", *[b"y" * 10_000] * 4],  # an extension that never ends
        [CHUNKED, *[b"1;" + b"y" * 9000 + b"\r\na\r\n"] * 4],  # extensions without end
        [CHUNKED, *[b"0" * 10_000] * 4],  # a length that never ends
    ],
)
def test_framing_is_bounded(pieces: list[bytes]) -> None:
    statuses, refused, _ = ask(echo, *pieces)
    assert statuses == [400] and refused == ["malformed_http"]


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1;ext=abc\r\na\r\n", b"3e8\r\n" + b"a" * 1000 + b"\r\n"])
def test_small_chunks_and_extensions_pass(chunk: bytes) -> None:
    statuses, refused, said = ask(echo, CHUNKED, *[chunk * 3000] * 3, b"0\r\nx: y\r\n\r\n")
    assert statuses == [200] and refused == [] and said.count(b"aa") >= 4000


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "x-api-key", "api-key", "host", "content-type", "content-encoding", "expect", "origin"),
        *("x-steward-subject", "x-steward-conversation", "x-steward-priority", "x-steward-anything"),
    ],
)
@pytest.mark.parametrize("app", [echo, gateway(), console()])
def test_what_has_one_value_stands_once(name: str, app: Any) -> None:
    sent = b"GET /healthz HTTP/1.1\r\n" + f"{name}: a\r\n{name.title()}: a\r\n\r\n".encode()
    statuses, refused, said = ask(app, sent)
    assert statuses == [400] and refused == ["repeated_header"] and name.encode() in said


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 1\r\ncontent-length: 1",
        b"content-length: 1\r\ncontent-length: 2",
        b"content-length: 1, 1",
        b"content-length: +1",
        b"content-length: 1\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 1",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked, chunked",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: xchunked",
        b"transfer-encoding: identity",
        b"transfer-encoding : chunked",
        b"x: a\r\n b",  # a folded line
        b"x: a\r\n\tb",
        b"x: a\nauthorization: Bearer right",  # a line that ends with LF alone
        b"x: a\rauthorization: Bearer right",
        b"x: a\0b",
        b": a",
        b"content-leng\x0bth: 1",
    ],
)
@pytest.mark.parametrize("app", [echo, gateway(), console()])
def test_what_two_readers_would_read_in_two_ways_is_refused(lines: bytes, app: Any) -> None:
    statuses, _, _ = ask(app, POST + lines + b"\r\n\r\na\r\n\r\n")
    assert len(statuses) == 1 and statuses[0] in (400, 501)


def test_a_line_end_within_chunks_is_refused() -> None:
    for body in (b"3\nabc\n0\n\n", b"3\r\nabc0\r\n\r\n", b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"f" * 17 + b"\r\n"):
        assert ask(echo, CHUNKED + body)[0] == [400], body


def test_http_1_0_has_no_chunks() -> None:
    assert ask(echo, CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n")[0] == [400]


def test_lists_are_joined_so_that_all_read_the_same() -> None:
    said = ask(echo, POST + b"x-forwarded-for: 1\r\nAccept: a\r\nx-forwarded-for: 2\r\n\r\n")[2]
    assert b"host=a; x-forwarded-for=1, 2; accept=a " in said


def test_headers_are_counted() -> None:
    few = b"".join(b"a%d: b\r\n" % number for number in range(MOST_HEADERS - 1))  # and the host
    assert ask(echo, POST + few + b"\r\n")[0] == [200]
    statuses, refused, _ = ask(echo, POST + few + b"one: more\r\n\r\n")
    assert statuses == [431] and refused == ["headers_too_large"]


def test_answers_keep_the_order_of_their_requests() -> None:
    """What is refused behind a request that is being answered is told of after that answer."""
    statuses, refused, said = ask(echo, POST + b"content-length: 3\r\n\r\nabcGARBAGE\r\n\r\n")
    assert statuses == [200, 400] and refused == ["malformed_http"]
    assert said.index(b" abc") < said.index(b"malformed_http")


def test_a_pipelined_request_that_waits_and_breaks_is_told_of_in_its_turn() -> None:
    twice = POST + b"content-length: 1\r\n\r\na" + POST + b"content-length: 1\r\n\r\nb"
    statuses, _, _ = ask(echo, twice + CHUNKED + b"zz\r\n")
    assert statuses == [200, 200, 400]


def test_pipelined_requests_are_counted() -> None:
    statuses, refused, _ = ask(echo, (POST + b"content-length: 0\r\n\r\n") * 8000)
    assert refused == ["too_many_pipelined"] and statuses[-1] == 400 and len(statuses) <= MOST_PIPELINED + 2


@pytest.mark.parametrize("name", ["worker", "console", "rating"])
def test_every_server_has_the_same_guard(name: str) -> None:
    text = (SOURCE / "processes" / f"{name}.py").read_text()
    assert re.findall(r"uvicorn\.Config\([^)]*?http=(\w+)\(", text.replace("(session)", "")) == ["make_protocol"]


def test_no_server_is_without_it() -> None:
    users = {path.stem for path in SOURCE.rglob("*.py") if "uvicorn.Config(" in path.read_text()}
    assert users == {"worker", "console", "rating"}
