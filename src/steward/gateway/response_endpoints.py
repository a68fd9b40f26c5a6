"""The endpoints for stored answers: read one, what it was asked, delete it.

Decides how a stored answer reads as OpenAI's API shows it, and which page of its input a query means. What there is
none of is 404, whoever it belongs to. Shapes: OpenAI API reference, "Get a model response", "Delete a model response"
and "List input items".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from steward.core.endpoint import Endpoint
from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.identity import Caller
from steward.gateway.batch_endpoints import declare_project_endpoint, read_query, reply
from steward.gateway.http import HttpRequest
from steward.gateway.stored_responses import StoredResponse, answer_of
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

PATH: Final = "/v1/responses/{response...}"
MOST_ITEMS: Final = 100  # of one page, as OpenAI's API
COMMON_ITEMS: Final = 20
_ENDPOINT: Final = "/v1/responses/"


class ResponseApi(Protocol):
    """What the endpoints are answered with; every method may wait for the disk."""

    def find(self, caller: Caller, name: str) -> StoredResponse:
        """:raises Refused: 404"""
        ...

    def delete(self, caller: Caller, name: str) -> None:
        """:raises Refused: 404"""
        ...


def build_response_endpoints(
    responses: Callable[[], ResponseApi],
) -> tuple[Endpoint[Callable[[HttpRequest], Awaitable[None]]], ...]:
    """Rows of the gateway's table. What is shown was guarded and recorded when it was made."""

    async def show(request: HttpRequest) -> None:
        name, slash, what = request.rest.partition("/")
        if slash and what != "input_items":
            raise no_endpoint(request.rest)
        query = read_query(request)
        if not slash and query.get("stream") == "true":
            raise bad_request("A stored response is not streamed again; leave 'stream' out.", "stream")
        stored = await asyncio.to_thread(responses().find, request.caller, name)
        await reply(request, list_input_items(name, stored, query) if slash else show_response(stored))

    async def delete(request: HttpRequest) -> None:
        await asyncio.to_thread(responses().delete, request.caller, request.rest)
        await reply(request, msgspec.json.encode({"id": request.rest, "object": "response", "deleted": True}))

    async def refuse(request: HttpRequest) -> None:
        raise no_endpoint(request.rest)

    return (
        declare_project_endpoint("GET", PATH, show),
        declare_project_endpoint("DELETE", PATH, delete),
        declare_project_endpoint("POST", PATH, refuse),
    )


def show_response(stored: StoredResponse) -> bytes:
    """The answer as its client got it."""
    answer = msgspec.json.decode(stored.rest, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**answer, "output": msgspec.Raw(stored.output)})


def list_input_items(name: str, stored: StoredResponse, query: Mapping[str, str]) -> bytes:
    """A page of what the answer was asked, the latest first unless the query says `order=asc`.

    :raises Refused: 400, a query that means no page; 404, the input was too long to keep
    """
    if not stored.input:
        raise _not_found(f"What '{cut_text(name)}' was asked was too long to keep.")
    order, limit, after = query.get("order", "desc"), query.get("limit", str(COMMON_ITEMS)), query.get("after")
    if order not in ("asc", "desc"):
        raise bad_request(f"'order' must be asc or desc, not '{cut_text(order)}'.", "order", "invalid_value")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST_ITEMS):
        message = f"'limit' must be a whole number from 1 to {MOST_ITEMS}, not '{cut_text(limit)}'."
        raise bad_request(message, "limit", "invalid_value")
    items = [_complete(item, answer_of(name), n) for n, item in enumerate(msgspec.json.decode(stored.input))]
    items = items if order == "asc" else items[::-1]
    ids = [item.get("id") for item in items]
    if after is not None and after not in ids:
        message = f"'after' names '{cut_text(after)}', which is none of the items."
        raise bad_request(message, "after", "invalid_value")
    start = 0 if after is None else ids.index(after) + 1
    page = items[start : start + int(limit)]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    more = start + len(page) < len(items)
    return msgspec.json.encode({"object": "list", "data": page, **ends, "has_more": more})


def _complete(item: Any, answer: str | None, number: int) -> Json:
    """An item with the fields that clients expect and its sender may have left out."""
    known: Json = dict(item) if isinstance(item, dict) else {}
    known.setdefault("type", "message")
    known.setdefault("id", f"item_{answer}{number}")
    if known["type"] == "message" and isinstance(known.get("content"), str):
        kind = "output_text" if known.get("role") == "assistant" else "input_text"
        part: Json = {"type": kind, "text": known["content"]}
        known["content"] = [{**part, "annotations": []} if kind == "output_text" else part]
    return known


def no_endpoint(rest: str) -> Refused:
    """404 for what OpenAI's API may have below a response, and the gateway has not."""
    name, _, what = rest.partition("/")
    if what == "cancel":
        return _not_found(f"'{cut_text(name)}' did not run in the background; to stop an answer, close its connection.")
    return _not_found(
        f"No endpoint at {_ENDPOINT}{cut_text(rest)}. Stored responses have GET and DELETE {_ENDPOINT}ID and "
        f"GET {_ENDPOINT}ID/input_items."
    )


def not_stored(name: str, keeps: bool) -> Refused:
    """404 for an answer that is not there, with the reason."""
    if not keeps:
        return _not_found(
            "This gateway keeps no responses. The operator sets gateway.responses_store.keep_s in steward.yaml to keep "
            "them for a while."
        )
    if answer_of(name) is None or not name.startswith("resp_"):
        return _not_found(f"'{cut_text(name)}' is no response of this gateway; ask the server that made it.")
    return _not_found(
        f"Response with id '{name}' not found: it was deleted, is older than gateway.responses_store.keep_s, was made "
        "with 'store': false, or belongs to another project."
    )


def _not_found(message: str) -> Refused:
    return Refused(message, status=404, type="invalid_request_error", code="response_not_found")
