"""A server of known timing: the first token after a fixed time, then one every fixed gap, in a fixed number of slots.

What a client measures can be compared with the truth. The server records how late its own writes were, so that its
lateness does not count as the client's.
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
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*(\d+)")
_WANTED: Final = re.compile(rb'"max_tokens": ?(\d+)')
_START: Final = b'data: {"id":"echo","object":"chat.completion.chunk","created":0,"model":"echo","choices":[{"index":0,'


class EchoTiming(msgspec.Struct, frozen=True, kw_only=True):
    """The timing. A request occupies a slot for first_ms + gap_ms * (tokens - 1)."""

    first_ms: float = 50.0
    gap_ms: float = 10.0
    tokens: int | None = None  # of every answer; None: what max_tokens asks for
    slots: int | None = None  # requests at the same time; others wait in a queue. None: no limit
    per_event: int = 1  # tokens of one event


_TOGETHER_S: Final = 1e-4  # writes that are due within this time are made together, with one timer


class EchoServer:
    """The state of one server. `lateness`: how late each write was, in whole microseconds."""

    def __init__(self, timing: EchoTiming, loop: asyncio.AbstractEventLoop) -> None:
        self.timing = timing
        self.requests = 0
        self.lateness: list[int] = []
        self._due: list[tuple[float, int, EchoConnection]] = []
        self._order = 0
        self._queue: deque[EchoConnection] = deque()
        self._busy = 0
        self._timer = Timer(loop, self._write_due)
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
        """Free a slot at the time `at`; the next request in the queue gets it from that time on."""
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
            self._timer.set(stream.due)

    def _write_due(self) -> None:
        """Write what is due now or within 0.1 ms."""
        due, gap, lateness = self._due, self.timing.gap_ms / 1000, self.lateness
        now = clock()
        while due and due[0][0] <= now + _TOGETHER_S:
            at, _, stream = due[0]
            lateness.append(int((now - at) * 1e6))
            if stream.write_next():
                self._order += 1
                heapq.heapreplace(due, (at + gap, self._order, stream))  # a late write does not delay the next
            else:
                heapq.heappop(due)
                self.release_slot(stream, at)
            now = clock()
        if len(lateness) > _MOST_KEPT:
            del lateness[: _MOST_KEPT // 2]
        self._armed = due[0][0] if due else float("inf")
        if due:
            self._timer.set(self._armed)

    def take_lateness_ms(self) -> dict[str, float]:
        """Quantiles of the lateness since the last call; empty if nothing was written."""
        late, self.lateness = sorted(self.lateness), []
        if not late:
            return {}
        return {name: late[min(len(late) - 1, int(q * len(late)))] / 1000 for name, q in _QUANTILES.items()}


_MOST_KEPT: Final = 5_000_000  # latenesses
_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


class EchoConnection(Receiver):
    """One connection: reads complete requests and answers them one after another."""

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
        head, blank_line, rest = buffer.partition(b"\r\n\r\n")
        if not blank_line:
            return
        head = head.lower()
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self.received_at = to_clock_times(self.times[-1:], 0.0)[0]
        body, rest = rest[:size], rest[size:]
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
        """Write one event; returns whether more follow. The stamp is made last, right before the write."""
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
            answer: Any = self._echo.take_lateness_ms()
        else:
            answer = {"object": "list", "data": [{"id": "echo", "object": "model"}]}
        body = msgspec.json.encode(answer)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


def make_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def make_stamp(received_at: float, written: float) -> bytes:
    """When the request arrived and when this is written, as an event without text."""
    return make_chunk(b'data: {"stamp":[%.7f,%.7f]}\n\n' % (received_at, written))


@functools.lru_cache(maxsize=65_536)
def make_event(number: int, tokens: int) -> bytes:
    """One event with `tokens` words."""
    words = " ".join(f"w{number + index}" for index in range(tokens)).encode()
    return make_chunk(_START + b'"delta":{"content":"%b "},"finish_reason":null}]}\n\n' % words)


def make_last_events(asked: int, tokens: int) -> bytes:
    """The events after the last token, and the end of the body."""
    usage = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (asked, tokens, asked + tokens)
    stop = _START + b'"delta":{},"finish_reason":"stop"}]}\n\n'
    counted = b'data: {"id":"echo","object":"chat.completion.chunk","choices":[],"usage":%b}\n\n' % usage
    return make_chunk(stop + counted + b"data: [DONE]\n\n") + b"0\r\n\r\n"


def make_answer(asked: int, tokens: int) -> bytes:
    """A whole answer, not streamed."""
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
