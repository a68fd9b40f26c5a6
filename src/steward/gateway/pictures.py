"""Pictures that a request carries with it, for a service that reads the text in them (`privacy.unread: ocr`).

What such a service reads is shown to the guards and goes no further: a picture cannot be masked, so one in which a
guard would change something is refused. Links to pictures elsewhere are texts; nothing is fetched.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import Refused, describe_origin
from steward.core.extend import Guard
from steward.gateway.exchange import Exchange
from steward.gateway.guards import guard_values, log
from steward.gateway.text_fields import is_encoded

UNREAD: Final = "unread="
MOST_PICTURES: Final = 32  # of one request
_DATA_URL: Final = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.ASCII | re.IGNORECASE)
_LINKS: Final = frozenset({"url", "image_url"})
_BYTES: Final = frozenset({"data", "file_data", "input_audio"})
_FILES: Final = _LINKS | {"file_url"}
_PICTURED: Final = _LINKS | {"data"}

ReadPicture = Callable[[str, str], str]  # of a media type and the base 64 of a picture: the text in it


class Picture(msgspec.Struct, frozen=True):
    """`data`: in base 64."""

    media_type: str
    data: str


def collect_pictures(value: Any) -> Iterator[Picture]:
    """Of a decoded body: `image_url` and `input_image` with a data URL, Anthropic's `source` with base 64."""
    if isinstance(value, list):
        for item in value:
            yield from collect_pictures(item)
    if not isinstance(value, dict):
        return
    media_type, data = value.get("media_type"), value.get("data")
    if value.get("type") == "base64" and isinstance(media_type, str) and isinstance(data, str):
        if media_type.lower().startswith("image/"):
            yield Picture(media_type, data)
        return
    for name, item in value.items():
        found = _DATA_URL.match(item) if name in _LINKS and isinstance(item, str) else None
        if found is not None:
            yield Picture(found[1].lower(), item[found.end() :])
        else:
            yield from collect_pictures(item)


def count_unread(value: Any) -> int:
    """How many parts of a decoded body no guard reads, as the receipt names them: pictures and whatever else."""
    if isinstance(value, list):
        return sum(map(count_unread, value))
    if not isinstance(value, dict):
        return 0
    if value.get("type") == "text":
        return 0
    here = sum(
        isinstance(item, str)
        and bool(item)
        and (name in _BYTES or (name in _FILES and item[:5].lower() == "data:"))
        and is_encoded(item)
        for name, item in value.items()
    )
    return here + sum(map(count_unread, value.values()))


def guard_pictures(guards: Sequence[Guard], exchange: Exchange, read: ReadPicture) -> None:
    """Let the guards judge what the pictures of a request say; the receipt counts them rather than naming them unread.

    :raises Refused: a guard blocks or would change something, a picture cannot be read, or there is more than pictures
    """
    if not any(word.startswith(UNREAD) for word in exchange.guards):
        return
    body = msgspec.json.decode(exchange.body)
    pictures = list(collect_pictures(body))
    if len(pictures) != count_unread(body) or len(pictures) > MOST_PICTURES:
        raise _refuse(f"it has sounds or files, or more than {MOST_PICTURES} pictures, which nobody reads")
    try:
        texts = {str(number): read(one.media_type, one.data) for number, one in enumerate(pictures)}
    except Exception as error:
        log.error("%s: a picture was not read: %s", exchange.request_id, describe_origin(error))
        raise _refuse("a picture in it could not be read") from error
    apart = copy.copy(exchange)  # what guards remember of the request itself stays
    apart.guards, apart.masked = [], {}
    if guard_values(guards, apart, texts) != texts:
        raise _refuse("a picture in it holds personal data, which cannot be masked there")
    if pictures:
        exchange.guards = [kept for word in exchange.guards if (kept := _without_pictures(word))]
        exchange.guards.append(f"ocr={len(pictures)}")


def _without_pictures(word: str) -> str:
    """A word of the receipt, without the fields that pictures stand in.

    >>> _without_pictures("unread=signature+url"), _without_pictures("unread=data"), _without_pictures("words=allow")
    ('unread=signature', '', 'words=allow')
    """
    if not word.startswith(UNREAD):
        return word
    rest = [name for name in word.removeprefix(UNREAD).split("+") if name not in _PICTURED]
    return f"{UNREAD}{'+'.join(rest)}" if rest else ""


def _refuse(why: str) -> Refused:
    return Refused(
        f"The request is refused, since {why}. Send text, or another picture.",
        status=400,
        type="invalid_request_error",
        code="unreadable_for_guards",
    )
