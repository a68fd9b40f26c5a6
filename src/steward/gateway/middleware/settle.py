"""One admitted record before a request is dispatched, one settled after its answer ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from steward.core.errors import Exhausted, Refused
from steward.core.extend import Ledger
from steward.core.records import Admitted, Attempt, Outcome, Settled
from steward.gateway.answer import Answer, AnswerStream
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.models import ModelEntry
from steward.gateway.passthrough import list_units, measure_passthrough
from steward.gateway.pricing.prices import OWN_PRICE, Counts, price_request
from steward.gateway.usage import measure_usage

MAX_TRACEPARENT: Final = 128  # characters: 55 in version 00


def settle(ledger: Ledger, models: Mapping[str, ModelEntry]) -> Middleware:
    """One admitted record before, one settled after, on every path out."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            ledger.append(build_admitted(exchange))

            def end(outcome: Outcome, status: int) -> None:
                if exchange.settled is None:
                    exchange.settled = build_settled(exchange, outcome, status, models)
                    ledger.append(exchange.settled)

            try:
                answer = await inner(exchange)
            except Refused as error:
                end("timeout" if error.status == 504 else _failure(error), error.status)
                raise
            except asyncio.CancelledError:
                gone = exchange.client_closed  # else this process stops, and its drain limit has passed
                end("client_closed" if gone else "truncated", 499 if gone else 503)
                raise
            except Exhausted:
                end("refused", 503)
                raise
            except Exception:
                end("upstream_error", 500)
                raise
            if answer.stream is None:
                end(outcome_of_status(answer.status), answer.status)
            else:
                exchange.when_ended(answer, lambda: end(*read_ending(exchange, answer)))
            return answer

        return handle

    return wrap


def read_ending(exchange: Exchange, answer: Answer) -> tuple[Outcome, int]:
    """How an answer ended that has ended, and the status that the row says."""
    if answer.stream is None:
        return outcome_of_status(answer.status), answer.status
    outcome = stream_outcome(exchange, answer.stream)
    return outcome, 499 if outcome == "client_closed" else answer.status


def outcome_of_status(status: int) -> Outcome:
    """An upstream that refuses a request (4xx) has not failed."""
    return "ok" if status < 400 else "refused" if status < 500 else "upstream_error"


def _failure(error: Refused) -> Outcome:
    return "upstream_error" if error.status >= 500 else "refused"


def stream_outcome(exchange: Exchange, stream: AnswerStream) -> Outcome:
    """How a stream ended that has been closed."""
    if stream.broke:
        return "upstream_error"
    if stream.ended:
        return "upstream_error" if exchange.failed else "truncated" if exchange.truncated else "ok"
    return "truncated" if exchange.cut_off else "client_closed"


def build_admitted(exchange: Exchange) -> Admitted:
    """What was reserved: what the request is billed where this process dies before it is settled."""
    principal = exchange.caller.principal
    return Admitted(
        request_id=exchange.request_id,
        at=exchange.at,
        key_id=principal.account,
        tenant=principal.tenant,
        project=principal.project,
        endpoint=exchange.endpoint,
        route=exchange.route,
        streamed=exchange.streamed,
        team=principal.team,
        reserved_input_tokens=exchange.reserved_input or exchange.estimate_input(),
        reserved_output_tokens=exchange.reserved_output,
        reserved_usd=exchange.reserved_usd,
        subject=exchange.subject,
        conversation=exchange.conversation,
        prompt_version=exchange.prompt_version,
        route_version=exchange.route_version,
        release=None if exchange.release is None else exchange.release.id,
        arm=exchange.arm,
        arm_weight=None if exchange.release is None else exchange.release.weight,
    )


def build_settled(exchange: Exchange, outcome: Outcome, status: int, models: Mapping[str, ModelEntry]) -> Settled:
    """What the exchange used: the upstream's usage, else an estimate (one token an event of a stream)."""
    called = bool(exchange.attempts)
    entry = models.get(exchange.model or "")
    if exchange.passthrough is None:
        measured = measure_usage(exchange, outcome == "ok")
    else:
        measured = measure_passthrough(exchange.passthrough, None if entry is None else entry.prices)
    trace = exchange.headers.get("traceparent")
    version = entry.version if entry is not None and entry.version is not None else exchange.answered_by
    return Settled(
        request_id=exchange.request_id,
        at=time.time(),
        outcome=outcome,
        status=status,
        model=exchange.model,
        model_version=_clean_name(version),
        input_tokens=measured.counts.input,
        output_tokens=measured.counts.output,
        estimated=called and measured.estimated,
        usd=model_cost(entry, measured.counts, exchange.batch),
        units={} if exchange.passthrough is None else list_units(measured.counts),
        ttft_s=exchange.ttft_s,
        duration_s=time.perf_counter() - exchange.started,
        attempts=_list_attempts(exchange.attempts, models),
        guards=tuple(exchange.guards),
        upstream_id=_clean_name(exchange.upstream_id),
        masked=exchange.masked,
        ready_s=None if exchange.ready is None else exchange.ready - exchange.started,
        queued_s=exchange.queued_s,
        traceparent=None if trace is None else _bound_traceparent(trace),
        judged=exchange.judged,
        features=exchange.features,
    )


def _list_attempts(attempts: Sequence[Attempt], models: Mapping[str, ModelEntry]) -> tuple[Attempt, ...]:
    """What the failed ones cost stands with them; nearly always there are none."""
    if len(attempts) < 2:
        return tuple(attempts)
    return tuple(price_attempt(attempt, models) for attempt in attempts)


def price_attempt(attempt: Attempt, models: Mapping[str, ModelEntry]) -> Attempt:
    """With what a failed try cost, by its plain tokens, where its upstream told of them."""
    if not (attempt.input_tokens or attempt.output_tokens):
        return attempt
    counts = Counts(input=attempt.input_tokens, output=attempt.output_tokens)
    return msgspec.structs.replace(attempt, usd=model_cost(models.get(attempt.model), counts))


def _bound_traceparent(text: str) -> str | None:
    """What a client sent, if it may be one: the keeper reads it."""
    return text if len(text) <= MAX_TRACEPARENT and text.isascii() and text.isprintable() else None


def _clean_name(name: str | None) -> str | None:
    """An upstream's word as every store takes it: no NUL, no lone surrogate, at most 200 characters."""
    if name is None or (len(name) <= 200 and name.isprintable()):
        return name
    return "".join(letter for letter in name[:200] if letter.isprintable())


def model_cost(entry: ModelEntry | None, counts: Counts, batch: bool = False) -> float | None:
    """US dollars; None where the model has no price.

    A batch is sent request by request, which a provider bills in full: its list price stays as it is, and only the
    operator's own price knows a discount.
    """
    if entry is None or entry.prices is None:
        return None
    return price_request(counts, entry.prices, batch and entry.prices.source == OWN_PRICE)
