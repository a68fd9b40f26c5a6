"""A service of the user's own: `{"input": text}` goes in, out comes `{"score": 0.02}`.

OpenAI's moderations have the same request; of their reply the highest of `category_scores` counts.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.secret import Secret


class HttpScorer:
    """`url` is the whole address, posted to as it is."""

    def __init__(self, url: str, key: Secret | None = None, timeout_s: float = 30.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"scorer {url!r}: expected a URL that begins with http:// or https://")
        refuse_credentials(url, "give the key by reference: --key env:NAME")
        self._url, self._timeout_s = url, timeout_s
        self._headers = {"content-type": "application/json"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key.reveal()}"

    def score(self, text: str) -> float:
        request = urllib.request.Request(self._url, json.dumps({"input": text}).encode(), self._headers)
        try:
            with open_url(request, self._timeout_s) as reply:
                return _number(json.load(reply))
        except urllib.error.HTTPError as error:
            with error:
                raise Unavailable(f"the scorer answered HTTP {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise Unavailable(f"the scorer could not be reached ({reason})") from error
        except (ValueError, LookupError, TypeError) as error:
            raise Unavailable('the scorer\'s reply has no score; expected {"score": 0 to 1}') from error


def _number(reply: Any) -> float:
    """:raises LookupError, TypeError, ValueError: no score in it"""
    if "score" in reply:
        return reply["score"]  # type: ignore[no-any-return]
    return max(reply["results"][0]["category_scores"].values())  # type: ignore[no-any-return]
