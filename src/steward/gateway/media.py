"""What pictures, sounds and documents in a request count for, in tokens, and how many bytes of it they take.

A picture of a megabyte is a thousand tokens, not a quarter of a million: models look at it in tiles. Estimates for
limits and reservations, by kind; what the upstream counts replaces them. A part is known by its type, its media type or
the name of the field that holds it, since each API has words of its own. Sources: OpenAI's guide to vision (85 tokens
for a picture at low detail, to 1,105 at its default size, GPT-4o), Anthropic's (width × height / 750, at most about
1,600), OpenAI's guide to audio (10 tokens a second; a second is about 8 kB of MP3, 32 kB of WAV), Anthropic's to PDFs
(1,500 to 3,000 a page), Google's to videos (258 a second; a second is about 250 kB).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

PICTURE_TOKENS: Final = 1_000
LOW_DETAIL_TOKENS: Final = 85
AUDIO_BYTES_PER_TOKEN: Final = 800
PCM_BYTES_PER_TOKEN: Final = 3_200  # 16,000 samples a second of two bytes
VIDEO_BYTES_PER_TOKEN: Final = 1_000
DOCUMENT_BYTES_PER_TOKEN: Final = 50  # a page of about 100 kB is 2,000 tokens
TEXT_BYTES_PER_TOKEN: Final = 4
LEAST_TOKENS: Final = 1_000  # of a sound, a video or a document
_KINDS: Final = {  # by the type of a part, or the name of a field that holds one
    **dict.fromkeys(("image_url", "image", "images", "input_image", "image_file", "image_generation_call"), "picture"),
    **dict.fromkeys(("computer_screenshot", "screenshot"), "picture"),
    **dict.fromkeys(("input_audio", "audio", "audio_url", "audios"), "audio"),
    **dict.fromkeys(("video_url", "video", "input_video", "videos"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "file_data"), "document"),
}
_BY_MEDIA_TYPE: Final = {"image": "picture", "audio": "audio", "video": "video", "text": "text"}
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/yaml"})
_PCM: Final = frozenset({"wav", "x-wav", "wave", "pcm", "pcm16", "l16"})
_DATA_FIELDS: Final = frozenset(  # what holds data or an address within a part
    {
        *_KINDS,
        "url",
        "uri",
        "data",
        "bytes",
        "base64",
        "b64_json",
        "result",
        "file_url",
        "file_uri",
        "fileuri",
        "source",
    }
)
_TEXTS: Final = frozenset({"text", "content", "arguments", "input_text", "refusal", "thinking", "instructions"})
_SEALED: Final = frozenset({"redacted_thinking", "reasoning", "compaction", "text", "input_text", "output_text"})
_DATA_URL: Final = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?[^,]{0,200},")
_LEAST_DATA: Final = 256  # letters of what is data without an address around it
_MOST_DEPTH: Final = 12


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
    if (  # spelt out, since each request comes through here
        content.find(b"image") < 0
        and content.find(b"audio") < 0
        and content.find(b"file") < 0
        and content.find(b"document") < 0
        and content.find(b"video") < 0
        and content.find(b"data:") < 0
        and content.find(b'"media"') < 0
        and content.find(b"screenshot") < 0
    ):
        return NO_MEDIA
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return NO_MEDIA
    return measure_parts(value)


def measure_parts(value: Any) -> MediaSize:
    """As `measure_media`, of a value that has been decoded."""
    sizes: list[MediaSize] = []
    _walk(value, "", sizes, 0)
    return MediaSize(sum(size.raw_bytes for size in sizes), sum(size.tokens for size in sizes))


def _walk(value: Any, name: str, sizes: list[MediaSize], depth: int) -> None:
    """Find the parts; `name` is the field that holds the value. What is deeper than parts can stand is text."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            _walk(item, name, sizes, depth + 1)
    elif isinstance(value, dict):
        if value.get("type") in _SEALED:
            return
        kind = _find_kind(value, name)
        if kind is not None and (size := _measure_part(kind, value)) is not None:
            sizes.append(size)
            return
        for key, inner in value.items():
            if not isinstance(inner, str) or key not in _TEXTS:
                _walk(inner, key, sizes, depth + 1)
    elif isinstance(value, str) and (name in _KINDS or value.startswith("data:")) and _is_data(value):
        sizes.append(_measure_data(_KINDS.get(name, "document"), value, {}))


