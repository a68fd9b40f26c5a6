"""Guards around the call: the texts of the request going in, of the answer coming out."""

from __future__ import annotations

from collections.abc import Sequence

from steward.core.errors import Refused
from steward.core.extend import Guard
from steward.gateway import dialects
from steward.gateway import guards as seam
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.sse import Scanner


def guard(guards: Sequence[Guard]) -> Middleware:
    """Show the guards the texts of the request and of the answer."""

    def wrap(inner: Handler) -> Handler:
        if not guards:
            return inner

        async def handle(exchange: Exchange) -> Answer:
            seam.guard_request(guards, exchange)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream.filter = _GuardedEvents(guards, exchange)
            elif answer.status < 400:
                answer.body = seam.guard_answer(guards, exchange, answer.body)
            answer.headers.append((b"x-steward-guards", ", ".join(exchange.guards).encode()))
            return answer

        return handle

    return wrap


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
