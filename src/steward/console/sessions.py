"""Who is asking the console: a signed cookie, a scraper's token, or this machine itself."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import SECURE_PREFIX, is_local_name, name_session_cookie
from steward.core import files
from steward.core.access import SessionLimits
from steward.core.identity import ANONYMOUS, Principal, Right
from steward.core.networks import Network, find_client

ATTEMPTS_PER_MINUTE: Final = 10  # of wrong tokens, by address
MAX_ADDRESSES: Final = 10_000  # that are remembered
COOKIE: Final = "steward_console"
SECURE_COOKIE: Final = SECURE_PREFIX + COOKIE
LIVE_HEADER: Final = "x-live"
PROJECT_COOKIE: Final = "steward_project"  # which of their projects a person acts in; it gives no right
PROJECT_HEADER: Final = "x-steward-project"
LOOPBACK: Final = ("127.0.0.1", "::1")
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_READS: Final[frozenset[Right]] = frozenset(
    [
        *("public", "console.read", "usage.read", "metrics.read", "models.read", "feedback.read", "prompts.read"),
        *("evidence.read", "approvals.read", "audit.read", "keys.read", "access.read"),
        "alerts.manage",  # whoever was woken must be able to say so; it is recorded, and changes no request
    ]
)
_METRICS: Final[frozenset[Right]] = frozenset({"public", "metrics.read"})

OPERATOR: Final = Principal(kind="operator", id="console", rights=_READS, auth_method="token")
SCRAPER: Final = Principal(kind="service", id="scraper", rights=_METRICS, auth_method="token")
THIS_MACHINE: Final = Principal(kind="service", id="local", rights=_METRICS, auth_method="local")


class Sessions:
    """Signed cookies, `<expiry>-<random>.<HMAC of it under the token>`; those that were signed out are remembered until
    they expire, in `ended` where that is given, so that a restart does not revive them."""

    def __init__(self, token: str, ended: Path | None = None, limits: SessionLimits = SessionLimits()) -> None:
        self._token = token.encode()
        self._file, self.limits = ended, limits
        self._ended = _read_ended(ended)  # digests of cookies, to when they expire
        self._used: dict[str, float] = {}  # digests of cookies, to when somebody asked last

    def is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.strip().encode(), self._token)

    def issue(self, now: float) -> str:
        name = f"{int(now + self.limits.longest_s)}-{secrets.token_hex(8)}"
        return f"{name}.{self._sign(name)}"

    def is_valid(self, cookie: str, now: float) -> bool:
        name, _, signature = cookie.partition(".")
        expiry = name.partition("-")[0]
        same = hmac.compare_digest(signature.encode(), self._sign(name).encode())
        return same and expiry.isdigit() and int(expiry) > now and _digest(cookie) not in self._ended

    def use(self, cookie: str, now: float, is_active: bool = True) -> bool:
        """Whether the cookie is valid and has not lain idle. Where somebody `is_active`, rather than a page that asks
        by itself, the time begins anew; so it does where the console was started again.
        """
        if not self.is_valid(cookie, now):
            return False
        digest = _digest(cookie)
        used = self._used.get(digest)
        if used is not None and now - used >= self.limits.idle_s:
            self.end(cookie, now)
            return False
        if is_active or used is None:
            self._used = {name: at for name, at in self._used.items() if now - at < self.limits.longest_s}
            self._used[digest] = now
        return True

    def end(self, cookie: str, now: float) -> None:
        """Sign out: the cookie is worthless from now on, whoever has a copy."""
        if not self.is_valid(cookie, now):
            return
        self._ended = {digest: expiry for digest, expiry in self._ended.items() if expiry > now}
        self._ended[_digest(cookie)] = int(cookie.partition("-")[0])
        if self._file is not None:
            files.write_file(self._file, msgspec.json.encode(self._ended))

    def metrics_token(self) -> str:
        """What a scraper sends; it opens the metrics and nothing else."""
        return hmac.new(self._token, b"metrics", hashlib.sha256).hexdigest()

    def is_scraper(self, headers: Mapping[str, str]) -> bool:
        return hmac.compare_digest(_bearer(headers).encode(), self.metrics_token().encode())

    def is_this_machine(self, request: Request) -> bool:
        """Whether a command of this machine asks, with the console's token."""
        client = request.client.host if request.client is not None else ""
        return client in LOOPBACK and self.is_token(_bearer(request.headers))

    def identify(self, request: Request) -> Principal:
        """Whoever this request comes from; nobody, where it proves nothing."""
        cookie = request.cookies.get(name_cookie(request), "")
        if self.use(cookie, time.time(), is_active=not asks_by_itself(request)):
            return OPERATOR
        if self.is_token(_bearer(request.headers)):  # `steward status`; a page of another site cannot send it
            return OPERATOR
        if self.is_scraper(request.headers):
            return SCRAPER
        return THIS_MACHINE if is_local(request) else ANONYMOUS

    def _sign(self, name: str) -> str:
        return hmac.new(self._token, f"console-session:{name}".encode(), hashlib.sha256).hexdigest()


