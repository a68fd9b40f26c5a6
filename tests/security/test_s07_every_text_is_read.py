"""S7: whatever a client writes reaches the guards, in any field, script or spelling; what cannot be read is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.extend import GuardContext, Verdict
from steward.gateway.exchange import Exchange
from steward.gateway.guards import guard_request
from steward.gateway.middleware.guard import guard
from steward.privacy.entities import STRUCTURED
from steward.privacy.scan import scan_text

MAIL = "bob@example.com"


class Masking:
    """Replaces every address."""

    name = "mask"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        return Verdict("rewrite", texts=tuple(text.replace(MAIL, "MASKED") for text in fields))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return text

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


def mask(endpoint: str, fields: dict[str, Any]) -> tuple[str, list[str]]:
    """The body that goes upstream, and the receipt."""
    exchange = Exchange("req_1", endpoint, {}, json.dumps({"model": "m", **fields}).encode(), 0.0, 0.0)
    guard_request([Masking()], exchange)
    return exchange.body.decode(), exchange.guards


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"to": {"default": MAIL}}}}}
PLACES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"stop": [f"From {MAIL}"]}),
    ("/v1/chat/completions", {"tools": [TOOL]}),
    ("/v1/chat/completions", {"tools": [{"function": {"parameters": {"properties": {MAIL: {"type": "string"}}}}}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "name": MAIL, "content": "hi"}]}),
    ("/v1/chat/completions", {"messages": [{"role": MAIL, "content": "hi"}]}),
    ("/v1/chat/completions", {"documents": [{"title": "a", "text": MAIL}]}),
    ("/v1/chat/completions", {"documents": {MAIL: "a"}}),
    ("/v1/chat/completions", {"response_format": {"json_schema": {"description": MAIL}}}),
    ("/v1/chat/completions", {"web_search_options": {"user_location": {"approximate": {"city": MAIL}}}}),
    ("/v1/chat/completions", {"messages": [{"content": [{"image_url": {"url": f"https://x.example/?for={MAIL}"}}]}]}),
    ("/v1/chat/completions", {"never_heard_of": [{"deep": [MAIL]}]}),
    ("/v1/chat/completions", {MAIL: 1}),
    ("/v1/chat/completions", {"messages": [{"role": "assistant", "signature": f"signed by {MAIL}"}]}),
    ("/v1/chat/completions", {"messages": [{"content": [{"type": "file", "file": {"file_data": MAIL}}]}]}),
    ("/v1/chat/completions", {"messages": [{"content": [{"image_url": {"url": f"data:text/plain,to {MAIL}"}}]}]}),
    ("/v1/chat/completions", {"extra": {"data": f"to {MAIL}"}}),
    ("/v1/completions", {"suffix": MAIL}),
    ("/v1/embeddings", {"input": [MAIL]}),
    ("/v1/responses", {"previous_response_id": MAIL}),
    ("/v1/responses", {"input": [{"type": "function_call_output", "call_id": MAIL, "output": "x"}]}),
    ("/v1/messages", {"stop_sequences": [MAIL]}),
    ("/v1/messages", {"tools": [{"name": "f", "input_schema": {"properties": {"to": {"enum": [MAIL]}}}}]}),
    ("/v1/messages", {"messages": [{"content": [{"type": "document", "source": {"type": "text", "data": MAIL}}]}]}),
]


@pytest.mark.parametrize(("endpoint", "fields"), PLACES)
def test_no_field_is_passed_over(endpoint: str, fields: dict[str, Any]) -> None:
    body, receipt = mask(endpoint, fields)
    assert MAIL not in body and "MASKED" in body and receipt == ["mask=rewrite"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "data"),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}, "file_data"),
    ],
)
def test_what_is_no_text_is_named_in_the_receipt(content: dict[str, Any], named: str) -> None:
    _, receipt = mask("/v1/chat/completions", {"messages": [{"role": "user", "content": [content]}]})
    assert receipt == ["mask=rewrite", f"unread={named}"]


@pytest.mark.parametrize(
    "text",
    [
        "\uff42\uff4f\uff42\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d",  # full width
        "bo\u200bb@exam\u200dple.com",
        "bob\u2060@example\ufeff.com",
        "b\u00adob@example.com",
        "".join(chr(0x1D41A + ord(c) - 97) if c.isalpha() else c for c in MAIL),  # mathematical bold
        "4111\u200b1111\u200b1111\u200b1111",
        "".join(chr(0xFF10 + int(c)) for c in "4111111111111111"),
        "".join(chr(0x0660 + int(c)) for c in "4111111111111111"),
    ],
)
def test_another_spelling_is_found_where_it_stands(text: str) -> None:
    (span,) = scan_text(f"x: {text} !", STRUCTURED)
    assert (span.start, span.end) == (3, 3 + len(text))


CARD = 4111111111111111


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": CARD}]}]},
        {"documents": [{"card": CARD}]},
        {"documents": [{"card": float(CARD)}]},
        {"tools": [{"function": {"parameters": {"properties": {"card": {"enum": [CARD]}}}}}]},
        {"card": CARD},
    ],
)
def test_a_number_may_be_somebodys_too(fields: dict[str, Any]) -> None:
    class Numbers(Masking):
        def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
            return Verdict("rewrite", texts=tuple("NUMBER" if text.startswith("4111") else text for text in fields))

    exchange = Exchange("req_1", "/v1/chat/completions", {}, json.dumps({"model": "m", **fields}).encode(), 0.0, 0.0)
    guard_request([Numbers()], exchange)
    assert b"4111" not in exchange.body and b'"NUMBER"' in exchange.body


def test_a_seed_and_what_no_guard_changes_stay_numbers() -> None:
    body, _ = mask("/v1/chat/completions", {"seed": CARD, "max_tokens": 2_000_000, "extra": {"a": 5, "b": 12345678.5}})
    assert json.loads(body) == {
        "model": "m", "seed": CARD, "max_tokens": 2_000_000, "extra": {"a": 5, "b": 12345678.5}
    }  # fmt: skip


PICTURES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
    ("/v1/chat/completions", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    ("/v1/messages", {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
    ("/v1/responses", {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}),
]


@pytest.mark.parametrize(("endpoint", "part"), PICTURES)
@pytest.mark.parametrize("blocks", [True, False])
def test_what_cannot_be_read_is_blocked_where_the_policy_says_so(
    endpoint: str, part: dict[str, Any], blocks: bool
) -> None:
    field = "input" if endpoint == "/v1/responses" else "messages"
    body = {"model": "m", field: [{"role": "user", "content": [part]}]}
    exchange = Exchange("req_1", endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)

    async def inner(_: Exchange) -> Any:
        raise LookupError("it went through")

    async def send() -> None:
        await guard([Masking()], blocks_unread=blocks)(inner)(exchange)

    with pytest.raises(Refused if blocks else LookupError, match="no guard can read" if blocks else "it went through"):
        asyncio.run(send())
