"""Who is asking: the key, and the pseudonyms of subject and conversation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

from steward.core.errors import Refused
from steward.core.keys import KeyRecord
from steward.gateway.exchange import Answer, Exchange, Handler, Middleware
from steward.gateway.wire import decode_request


def authenticate(find_key: Callable[[str], KeyRecord | None], pepper: bytes) -> Middleware:
    """Refuse requests without a valid key; name the tenant, subject and conversation of the others."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            if exchange.key is None:
                exchange.key = key_of(find_key, exchange.headers)
            exchange.request = decode_request(exchange.endpoint, exchange.body)
            headers, request = exchange.headers, exchange.request
            subject = headers.get("x-steward-subject") or request.safety_identifier or request.user
            exchange.subject = pseudonym(pepper, exchange.project, subject)
            exchange.conversation = pseudonym(pepper, exchange.project, headers.get("x-steward-conversation"))
            return await inner(exchange)

        return handle

    return wrap


def key_of(find_key: Callable[[str], KeyRecord | None], headers: Mapping[str, str]) -> KeyRecord:
    """The key of a request, from `Authorization: Bearer` or `x-api-key`.

    :raises Refused: 401; the message never repeats the key
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    given = text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    record = find_key(given) if given else None
    if record is None:
        message = (
            "Incorrect API key provided: the key is malformed, unknown or revoked."
            if given
            else "You didn't provide an API key. Send one as 'Authorization: Bearer stw_…'."
        )
        raise Refused(message, status=401, type="invalid_request_error", code="invalid_api_key")
    return record


def pseudonym(pepper: bytes, project: str, value: str | None) -> str | None:
    """HMAC of an identifier under the home's pepper, so that none is kept; one project's differ from another's."""
    if not value:
        return None
    return hmac.new(pepper, f"{project}\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]