def asks_by_itself(request: Request) -> bool:
    """Whether an open page asks for what is new, and not somebody who uses it."""
    return LIVE_HEADER in request.headers or "text/event-stream" in request.headers.get("accept", "")


def name_cookie(request: Request) -> str:
    return name_session_cookie(request, COOKIE)


def set_cookie(response: Response, request: Request, value: str, seconds: int) -> None:
    """The session's: no script reads it, and no other site's page makes a browser send it."""
    name = name_cookie(request)
    response.set_cookie(name, value, max_age=seconds, secure=name == SECURE_COOKIE, httponly=True, samesite="strict")


class Attempts:
    """How often each address (or whoever else) tried in the last `window_s`. One cannot lock out another."""

    def __init__(self, most: int = ATTEMPTS_PER_MINUTE, window_s: float = 60.0) -> None:
        self._most, self._window_s = most, window_s
        self._at: dict[str, list[float]] = {}

    def are_spent(self, address: str, now: float) -> bool:
        return len(self._list_recent(address, now)) >= self._most

    def find_wait_s(self, address: str, now: float) -> float:
        """Seconds until another try is free; 0 where one is."""
        recent = self._list_recent(address, now)
        return recent[-self._most] + self._window_s - now if len(recent) >= self._most else 0.0

    def add(self, address: str, now: float) -> None:
        recent = self._list_recent(address, now)
        self._at.pop(address, None)
        self._at[address] = [*recent, now]
        if len(self._at) > MAX_ADDRESSES:  # the one whose last attempt is longest ago
            del self._at[next(iter(self._at))]

    def _list_recent(self, address: str, now: float) -> list[float]:
        return [at for at in self._at.get(address, ()) if at > now - self._window_s]


def find_address(request: Request, trusted: Sequence[Network] = ()) -> str:
    """Whom attempts count for, behind `trusted` proxies; of IPv6 the network of a customer, /64."""
    host, lines = request.client.host if request.client is not None else "", request.headers.getlist("x-forwarded-for")
    hops = [host, *reversed(",".join(lines).split(",") if lines else [])]
    address = find_client(hops, trusted)
    if address is None:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _read_ended(file: Path | None) -> dict[str, int]:
    if file is None or not file.exists():
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except msgspec.MsgspecError:  # written whole or not at all; whatever this is, it names no session
        return {}


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def is_local(request: Request) -> bool:
    """This machine asks for itself: not a proxy for somebody, nor a page whose name was bound to this address."""
    client = request.client.host if request.client is not None else ""
    forwarded = any(name in request.headers for name in FORWARDED)
    return client in LOOPBACK and is_local_name(request.headers.get("host", "")) and not forwarded
