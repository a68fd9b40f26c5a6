"""A service of the operator's own: `{"text": "...", "language": "en"}` goes in, `{"findings": [{"start": 0, "end": 4,
"entity": "PERSON", "score": 0.8}]}` comes out. The analyzer of Presidio answers the same request with a list whose rows
have `entity_type`, which is read as well.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.extend import DetectedSpan
from steward.core.fetch import open_url


class _Row(msgspec.Struct):
    start: int
    end: int
    entity: str = ""
    entity_type: str = ""
    score: float | None = None


class _Reply(msgspec.Struct):
    findings: list[_Row]


class HttpDetector:
    """`url` is the whole address, posted to as it is. No error repeats the text or the reply."""

    def __init__(self, url: str, language: str, timeout_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"privacy.detectors: {url!r} is no address; expected http:// or https://")
        self._url, self._language, self._timeout_s = url, language, timeout_s

    def detect(self, text: str) -> Iterator[DetectedSpan]:
        """:raises Unavailable: it does not answer, or with something else"""
        body = json.dumps({"text": text, "language": self._language}).encode()
        request = urllib.request.Request(self._url, body, {"content-type": "application/json"})
        try:
            with open_url(request, self._timeout_s) as reply:
                decoded = msgspec.json.decode(reply.read(), type=list[_Row] | _Reply)
        except urllib.error.HTTPError as error:
            with error:
                raise Unavailable(f"the detector answered HTTP {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise Unavailable(f"the detector could not be reached ({reason})") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise Unavailable("the detector's reply has no findings with start and end") from error
        for row in decoded.findings if isinstance(decoded, _Reply) else decoded:
            yield DetectedSpan(row.start, row.end, row.entity or row.entity_type, row.score)
