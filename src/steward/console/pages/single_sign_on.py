"""Signing in at an identity provider."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from steward.console.pages.login import find_home_page
from steward.console.sessions import set_cookie
from steward.console.shell import Page, page_endpoint, render
from steward.core.errors import Refused, StewardError
from steward.core.identity import Principal
from steward.workflows.single_sign_on import PENDING_S, SingleSignOn

log = logging.getLogger(__name__)

PATH = "/login/provider"
COOKIE = "steward_pending"


def page(provider: SingleSignOn) -> Page:
    def refuse(error: StewardError) -> Response:
        if isinstance(error, Refused):
            return render("login.html", error.status, message=str(error), people=True, provider=provider.plan.name)
        log.error("signing in at a provider: %s", error)
        words = "Nobody can sign in there at the moment: the provider or the store does not answer."
        return render("login.html", 503, message=words, people=True, provider=provider.plan.name)

    async def send(request: Request, who: Principal) -> Response:
        try:
            address, pending = await asyncio.to_thread(provider.send)
        except StewardError as error:
            return refuse(error)
        response = RedirectResponse(address, status_code=303)
        secure = request.scope["scheme"] == "https"
        response.set_cookie(  # lax: the browser comes back from another site
            COOKIE, pending, max_age=int(PENDING_S), secure=secure, httponly=True, samesite="lax", path=PATH
        )
        return response

    async def take_back(request: Request, who: Principal) -> Response:
        query = dict(request.query_params)
        try:
            signed_in = await asyncio.to_thread(provider.take_back, query, request.cookies.get(COOKIE, ""))
        except StewardError as error:
            return refuse(error)
        # a redirect would still count as the other site's, and the session's strict cookie would not be sent
        response = render("signed_in.html", path=find_home_page(signed_in.principal))
        set_cookie(response, request, signed_in.token, int(provider.session_s))
        response.delete_cookie(COOKIE, path=PATH)
        return response

    return Page((page_endpoint(PATH, "public", send), page_endpoint(f"{PATH}/callback", "public", take_back)))
