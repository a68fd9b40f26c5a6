"""Who is asking the console: a signed cookie, a scraper's token, or this machine itself."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from steward.core.identity import ANONYMOUS, Principal, Right

SESSION_S: Final = 12 * 3600
COOKIE: Final = "steward_console"
LOOPBACK: Final = ("127.0.0.1", "::1")
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_READS: Final[frozenset[Right]] = frozenset({"public", "console.read", "usage.read", "metrics.read"})
_METRICS: Final[frozenset[Right]] = frozenset({"public", "metrics.read"})

OPERATOR: Final = Principal(kind="operator", id="console", rights=_READS, auth_method="token")
SCRAPER: Final = Principal(kind="service", id="scraper", rights=_METRICS, auth_method="token")
THIS_MACHINE: Final = Principal(kind="service", id="local", rights=_METRICS, auth_method="local")


class Sessions:
    """Signed, expiring cookies: `<expiry>.<HMAC of it under the token>`. Nothing is stored."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.strip().encode(), self._token)

    def issue(self, now: float) -> str:
        expiry = str(int(now + SESSION_S))
        return f"{expiry}.{self._sign(expiry)}"

    def is_valid(self, cookie: str, now: float) -> bool:
        expiry, _, signature = cookie.partition(".")
        same = hmac.compare_digest(signature.encode(), self._sign(expiry).encode())
        return same and expiry.isdigit() and int(expiry) > now

    def metrics_token(self) -> str:
        """What a scraper sends; it opens the metrics and nothing else."""
        return hmac.new(self._token, b"metrics", hashlib.sha256).hexdigest()

    def is_scraper(self, headers: Mapping[str, str]) -> bool:
        scheme, _, text = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(text.strip().encode(), self.metrics_token().encode())
        return same and scheme.lower() == "bearer"

    def identify(self, request: Request) -> Principal:
        """Whoever this request comes from; nobody, where it proves nothing."""
        if self.is_valid(request.cookies.get(COOKIE, ""), time.time()):
            return OPERATOR
        if self.is_scraper(request.headers):
            return SCRAPER
        return THIS_MACHINE if is_local(request) else ANONYMOUS

    def _sign(self, expiry: str) -> str:
        return hmac.new(self._token, f"console-session:{expiry}".encode(), hashlib.sha256).hexdigest()


def is_local(request: Request) -> bool:
    """This machine asks for itself: not a proxy for somebody, nor a page whose name was bound to this address."""
    client = request.client.host if request.client is not None else ""
    forwarded = any(name in request.headers for name in FORWARDED)
    return client in LOOPBACK and request.url.hostname in (*LOOPBACK, "localhost") and not forwarded
