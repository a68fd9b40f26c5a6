"""What the request asks for, and the pseudonyms of its subject and conversation."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.field_names import read_field_names
from steward.gateway.wire import Request, decode_request

LARGE_BYTES: Final = 256 * 1024  # of a body that is read in a thread


def identify(subject_key: Callable[[str], bytes]) -> Middleware:
    """Decode the routing fields; name the subject and the conversation of the request.

    `subject_key` returns the key that pseudonyms of a tenant are made with.
    """

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            if len(exchange.body) < LARGE_BYTES:
                exchange.request, exchange.fields = _read(exchange.endpoint, exchange.body)
            else:  # a while for the processor: others shall not wait for it
                read = asyncio.to_thread(_read, exchange.endpoint, exchange.body)
                exchange.request, exchange.fields = await read
            name_people(exchange, subject_key(exchange.tenant))
            return await inner(exchange)

        return handle

    return wrap


def _read(endpoint: str, body: bytes) -> tuple[Request, frozenset[str]]:
    return decode_request(endpoint, body), read_field_names(body)


def name_people(exchange: Exchange, key: bytes) -> None:
    """Note the pseudonyms of the subject and of the conversation, under the tenant's key."""
    headers, request = exchange.headers, exchange.request
    subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
    exchange.subject = pseudonym(key, exchange.project, subject)
    exchange.conversation = pseudonym(key, exchange.project, headers.get("x-steward-conversation"))


def pseudonym(key: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under its tenant's key, so that none is kept; one project's differ from another's."""
    if not value:
        return None
    return hmac.new(key, f"{project}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]
