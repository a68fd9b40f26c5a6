"""The console's application: a login by token, the status page, its JSON and the metrics.

Knows nothing of stores and processes: it is given functions that return what to show.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import jinja2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from steward.console.status import view
from steward.core.records import Snapshot

SESSION_S: Final = 12 * 3600
COOKIE: Final = "steward_console"
ATTEMPTS_PER_MINUTE: Final = 10
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK: Final = ("127.0.0.1", "::1")
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_HERE: Final = Path(__file__).parent
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True)


class Sessions:
    """Signed, expiring cookies: `<expiry>.<HMAC of it under the token>`. Nothing is stored."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def matches(self, given: str) -> bool:
        return hmac.compare_digest(given.strip().encode(), self._token)

    def issue(self, now: float) -> str:
        expiry = str(int(now + SESSION_S))
        return f"{expiry}.{self._sign(expiry)}"

    def valid(self, cookie: str, now: float) -> bool:
        expiry, _, signature = cookie.partition(".")
        same = hmac.compare_digest(signature.encode(), self._sign(expiry).encode())
        return same and expiry.isdigit() and int(expiry) > now

    def metrics_token(self) -> str:
        """What a scraper sends; it opens the metrics and nothing else."""
        return hmac.new(self._token, b"metrics", hashlib.sha256).hexdigest()

    def scrapes(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self.metrics_token().encode())
        return same and scheme.lower() == "bearer"

    def _sign(self, expiry: str) -> str:
        return hmac.new(self._token, f"console-session:{expiry}".encode(), hashlib.sha256).hexdigest()


def build(snapshot: Callable[[], Snapshot], token: str, metrics: Callable[[], str]) -> Starlette:
    """The application. `snapshot` and `metrics` may block; they run in threads."""
    sessions = Sessions(token)
    attempts: list[float] = []

    def signed_in(request: Request) -> bool:
        return sessions.valid(request.cookies.get(COOKIE, ""), time.time())

    async def status(request: Request) -> Response:
        if not signed_in(request):
            return RedirectResponse("/login", status_code=303)
        return _page("status.html", **view(await asyncio.to_thread(snapshot)))

    async def api(request: Request) -> Response:
        if not signed_in(request):
            return PlainTextResponse("sign in first", status_code=401)
        return Response(msgspec.json.encode(await asyncio.to_thread(snapshot)), media_type="application/json")

    async def login(request: Request) -> Response:
        if request.method == "GET":
            return _page("login.html", message="")
        now = time.time()
        attempts[:] = [at for at in attempts if at > now - 60.0]
        if len(attempts) >= ATTEMPTS_PER_MINUTE:
            return _page("login.html", 429, message="Too many attempts; wait a minute.")
        form = parse_qs((await request.body())[:4096].decode("utf-8", "replace"))
        if not sessions.matches(form.get("token", [""])[0]):
            attempts.append(now)
            return _page("login.html", 401, message="That is not the token. `steward up` prints it when it starts.")
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, sessions.issue(now), max_age=SESSION_S, httponly=True, samesite="strict")
        return response

    async def logout(request: Request) -> Response:
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE)
        return response

    async def prometheus(request: Request) -> Response:
        if not (_is_local(request) or sessions.scrapes(request.headers) or signed_in(request)):
            said = "metrics need 'Authorization: Bearer TOKEN', with the text of run/metrics-token in the home"
            return PlainTextResponse(said, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return PlainTextResponse(await asyncio.to_thread(metrics), media_type="text/plain; version=0.0.4")

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes: list[Route | Mount] = [
        _route("/", status),
        _route("/login", login, "GET", "POST"),
        _route("/logout", logout, "POST"),
        _route("/api/snapshot", api),
        _route("/metrics", prometheus),
        _route("/healthz", alive),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    return Starlette(routes=routes)


def _is_local(request: Request) -> bool:
    """This machine asks for itself: not a proxy for somebody, nor a page whose name was bound to this address."""
    client = request.client.host if request.client is not None else ""
    forwarded = any(name in request.headers for name in FORWARDED)
    return client in LOOPBACK and request.url.hostname in (*LOOPBACK, "localhost") and not forwarded


def _route(path: str, act: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
    async def endpoint(request: Request) -> Response:
        response = await act(request)
        response.headers.update(HEADERS)
        return response

    return Route(path, endpoint, methods=list(methods) or ["GET"])


def _page(name: str, code: int = 200, /, **values: object) -> Response:
    return Response(_pages.get_template(name).render(**values), code, media_type="text/html")
