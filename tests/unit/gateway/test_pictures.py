"""Pictures are read by a service, judged by what they say, and refused where that would have to be changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from json_service import serve_json
from steward.adapters.detectors.pictures import PictureReader
from steward.core.errors import Refused, Unavailable
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware import guard
from steward.gateway.pictures import Picture, collect_pictures, count_unread
from steward.guardrails.guard import Guardrail
from steward.guardrails.plan import GuardrailPlan
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy

PNG = "iVBORw0KGgo="
CHAT = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
ANTHROPIC = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
RESPONSES = {"type": "input_image", "image_url": f"data:image/PNG;base64,{PNG}"}
SOUND = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}
LINK = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
GUARDS = [
    PrivacyGuard(PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"])), bytes(32)),
    Guardrail(GuardrailPlan(kind="words", name="words", words=("idiot",))),
]


def ask(says: str | Exception, *parts: dict[str, Any]) -> tuple[Exchange, list[Picture]]:
    """The exchange after the guards, and the pictures that were read."""
    seen: list[Picture] = []

    def read(media_type: str, data: str) -> str:
        seen.append(Picture(media_type, data))
        if isinstance(says, Exception):
            raise says
        return says

    async def inner(exchange: Exchange) -> Answer:
        return Answer(400, b"{}")

    content = [{"type": "text", "text": "what is this?"}, *parts]
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    exchange = Exchange("req_1", "/v1/chat/completions", {}, body, 0.0, 0.0)

    async def go() -> None:
        await guard(GUARDS, read_picture=read)(inner)(exchange)

    asyncio.run(go())
    return exchange, seen


@pytest.mark.parametrize("part", [CHAT, ANTHROPIC, RESPONSES])
def test_a_picture_of_any_dialect_is_read_and_the_receipt_counts_it(part: dict[str, Any]) -> None:
    exchange, seen = ask("a cat", part)
    assert seen == [Picture("image/png", PNG)] and json.loads(exchange.body)["messages"][0]["content"][1] == part
    assert exchange.guards[-1] == "ocr=1" and not [word for word in exchange.guards if word.startswith("unread=")]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("mail bob@example.com", "holds personal data, which cannot be masked there"),
        ("you idiot", "a word that is not allowed"),
        (Unavailable("down"), "could not be read"),
        (ValueError("bob@example.com"), "could not be read"),
    ],
)
def test_what_a_picture_says_may_refuse_the_request(says: str | Exception, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        ask(says, CHAT)
    assert "bob@" not in caught.value.message and caught.value.status == 400


@pytest.mark.parametrize("parts", [(SOUND,), (CHAT, SOUND), (CHAT,) * 33])
def test_what_nobody_reads_is_refused(parts: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(Refused, match="which nobody reads"):
        ask("a cat", *parts)


def test_links_are_texts_and_nothing_is_fetched() -> None:
    exchange, seen = ask("a cat", LINK)
    assert seen == [] and not [word for word in exchange.guards if word.startswith(("ocr=", "unread="))]
    assert list(collect_pictures({"data": PNG, "deep": [[{"media_type": "image/png"}]]})) == []


def test_a_service_is_posted_a_picture_and_replies_its_text() -> None:
    with serve_json({"/read": (200, {"text": "a cat"}), "/odd": (200, ["?"]), "/busy": (503, {})}) as service:
        assert PictureReader(f"{service.address}/read", 5.0)("image/png", PNG) == "a cat"
        assert service.asked == {"media_type": "image/png", "data": PNG}
        for path, why in (("/odd", "has no text"), ("/busy", "answered HTTP 503")):
            with pytest.raises(Unavailable, match=why):
                PictureReader(f"{service.address}{path}", 5.0)("image/png", PNG)
    with pytest.raises(Unavailable, match="could not be reached"):
        PictureReader("http://127.0.0.1:1/read", 1.0)("image/png", PNG)


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ({"url": "data:image/png;base64,iVBORw0K"}, 1),
        ({"file_url": "DATA:application/pdf;base64,JVBERi0x"}, 1),
        ({"input_audio": "UklGRg"}, 1),
        ({"url": "bob"}, 0),  # a link is a text, which guards read
        ({"note": "data:image/png;base64,iVBORw0K"}, 0),
        ({"data": ""}, 0),
        ({"data": "to bob@example.com"}, 0),
        ({"type": "text", "data": "iVBORw0K"}, 0),
        ({"parts": [{"data": "iVBORw0K"}, {"source": {"data": "iVBORw0K"}}]}, 2),
    ],
)
def test_what_no_guard_reads_is_counted(part: dict[str, Any], count: int) -> None:
    assert count_unread({"content": [part]}) == count
