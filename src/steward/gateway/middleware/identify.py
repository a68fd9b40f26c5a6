"""What the request asks for, and the pseudonyms of its subject and conversation."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from steward.core.errors import Refused
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.field_names import read_field_names
from steward.gateway.wire import COUNTS, decode_request, write_whole_numbers
from steward.gateway.wire_fields import Request

LARGE_BYTES: Final = 256 * 1024  # of a body that is read in a thread


def identify(subject_key: Callable[[str], bytes]) -> Middleware:
    """Decode the routing fields; name the subject and the conversation of the request.

    `subject_key` returns the key that pseudonyms of a tenant are made with.
    """

    def wrap(inner: Handler) -> Handler:
        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own for what is soon read
            if len(exchange.body) >= LARGE_BYTES:
                return handle_large(exchange)
            exchange.request, exchange.fields, exchange.body = read_request(exchange.endpoint, exchange.body)
            name_people(exchange, subject_key(exchange.tenant))
            return inner(exchange)

        async def handle_large(exchange: Exchange) -> Answer:
            """A while for the processor: others shall not wait for it."""
            read = asyncio.to_thread(read_request, exchange.endpoint, exchange.body)
            exchange.request, exchange.fields, exchange.body = await read
            name_people(exchange, subject_key(exchange.tenant))
            return await inner(exchange)

        return handle

    return wrap


def read_request(endpoint: str, body: bytes) -> tuple[Request, frozenset[str], bytes]:
    """The routing fields, the names of all fields, and the body: changed only where a count was written as 100.0.

    :raises Refused: 400
    """
    try:
        return decode_request(endpoint, body), read_field_names(body), body
    except Refused as error:
        if error.param not in COUNTS or error.code is not None:
            raise
        plain, names = write_whole_numbers(body), read_field_names(body)
        if plain is body:
            raise
        return decode_request(endpoint, plain), names, plain


def name_people(exchange: Exchange, key: bytes) -> None:
    """Note the pseudonyms of the subject and of the conversation, under the tenant's key."""
    headers, request = exchange.headers, exchange.request
    subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
    if subject:
        exchange.subject = pseudonym(key, exchange.project, subject)
    if conversation := headers.get("x-steward-conversation"):
        exchange.conversation = pseudonym(key, exchange.project, conversation)


def pseudonym(key: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under its tenant's key, so that none is kept; one project's differ from another's."""
    if not value:
        return None
    return hmac.new(key, f"{project}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]
