"""One request and its answer, as the handlers pass it along."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.extend import Engine
from steward.core.keys import KeyRecord
from steward.core.records import Attempt, Decision, Settled
from steward.gateway.prompts import Prompt
from steward.gateway.wire import COMMON_OUTPUT_TOKENS, Request, TokenUsage

if TYPE_CHECKING:
    from steward.gateway.stream import Stream

OPENAI_ENDPOINTS: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})


class ModelEntry(msgspec.Struct, frozen=True):
    """A model that can be called: its engine, the name it has there, its price in USD per million tokens."""

    name: str
    engine: Engine
    upstream_model: str
    input_price: float | None = None
    output_price: float | None = None
    endpoints: frozenset[str] = OPENAI_ENDPOINTS  # those that its engine answers itself


class Exchange:
    """What is known of a request; handlers fill it in. Content is only in `body`."""

    __slots__ = (
        "__weakref__",  # guards remember an exchange as long as it lives
        "asked_usage",
        "at",
        "at_end",
        "attempts",
        "body",
        "client_closed",
        "conversation",
        "cut_off",
        "decision",
        "endpoint",
        "events",
        "failed",
        "guards",
        "headers",
        "key",
        "model",
        "prompt",
        "prompt_version",
        "request",
        "request_id",
        "reserved_input",
        "reserved_output",
        "reserved_usd",
        "route",
        "route_version",
        "settled",
        "started",
        "subject",
        "truncated",
        "ttft_s",
        "upstream_id",
        "usage",
    )

    def __init__(
        self, request_id: str, endpoint: str, headers: Mapping[str, str], body: bytes, at: float, started: float
    ) -> None:
        self.request_id = request_id
        self.endpoint = endpoint
        self.headers = headers
        self.body = body
        self.at = at  # seconds since the epoch
        self.started = started  # monotonic seconds
        self.request: Request = Request(model="")
        self.key: KeyRecord | None = None
        self.decision: Decision | None = None
        self.reserved_input = 0
        self.reserved_output = COMMON_OUTPUT_TOKENS
        self.reserved_usd: float | None = None
        self.settled: Settled | None = None
        self.route = ""
        self.route_version = 0
        self.prompt: Prompt | None = None
        self.prompt_version: str | None = None
        self.model: str | None = None
        self.subject: str | None = None
        self.conversation: str | None = None
        self.attempts: list[Attempt] = []
        self.guards: list[str] = []
        self.usage: TokenUsage | None = None
        self.upstream_id: str | None = None
        self.events = 0
        self.ttft_s: float | None = None
        self.asked_usage = False
        self.failed = False
        self.truncated = False
        self.client_closed = False
        self.cut_off = False  # by us: it ran past its budget
        self.at_end: list[Callable[[], None]] = []  # called once, when the answer has ended, however it ended

    def end(self) -> None:
        while self.at_end:
            self.at_end.pop()()

    def estimate_input(self) -> int:
        """Tokens of the request and of the route's prompt, at 4 bytes each."""
        prompt = self.prompt.content_bytes() if self.prompt is not None else 0
        return -(-(self.request.content_bytes() + prompt) // 4)

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    @property
    def project(self) -> str:
        return self.key.project if self.key else ""


class Answer:
    """Status, headers and either a whole body or a stream of whole events."""

    __slots__ = ("body", "content_type", "headers", "status", "stream")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        stream: Stream | None = None,
        content_type: bytes = b"application/json",
    ) -> None:
        self.status = status
        self.body = body
        self.stream = stream
        self.content_type = content_type
        self.headers: list[tuple[bytes, bytes]] = []


Handler = Callable[[Exchange], Awaitable[Answer]]
Middleware = Callable[[Handler], Handler]
