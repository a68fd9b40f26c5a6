"""What pictures, sounds and documents in a request count for, in tokens, and how many bytes of it they take.

A picture of a megabyte is a thousand tokens, not a quarter of a million: models look at it in tiles. Estimates for
limits and reservations, by kind; what the upstream counts replaces them. Sources: OpenAI's guide to vision (85 to 1,105
tokens for a picture at its default size, GPT-4o), Anthropic's (width × height / 750, at most about 1,600), OpenAI's
guide to audio (10 tokens a second; a second is about 8 kB of MP3), Anthropic's to PDFs (1,500 to 3,000 a page).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

PICTURE_TOKENS: Final = 1_000
AUDIO_BYTES_PER_TOKEN: Final = 800
DOCUMENT_BYTES_PER_TOKEN: Final = 50  # a page of about 100 kB is 2,000 tokens
LEAST_TOKENS: Final = 1_000  # of a sound or a document
_KINDS: Final = {
    "image_url": "picture",
    "image": "picture",
    "input_image": "picture",
    "input_audio": "audio",
    "audio": "audio",
    "file": "document",
    "input_file": "document",
    "document": "document",
}
_DATA_FIELDS: Final = ("image_url", "source", "input_audio", "file", "file_data", "data", "url")


class MediaSize(msgspec.Struct, frozen=True):
    """Of all parts of a request that are not text."""

    raw_bytes: int = 0  # that they take in the body
    tokens: int = 0


NO_MEDIA: Final = MediaSize()


def measure_media(content: bytes) -> MediaSize:
    """Of a JSON value with messages or input items; nothing where there is only text.

    >>> measure_media(b'[{"role":"user","content":"hi"}]')
    MediaSize(raw_bytes=0, tokens=0)
    """
    if b"image" not in content and b"audio" not in content and b"file" not in content and b"document" not in content:
        return NO_MEDIA
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return NO_MEDIA
    sizes: list[MediaSize] = []
    _walk(value, sizes, 0)
    return MediaSize(sum(size.raw_bytes for size in sizes), sum(size.tokens for size in sizes))


def _walk(value: Any, sizes: list[MediaSize], depth: int) -> None:
    """Look into lists and content, as deep as parts can stand."""
    if depth > 12:
        return
    if isinstance(value, list):
        for item in value:
            _walk(item, sizes, depth + 1)
    elif isinstance(value, dict):
        kind = _KINDS.get(str(value.get("type")))
        if kind is not None and (size := _part_size(kind, value)) is not None:
            sizes.append(size)
            return
        for name in ("content", "output", "source"):
            _walk(value.get(name), sizes, depth + 1)


def _part_size(kind: str, part: dict[str, Any]) -> MediaSize | None:
    """None where the part holds text after all, as a document may."""
    if (
        kind == "document"
        and isinstance(part.get("source"), dict)
        and part["source"].get("type") in ("text", "content")
    ):
        return None
    length = max((len(text) for text in _data_of(part)), default=0)
    if kind == "picture":
        return MediaSize(length, PICTURE_TOKENS)
    raw = length * 3 // 4  # base64
    per_token = AUDIO_BYTES_PER_TOKEN if kind == "audio" else DOCUMENT_BYTES_PER_TOKEN
    return MediaSize(length, max(LEAST_TOKENS, raw // per_token))


def _data_of(part: dict[str, Any]) -> list[str]:
    """The strings that hold the data, or the URL, of a part."""
    strings: list[str] = []
    for name in _DATA_FIELDS:
        value = part.get(name)
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict):
            strings += [inner for key in ("url", "data", "file_data") if isinstance(inner := value.get(key), str)]
    return strings
