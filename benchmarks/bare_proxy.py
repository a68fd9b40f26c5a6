"""The least that a proxy in Python can do: no keys, limits, ledger, checks or time-outs. What it takes is the floor.

    python benchmarks/bare_proxy.py 8080 http://127.0.0.1:9000

uvloop moves the bytes and httptools parses both heads, as in steward; a request goes on with another host, an answer's
bytes as they came. It is for `bench_gateway_peers.py` alone: a client that hangs up early breaks its upstream's answer.
The classes extend nothing, so that mypyc can compile them as they stand.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final
from urllib.parse import urlsplit

import httptools
import uvloop

HOP: Final = frozenset({b"host", b"content-length", b"connection", b"transfer-encoding"})


class Upstream:
    """A connection to the upstream: what arrives goes to the client that is served."""

    def __init__(self, pool: list[Upstream]) -> None:
        self._pool = pool
        self._parser: Any = httptools.HttpResponseParser(self)
        self._ended = False
        self.transport: Any = None
        self.client: Any = None  # the transport of the client that is served

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._pool:
            self._pool.remove(self)
        if self.client is not None:
            self.client.close()

    def data_received(self, data: bytes) -> None:
        client = self.client
        self._parser.feed_data(data)
        if client is not None:
            client.write(data)
        if self._ended:
            self._ended, self.client = False, None
            self._parser = httptools.HttpResponseParser(self)
            self._pool.append(self)

    def on_message_complete(self) -> None:
        self._ended = True

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def eof_received(self) -> bool:
        return False


class Client:
    """A client's connection: each whole request goes on to an upstream's connection that is free, or to a new one."""

    def __init__(self, place: tuple[str, int], pool: list[Upstream]) -> None:
        self._place, self._pool = place, pool
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._lines: list[bytes] = []
        self._body: list[bytes] = []
        self._host = b"host: %b:%d" % (place[0].encode(), place[1])
        self._opening: Any = None  # keeps the task
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._parser = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._lines, self._body = b"", [], []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() not in HOP:
            self._lines.append(name + b": " + value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/1.1", self._host, *self._lines]
        request = b"\r\n".join(lines) + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        if self._pool:
            send(self._pool.pop(), self.transport, request)
        else:
            self._opening = asyncio.ensure_future(open_upstream(self._place, self._pool, self.transport, request))

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def eof_received(self) -> bool:
        return False


def send(upstream: Upstream, client: Any, request: bytes) -> None:
    upstream.client = client
    upstream.transport.write(request)


async def open_upstream(place: tuple[str, int], pool: list[Upstream], client: Any, request: bytes) -> None:
    loop: Any = asyncio.get_running_loop()
    _, upstream = await loop.create_connection(lambda: Upstream(pool), place[0], place[1])
    send(upstream, client, request)


async def serve(port: int, url: str) -> None:
    parts = urlsplit(url)
    place = (parts.hostname or "127.0.0.1", parts.port or 80)
    pool: list[Upstream] = []  # connections that are free
    loop: Any = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(place, pool), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    main()
