"""A load generator on bare asyncio protocols, light enough to share a core with the mock upstream.

Measurements of one OpenAI-compatible URL: requests a second (closed loop), latency at one connection, many streams at
once, and many connections that are kept and hardly used. Bounded: each ends by itself. `python benchmarks/load.py
rate|latency|streams|idle URL KEY MODEL N S` prints one JSON object (`idle` a line before it, as soon as all are open);
the benchmarks run it as a process of its own, pinned.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import ssl
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

IDLE_S = 20.0  # between two requests of a connection that is kept: of the 75 s after which the gateway ends it
STALL_S = 0.04  # twice the time between two events of the usual mock
NUMBER = b"NNNNNN"  # stands for another number in each request, of as many digits
HI = [{"role": "user", "content": os.environ.get("BENCH_CONTENT", "where is my order?")}]


def message(url: str, key: str, model: str, *, stream: bool, max_tokens: int = 64) -> bytes:
    """One whole HTTP request."""
    body = json.dumps({"model": model, "messages": HI, "stream": stream, "max_tokens": max_tokens}).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        f"host: {urlsplit(url).netloc}",
        f"authorization: Bearer {key}",
        "x-portkey-provider: openai",  # Portkey's way to say where to; others ignore both
        "x-portkey-custom-host: " + PORTKEY_TARGET,
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_numbers = itertools.count()


def next_request(request: bytes) -> bytes:
    return request.replace(NUMBER, b"%06d" % next(_numbers)) if NUMBER in request else request


PORTKEY_TARGET = "http://127.0.0.1:1"


def tls_of(url: str) -> ssl.SSLContext | None:
    """Certificates are checked against the file that SSL_CERT_FILE names."""
    return ssl.create_default_context() if url.startswith("https://") else None


def whole(buffer: bytes) -> int:
    """The length of the first whole response in `buffer`; 0 when there is none yet. Reads both kinds of framing."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = buffer[:end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        size = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return size if len(buffer) >= size else 0
    closing = buffer.find(b"0\r\n\r\n", end)
    return closing + 5 if closing >= 0 else 0


