"""Advisory 21, CVE-2025-48956: one giant header."""

from __future__ import annotations

import pytest

from raw_connection import POST, Connection, converse, echo


@pytest.mark.parametrize(
    "head",
    [
        POST + b"X-Filler: " + b"a" * 1_000_000,
        POST + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)),
        b"GET /" + b"a" * 1_000_000,
        b"G" * 200_000,
    ],
)
def test_a_head_beyond_64_kib_is_refused_while_it_arrives(head: bytes) -> None:
    async def talk(connection: Connection) -> None:
        pieces = [head[at : at + 8192] for at in range(0, len(head), 8192)]
        for piece in pieces:
            if connection.transport.closed or connection.refused:
                break
            await connection.send(piece)
        assert connection.refused or (connection.statuses and connection.statuses[0] in (400, 414, 431))
        assert 200 not in connection.statuses

    converse(echo, talk)


def test_the_next_client_is_served() -> None:
    async def talk(connection: Connection) -> None:
        await connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.statuses == [200]

    converse(echo, talk)
