"""C16: a client whose upstream tells nothing, not even a status, gets headers and comments; what comes of it follows.

The upstream goes on only when the client has got something, so that no test depends on time.
"""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from compatibility.scripted_engine import CALLER
from steward.core.errors import Refused
from steward.core.records import Decision
from steward.gateway.answer import Answer
from steward.gateway.early_stream import EarlyStream
from steward.gateway.endpoints import serve_exchange
from steward.gateway.exchange import Exchange
from steward.gateway.first_event import HEARTBEAT
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


class Parts:
    """A stream that has arrived."""

    budget = filter = None
    ended, broke = True, False

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def __aiter__(self) -> Parts:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop(0)

    async def forward(self, write: Any) -> None: ...

    def close(self) -> None: ...


class Client:
    """Asks for an answer of `handler`, and notes what it gets and when."""

    discloses, max_body_bytes = True, 1_000

    def __init__(self, handler: Any, path: str = CHAT, stream: bool = True, heartbeat_s: float = 0.01) -> None:
        self.sent: list[dict[str, Any]] = []
        self.got = asyncio.Event()
        self.infer, self.heartbeat_s = handler, heartbeat_s
        self._body = json.dumps({"stream": stream}).encode()
        self.request = HttpRequest("req_1", {"path": path, "headers": []}, self._receive, self._send)
        self.request.caller = CALLER

    async def _receive(self) -> dict[str, Any]:
        if not self._body:
            await asyncio.sleep(3600)
        body, self._body = self._body, b""
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.got.set()

    async def ask(self) -> None:
        await serve_exchange(self.request, cast(Any, self), RejectionCounter())

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def serve(answer: Any, path: str = CHAT) -> Client:
    """Answers with `answer` once the client has got something."""

    async def go() -> Client:
        async def handler(exchange: Exchange) -> Answer:
            exchange.request.stream, exchange.ready = True, time.perf_counter()
            exchange.decision = Decision(allowed=True, limit_requests=5, remaining_requests=4)
            await client.got.wait()
            if isinstance(answer, Exception):
                raise answer
            given: Answer = answer
            return given

        client = Client(handler, path)
        await client.ask()
        return client

    return asyncio.run(go())


def test_a_stream_follows_the_comments() -> None:
    client = serve(
        Answer(200, stream=cast(Any, Parts(b"data: a\n\n", b"data: b\n\n")), content_type=b"text/event-stream")
    )
    starts = [message for message in client.sent if message["type"] == "http.response.start"]
    assert len(starts) == 1 and starts[0]["status"] == 200
    headers = dict(starts[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream" and b"content-length" not in headers
    assert headers[b"cache-control"] == b"no-cache" and headers[b"x-request-id"] == b"req_1"
    assert headers[b"x-ratelimit-limit-requests"] == b"5" and headers[b"x-ai-generated"] == b"true"
    assert client.content.startswith(HEARTBEAT)
    assert client.content.replace(HEARTBEAT, b"") == b"data: a\n\ndata: b\n\n"
    assert client.sent[-1] == {"type": "http.response.body", "body": b""}


BUSY = Answer(429, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}')
DOWN = Refused("The upstream failed.", status=502, type="api_error", code="upstream_unavailable")


@pytest.mark.parametrize(("path", "ending"), [(CHAT, b"data: [DONE]\n\n"), (MESSAGES, b"}\n\n")])
@pytest.mark.parametrize(("answer", "words"), [(BUSY, b"slow down"), (DOWN, b"The upstream failed.")])
def test_a_failure_is_an_event(path: str, ending: bytes, answer: Any, words: bytes) -> None:
    client = serve(answer, path)
    assert [message["type"] for message in client.sent].count("http.response.start") == 1
    event = client.content.replace(HEARTBEAT, b"")
    assert words in event and event.endswith(ending) and client.sent[-1].get("more_body") is None


def run(client: Client) -> Client:
    asyncio.run(client.ask())
    return client


def test_an_answer_in_time_is_as_ever() -> None:
    async def handler(exchange: Exchange) -> Answer:
        return BUSY

    client = run(Client(handler, heartbeat_s=30.0))
    assert client.sent[0]["status"] == 429 and client.content == BUSY.body


def test_an_answer_that_comes_as_the_comments_are_to_begin_has_its_head() -> None:
    async def answer(exchange: Exchange) -> Answer:
        await asyncio.sleep(0)  # the timer of no seconds is due after this turn of the loop
        await asyncio.sleep(0)  # and has made the task that sends, which runs after this one
        return Answer(200, stream=cast(Any, Parts(b"data: 1\n\n")))

    client = run(Client(answer, heartbeat_s=0.0))
    assert [message["type"] for message in client.sent[:2]] == ["http.response.start", "http.response.body"]
    assert client.content == b"data: 1\n\n"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_whole_answer_and_who_waits_in_a_queue_keep_their_status(streamed: bool) -> None:
    async def handler(exchange: Exchange) -> Answer:
        exchange.request.stream = streamed
        exchange.ready = None if streamed else time.perf_counter() - 1
        await asyncio.sleep(0.05)  # five heartbeats
        return BUSY

    client = run(Client(handler))  # `"stream": true` stands in its body, if only in a text
    assert client.sent[0]["status"] == 429 and client.content == BUSY.body


def test_a_worker_that_stops_says_so_in_the_stream() -> None:
    async def go() -> Client:
        async def handler(exchange: Exchange) -> Answer:
            exchange.request.stream, exchange.ready = True, time.perf_counter()
            await asyncio.sleep(3600)
            raise AssertionError

        client = Client(handler)
        task = asyncio.create_task(client.ask())
        await client.got.wait()
        task.cancel()
        await task
        return client

    client = asyncio.run(go())
    assert b'"stopping"' in client.content and client.sent[-1] == {"type": "http.response.body", "body": b""}


class Timers:
    """A loop that notes what it is to do, and when."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.tasks = 0

    def call_later(self, seconds: float, _: Any) -> None:
        self.waits.append(seconds)

    def create_task(self, work: Any) -> None:
        work.close()
        self.tasks += 1


@pytest.mark.parametrize(
    ("ready", "waits", "tasks"),
    [(None, [4.0], 0), (100.0, [4.0], 0), (97.0, [1.0], 0), (96.0, [], 1), (90.0, [], 1)],
)
def test_a_heartbeat_is_counted_from_when_the_request_left_its_queue(
    ready: float | None, waits: list[float], tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steward.gateway.early_stream.time", SimpleNamespace(perf_counter=lambda: 100.0))

    async def go() -> Timers:
        exchange = Exchange("req_1", CHAT, {}, b"{}", 0.0, 0.0, CALLER)
        exchange.request.stream, exchange.ready = True, ready
        early = EarlyStream(cast(Any, None), exchange, 4.0, lambda *_: [], True)
        early.cancel()
        timers = Timers()
        early._loop = cast(Any, timers)
        early._wake()
        return timers

    timers = asyncio.run(go())
    assert (timers.waits, timers.tasks) == (waits, tasks)
