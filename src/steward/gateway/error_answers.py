"""What a client is told of an upstream's error: as it is where the client knows its shape, else in its dialect.

Decides whose mistake an error was. A key that the upstream rejects is the gateway's, so the client gets 502, not 401.
A request that is too long for a model is told with both numbers, in the words by which each dialect's clients know it.
"""

from __future__ import annotations

import re
from typing import Final

from steward.core.errors import Refused
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing
from steward.gateway.upstream_errors import (
    classify_error,
    find_client_status,
    find_error_instead,
    is_error_object,
    read_upstream_error,
)
from steward.gateway.wire import bad_request, upstream_error

TOO_LONG: Final = re.compile(  # llama.cpp: tokens of the request, and of the context
    rb"(?:request|input) \((\d+) tokens\) "
    rb"(?:exceeds the available context size \(|is too large.{0,200}?batch size: )(\d+)"
)
_ENGINE_FAILED: Final = re.compile(rb'"code"\s*:\s*500\b')
OF_THE_REQUEST: Final = ("context", "content_filter", "unsupported")  # classes that say nothing of the server
_SERVER_TYPES: Final = ("server_error", "api_error", "InternalServerError", "internal_server_error", "internal_error")
_INPUTS: Final = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}


def convert_error(exchange: Exchange, outgoing: Outgoing, status: int, body: bytes, passes: bool = True) -> Answer:
    """The answer for an upstream's error; it may pass as it is where `passes`, and its class is noted."""
    kind = classify_error(status, body)
    mistake = (400 if kind in OF_THE_REQUEST else find_client_status(body)) if status == 500 else None
    if mistake is not None:  # which no client should send again
        status, passes = mistake, False
    answer = _build_answer(exchange, outgoing, status, body, passes, kind == "context")
    answer.error_class = kind
    return answer


def _build_answer(
    exchange: Exchange, outgoing: Outgoing, status: int, body: bytes, passes: bool, is_context: bool
) -> Answer:
    if too_long := TOO_LONG.search(body):
        return _tell(exchange, context_error(exchange.endpoint, int(too_long[1]), int(too_long[2])))
    # a body that says 500 must not contradict the status, and llama.cpp's codes are numbers where clients expect words
    if status == 400 and (outgoing.embedded or _ENGINE_FAILED.search(body)):
        error = read_upstream_error(status, body)
        error.type, error.code = "invalid_request_error", None
        return _tell(exchange, error)
    if status == 401:  # ours was wrong, not the client's, and the message may quote a part of it
        return _tell(exchange, rejected_key(exchange.model))
    known = passes and exchange.endpoint == outgoing.endpoint and is_error_object(body)
    if known and not (exchange.endpoint == "/v1/messages" and b'"type"' not in body):
        return Answer(status, body)
    missing = find_error_instead(outgoing.endpoint, body) if status == 502 else None
    error = missing or read_upstream_error(status, body)
    error.status = status
    if status < 500 and error.type in _SERVER_TYPES:
        error.type = "invalid_request_error"
    if is_context:
        error.code = "context_length_exceeded"
    return _tell(exchange, error)


def _tell(exchange: Exchange, error: Refused) -> Answer:
    return Answer(error.status, dialects.find_dialect(exchange.endpoint).error_body(error, exchange.request_id))


def rejected_key(model: str | None) -> Refused:
    return upstream_error(
        f"the upstream of model '{model}' rejected the gateway's key; the operator must check its key",
        "upstream_unauthorized",
    )


def context_error(endpoint: str, tokens: int, most: int) -> Refused:
    """A request of so many tokens for a model that takes at most so many. Clients look for these beginnings.

    >>> context_error("/v1/messages", 9000, 2048).message
    "prompt is too long: 9000 tokens > 2048 maximum (the model's context)"
    """
    if endpoint == "/v1/messages":
        words = f"prompt is too long: {tokens} tokens > {most} maximum (the model's context)"
        return bad_request(words, code="context_length_exceeded")
    field = _INPUTS.get(endpoint, "input")
    return bad_request(
        f"This model's maximum context length is {most} tokens, but the request has {tokens}. Shorten '{field}', or "
        "ask a model with a longer context.",
        param=field,
        code="context_length_exceeded",
    )
