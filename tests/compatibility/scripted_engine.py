"""Engines that answer by a function, and a route over them, for tests that need no process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.health import HealthTracker
from steward.gateway.health_plan import HealthPlan
from steward.gateway.middleware import call, route
from steward.gateway.models import OPENAI_ENDPOINTS, ModelEntry
from steward.gateway.request_reading import read_request
from steward.gateway.route_records import Route
from steward.gateway.routing import build_routes

Reply = tuple[int, Any]  # status, and JSON, text or the pieces of a stream
Rule = Callable[[dict[str, Any]], Reply]
CALLER = Caller(principal=Principal(kind="key", id="key_1"))


class ScriptedAnswer:
    """An engine's answer that has arrived."""

    def __init__(self, status: int, content: Any) -> None:
        self.status = status
        streams = isinstance(content, list) and all(isinstance(piece, bytes) for piece in content)
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream" if streams else "application/json"}
        self._pieces = (
            list(content) if streams else [content if isinstance(content, bytes) else json.dumps(content).encode()]
        )

    async def read_piece(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def read(self) -> bytes:
        return b"".join(self._pieces)

    def take_arrived(self) -> bytes | None:
        return self._pieces.pop(0) if self._pieces else b""

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        while take is not None and take(self.take_arrived() or b""):
            pass

    def finish(self) -> None: ...

    def close(self) -> None: ...


class ScriptedEngine:
    """Answers by `rule`, and remembers what it was asked."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.headers: dict[str, str] = {}  # of every answer, beside its content type
        self.asked: list[dict[str, Any]] = []
        self.endpoints: list[str] = []

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> ScriptedAnswer:
        self.endpoints.append(endpoint)
        self.asked.append(json.loads(body))
        answer = ScriptedAnswer(*self.rule(self.asked[-1]))
        answer.headers = {**answer.headers, **self.headers}
        return answer

    async def alive(self) -> bool:
        return True

    async def close(self) -> None: ...


class Now:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Gate:
    """A route over scripted engines, and the exchange of the last request."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        routed: Route | None = None,
        endpoints: frozenset[str] = OPENAI_ENDPOINTS,
        embedded: bool = False,
        heartbeat_s: float = 30.0,
    ) -> None:
        self.engines = {name: ScriptedEngine(rule) for name, rule in rules.items()}
        self.entries = {
            name: ModelEntry(name, engine, name, endpoints=endpoints, embedded=embedded)
            for name, engine in self.engines.items()
        }
        self.clock = Now()
        routes = build_routes([routed] if routed else [], list(rules))
        self.health = HealthTracker(HealthPlan(), self.entries)
        chosen = route(routes, self.health, 30.0, self.entries, draw=lambda: 0.0)
        self.handler: Handler = chosen(call(self.entries, heartbeat_s, self.clock))

    def ask(
        self,
        body: Mapping[str, Any],
        endpoint: str = "/v1/chat/completions",
        headers: Mapping[str, str] | None = None,
        subject: str | None = None,
    ) -> tuple[int, bytes, Answer]:
        """Status, whole content and the answer."""
        return asyncio.run(self._ask(json.dumps(body).encode(), endpoint, headers or {}, subject))

    async def _ask(
        self, body: bytes, endpoint: str, headers: Mapping[str, str], subject: str | None
    ) -> tuple[int, bytes, Answer]:
        started = asyncio.get_running_loop().time()
        exchange = self.exchange = Exchange("req_1", endpoint, headers, body, 0.0, started, CALLER)
        exchange.subject = subject
        exchange.request, exchange.fields, exchange.body = read_request(endpoint, body)
        exchange.route = exchange.request.model
        answer = await self.handler(exchange)
        content = answer.body
        if answer.stream is not None:
            content = b"".join([events async for events in answer.stream])
        exchange.end()
        return answer.status, content, answer


def whole(text: str = "Yes.", **more: Any) -> dict[str, Any]:
    """A chat completion."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "up", "choices": [choice], **more}


def streamed(*texts: str) -> list[bytes]:
    """The pieces of a chat completion's stream."""
    made: list[Any] = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    made.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [c]} for c in made]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
