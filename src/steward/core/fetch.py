"""The one way in which steward asks a server with urllib: no proxy, no redirect.

A proxy of the environment (`http_proxy`) would see keys, and cannot reach this machine's own addresses; a redirect may
lead anywhere, with the key. What is configured is what is asked. The engines' client (`adapters/engines/http.py`), the
load generator and `steward chat` keep the same rule.
"""

from __future__ import annotations

import urllib.request
from http.client import HTTPMessage, HTTPResponse
from typing import IO, cast


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: the answer is an error with its status."""


def open_url(request: str | urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """As `urllib.request.urlopen`. :raises urllib.error.HTTPError: any status but 2xx, redirects too"""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    return cast(HTTPResponse, opener.open(request, timeout=timeout_s))
