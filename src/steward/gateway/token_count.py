"""How many tokens a request has before it is sent: what the two counting endpoints answer. Pure.

Exact where a model of our own can be asked; elsewhere the estimate that limits and the ledger use, and never zero.
Field names: Anthropic API reference, "Count tokens in a Message"; OpenAI API reference, "Get input token counts".
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import build_outgoing
from steward.gateway.prompts import insert_prompt

COUNTED: Final = {  # by the endpoint: the one whose requests it counts
    "/v1/messages/count_tokens": "/v1/messages",
    "/v1/responses/input_tokens": "/v1/responses",
}
_SHAPES: Final[dict[str, dict[str, str]]] = {
    "/v1/messages/count_tokens": {},
    "/v1/responses/input_tokens": {"object": "response.input_tokens"},
}
ENGINE_ENDPOINT: Final = "/v1/chat/completions/input_tokens"  # llama.cpp's
MAX_BODY_BYTES: Final = 1024 * 1024


def build_question(exchange: Exchange, entry: ModelEntry) -> bytes:
    """The chat completion whose tokens an embedded engine shall count: what it would get, prompt of the route and all.

    :raises Refused: 400, it would not be asked at all
    """
    if exchange.prompt is not None:
        exchange.body = insert_prompt(exchange.prompt, exchange.endpoint, exchange.body) or exchange.body
    return build_outgoing(exchange, entry).body


def read_count(body: bytes) -> int | None:
    """What the engine has counted; None where it says something else.

    >>> read_count(b'{"input_tokens":12}'), read_count(b'{"error":{}}'), read_count(b"x")
    (12, None, None)
    """
    try:
        count = msgspec.json.decode(body, type=dict[str, object]).get("input_tokens")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return count if type(count) is int and count > 0 else None


def format_count(path: str, exact: int | None, estimate: int) -> Answer:
    """The answer of the endpoint `path`; a header says whether the number is exact."""
    tokens = exact if exact is not None else max(1, estimate)
    answer = Answer(200, msgspec.json.encode({**_SHAPES[path], "input_tokens": tokens}))
    answer.headers.append((b"x-steward-token-count", b"estimate" if exact is None else b"exact"))
    return answer
