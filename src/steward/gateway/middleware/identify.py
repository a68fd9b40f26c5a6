"""What the request asks for, and the pseudonyms of its subject and conversation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable

from steward.core.extend import Offload
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import is_large, read_large_request
from steward.gateway.middleware.offload import HERE
from steward.gateway.request_reading import read_request


def identify(subject_key: Callable[[str], bytes], offload: Offload = HERE) -> Middleware:
    """Decode the routing fields; name the subject and the conversation of the request.

    `subject_key` returns the key that pseudonyms of a tenant are made with.
    """

    def wrap(inner: Handler) -> Handler:
        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own for what is soon read
            if is_large(exchange.body):
                return handle_large(exchange)
            exchange.request, exchange.fields, exchange.body = read_request(exchange.endpoint, exchange.body)
            name_people(exchange, subject_key)
            return inner(exchange)

        async def handle_large(exchange: Exchange) -> Answer:
            """A while for the processor: others shall not wait for it."""
            large = await offload.run(read_large_request, exchange.endpoint, exchange.body)
            exchange.request, exchange.fields, exchange.size = large.request, large.fields, large.size
            exchange.body = large.body or exchange.body
            name_people(exchange, subject_key)
            return await inner(exchange)

        return handle

    return wrap


def name_people(exchange: Exchange, subject_key: Callable[[str], bytes]) -> None:
    """Note the pseudonyms of the subject and of the conversation, under the tenant's key."""
    headers, request = exchange.headers, exchange.request
    subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
    if subject:
        exchange.subject = pseudonym(subject_key(exchange.tenant), exchange.project, subject)
    if conversation := headers.get("x-steward-conversation"):
        exchange.conversation = pseudonym(subject_key(exchange.tenant), exchange.project, conversation)


def pseudonym(key: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under its tenant's key, so that none is kept; one project's differ from another's."""
    return finish_pseudonym(begin_pseudonym(key, project), value) if value else None


def begin_pseudonym(key: bytes, project: str) -> hmac.HMAC:
    """What the pseudonyms of a project have in common, for whoever makes many."""
    return hmac.new(key, f"{project}\x00".encode(), hashlib.sha256)


def finish_pseudonym(begun: hmac.HMAC, value: str) -> str:
    """`begun` may be finished again with another value."""
    state = begun.copy()
    state.update(value.encode())
    return state.hexdigest()[:32]
