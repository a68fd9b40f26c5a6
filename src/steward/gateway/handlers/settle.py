"""One admitted record before a request is dispatched, one settled after its answer ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

from steward.core.errors import Refused
from steward.core.extend import Ledger
from steward.core.records import Admitted, Outcome, Settled
from steward.gateway.exchange import Answer, Exchange, Handler, ModelEntry, Wrapper
from steward.gateway.wire import COMMON_OUTPUT_TOKENS


def settle(ledger: Ledger, models: Mapping[str, ModelEntry]) -> Wrapper:
    """One admitted record before, one settled after, on every path out."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            ledger.append(admitted(exchange))
            try:
                answer = await inner(exchange)
            except Refused as error:
                ledger.append(
                    settled(exchange, "timeout" if error.status == 504 else _failure(error), error.status, models)
                )
                raise
            except asyncio.CancelledError:
                exchange.client_closed = True
                ledger.append(settled(exchange, "client_closed", 499, models))
                raise
            except Exception:
                ledger.append(settled(exchange, "upstream_error", 500, models))
                raise
            if answer.stream is None:
                ledger.append(settled(exchange, whole_outcome(answer.status), answer.status, models))
            else:
                answer.stream = _settling(exchange, answer, answer.stream, ledger, models)
            return answer

        return handle

    return wrap


def whole_outcome(status: int) -> Outcome:
    """An upstream that refuses a request (4xx) has not failed."""
    return "ok" if status < 400 else "refused" if status < 500 else "upstream_error"


def _failure(error: Refused) -> Outcome:
    return "upstream_error" if error.status >= 500 else "refused"


async def _settling(
    exchange: Exchange, answer: Answer, stream: AsyncIterator[bytes], ledger: Ledger, models: Mapping[str, ModelEntry]
) -> AsyncIterator[bytes]:
    outcome: Outcome | None = None  # none yet: the client left
    try:
        async for events in stream:
            yield events
        outcome = "upstream_error" if exchange.failed else "truncated" if exchange.truncated else "ok"
    finally:
        status = 499 if outcome is None else answer.status
        ledger.append(settled(exchange, outcome or "client_closed", status, models))


def admitted(exchange: Exchange) -> Admitted:
    """The reservation: input estimated at 4 bytes a token, output as declared or `COMMON_OUTPUT_TOKENS`."""
    assert exchange.key is not None
    declared = exchange.request.output_limit()
    output = 0 if exchange.endpoint == "/v1/embeddings" else COMMON_OUTPUT_TOKENS if declared is None else declared
    return Admitted(
        request_id=exchange.request_id,
        at=exchange.at,
        key_id=exchange.key.id,
        project=exchange.project,
        endpoint=exchange.endpoint,
        route=exchange.route,
        streamed=exchange.streamed,
        reserved_input_tokens=estimate_input(exchange),
        reserved_output_tokens=output,
        subject=exchange.subject,
        conversation=exchange.conversation,
        prompt_version=exchange.prompt_version,
        route_version=exchange.route_version,
    )


def estimate_input(exchange: Exchange) -> int:
    prompt = exchange.prompt.content_bytes() if exchange.prompt is not None else 0
    return -(-(exchange.request.content_bytes() + prompt) // 4)


def settled(exchange: Exchange, outcome: Outcome, status: int, models: Mapping[str, ModelEntry]) -> Settled:
    """What the exchange used: the upstream's usage, else an estimate (one token an event of a stream)."""
    usage = exchange.usage
    called = bool(exchange.attempts)
    if usage is not None:
        tokens = (usage.prompt_tokens or 0, usage.completion_tokens or 0)
    else:
        tokens = (estimate_input(exchange), exchange.events) if exchange.events else (0, 0)
    entry = models.get(exchange.model or "")
    return Settled(
        request_id=exchange.request_id,
        at=time.time(),
        outcome=outcome,
        status=status,
        model=exchange.model,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        estimated=called and usage is None,
        usd=cost(entry, *tokens),
        ttft_s=exchange.ttft_s,
        duration_s=time.perf_counter() - exchange.started,
        attempts=tuple(exchange.attempts),
        guards=tuple(exchange.guards),
        upstream_id=exchange.upstream_id,
    )


def cost(entry: ModelEntry | None, input_tokens: int, output_tokens: int) -> float | None:
    """US dollars; None where the model has no price."""
    if entry is None or entry.input_price is None or entry.output_price is None:
        return None
    return (input_tokens * entry.input_price + output_tokens * entry.output_price) / 1e6
