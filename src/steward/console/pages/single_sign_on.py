"""Signing in at an identity provider."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from steward.console.pages.login import find_home_page
from steward.console.sessions import Attempts, find_address, set_cookie
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, render
from steward.core.errors import Refused, StewardError
from steward.core.identity import Principal
from steward.core.networks import Network
from steward.workflows.single_sign_on import PENDING_S, DevicePrompt, SingleSignOn

log = logging.getLogger(__name__)

PATH = "/login/provider"
DEVICE_PATH: Final = "/login/device"
MOST_QUESTIONS: Final = 60  # a minute, of an address that waits for codes to be entered
COOKIE = "steward_pending"


def page(provider: SingleSignOn, trusted: Callable[[], Sequence[Network]] = tuple) -> Page:
    begun, asked = Attempts(), Attempts(MOST_QUESTIONS)

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

    async def begin_device(request: Request, who: Principal) -> Response:
        return await answer_device(request, begun, lambda _: provider.begin_device())

    async def finish_device(request: Request, who: Principal) -> Response:
        return await answer_device(request, asked, lambda form: tell_device(provider, form.get("device", "")))

    async def answer_device(
        request: Request, attempts: Attempts, act: Callable[[dict[str, str]], DevicePrompt | dict[str, object]]
    ) -> Response:
        """In JSON, for a command. Each question is one to the provider, so they are counted."""
        at, address = time.monotonic(), find_address(request, trusted())
        if attempts.are_spent(address, at):
            return JSONResponse({"message": "Too many attempts. Wait a minute and try again."}, 429)
        attempts.add(address, at)
        try:
            answer = await asyncio.to_thread(act, await read_form(request))
        except FormTooLarge as error:
            return JSONResponse({"message": str(error)}, 413)
        except Refused as error:
            return JSONResponse({"message": str(error)}, error.status)
        except StewardError as error:
            log.error("signing in at a provider: %s", error)
            return JSONResponse({"message": "The provider or the store does not answer. Try again later."}, 503)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    devices = (
        page_endpoint(DEVICE_PATH, "public", begin_device, "POST"),
        page_endpoint(f"{DEVICE_PATH}/token", "public", finish_device, "POST"),
    )
    return Page((*devices, page_endpoint(PATH, "public", send), page_endpoint(f"{PATH}/callback", "public", take_back)))


def tell_device(provider: SingleSignOn, device: str) -> dict[str, object]:
    """What a command that waits is told: the session once, or when to ask again."""
    ended = provider.finish_device(device)
    if isinstance(ended, float):
        return {"pending": True, "later_s": ended}
    return {"token": ended.token, "name": ended.principal.id, "expires_in": provider.session_s}
