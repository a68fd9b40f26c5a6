"""The server of `steward eval view`: runs of evaluations to look through. Works without JavaScript and offline.

Whoever opened the address that the command printed has its token as a cookie; nobody else sees a run.
"""

from __future__ import annotations

import secrets
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from steward.console.pages import health, static, view_runs
from steward.console.shell import Handler, name_session_cookie, page_endpoint, redirect, render, serve
from steward.core.endpoint import Endpoint
from steward.core.identity import ANONYMOUS, Principal
from steward.evaluation.run_shelf import RunShelf

COOKIE: Final = "steward_view"
VIEWER: Final = Principal(kind="operator", id="view", rights=frozenset({"public", "console.read"}), auth_method="token")


def build(shelf: RunShelf, token: str) -> Starlette:
    """The application. `token`: what `/open/TOKEN` and the cookie must say."""

    def knows(given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), token.encode())

    async def identify(request: Request) -> tuple[Principal, Principal]:
        who = VIEWER if knows(request.cookies.get(name_session_cookie(request, COOKIE), "")) else ANONYMOUS
        return who, who

    async def open_session(request: Request, who: Principal) -> Response:
        if not knows(request.path_params["token"]):
            return refuse_stranger()
        response = redirect("/")
        name = name_session_cookie(request, COOKIE)
        response.set_cookie(name, token, secure=name != COOKIE, httponly=True, samesite="strict")
        return response

    async def refuse(request: Request, endpoint: Endpoint[Handler[Principal]]) -> Response:
        return refuse_stranger()

    entrance = page_endpoint("/open/{token}", "public", open_session)
    return serve([entrance, *list_endpoints(shelf)], identify, refuse)


def list_endpoints(shelf: RunShelf) -> list[Endpoint[Handler[Principal]]]:
    """Every path but the entrance."""
    return [*view_runs.endpoints(shelf), *health.page().endpoints, *static.page().endpoints]


def refuse_stranger() -> Response:
    words = "Open the address that `steward eval view` printed."
    return render("view_message.html", 401, heading="Open the printed address first", words=words)
