"""Keeps answers of `/v1/responses` for a while, and puts what a request refers to in its place.

Stands before limits and guards, so that these see the whole conversation, and keeps what the client got. An answer is
kept before the client learns that it has ended: its next request may come at once, and to another worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from steward.core.extend import Offload
from steward.gateway.answer import Answer, AnswerStream, EventFilter, TokenBudget
from steward.gateway.dialects import RESPONSES
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import is_large, read_large_request
from steward.gateway.middleware.offload import HERE
from steward.gateway.request_reading import read_request
from steward.gateway.stored_responses import (
    MOST_ANSWERS,
    KeptAnswer,
    OwnAnswer,
    References,
    StoredResponse,
    expand,
    find_references,
    make_stored,
    read_last_event,
    read_output,
)
from steward.gateway.wire import bad_request

log = logging.getLogger(__name__)

LONG_ANSWERS_BYTES: Final = 65_536  # of stored answers that are put in place here; more keep others waiting


class ResponseStore(Protocol):
    """Where answers lie. Each belongs to a tenant's project, and is found by no other."""

    def put(self, tenant: str, project: str, name: str, answer: StoredResponse, subject: str | None = None) -> None:
        """`subject`: the pseudonym of the person it is for. :raises OSError: it could not be written"""
        ...

    def find(self, tenant: str, project: str, names: frozenset[str]) -> Mapping[str, StoredResponse]:
        """Those that are there and not too old. :raises OSError: not readable"""
        ...


def keep_responses(store: ResponseStore, most_bytes: int, offload: Offload = HERE) -> Middleware:
    """`most_bytes`: of a request with all that it refers to."""

    def wrap(inner: Handler) -> Handler:
        def handle(exchange: Exchange) -> Awaitable[Answer]:
            return inner(exchange) if exchange.endpoint != RESPONSES else handle_response(exchange)

        async def handle_response(exchange: Exchange) -> Answer:
            large = is_large(exchange.body)
            references = await offload.run(find_references, exchange.body) if large else find_references(exchange.body)
            if not references.is_empty():
                await put_in_place(exchange, references, store, most_bytes, offload)
            if not references.wants_store:
                return await inner(exchange)
            exchange.kept = KeptAnswer(references.previous)
            keeper = _AnswerKeeper(store, exchange, offload)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream = KeptStream(answer.stream, keeper)
            elif answer.status == 200:
                await keeper.keep(read_output, answer.body)
            return answer

        return handle

    return wrap


async def put_in_place(
    exchange: Exchange, references: References, store: ResponseStore, most_bytes: int, offload: Offload
) -> None:
    """Write what the request refers to into its body, and read it again. :raises Refused: 400, 413"""
    if len(references.answers) > MOST_ANSWERS:
        count = len(references.answers)
        raise bad_request(f"'input' refers to {count:,} stored answers; at most {MOST_ANSWERS} are read.", "input")
    found = await asyncio.to_thread(store.find, exchange.tenant, exchange.project, references.answers)
    if not found:
        return
    size = sum(len(answer.output) + len(answer.input) for answer in found.values())
    if is_large(exchange.body) or size > LONG_ANSWERS_BYTES:
        exchange.body = await offload.run(expand, exchange.body, references, found, most_bytes)
    else:
        exchange.body = expand(exchange.body, references, found, most_bytes)
    if is_large(exchange.body):
        read = await offload.run(read_large_request, exchange.endpoint, exchange.body)
        exchange.request, exchange.fields, exchange.size = read.request, read.fields, read.size
        exchange.body = read.body or exchange.body
    else:
        exchange.request, exchange.fields, exchange.body = read_request(exchange.endpoint, exchange.body)


class _AnswerKeeper:
    """Keeps the answer of one exchange. An answer that cannot be kept is answered all the same."""

    def __init__(self, store: ResponseStore, exchange: Exchange, offload: Offload) -> None:
        self._store, self._offload = store, offload
        self._name = exchange.request_id.removeprefix("req_")
        self._asked, self._tenant, self._project = exchange.body, exchange.tenant, exchange.project
        self._subject = exchange.subject

    async def keep(self, read: Callable[[bytes, str], OwnAnswer | None], data: bytes) -> None:
        """`read` finds the answer in `data`, if its end is there."""
        name = f"resp_{self._name}"
        own = await self._offload.run(read, data, name) if is_large(data) else read(data, name)
        if own is None:
            return
        large = is_large(self._asked) or is_large(own.output)
        arguments = (self._asked, own, time.time())
        answer = await self._offload.run(make_stored, *arguments) if large else make_stored(*arguments)
        if answer is None:
            return
        try:
            await asyncio.to_thread(self._store.put, self._tenant, self._project, self._name, answer, self._subject)
        except OSError as error:
            log.error("req_%s: its answer is not kept: %s", self._name, error)


class KeptStream:
    """A stream whose last event waits until the answer is kept."""

    def __init__(self, stream: AnswerStream, keeper: _AnswerKeeper) -> None:
        self._stream, self._keeper = stream, keeper

    @property
    def filter(self) -> EventFilter | None:
        return self._stream.filter

    @filter.setter
    def filter(self, value: EventFilter | None) -> None:
        self._stream.filter = value

    @property
    def budget(self) -> TokenBudget | None:
        return self._stream.budget

    @budget.setter
    def budget(self, value: TokenBudget | None) -> None:
        self._stream.budget = value

    @property
    def ended(self) -> bool:
        return self._stream.ended

    @property
    def broke(self) -> bool:
        return self._stream.broke

    def __aiter__(self) -> KeptStream:
        return self

    async def __anext__(self) -> bytes:
        events = await self._stream.__anext__()
        if b"event: response." in events and (b".completed\n" in events or b".incomplete\n" in events):
            await self._keeper.keep(read_last_event, events)
        return events

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        """Nothing is passed on beside the iteration, which sees the last event."""
