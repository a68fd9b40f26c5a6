"""What the request asks for, and the pseudonyms of its subject and conversation."""

from __future__ import annotations

import hashlib
import hmac

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.wire import decode_request


def identify(pepper: bytes) -> Middleware:
    """Decode the routing fields; name the subject and the conversation of the request."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            exchange.request = decode_request(exchange.endpoint, exchange.body)
            headers, request = exchange.headers, exchange.request
            subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
            exchange.subject = pseudonym(pepper, exchange.project, subject)
            exchange.conversation = pseudonym(pepper, exchange.project, headers.get("x-steward-conversation"))
            return await inner(exchange)

        return handle

    return wrap


def pseudonym(pepper: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under the home's pepper, so that none is kept; one project's differ from another's."""
    if not value:
        return None
    return hmac.new(pepper, f"{project}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]
