"""S20: what a failed request held, its body and what came of an answer, is let go when it is answered.

A worker searches for cycles of references seldom (`processes/worker.py`), since requests leave none: an error that is
kept, or raised by a function that has it as a variable, is one with its own traceback. 40 answers that were refused as
too long had kept 640 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compatibility.scripted_engine import Gate, streamed, whole
from steward.adapters.engines.http import HttpEngine
from steward.adapters.engines.http_answer import HttpAnswer
from steward.core.errors import Refused, TimedOut, Unavailable
from steward.gateway.exchange import Exchange
from steward.gateway.models import OPENAI_ENDPOINTS
from steward.gateway.route_records import Route, Target

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TWO = Route("m", targets=(Target("a"),), fallback=("b",))


@pytest.fixture(autouse=True)
def no_search_for_cycles() -> Iterator[None]:
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    yield
    if was_on:
        gc.enable()


def count_kept(kind: type) -> int:
    return sum(type(each) is kind for each in gc.get_objects())


def fail(kind: type[Unavailable]) -> Callable[[Any], Any]:
    def answer(body: Any) -> Any:
        raise kind("no")

    return answer


def broken(*events: Any) -> Callable[[Any], Any]:
    pieces = [each if isinstance(each, bytes) else b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]
    return lambda body: (200, pieces)


TEXT = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
ERROR = {"error": {"message": "no", "code": 500}}


@pytest.mark.parametrize(
    ("rules", "body", "endpoint"),
    [
        ({"m": lambda body: (200, whole())}, {}, ""),
        ({"m": lambda body: (200, streamed("a"))}, {"stream": True}, ""),
        ({"m": fail(Unavailable)}, {}, ""),
        ({"m": fail(TimedOut)}, {}, ""),
        ({"m": fail(Unavailable)}, {"stream": True}, ""),
        ({"m": lambda body: (500, ERROR)}, {}, ""),
        ({"m": lambda body: (400, ERROR)}, {}, ""),
        ({"m": lambda body: (200, b"no JSON")}, {}, ""),
        ({"m": broken(TEXT)}, {"stream": True}, ""),
        ({"m": broken(TEXT, ERROR)}, {"stream": True}, ""),
        ({"m": broken(TEXT, b"data: no JSON\n\n")}, {"stream": True}, ""),
        ({"m": broken(TEXT, ERROR)}, {"stream": True, "max_tokens": 9}, "/v1/messages"),
        ({"m": broken(TEXT, b"data: no JSON\n\n")}, {"stream": True, "max_tokens": 9}, "/v1/messages"),
        ({"m": lambda body: (200, b"[]")}, {"max_tokens": 9}, "/v1/messages"),
        ({"m": lambda body: (200, whole())}, {"max_tokens": 9, "never_heard_of": 1}, "/v1/messages"),
        ({"a": fail(Unavailable), "b": lambda body: (200, whole())}, {}, ""),
        ({"a": fail(Unavailable), "b": fail(TimedOut)}, {}, ""),
        ({"m": lambda body: (200, whole())}, {"n": "x"}, ""),
    ],
)
def test_s20_no_exchange_outlives_its_answer(rules: dict[str, Any], body: dict[str, Any], endpoint: str) -> None:
    endpoints = frozenset({"/v1/chat/completions"}) if endpoint else OPENAI_ENDPOINTS
    gate = Gate(rules, TWO if "a" in rules else None, endpoints)

    async def serve() -> int:
        with contextlib.suppress(Refused):
            await gate._ask(json.dumps({**CHAT, **body}).encode(), endpoint or "/v1/chat/completions", {}, None)
        del gate.exchange
        return count_kept(Exchange)

    assert asyncio.run(serve()) == 0


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n{"


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0\r\n", HEAD, HEAD + b"x" * 17_000_000])
def test_s20_no_answer_that_broke_off_outlives_its_request(sent: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def ask(engine: HttpEngine) -> None:
        try:
            await (await engine.call("/v1/chat/completions", b"{}")).read()
        except Unavailable:
            return
        raise AssertionError("it did not break off")

    async def serve() -> int:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await ask(engine)
        await engine.close()
        server.close()
        for _ in range(10):  # what the loop has yet to close
            await asyncio.sleep(0)
        return count_kept(HttpAnswer)

    assert asyncio.run(serve()) == 0
