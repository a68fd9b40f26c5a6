"""A server of known timing: first token after so long, then a token every so often, in so many slots at most.

What a client says of it can be held against the truth. It keeps how late its own writes were, so that its lateness
is not taken for the client's.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import re
from collections import deque
from typing import Any, Final

import msgspec

from steward.loadtest.sockets import Receiver, to_clock_times
from steward.loadtest.timer import Timer, clock

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_WANTED: Final = re.compile(rb'"max_tokens": ?(\d+)')
_START: Final = b'data: {"id":"echo","object":"chat.completion.chunk","created":0,"model":"echo","choices":[{"index":0,'


class EchoTiming(msgspec.Struct, frozen=True, kw_only=True):
    """What the server does. A request takes first_ms + gap_ms * (tokens - 1) of one slot."""

    first_ms: float = 50.0
    gap_ms: float = 10.0
    tokens: int | None = None  # of every answer; None: what max_tokens asks for
    slots: int | None = None  # requests at the same time; others wait in line. None: no limit
    per_event: int = 1  # tokens of one event


_TOGETHER_S: Final = 1e-4  # what is due in so short a time is written together: one timer for several


class EchoServer:
    """All connections of one server; `lateness` holds how late each write was, in whole microseconds."""

    def __init__(self, timing: EchoTiming, loop: asyncio.AbstractEventLoop) -> None:
        self.timing = timing
        self.requests = 0
        self.lateness: list[int] = []
        self._due: list[tuple[float, int, EchoConnection]] = []
        self._order = 0
        self._queue: deque[EchoConnection] = deque()
        self._busy = 0
        self._alarm = Timer(loop, self._write_due)
        self._armed = float("inf")

    def accept_request(self, stream: EchoConnection) -> None:
        self.requests += 1
        if self.timing.slots is not None and self._busy >= self.timing.slots:
            self._queue.append(stream)
        else:
            self._serve(stream, stream.received_at)

    def _serve(self, stream: EchoConnection, now: float) -> None:
        self._busy += 1
        stream.due = now + self.timing.first_ms / 1000
        self._schedule(stream)

    def release_slot(self, stream: EchoConnection, at: float) -> None:
        """Its slot is free; the next in line gets it from the moment at which it was free."""
        self._busy -= 1
        while self._queue:
            following = self._queue.popleft()
            if following.alive:
                self._serve(following, at)
                return

    def _schedule(self, stream: EchoConnection) -> None:
        self._order += 1
        heapq.heappush(self._due, (stream.due, self._order, stream))
        if stream.due < self._armed:
            self._armed = stream.due
            self._alarm.set(stream.due)

    def _write_due(self) -> None:
        """Write what is due, or will be in a tenth of a millisecond."""
        due, gap, lateness = self._due, self.timing.gap_ms / 1000, self.lateness
        now = clock()
        while due and due[0][0] <= now + _TOGETHER_S:
            at, _, stream = due[0]
            lateness.append(int((now - at) * 1e6))
            if stream.write_next():
                self._order += 1
                heapq.heapreplace(due, (at + gap, self._order, stream))  # one late write does not move the next
            else:
                heapq.heappop(due)
                self.release_slot(stream, at)
            now = clock()
        if len(lateness) > _MOST_KEPT:
            del lateness[: _MOST_KEPT // 2]
        self._armed = due[0][0] if due else float("inf")
        if due:
            self._alarm.set(self._armed)

    def take_lateness_ms(self) -> dict[str, float]:
        """Quantiles of the lateness since the last call."""
        found, self.lateness = sorted(self.lateness), []
        if not found:
            return {}
        return {name: found[min(len(found) - 1, int(q * len(found)))] / 1000 for name, q in _QUANTILES.items()}


_MOST_KEPT: Final = 5_000_000  # latenesses
_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


class EchoConnection(Receiver):
    """One connection: reads whole requests, answers one after another."""

    def __init__(self, echo: EchoServer) -> None:
        super().__init__()
        self._echo = echo
        self._number = self._tokens = self._asked = 0
        self.received_at = 0.0
        self._whole = False
        self.due = 0.0
        self.alive = True

    def on_lost(self) -> None:
        self.alive = False

    def on_data(self, data: bytes) -> None:
        buffer = data if len(self.pieces) == 1 else b"".join(self.pieces)
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end].lower()
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(buffer) < end + 4 + size:
            return
        self.received_at = to_clock_times(self.times[-1:], 0.0)[0]
        body, rest = buffer[end + 4 : end + 4 + size], buffer[end + 4 + size :]
        self.pieces, self.times = ([rest], self.times[-1:]) if rest else ([], [])
        if head.startswith(b"get"):
            self._answer_get(head)
            return
        wanted = _WANTED.search(body)
        self._tokens = self._echo.timing.tokens or (int(wanted[1]) if wanted else 16)
        self._asked, self._number = body.count(b" ") + 1, 0
        self._whole = b'"stream":true' not in body and b'"stream": true' not in body
        self._echo.accept_request(self)

    def write_next(self) -> bool:
        """One event; whether more follow. The stamp is made last: what is written after it is written at once."""
        if not self.alive:
            return False
        number, per_event = self._number, self._echo.timing.per_event
        self._number = number + per_event
        more = self._number < self._tokens
        if self._whole:
            if not more:
                self.transport.write(make_answer(self._asked, self._tokens))
            return more
        data = make_event(number, min(per_event, self._tokens - number))
        if not more:
            data += make_last_events(self._asked, self._tokens)
        if not number:
            data = b"%b%b%b" % (_HEAD, make_stamp(self.received_at, clock()), data)
        self.transport.write(data)
        return more

    def _answer_get(self, head: bytes) -> None:
        if head.startswith(b"get /lateness"):
            found: Any = self._echo.take_lateness_ms()
        else:
            found = {"object": "list", "data": [{"id": "echo", "object": "model"}]}
        body = msgspec.json.encode(found)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


def make_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def make_stamp(received_at: float, written: float) -> bytes:
    """When the request came and when this is written, as an event that carries no text."""
    return make_chunk(b'data: {"stamp":[%.7f,%.7f]}\n\n' % (received_at, written))


@functools.lru_cache(maxsize=65_536)
def make_event(number: int, tokens: int) -> bytes:
    """One event that carries `tokens` words."""
    words = " ".join(f"w{number + index}" for index in range(tokens)).encode()
    return make_chunk(_START + b'"delta":{"content":"%b "},"finish_reason":null}]}\n\n' % words)


def make_last_events(asked: int, tokens: int) -> bytes:
    """The events after the last token, and the end."""
    usage = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (asked, tokens, asked + tokens)
    stop = _START + b'"delta":{},"finish_reason":"stop"}]}\n\n'
    counted = b'data: {"id":"echo","object":"chat.completion.chunk","choices":[],"usage":%b}\n\n' % usage
    return make_chunk(stop + counted + b"data: [DONE]\n\n") + b"0\r\n\r\n"


def make_answer(asked: int, tokens: int) -> bytes:
    """An answer that is not streamed."""
    words = " ".join(f"w{number}" for number in range(tokens))
    body = msgspec.json.encode(
        {
            "id": "echo",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens},
        }
    )
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
