"""C16: an upstream that is silent, or sends only comments, before its first event does not lose the client.

The upstream begins only when the client has got something, so that no test depends on time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from compatibility.scripted_engine import CALLER, ScriptedAnswer, ScriptedEngine, streamed
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.field_names import read_field_names
from steward.gateway.first_event import HEARTBEAT
from steward.gateway.middleware import call
from steward.gateway.models import OPENAI_ENDPOINTS, ModelEntry
from steward.gateway.wire import decode_request

WAIT = None  # in a script: until the client has got something
SAY: list[Any] = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": SAY},
    "/v1/completions": {"prompt": "hi"},
    "/v1/messages": {"messages": SAY, "max_tokens": 5},
    "/v1/responses": {"input": "hi"},
}
ERROR = b'data: {"error":{"message":"too long","code":400}}\n\n'
USAGE = {"input_tokens": 1, "output_tokens": 1}
CLAUDE = [
    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    for event in (
        {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": USAGE}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
        {"type": "message_stop"},
    )
]


class SlowAnswer(ScriptedAnswer):
    """Pieces, and places where it waits until the client has got something."""

    def __init__(self, script: list[bytes | None], got: asyncio.Event) -> None:
        super().__init__(200, [])
        self._script, self._got = list(script), got

    def take_arrived(self) -> bytes | None:
        if not self._script:
            return b""
        if self._script[0] is not WAIT:
            return self._script.pop(0)
        if not self._got.is_set():
            return None
        self._script.pop(0)
        return self.take_arrived()

    async def read_piece(self) -> bytes:
        while (piece := self.take_arrived()) is None:
            await self._got.wait()
        return piece

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        while take is not None and take(self.take_arrived() or b""):
            pass


class SlowEngine(ScriptedEngine):
    def __init__(self, script: list[bytes | None], got: asyncio.Event) -> None:
        super().__init__(lambda body: (200, []))
        self._answer = SlowAnswer(script, got)

    async def call(self, *_: Any, **__: Any) -> ScriptedAnswer:
        return self._answer


def fetch(
    endpoint: str, script: list[bytes | None], heartbeat_s: float, spoken: frozenset[str] = OPENAI_ENDPOINTS
) -> tuple[Answer, list[bytes], Exchange]:
    """The answer, what the client got of it in the order of arrival, and the exchange."""
    body = json.dumps({"model": "m", "stream": True, **BODIES[endpoint]}).encode()

    async def run() -> tuple[Answer, list[bytes], Exchange]:
        got = asyncio.Event()
        engine: Any = SlowEngine(script, got)
        exchange = Exchange("req_1", endpoint, {}, body, 0.0, 0.0, CALLER)
        exchange.request, exchange.fields = decode_request(endpoint, body), read_field_names(body)
        exchange.model = "m"
        answer = await call({"m": ModelEntry("m", engine, "m", endpoints=spoken)}, heartbeat_s)(exchange)
        parts: list[bytes] = []
        if answer.stream is not None:

            def write(events: bytes) -> bool:
                parts.append(events)
                return True

            async for events in answer.stream:
                parts.append(events)
                got.set()
                await answer.stream.forward(write)
        exchange.end()
        return answer, parts, exchange

    return asyncio.run(run())


@pytest.mark.parametrize("endpoint", list(BODIES))
@pytest.mark.parametrize("before", [[], [b": OPENROUTER PROCESSING\n\n"] * 3], ids=["silence", "comments"])
def test_headers_and_a_comment_come_before_the_first_event(endpoint: str, before: list[bytes]) -> None:
    answer, parts, exchange = fetch(endpoint, [*before, WAIT, *streamed("Yes.")], 0.01)
    assert answer.status == 200 and parts[0].startswith(b":")
    if before:
        assert b"OPENROUTER PROCESSING" in parts[0]
    assert b"Yes." in b"".join(parts[1:]) and not exchange.failed
    assert exchange.ttft_s is not None and exchange.events > 0


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/responses"])
def test_pings_of_anthropic_reach_clients_of_other_dialects(endpoint: str) -> None:
    _, parts, _ = fetch(endpoint, [*CLAUDE], 30.0, frozenset({"/v1/messages"}))
    text = b"".join(parts)
    assert b": ping\n\n" in text and b"Yes." in text and b'"type":"ping"' not in text


@pytest.mark.parametrize("endpoint", list(BODIES))
def test_a_failure_in_time_keeps_its_status(endpoint: str) -> None:
    answer, parts, _ = fetch(endpoint, [b": wait\n\n", ERROR], 30.0)
    assert answer.status == 400 and answer.stream is None and not parts and b"too long" in answer.body


@pytest.mark.parametrize("endpoint", list(BODIES))
def test_a_later_failure_is_an_event(endpoint: str) -> None:
    answer, parts, exchange = fetch(endpoint, [WAIT, ERROR], 0.01)
    assert answer.status == 200 and parts[0] == HEARTBEAT
    assert b"too long" in b"".join(parts) and exchange.failed


def test_an_end_without_an_event_is_a_failure() -> None:
    _, parts, exchange = fetch("/v1/chat/completions", [WAIT], 0.01)
    assert b"without a finish_reason" in b"".join(parts) and exchange.truncated


def test_comments_cost_nothing() -> None:
    _, _, exchange = fetch("/v1/chat/completions", [*[b": wait\n\n"] * 50, WAIT, *streamed("Yes.")], 0.01)
    assert exchange.events == 2  # the text and its end


ROLE = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'


def test_a_role_is_let_through_by_the_heartbeat() -> None:
    after = [b": wait\n\n", *streamed("Yes.")]
    answer, parts, exchange = fetch("/v1/chat/completions", [ROLE, WAIT, *after], 0.01)
    assert answer.status == 200 and parts[0] == ROLE and b"".join(parts) == b"".join([ROLE, *after])
    assert not exchange.failed and exchange.ttft_s is not None


def test_after_the_heartbeat_a_failure_behind_a_role_is_an_event() -> None:
    answer, parts, exchange = fetch("/v1/chat/completions", [ROLE, WAIT, ERROR], 0.01)
    assert answer.status == 200 and parts[0] == ROLE and b"too long" in b"".join(parts[1:]) and exchange.failed
