"""The console: its list of pages, and what a visitor without the permission gets.

Knows nothing of stores and processes: it is given functions that return what to show.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.pages import health, login, metrics, static, status
from steward.console.sessions import Sessions
from steward.console.shell import Handler, Page, list_navigation, redirect, serve
from steward.core.endpoint import Endpoint
from steward.core.identity import Principal
from steward.core.records import Snapshot


def list_pages(snapshot: Callable[[], Snapshot], sessions: Sessions, metrics_text: Callable[[], str]) -> list[Page]:
    """Every page, in the order of the navigation. A new one is a module in `pages/` and a line here."""
    return [
        status.page(snapshot),
        login.page(sessions),
        metrics.page(metrics_text),
        health.page(),
        static.page(),
    ]


def build(snapshot: Callable[[], Snapshot], sessions: Sessions, metrics: Callable[[], str]) -> Starlette:
    """The application. `snapshot` and `metrics` may block; they run in threads."""
    pages = list_pages(snapshot, sessions, metrics)
    navigation = list_navigation(pages)

    async def identify(request: Request) -> tuple[Principal, Principal]:
        principal = sessions.identify(request)
        request.state.navigation = navigation
        return principal, principal

    return serve([endpoint for page in pages for endpoint in page.endpoints], identify, refuse)


def refuse(request: Request, endpoint: Endpoint[Handler[Principal]]) -> Response:
    """A person is sent to the login; a program is told what is missing."""
    if endpoint.permission == "metrics.read":
        words = "metrics need 'Authorization: Bearer TOKEN', with the text of run/metrics-token in the home"
        return PlainTextResponse(words, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if endpoint.path.startswith("/api/"):
        return PlainTextResponse("sign in first", status_code=401)
    return redirect("/login")
