"""A head that came before is read as the parser reads it: each conversation is held twice, once without known heads."""

from __future__ import annotations

import random
from typing import Any

import pytest

from raw_connection import Connection, converse
from steward.gateway.http import FIELDS, HttpRequest
from steward.processes import http_protocol
from steward.processes.known_head import learn_head

LINES = [
    b"Host: a",
    b"Authorization: Bearer one",
    b"authorization: Bearer two",
    b"Content-Type: application/json",
    b"X-List: 1\r\nx-list: 2",
    b"X-Old: content-length: 3",
    b"X-Tail: one ",
    b"Content-Encoding: identity",
]
LENGTHS = [
    b"Content-Length: %d",
    b"content-length:%d",
    b"CONTENT-LENGTH:  %d",
    b"Content-Length: 0%d",
    b"Content-Length: %d ",
]
RARE = [
    b"Expect: 100-continue",
    b"Connection: close",
    b"Upgrade: h2c",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 1",
]
TARGETS = [b"POST /v1/x HTTP/1.1", b"PUT /v1/%20y HTTP/1.1", b"POST /v1/x?secret=1 HTTP/1.1", b"POST /v1/x HTTP/1.0"]
BODIES = [b"", b"{}", b"x" * 9, b"pgrade: content-length: 7\r\n\r\n", b"y" * 9000, b"z" * 70_000]


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answers with all that an application can see of a request."""
    connection = scope["extensions"]["steward.connection"]
    body = connection.take_body()
    parts = [b"taken at once" if body is not None else b"received", body or b""]
    while body is None and (message := await receive())["type"] == "http.request":
        parts.append(message["body"])
        if not message["more_body"]:
            break
    seen = {name: value for name, value in scope.items() if name not in ("extensions", FIELDS)}
    request = HttpRequest("", scope, receive, send)
    said = repr((sorted(seen.items()), dict(request.headers))).encode() + b"".join(parts)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]}
    )
    await send({"type": "http.response.body", "body": said})


def make_pieces(rng: random.Random) -> list[bytes]:
    """Requests of one client, most of which have the same head; one in three arrives in pieces or with another."""
    target = rng.choice(TARGETS)
    lines = rng.sample(LINES, rng.randint(1, 4))
    length = rng.choice(LENGTHS)
    pieces = []
    for _ in range(12):
        body = rng.choice(BODIES)
        own = [*lines, rng.choice(RARE)] if rng.random() < 0.06 else lines
        data = b"\r\n".join([target, *own, length.replace(b"%d", str(len(body)).encode())]) + b"\r\n\r\n" + body
        if rng.random() < 0.1:
            cut = rng.randrange(1, len(data))
            pieces += [data[:cut], data[cut:]]
        elif rng.random() < 0.1:
            pieces[-1:] = [*pieces[-1:-1], b"".join([*pieces[-1:], data])]
        else:
            pieces.append(data)
    return pieces


def hold(pieces: list[bytes]) -> tuple[bytes, list[str | None], bool]:
    """What is answered, what is refused, and whether the connection was closed."""
    seen: list[Any] = []

    async def talk(connection: Connection) -> None:
        await connection.send(*pieces)
        seen.append((connection.transport.written, connection.refused, connection.transport.closed))

    converse(tell, talk)
    result: tuple[bytes, list[str | None], bool] = seen[0]
    return result


@pytest.mark.parametrize("seed", range(60))
def test_a_known_head_is_read_as_the_parser_reads_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "new_request_id", lambda now: "req_1")  # of refusals
    pieces = make_pieces(random.Random(seed))
    answered = hold(pieces)
    monkeypatch.setattr(http_protocol, "MOST_LEARNT", 0)
    assert answered == hold(pieces)


def test_the_third_request_with_a_head_is_not_parsed() -> None:
    def post(body: bytes) -> bytes:
        return b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"{}"), post(b"[1]"))
        parser = connection.protocol.parser
        connection.protocol.parser = None  # whoever parses now fails
        await connection.send(post(b"[1, 2]"))
        connection.protocol.parser = parser
        await connection.send(post(b"[1, 2, 3]").replace(b"Host: a", b"Host: b"))
        assert connection.statuses == [200] * 4
        assert (
            connection.transport.written.endswith(b"[1, 2, 3]")
            and b"taken at once[1, 2]" in connection.transport.written
        )

    converse(tell, talk)


def test_of_a_connection_with_ever_other_heads_eight_are_learnt() -> None:
    async def talk(connection: Connection) -> None:
        for number in range(12):
            await connection.send(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" % number)
        known = connection.protocol._known
        assert known is not None
        assert known.split(b"POST /8 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx") is not None
        assert connection.statuses == [200] * 12

    converse(tell, talk)


@pytest.mark.parametrize("length", [b"", b"+2", b"2 ", b"0x2", b"2,2", b"1234567"])
def test_another_spelling_of_a_length_is_left_to_the_parser(length: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: %b\r\n\r\n"
    known = learn_head(head % b"2" + b"{}", {"headers": [(b"content-length", b"2")]})
    assert known is not None and known.split(head % b"2" + b"{}") is not None
    assert known.split(head % length + b"{}") is None
