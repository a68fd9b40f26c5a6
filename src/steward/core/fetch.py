"""The one way in which steward asks a server with urllib: no proxy, no redirect, no other scheme, and an end.

A proxy of the environment (`http_proxy`) would see keys, and cannot reach this machine's own addresses; a redirect may
lead anywhere, with the key; `file:` would read this machine's files where a server names the next address. What is
configured is what is asked. The engines' client (`adapters/engines/http.py`), the load generator and `steward chat`
keep the same rule.
"""

from __future__ import annotations

import io
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from socket import SocketIO, socket
from typing import IO, Any, Final, cast

from steward.core.tls import build_pinned_context

MOST_BYTES: Final = 64 * 1024 * 1024  # of an answer, whoever reads it
WHOLE_TIMES: Final = 3  # times `timeout_s` that an answer may take from its first to its last byte


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """None: the answer is an error with its status."""


class _TimedReader(io.RawIOBase):
    """The bytes of one answer, which end in time and within bounds. A socket's own timeout begins anew at each byte."""

    def __init__(self, raw: SocketIO, sock: socket, timeout_s: float) -> None:
        self._raw, self._sock, self._timeout_s = raw, sock, timeout_s
        self._ends = time.monotonic() + WHOLE_TIMES * timeout_s
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left_s, self._timeout_s))
        size = self._raw.readinto(buffer)
        self._left -= size or 0
        if self._left < 0:
            raise OSError(f"the answer is longer than {MOST_BYTES:,} bytes")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def open_timed(sock: socket) -> io.BufferedReader:
    """What a socket with a timeout receives, as a file whose bytes end in time and within bounds."""
    raw = sock.makefile("rb", buffering=0)
    return io.BufferedReader(_TimedReader(raw, sock, sock.gettimeout() or 0.0))


class _TimedSocket:
    """What an `HTTPResponse` needs of a socket."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return open_timed(self._sock)


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket, *arguments: Any, **named: Any) -> None:
        super().__init__(cast(socket, _TimedSocket(sock)), *arguments, **named)

    def read(self, amt: int | None = None) -> bytes:
        """:raises OSError: the answer broke off, took too long or is too long"""
        try:
            return super().read(amt)
        except HTTPException as error:
            raise urllib.error.URLError(f"the answer broke off: {type(error).__name__}") from error


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _TlsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _TlsHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._chosen = context

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_TlsConnection, req, context=self._chosen)


def open_url(
    request: str | urllib.request.Request,
    timeout_s: float,
    certificate: str | None = None,
    authorities: str | None = None,
) -> HTTPResponse:
    """As `urllib.request.urlopen`; `certificate`: the file of the only one that the server may have; `authorities`: the
    file of those that may have signed it, instead of the system's.

    :raises urllib.error.HTTPError: any status but 2xx, redirects too
    :raises urllib.error.URLError: no connection, no HTTP, or a scheme other than http and https
    """
    context: ssl.SSLContext | None = None
    if certificate is not None:
        context = build_pinned_context(Path(certificate))
    elif authorities is not None:
        context = ssl.create_default_context(cafile=authorities)
    opener = urllib.request.OpenerDirector()
    for handler in (
        _HttpHandler(),
        _TlsHandler(context),
        _NoRedirect(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    try:
        return cast(HTTPResponse, opener.open(request, timeout=timeout_s))
    except HTTPException as error:
        raise urllib.error.URLError(f"no valid answer: {type(error).__name__}") from error
