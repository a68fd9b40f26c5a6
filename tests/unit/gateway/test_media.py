"""M1: pictures, sounds and documents count by their kind, not by their bytes in base64."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.gateway.exchange import Exchange
from steward.gateway.media import MediaSize, _list_data, measure_media
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
def test_m01_a_picture_is_a_thousand_tokens(picture: dict[str, Any]) -> None:
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


def measured(*parts: dict[str, Any]) -> MediaSize:
    return measure_media(json.dumps([{"role": "user", "content": list(parts)}]).encode())


@pytest.mark.parametrize(
    ("part", "size"),
    [
        # bytes in base64 are 3 for every 4 letters; 800 of them are a token of sound, 50 one of a document
        ({"type": "audio", "data": "A" * 3_200_000}, MediaSize(3_200_000, 3_000)),
        ({"type": "audio", "source": {"data": "A" * 1_067_732}}, MediaSize(1_067_732, 1_000)),  # 800,799 bytes
        ({"type": "audio", "source": {"data": "A" * 1_067_736}}, MediaSize(1_067_736, 1_001)),  # 800,802 bytes
        ({"type": "document", "source": {"type": "url", "url": "https://a"}}, MediaSize(9, 1_000)),
        ({"type": "document", "source": {"type": "base64", "data": "A" * 66_800}}, MediaSize(66_800, 1_002)),
        ({"type": "file", "file": {"file_id": "f"}}, MediaSize(0, 1_000)),
        ({"type": "image_url", "image_url": "https://a", "file_data": "A" * 20}, MediaSize(20, 1_000)),
    ],
)
def test_sizes_are_worked_out_of_base64(part: dict[str, Any], size: MediaSize) -> None:
    assert measured(part) == size


def test_all_parts_count_together() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA"}}
    assert measured(picture, sound, {"type": "text", "text": "file"}) == MediaSize(9 + 4, 1_000 + 1_000)


def test_a_document_of_text_may_hold_a_picture() -> None:
    inner = {"type": "content", "content": [PICTURES[1]]}
    assert measured({"type": "document", "source": inner}) == MediaSize(1_000_000, 1_000)
    assert measured({"type": "document", "source": {"type": "text", "data": "A" * 99}}) == MediaSize()


def wrapped(levels: int) -> bytes:
    """A picture within so many lists."""
    value: Any = {"type": "image", "source": {"url": "https://a"}}
    for _ in range(levels):
        value = [value]
    return json.dumps(value).encode()


def test_parts_are_looked_for_twelve_levels_deep() -> None:
    assert [measure_media(wrapped(levels)).tokens for levels in (0, 12, 13)] == [1_000, 1_000, 0]


def test_what_a_call_gave_back_is_looked_into() -> None:
    output = {"type": "function_call_output", "call_id": "c", "output": [PICTURES[2]]}
    assert measure_media(json.dumps([output]).encode()).tokens == 1_000
    nested = {"type": "tool_result", "content": {"content": {"type": "image", "url": "https://a"}}}
    assert measure_media(json.dumps([nested]).encode()) == MediaSize(9, 1_000)


@pytest.mark.parametrize("kind", ["audio", "document", "file", "image"])
def test_every_kind_is_noticed(kind: str) -> None:
    assert measured({"type": kind, "data": "AAAA"}).tokens == 1_000


def test_content_within_content_is_a_level_too() -> None:
    def inside(levels: int) -> bytes:
        value: Any = {"type": "image", "source": {"url": "https://a"}}
        for _ in range(levels):
            value = {"content": value}
        return json.dumps(value).encode()

    assert [measure_media(inside(levels)).tokens for levels in (1, 12, 13)] == [1_000, 1_000, 0]


URL = f"data:image/png;base64,{DATA}"
LINK = "https://a.example/b"


def measure(*parts: Any) -> MediaSize:
    return measure_media(json.dumps([{"role": "user", "content": list(parts)}]).encode())


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": URL, "detail": "high"}},
        {"type": "image_url", "image_url": URL},  # some servers take the string
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": DATA},  # LangChain
        {"type": "image", "image": URL},  # Qwen
        {"image": URL},
        {"image": {"format": "png", "source": {"bytes": DATA}}},  # Bedrock
        {"type": "media", "mime_type": "image/png", "data": DATA},  # Gemini by way of LangChain
        {"inline_data": {"mime_type": "image/png", "data": DATA}},  # Gemini
        {"inlineData": {"mimeType": "image/png", "data": DATA}},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": URL}},
        {"type": "image_generation_call", "id": "ig", "result": DATA},
        {"type": "file", "file": {"filename": "a.png", "file_data": URL}},  # a picture all the same
        {"type": "input_file", "file_data": URL},
    ],
)
def test_m01_pictures_of_every_api(part: dict[str, Any]) -> None:
    size = measure(part)
    assert size.tokens == 1_000 and size.raw_bytes >= len(DATA)


def test_m01_pictures_beside_the_content() -> None:
    message = {"role": "user", "content": "What is it?", "images": [DATA, DATA]}  # Ollama
    assert measure_media(json.dumps([message]).encode()) == MediaSize(2_000_000, 2_000)
    assert 1_000 < estimate("/v1/embeddings", {"input": [{"image": URL}]}) < 1_050  # Jina, Voyage
    output = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": URL}]}
    assert 1_000 < estimate("/v1/responses", {"input": [output]}) < 1_050


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "input_image", "image_url": URL, "detail": "low"},
        {"type": "image_url", "image_url": {"url": LINK, "detail": "low"}},
    ],
)
def test_m01_a_picture_at_low_detail_is_85_tokens(part: dict[str, Any]) -> None:
    assert measure(part).tokens == 85  # OpenAI's guide to vision


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "input_audio", "input_audio": {"format": "mp3", "data": DATA * 4}}, 3_750),  # 3 MB at 800 bytes
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": DATA * 8}}, 1_875),  # 6 MB at 3,200
        ({"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{DATA * 8}"}}, 1_875),
        ({"type": "media", "mime_type": "audio/mpeg", "data": DATA * 4}, 3_750),
        ({"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{DATA * 4}"}}, 3_000),  # at 1,000 bytes
        ({"type": "video", "video": f"data:video/mp4;base64,{DATA * 4}"}, 3_000),
        ({"type": "input_video", "data": DATA * 4}, 3_000),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}}, 15_000),
        ({"type": "file", "file": {"file_data": f"data:text/csv;base64,{DATA}"}}, 187_500),  # text, by its bytes
        ({"type": "file", "file": {"file_data": f"data:application/json;base64,{DATA}"}}, 187_500),
        ({"type": "document", "source": {"type": "url", "url": LINK}}, 1_000),
        ({"type": "input_file", "file_url": LINK}, 1_000),
        ({"type": "input_file", "file_id": "file-1"}, 1_000),
        ({"type": "file", "file": {"file_id": "file-1"}}, 1_000),
        ({"type": "image_file", "image_file": {"file_id": "file-1"}}, 1_000),
        ({"type": "video_url", "video_url": {"url": LINK}}, 1_000),
        ({"type": "audio_url", "audio_url": {"url": LINK}}, 1_000),
    ],
)
def test_m01_sounds_videos_and_documents_of_every_api(part: dict[str, Any], tokens: int) -> None:
    assert measure(part).tokens == tokens


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": URL},  # what a model reads as letters
        {"type": "redacted_thinking", "data": DATA},
        {"type": "reasoning", "encrypted_content": DATA, "summary": []},
        {"type": "tool_result", "tool_use_id": "t", "content": URL},
        {"type": "function_call", "name": "image", "arguments": f'{{"image":"{DATA}"}}'},
    ],
)
def test_m01_text_is_text_in_every_place(part: dict[str, Any]) -> None:
    assert measure(part) == MediaSize()


def test_a_document_of_parts_holds_what_its_parts_do() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, PICTURES[1]]}
    assert measure({"type": "document", "source": source}).tokens == 1_000


@pytest.mark.parametrize("part", [{"media_type": "image/png", "note": "none"}, {"data": "text", "note": "none"}])
def test_a_media_type_without_data_and_data_without_a_type_are_no_media(part: dict[str, Any]) -> None:
    assert measure_media(json.dumps([{"role": "user", "content": [part]}]).encode()).tokens == 0


@pytest.mark.parametrize(("depth", "found"), [(0, True), (3, True), (4, False)])
def test_data_are_looked_for_three_objects_deep(depth: int, found: bool) -> None:
    part: dict[str, Any] = {"url": "x"}
    for _ in range(depth):
        part = {"url": part}
    assert _list_data(part, 0) == ["x"] * found
