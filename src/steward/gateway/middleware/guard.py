"""Guards around the call: the texts of the request going in, of the answer coming out."""

from __future__ import annotations

from collections.abc import Sequence

from steward.core.errors import Refused
from steward.core.extend import Guard, Offload
from steward.gateway import dialects
from steward.gateway import guards as seam
from steward.gateway.answer import Answer, join_filters
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import (
    GUARDED_BYTES,
    MANY_BYTES,
    describe_guarded,
    guard_large_answer,
    guard_large_request,
    list_portable,
)
from steward.gateway.middleware.offload import HERE
from steward.gateway.pictures import UNREAD, ReadPicture, guard_pictures
from steward.gateway.sse import Scanner


def guard(
    guards: Sequence[Guard],
    offload: Offload = HERE,
    blocks_unread: bool = False,
    read_picture: ReadPicture | None = None,
) -> Middleware:
    """Show the guards the texts of the request and of the answer; `blocks_unread`: refuse what they cannot read;
    `read_picture`: show them what pictures say, and refuse the rest.
    """
    whole = _WholeBodies(guards, offload)

    def wrap(inner: Handler) -> Handler:
        if not guards:
            return inner

        async def handle(exchange: Exchange) -> Answer:
            seam.refuse_stream(guards, exchange)
            await whole.guard_request(exchange)
            if blocks_unread:
                seam.refuse_unread(exchange)
            if read_picture is not None and any(word.startswith(UNREAD) for word in exchange.guards):
                await offload.run_beside(guard_pictures, guards, exchange, read_picture)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream.filter = join_filters(answer.stream.filter, _GuardedEvents(guards, exchange))
            elif answer.status < 400:
                answer.body = await whole.guard_answer(exchange, answer.body)
            answer.headers.append((b"x-steward-guards", ", ".join(exchange.guards).encode()))
            return answer

        return handle

    return wrap


class _WholeBodies:
    """Requests and whole answers: small ones here, longer ones in a thread that gives way, large ones elsewhere."""

    def __init__(self, guards: Sequence[Guard], offload: Offload) -> None:
        self._guards, self._offload = guards, offload
        self._portable = list_portable(guards)
        self._waits = seam.wait_for_others(guards)

    async def guard_request(self, exchange: Exchange) -> None:
        body, guards = exchange.body, self._portable
        if len(body) < GUARDED_BYTES and not self._waits:
            seam.guard_request(self._guards, exchange)
        elif guards is None or len(body) < MANY_BYTES:
            await self._offload.run_beside(seam.guard_request, self._guards, exchange)
        else:
            guarded = await self._offload.run(guard_large_request, guards, describe_guarded(exchange), body)
            exchange.guards += guarded.receipt
            seam.count_masked(exchange, guarded.masked)
            if guarded.refused is not None:
                raise guarded.refused
            exchange.body = guarded.body
            for portable, memory in zip(guards, guarded.memories, strict=True):
                portable.remember(exchange, memory)

    async def guard_answer(self, exchange: Exchange, body: bytes) -> bytes:
        guards = self._portable
        if len(body) < GUARDED_BYTES and not self._waits:
            return seam.guard_answer(self._guards, exchange, body)
        if guards is None or len(body) < MANY_BYTES:
            return await self._offload.run_beside(seam.guard_answer, self._guards, exchange, body)
        memories = [portable.recall(exchange) for portable in guards]
        guarded = await self._offload.run(guard_large_answer, guards, memories, describe_guarded(exchange), body)
        exchange.guards += guarded.receipt
        if guarded.refused is not None:
            raise guarded.refused
        return guarded.body


class _GuardedEvents:
    """A stream's events after all guards; a comment at its end names those that ran."""

    def __init__(self, guards: Sequence[Guard], exchange: Exchange) -> None:
        self._guards, self._exchange = guards, exchange
        self._stream = seam.GuardedStream(guards, exchange)
        self._splitter = Scanner()
        self.over = False

    def feed(self, events: bytes) -> bytes:
        return self._check_events(self._splitter.feed(events))

    def end(self) -> bytes:
        return self._check_events(self._splitter.end(), last=True)

    def _check_events(self, events: list[bytes], last: bool = False) -> bytes:
        out: list[bytes] = []
        try:
            out.extend(self._stream.feed(event) for event in events)  # what precedes a failure stays in
            if last:
                seam.close(self._guards, self._exchange)
                out.append(b": x-steward-guards " + ", ".join(self._exchange.guards).encode() + b"\n\n")
        except Refused as error:
            self.over = self._exchange.failed = True
            out.append(dialects.find_dialect(self._exchange.endpoint).error_event(error, self._exchange.request_id))
        return b"".join(out)
