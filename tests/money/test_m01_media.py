"""M1: pictures, sounds and documents count by their kind, not by their bytes in base64."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.gateway.exchange import Exchange
from steward.gateway.media import MediaSize, measure_media
from steward.gateway.wire import decode_request

DATA = "A" * 1_000_000  # base64 of 0.75 MB
PICTURES = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
]


def estimate(endpoint: str, body: dict[str, Any]) -> int:
    raw = json.dumps({"model": "m", "max_tokens": 9, **body}).encode()
    exchange = Exchange("req_1", endpoint, {}, raw, 0.0, 0.0)
    exchange.request = decode_request(endpoint, raw)
    return exchange.estimate_input()


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_a_thousand_tokens(picture: dict[str, Any]) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}
    assert 1_000 < estimate("/v1/chat/completions", {"messages": [message]}) < 1_100
    assert 2_000 < estimate("/v1/messages", {"messages": [message, message]}) < 2_150
    assert 1_000 < estimate("/v1/responses", {"input": [message]}) < 1_100


def test_a_picture_by_its_address_is_a_thousand_tokens_too() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    assert 1_000 < estimate("/v1/chat/completions", {"messages": [{"role": "user", "content": [part]}]}) < 1_050


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "input_audio", "input_audio": {"format": "mp3", "data": DATA}}, 937),  # 750 kB are about 94 s
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": DATA}}, 15_000),
        ({"type": "input_file", "filename": "a.pdf", "file_data": DATA}, 15_000),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}}, 15_000),
        ({"type": "input_audio", "input_audio": {"data": "AA=="}}, 1_000),
    ],
)
def test_sounds_and_documents_by_their_length(part: dict[str, Any], tokens: int) -> None:
    size = measure_media(json.dumps([{"role": "user", "content": [part]}]).encode())
    assert size.tokens == max(tokens, 1_000)


def test_a_picture_in_a_tool_result_is_found() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [PICTURES[1]]}
    assert measure_media(json.dumps([{"role": "user", "content": [result]}]).encode()) == MediaSize(1_000_000, 1_000)


@pytest.mark.parametrize(
    "content",
    [
        [{"role": "user", "content": "7" * 100_000}],
        [{"role": "user", "content": "my image of the file: " + "A" * 100_000}],
        [{"role": "user", "content": [{"type": "text", "text": "image " + "A" * 100_000}]}],
        [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "A" * 100_000}}]}],
    ],
)
def test_text_counts_as_text_whatever_it_says(content: Any) -> None:
    assert measure_media(json.dumps(content).encode()).raw_bytes == 0
    assert estimate("/v1/chat/completions", {"messages": content}) > 25_000


@pytest.mark.parametrize("content", [b"[{image", b"image", b'"image"', b"[" * 5_000 + b"image"])
def test_what_is_odd_has_no_media(content: bytes) -> None:
    assert measure_media(content) == MediaSize()