def _find_kind(part: dict[str, Any], name: str) -> str | None:
    """Of an object that is a part: by its type, its media type, or the field that holds it."""
    kind = part.get("type")
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    media_type = _media_type(part)
    if media_type and any(isinstance(part.get(field), str) for field in _DATA_FIELDS):
        return _BY_MEDIA_TYPE.get(media_type.partition("/")[0], "document")
    return _KINDS.get(name) if kind is None or name == "output" else None


def _media_type(part: dict[str, Any]) -> str:
    names = ("media_type", "mime_type", "mimeType")
    return next((value.lower() for name in names if isinstance(value := part.get(name), str)), "")


def _measure_part(kind: str, part: dict[str, Any]) -> MediaSize | None:
    """None where the part holds no data or address itself, or text after all, as a document may."""
    source = part.get("source")
    if isinstance(source, dict) and source.get("type") in ("text", "content"):
        return None
    strings = _list_data(part, 0)
    if not strings:
        return _by_reference(kind, part)
    return _measure_data(kind, max(strings, key=len), part)


def _by_reference(kind: str, part: dict[str, Any]) -> MediaSize | None:
    """Of a part that names a file which somebody else has."""
    inner = [part, *(value for value in part.values() if isinstance(value, dict))]
    if not any("file_id" in each or "id" in each for each in inner):
        return None
    return MediaSize(0, PICTURE_TOKENS if kind == "picture" else LEAST_TOKENS)


def _list_data(part: dict[str, Any], depth: int) -> list[str]:
    """The strings that hold the data, or the address, of a part."""
    strings: list[str] = []
    for name, value in part.items():
        if name in _DATA_FIELDS and isinstance(value, str):
            strings.append(value)
        elif name in _DATA_FIELDS and isinstance(value, dict) and depth < 3:
            strings += _list_data(value, depth + 1)
    return strings


def _is_data(text: str) -> bool:
    return len(text) >= _LEAST_DATA or text.startswith(("data:", "http://", "https://"))


def _measure_data(kind: str, data: str, part: dict[str, Any]) -> MediaSize:
    """Of a part's data, in base64, or of its address."""
    url = _DATA_URL.match(data)
    media_type = ((url[1] or "") if url is not None else _media_type(part)).lower()
    of_type = _BY_MEDIA_TYPE.get(media_type.partition("/")[0], "text" if media_type in _TEXT_TYPES else None)
    kind = of_type or kind
    length = len(data)
    if kind == "picture":
        return MediaSize(length, LOW_DETAIL_TOKENS if _find_setting(part, "detail") == "low" else PICTURE_TOKENS)
    raw = (length - (url.end() if url is not None else 0)) * 3 // 4  # base64
    if kind == "text":
        return MediaSize(length, raw // TEXT_BYTES_PER_TOKEN)
    per_token = {"audio": AUDIO_BYTES_PER_TOKEN, "video": VIDEO_BYTES_PER_TOKEN}.get(kind, DOCUMENT_BYTES_PER_TOKEN)
    if kind == "audio" and (media_type.partition("/")[2] or _find_setting(part, "format")) in _PCM:
        per_token = PCM_BYTES_PER_TOKEN
    return MediaSize(length, max(LEAST_TOKENS, raw // per_token))


def _find_setting(part: dict[str, Any], name: str) -> Any:
    """A field of a part, or of the object within it that holds its data."""
    inner = [part, *(value for value in part.values() if isinstance(value, dict))]
    return next((value for each in inner if isinstance(value := each.get(name), str)), None)
