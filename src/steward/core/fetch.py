"""The one way in which steward asks a server with urllib: no proxy, no redirect.

A proxy of the environment (`http_proxy`) would see keys, and cannot reach this machine's own addresses; a redirect may
lead anywhere, with the key. What is configured is what is asked. The engines' client (`adapters/engines/http.py`), the
load generator and `steward chat` keep the same rule.
"""

from __future__ import annotations

import ssl
import urllib.request
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, cast

from steward.core.tls import build_pinned_context


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: the answer is an error with its status."""


def open_url(
    request: str | urllib.request.Request,
    timeout_s: float,
    certificate: str | None = None,
    authorities: str | None = None,
) -> HTTPResponse:
    """As `urllib.request.urlopen`; `certificate`: the file of the only one that the server may have; `authorities`: the
    file of those that may have signed it, instead of the system's.

    :raises urllib.error.HTTPError: any status but 2xx, redirects too
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if certificate is not None:
        handlers.append(urllib.request.HTTPSHandler(context=build_pinned_context(Path(certificate))))
    elif authorities is not None:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authorities)))
    opener = urllib.request.build_opener(*handlers)
    return cast(HTTPResponse, opener.open(request, timeout=timeout_s))
