"""One request and its answer, as the middleware passes it along.

When an answer has ended, each middleware that holds something for it does its part: `when_ended` takes what to do. The
endings run from the inside out, in the reverse of the order in which `compose_generation` lists the middleware:

    call    lets the upstream go and marks a broken attempt
    route   tells the model's health how the stream ended
    settle  writes the ledger's row
    queue   gives the place to the next request
    admit   settles the reservation with the row, and learns the answer's length
    worker  leaves the generation of the configuration

So each may use what those inside it have written, as if all of them stood in nested `finally` blocks.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from steward.core.features import RequestFeatures
from steward.core.identity import NOBODY, Caller
from steward.core.records import Arm, Attempt, Decision, Settled
from steward.gateway.answer import Answer
from steward.gateway.passthrough import PassthroughRequest
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, ServedRelease
from steward.gateway.stored_responses import KeptAnswer
from steward.gateway.wire import COMMON_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS
from steward.gateway.wire_fields import Request, RequestSize, TokenUsage

EVENT_FRAME_BYTES: Final = 1024  # of an event without its text: 150 to 400 in the three dialects


class Exchange:
    """What is known of a request; the middleware named in each part fills it in. Content is only in `body`."""

    __slots__ = (
        "__weakref__",  # guards remember an exchange as long as it lives
        "_endings",
        "_input_estimate",
        "answered_by",
        "arm",
        "asked_usage",
        "at",
        "attempts",
        "batch",
        "begin_by",
        "body",
        "caller",
        "client_closed",
        "conversation",
        "cut_off",
        "decision",
        "declared_maximum",
        "embedding",
        "endpoint",
        "enforced_maximum",
        "event_bytes",
        "events",
        "failed",
        "features",
        "fields",
        "guards",
        "headers",
        "judged",
        "kept",
        "masked",
        "model",
        "passthrough",
        "prompt",
        "prompt_version",
        "queued_s",
        "ready",
        "reckoned",
        "release",
        "request",
        "request_id",
        "reserved_input",
        "reserved_output",
        "reserved_usd",
        "route",
        "route_version",
        "sampled",
        "settled",
        "shortened",
        "shortest_event",
        "size",
        "started",
        "subject",
        "truncated",
        "ttft_s",
        "unprompted",
        "upstream_id",
        "usage",
    )

    release: ServedRelease | None  # that the route is in, and the arm that was drawn: by assign
    arm: Arm | None
    unprompted: bytes | None  # the body of such a request before the prompt was put in
    judged: float | None  # what a judge of the release said
    reckoned: bool  # a part of its usage is by the length of texts
    embedding: tuple[float, ...] | None  # by embed_prompts, where note_features has chosen (`sampled`) this exchange

    def __init__(
        self,
        request_id: str,
        endpoint: str,
        headers: Mapping[str, str],
        body: bytes,
        at: float,
        started: float,
        caller: Caller = NOBODY,
    ) -> None:
        self.request_id, self.endpoint = request_id, endpoint
        self.headers, self.body = headers, body
        self.at, self.started = at, started  # seconds since the epoch; monotonic seconds
        self.begin_by, self.client_closed = math.inf, False  # monotonic seconds: by then its stream has an event
        self.caller = caller
        self.batch = False  # it belongs to a batch, which has a price of its own
        self.cut_off = False  # by us: it ran past its budget, or the gateway stops
        self._endings: list[Callable[[], None]] = []
        self.route_version = 0  # by the worker
        # identify
        self.request: Request = Request(model="")
        self.size: RequestSize | None = None  # of a large request, whose texts are in `body` only
        self.fields: frozenset[str] = frozenset()  # names of the body's top-level fields
        self.subject: str | None = None
        self.conversation: str | None = None
        self.passthrough: PassthroughRequest | None = None  # of the endpoints whose bodies pass as they are
        self.release = self.arm = self.unprompted = self.judged = self.embedding = None
        # keep, choose_prompt
        self.kept: KeptAnswer | None = None
        self.prompt: Prompt | None = None
        self.prompt_version: str | None = None
        # admit
        self.route = ""
        self.decision: Decision | None = None
        self.reserved_input, self.reserved_output = 0, COMMON_OUTPUT_TOKENS
        self.reserved_usd: float | None = None
        self.declared_maximum: int | None = None  # tokens of all answers, by the endpoint's own fields
        self.enforced_maximum: int | None = None  # tokens of one answer, where the request declares none
        self.settled: Settled | None = None  # by settle
        # queue
        self.ready: float | None = None  # monotonic seconds: it has a place
        self.queued_s = 0.0
        # guard: the receipt, and how many values were replaced, by kind
        self.guards: list[str] = []
        self.masked: dict[str, int] = {}
        # route and call
        self.model: str | None = None
        self.attempts: list[Attempt] = []
        self.ttft_s: float | None = None
        self.asked_usage = False
        # the relay, from what the upstream sends
        self.usage: TokenUsage | None = None
        self.upstream_id: str | None = None
        self.answered_by: str | None = None  # the model's name and fingerprint as the upstream spells them
        self.events = self.event_bytes = 0
        self.shortest_event = EVENT_FRAME_BYTES
        self._input_estimate: int | None = None
        self.failed = self.truncated = self.reckoned = self.sampled = False
        self.features: RequestFeatures | None = None  # by note_features, of a sampled one
        self.shortened = False  # the answer ended at a maximum, not by itself

    def when_ended(self, answer: Answer, finish: Callable[[], None]) -> None:
        """Call `finish` once, when `answer` has ended, however it ends: a whole one has now, a stream will."""
        if answer.stream is None:
            finish()
        else:
            self._endings.append(finish)

    def end(self) -> None:
        """Run the endings, the innermost first; one that fails does not keep the others from running."""
        if self._endings:
            try:
                self._endings.pop(0)()
            finally:
                self.end()

    def find_route(self, routes: Mapping[str, Route]) -> Route:
        """The route that was asked for, as it is for the arm that was drawn."""
        if self.arm == "candidate" and self.release is not None:
            return self.release.candidate
        return routes[self.route]

    def estimate_input(self) -> int:
        """Tokens of the request and of the route's prompt: 4 bytes of text each, other media by their kind."""
        if self._input_estimate is None:
            prompt = self.prompt.content_bytes() if self.prompt is not None else 0
            size = self.size or self.request.size()
            self._input_estimate = -(-(size.text_bytes + prompt) // 4) + size.media_tokens
        return self._input_estimate

    def count_event(self, size: int, lacking: int = 0) -> None:
        """Note a relayed event of `size` bytes that carries output; `lacking`: fewer than with a token of text."""
        self.events += 1
        self.event_bytes += size
        if size + lacking < self.shortest_event:
            self.shortest_event = size + lacking

    def estimate_output(self) -> int:
        """Tokens of the answer: one for each event of a stream, and a further one for every 4 bytes by which events are
        longer than the shortest, or than any event needs around its text.
        """
        around = min(self.shortest_event, EVENT_FRAME_BYTES)
        return self.events + max(0, self.event_bytes - self.events * around) // 4

    def reserved_output_limit(self) -> int:
        """What an answer cannot pass that ended by itself: the maximum that was declared or enforced."""
        return self.declared_maximum or self.enforced_maximum or MAX_OUTPUT_TOKENS

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    @property
    def key_id(self) -> str:
        """The key that asks; empty where none does."""
        principal = self.caller.principal
        return principal.id if principal.kind == "key" else ""

    @property
    def tenant(self) -> str:
        return self.caller.principal.tenant

    @property
    def project(self) -> str:
        return self.caller.principal.project


Handler = Callable[[Exchange], Awaitable[Answer]]
Middleware = Callable[[Handler], Handler]
