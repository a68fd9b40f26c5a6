"""Guards around the call: the texts of the request going in, of the answer coming out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from steward.core.errors import Refused
from steward.core.extend import Guard
from steward.gateway import dialects
from steward.gateway import guards as seam
from steward.gateway.exchange import Answer, Exchange, Handler, Wrapper
from steward.gateway.sse import Scanner


def guard(guards: Sequence[Guard]) -> Wrapper:
    """Show the guards the texts of the request and of the answer."""

    def wrap(inner: Handler) -> Handler:
        if not guards:
            return inner

        async def handle(exchange: Exchange) -> Answer:
            seam.guard_request(guards, exchange)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream = _guarding(guards, exchange, answer.stream)
            elif answer.status < 400:
                answer.body = seam.guard_answer(guards, exchange, answer.body)
            answer.headers.append((b"x-steward-guards", ", ".join(exchange.guards).encode()))
            return answer

        return handle

    return wrap


async def _guarding(guards: Sequence[Guard], exchange: Exchange, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    guarded = seam.GuardedStream(guards, exchange)
    splitter = Scanner()
    out: list[bytes] = []
    try:
        async for piece in stream:
            out.extend(guarded.feed(event) for event in splitter.feed(piece))  # what precedes a failure stays in
            if out:
                yield b"".join(out)
                out = []
        out.extend(guarded.feed(event) for event in splitter.end())
        seam.close(guards, exchange)
        out.append(b": x-steward-guards " + ", ".join(exchange.guards).encode() + b"\n\n")
    except Refused as error:
        exchange.failed = True
        out.append(dialects.of(exchange.endpoint).error_event(error, exchange.request_id))
    yield b"".join(out)
