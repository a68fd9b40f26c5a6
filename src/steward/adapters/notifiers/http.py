"""JSON to a URL. Redirects are not followed, since they would carry the key elsewhere; what comes back is not read."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from steward.core.errors import Unavailable
from steward.core.fetch import open_url
from steward.core.secret import Secret

TIMEOUT_S = 10.0


def post_json(url: Secret, body: dict[str, Any], key: Secret | None = None, timeout_s: float = TIMEOUT_S) -> None:
    """Send `body`. :raises Unavailable: no answer, or another than 2xx; the message never names the URL or the key"""
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key.reveal()}"
    _open(url, json.dumps(body).encode(), headers, timeout_s)


def post_bytes(
    url: Secret, body: bytes, content_type: str, headers: Mapping[str, Secret], timeout_s: float = TIMEOUT_S
) -> None:
    """Send `body`. :raises Unavailable: as `post_json`"""
    named = {name: value.reveal() for name, value in headers.items()}
    _open(url, body, {**named, "content-type": content_type}, timeout_s)


def ask(url: Secret, timeout_s: float = TIMEOUT_S) -> None:
    """GET. :raises Unavailable: as `post_json`"""
    _open(url, None, {}, timeout_s)


def _open(url: Secret, body: bytes | None, headers: dict[str, str], timeout_s: float) -> None:
    try:
        request = urllib.request.Request(url.reveal(), body, {**headers, "user-agent": "steward"})
        with open_url(request, timeout_s):
            return
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"it answered HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            raise Unavailable(f"it did not answer within {timeout_s:g} s") from error
        reason = getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(f"it could not be reached ({reason})") from error
    except ValueError as error:
        raise Unavailable("it could not be reached (not a URL)") from error
