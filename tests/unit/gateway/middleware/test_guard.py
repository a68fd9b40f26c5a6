"""Guards around the call: small texts here, longer ones in a thread, large ones elsewhere, streams event by event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from recording_offload import RecordingOffload
from steward.core.errors import Refused
from steward.core.extend import GuardContext, Verdict
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware import guard

CHAT = "/v1/chat/completions"
GUARDED_BYTES, MANY_BYTES = 4_096, 16_384


class Plain:
    """Writes requests in capitals and answers in small letters; blocks what says "stop"."""

    name = "plain"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        if any("stop" in text for text in fields):
            return Verdict("block", reason="it says stop")
        return Verdict("rewrite", texts=tuple(text.upper() for text in fields), masked={"word": len(fields)})

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return text.lower()

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


class Portable(Plain):
    """Can work in another process; remembers how many texts a request had."""

    name = "portable"
    remembered: Any = None

    def recall(self, exchange: GuardContext) -> Any:
        return "memory"

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        self.remembered = memory


class Never(Plain):
    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("block", reason="never")


class Events:
    budget = None
    ended, broke = True, False

    def __init__(self) -> None:
        self.filter: Any = None

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def forward(self, write: Callable[[bytes], bool]) -> None: ...


def request_body(size: int, text: str = "a") -> bytes:
    """A request of exactly so many bytes."""
    empty = len(json.dumps({"messages": [{"content": text}]}))
    return json.dumps({"messages": [{"content": text + "b" * (size - empty)}]}).encode()


def answer_body(size: int) -> bytes:
    empty = len(json.dumps({"choices": [{"message": {"content": ""}}]}))
    return json.dumps({"choices": [{"message": {"content": "B" * (size - empty)}}]}).encode()


def send(body: bytes, answer: Answer, *guards: Plain) -> tuple[Answer, Exchange, list[str]]:
    exchange, recorder = Exchange("req_1", CHAT, {}, body, 0.0, 0.0), RecordingOffload()

    async def inner(one: Exchange) -> Answer:
        return answer

    async def go() -> Answer:
        return await guard(guards, recorder)(inner)(exchange)

    return asyncio.run(go()), exchange, recorder.done


@pytest.mark.parametrize(
    ("size", "kind", "steps"),
    [
        (GUARDED_BYTES - 1, Portable, []),
        (GUARDED_BYTES, Portable, ["beside:guard_request", "beside:guard_answer"]),
        (MANY_BYTES - 1, Portable, ["beside:guard_request", "beside:guard_answer"]),
        (MANY_BYTES, Portable, ["guard_large_request", "guard_large_answer"]),
        (MANY_BYTES, Plain, ["beside:guard_request", "beside:guard_answer"]),
    ],
)
def test_where_texts_are_looked_at(size: int, kind: type[Plain], steps: list[str]) -> None:
    """Below 4 KiB at once, below 16 KiB in a thread, beyond in another process where the guard can go there."""
    one = kind()
    answer, exchange, done = send(request_body(size), Answer(200, answer_body(size)), one)
    assert done == steps
    assert json.loads(exchange.body)["messages"][0]["content"].startswith("AB")
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "b" * (size - 43)
    assert exchange.masked == {"word": 1}
    assert answer.headers == [(b"x-steward-guards", ", ".join(exchange.guards).encode())]
    assert exchange.guards[0] == f"{one.name}=rewrite"
    if steps and steps[0] == "guard_large_request":
        assert isinstance(one, Portable) and one.remembered == "memory"


def test_a_guard_that_waits_for_another_program_does_so_in_a_thread() -> None:
    class Waiting(Portable):
        waits = True

    answer, _, done = send(request_body(100), Answer(200, answer_body(100)), Waiting())
    assert done == ["beside:guard_request", "beside:guard_answer"] and answer.status == 200


@pytest.mark.parametrize(("route", "is_refused"), [("judged", True), ("other", False)])
def test_whole_answers_are_not_judged_in_pieces(route: str, is_refused: bool) -> None:
    class Whole(Plain):
        def judges_whole(self, route: str) -> bool:
            return route == "judged"

    async def inner(one: Exchange) -> Answer:
        return Answer(200, answer_body(100))

    exchange = Exchange("req_1", CHAT, {}, request_body(100), 0.0, 0.0)
    exchange.route = route
    handler = guard([Whole()], RecordingOffload())(inner)
    assert asyncio.run(handler(exchange)).status == 200
    exchange.request.stream = True
    if is_refused:
        with pytest.raises(Refused, match="The guard 'plain' judges whole answers; leave out 'stream'"):
            asyncio.run(handler(exchange))
    else:
        assert asyncio.run(handler(exchange)).status == 200


@pytest.mark.parametrize("size", [100, GUARDED_BYTES, MANY_BYTES])
def test_what_is_blocked_never_reaches_the_model(size: int) -> None:
    with pytest.raises(Refused, match="it says stop") as caught:
        send(request_body(size, "stop "), Answer(200, b"{}"), Portable())
    assert caught.value.status == 400


@pytest.mark.parametrize("size", [100, GUARDED_BYTES, MANY_BYTES])
def test_an_answer_that_is_blocked_never_reaches_the_client(size: int) -> None:
    class NeverPortable(Portable, Never): ...

    with pytest.raises(Refused, match="never"):
        send(request_body(100), Answer(200, answer_body(size)), NeverPortable())


@pytest.mark.parametrize(("status", "seen"), [(200, True), (399, True), (400, False), (503, False)])
def test_errors_are_no_answers(status: int, seen: bool) -> None:
    body = answer_body(100)
    answer, exchange, _ = send(request_body(100), Answer(status, body), Plain())
    assert (answer.body != body) is seen
    assert answer.headers == [(b"x-steward-guards", ", ".join(exchange.guards).encode())]


def test_without_guards_nothing_is_touched() -> None:
    body, request = answer_body(100), request_body(100)
    answer, exchange, _ = send(request, Answer(200, body))
    assert answer.body is body and exchange.body is request and answer.headers == []


def sse(text: str, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def filtered(*guards: Plain) -> tuple[Any, Exchange]:
    stream = Events()
    answer, exchange, _ = send(request_body(100), Answer(200, stream=stream), *guards)
    assert answer.headers == [(b"x-steward-guards", b"plain=rewrite")]
    return stream.filter, exchange


def test_a_stream_is_looked_at_event_by_event_and_ends_with_the_receipt() -> None:
    events, exchange = filtered(Plain())
    assert b'"ab"' in events.feed(sse("AB") + sse("CD")[:9]) and b'"cd"' in events.feed(sse("CD")[9:])
    assert events.end() == b": x-steward-guards plain=rewrite, plain:answer=allow\n\n"
    assert not events.over and not exchange.failed


def test_an_event_that_no_guard_can_read_ends_the_stream_after_what_came_before() -> None:
    events, exchange = filtered(Plain())
    out = events.feed(sse("AB") + b"data: {no json}\n\n" + sse("CD"))
    assert b'"ab"' in out and b"upstream_malformed" in out and b"cd" not in out and out.endswith(b"data: [DONE]\n\n")
    assert events.over and exchange.failed


def test_a_stream_that_is_blocked_at_its_end_says_so() -> None:
    events, exchange = filtered(Never())
    out = events.end()
    assert b"Blocked by the guard" in out and events.over and exchange.failed and b"x-steward-guards" not in out


def test_an_event_without_its_end_is_looked_at_too() -> None:
    events, _ = filtered(Plain())
    assert events.feed(sse("AB").removesuffix(b"\n")) == b""
    assert b'"ab"' in events.end()
