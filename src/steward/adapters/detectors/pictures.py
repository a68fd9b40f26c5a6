"""A service of the operator's own that reads the text in pictures: `{"media_type": "image/png", "data": "…"}` (base 64)
goes in, `{"text": "…"}` comes out.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request

import msgspec

from steward.core.errors import Unavailable
from steward.core.fetch import open_url


class _ReadText(msgspec.Struct):
    text: str


class PictureReader:
    """`gateway.pictures.ReadPicture`. No error repeats a picture or a text."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s

    def __call__(self, media_type: str, data: str) -> str:
        """:raises Unavailable: it does not answer, or with something else"""
        body = json.dumps({"media_type": media_type, "data": data}).encode()
        request = urllib.request.Request(self._url, body, {"content-type": "application/json"})
        try:
            with open_url(request, self._timeout_s) as reply:
                return msgspec.json.decode(reply.read(), type=_ReadText).text
        except urllib.error.HTTPError as error:
            with error:
                raise Unavailable(f"the service that reads pictures answered HTTP {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise Unavailable(f"the service that reads pictures could not be reached ({reason})") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise Unavailable("the reply of the service that reads pictures has no text") from error
