"""Signing in at an identity provider."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from steward.console.pages.login import find_home_page
from steward.console.sessions import set_cookie
from steward.console.shell import Page, page_endpoint, render
from steward.console.signed_out import NEXT_LETTERS, find_next
from steward.core.errors import Refused, StewardError
from steward.core.identity import Principal
from steward.workflows.single_sign_on import PENDING_S, SingleSignOn

log = logging.getLogger(__name__)

PATH = "/login/provider"
COOKIE = "steward_pending"


def page(provider: SingleSignOn) -> Page:
    def refuse(error: StewardError, wanted: str) -> Response:
        shown = {"people": True, "provider": provider.plan.name, "next": wanted}
        if isinstance(error, Refused):
            return render("login.html", error.status, message=str(error), **shown)
        log.error("signing in at a provider: %s", error)
        words = "Nobody can sign in there at the moment: the provider or the store does not answer."
        return render("login.html", 503, message=words, **shown)

    async def send(request: Request, who: Principal) -> Response:
        wanted = find_next(request.query_params.get("next", ""))
        try:
            address, pending = await asyncio.to_thread(provider.send)
        except StewardError as error:
            return refuse(error, wanted)
        response = RedirectResponse(address, status_code=303)
        secure = request.scope["scheme"] == "https"
        response.set_cookie(  # lax: the browser comes back from another site
            COOKIE,
            add_next(pending, wanted),
            max_age=int(PENDING_S),
            secure=secure,
            httponly=True,
            samesite="lax",
            path=PATH,
        )
        return response

    async def take_back(request: Request, who: Principal) -> Response:
        query = dict(request.query_params)
        pending, wanted = split_next(request.cookies.get(COOKIE, ""))
        try:
            signed_in = await asyncio.to_thread(provider.take_back, query, pending)
        except StewardError as error:
            return refuse(error, wanted)
        # a redirect would still count as the other site's, and the session's strict cookie would not be sent
        path = wanted if wanted != "/" else find_home_page(signed_in.principal)
        response = render("signed_in.html", path=path)
        set_cookie(response, request, signed_in.token, int(provider.session_s))
        response.delete_cookie(COOKIE, path=PATH)
        return response

    return Page((page_endpoint(PATH, "public", send), page_endpoint(f"{PATH}/callback", "public", take_back)))


def add_next(pending: str, wanted: str) -> str:
    """A cookie's value with the page that was asked for, unless that makes it too long for a cookie.

    >>> add_next("0af3", "/traffic?range=7d"), add_next("0af3", "/")
    ('0af3.%2Ftraffic%3Frange%3D7d', '0af3')
    """
    place = quote(wanted, safe="")
    return pending if wanted == "/" or len(place) > NEXT_LETTERS else f"{pending}.{place}"


def split_next(cookie: str) -> tuple[str, str]:
    """What waits, and the page to go to: one of this console, whatever the cookie says.

    >>> split_next("0af3.%2Ftraffic%3Frange%3D7d"), split_next("0af3.%2F%2Fevil.example"), split_next("0af3")
    (('0af3', '/traffic?range=7d'), ('0af3', '/'), ('0af3', '/'))
    """
    pending, _, place = cookie.partition(".")
    return pending, find_next(unquote(place))