class Asker(asyncio.Protocol):
    """Sends the next request when the last one is answered, until `end`; collects seconds a request."""

    def __init__(self, request: bytes, end: float, seconds: list[float], failed: list[bytes]) -> None:
        self._request, self._end, self._seconds, self._failed = request, end, seconds, failed
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def _ask(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(next_request(self._request))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while size := whole(self._buffer):
            now = time.perf_counter()
            if self._buffer[9:12] == b"200":
                self._seconds.append(now - self._started)
            else:
                self._failed.append(self._buffer[:300])
            self._buffer = self._buffer[size:]
            if now >= self._end:
                self._transport.close()
                return
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Listener(asyncio.Protocol):
    """Reads one stream after another; notes the time to the first event and the longest gap between two."""

    def __init__(self, request: bytes, end: float, first: list[float], gaps: list[float], failed: list[bytes]) -> None:
        self._request, self._end, self._first, self._gaps, self._failed = request, end, first, gaps, failed
        self.events = 0
        self.later, self.later_s = 0, 0.0  # events after the first of each stream, and the seconds they took
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def _ask(self) -> None:
        self._tail, self._last, self._longest, self._since = b"", 0.0, 0.0, 0.0
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        found = data.count(b"data: ")
        if found:
            self.events += found
            if self._last:
                self._longest = max(self._longest, now - self._last)
                self.later += found
            else:
                self._first.append(now - self._started)
                self._since = now
            self._last = now
        self._tail = (self._tail + data)[-16:]
        if self._tail.endswith(b"0\r\n\r\n"):
            self._gaps.append(self._longest)
            self.later_s += self._last - self._since
            if not self._last:
                self._failed.append(data[:300])
            if now >= self._end:
                self._transport.close()
            else:
                self._ask()
        elif not self._last and b"HTTP/1.1 200" not in data and b"HTTP/1.1" in data:
            self._failed.append(data[:300])
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Idler(asyncio.Protocol):
    """Keeps a connection by a small request now and then (`gateway.keep_alive_timeout_s`)."""

    def __init__(self, request: bytes, opened: list[int]) -> None:
        self._request, self._opened, self._answers = request, opened, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self.ask()

    def ask(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._request)
            self._timer = asyncio.get_running_loop().call_later(IDLE_S, self.ask)

    def data_received(self, data: bytes) -> None:
        self._opened[0] += not self._answers
        self._answers += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._opened[0] -= 1
        self._timer.cancel()

    def close(self) -> None:
        self._transport.close()


def percentile(values: list[float], share: float) -> float:
    """Nearest rank. :raises IndexError: no values"""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def rate(url: str, key: str, model: str, connections: int, seconds: float) -> dict[str, Any]:
    place, loop = urlsplit(url), asyncio.get_running_loop()
    taken: list[float] = []
    failed: list[bytes] = []
    request = message(url, key, model, stream=False)
    start = time.perf_counter()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(
            lambda: Asker(request, start + seconds, taken, failed), place.hostname, place.port, ssl=tls_of(url)
        )
        askers.append(asker.done)
    await asyncio.gather(*askers)
    return {
        "requests_per_s": len(taken) / (time.perf_counter() - start),
        "p50_ms": percentile(taken, 0.5) * 1000,
        "p99_ms": percentile(taken, 0.99) * 1000,
        "failed": len(failed),
        "example": failed[0].decode(errors="replace") if failed else None,
    }


async def streams(url: str, key: str, model: str, count: int, seconds: float) -> dict[str, Any]:
    """`count` streams at once, started evenly over one second."""
    place, loop = urlsplit(url), asyncio.get_running_loop()
    first: list[float] = []
    gaps: list[float] = []
    failed: list[bytes] = []
    request = message(url, key, model, stream=True)
    start = time.perf_counter()
    end = start + seconds
    listeners = []
    for _ in range(count):
        _, listener = await loop.create_connection(
            lambda: Listener(request, end, first, gaps, failed), place.hostname, place.port, ssl=tls_of(url)
        )
        listeners.append(listener)
        await asyncio.sleep(1 / count)
    await asyncio.gather(*(listener.done for listener in listeners))
    return {
        "streams": len(gaps),
        "seconds": time.perf_counter() - start,
        "events": sum(listener.events for listener in listeners),
        "events_per_s_of_one": sum(listener.later for listener in listeners)
        / max(1e-9, sum(listener.later_s for listener in listeners)),
        "ttft_p50_ms": percentile(first, 0.5) * 1000,
        "ttft_p99_ms": percentile(first, 0.99) * 1000,
        "longest_gap_ms": max(gaps) * 1000,
        "stalled": sum(gap > STALL_S for gap in gaps),  # streams
        "gap_p99_ms": percentile(gaps, 0.99) * 1000,
        "failed": len(failed),
        "example": failed[0].decode(errors="replace") if failed else None,
    }


async def idle(url: str, key: str, model: str, count: int, seconds: float) -> dict[str, Any]:
    """`count` connections at once, for so long after all have had an answer (or a minute has passed)."""
    place, loop, opened = urlsplit(url), asyncio.get_running_loop(), [0]
    request = f"GET /healthz HTTP/1.1\r\nhost: {place.netloc}\r\n\r\n".encode()
    idlers: list[Idler] = []
    start = time.perf_counter()
    for first in range(0, count, 100):
        made = [loop.create_connection(lambda: Idler(request, opened), place.hostname, place.port) for _ in range(100)]
        idlers += [idler for _, idler in await asyncio.gather(*made[: count - first])]
    while opened[0] < count and time.perf_counter() - start < 60:
        await asyncio.sleep(0.05)
    print("open", flush=True)
    took_s = time.perf_counter() - start
    await asyncio.sleep(seconds)
    kept = opened[0]
    for idler in idlers:
        idler.close()
    return {"open": kept, "seconds": took_s, "failed": count - kept, "example": None}


def main() -> None:
    global PORTKEY_TARGET
    what, url, key, model, number, seconds, *target = sys.argv[1:]
    PORTKEY_TARGET = target[0] if target else PORTKEY_TARGET
    measure = {"rate": rate, "latency": rate, "streams": streams, "idle": idle}[what]
    print(json.dumps(uvloop.run(measure(url, key, model, int(number), float(seconds)))))


if __name__ == "__main__":
    main()
