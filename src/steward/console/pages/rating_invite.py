"""The invite: what a rater sees first, and the button that starts or resumes the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import Handler, name_session_cookie, page_endpoint, redirect, render
from steward.core.endpoint import Endpoint
from steward.core.study import Rater

if TYPE_CHECKING:
    from steward.evaluation.rating_session import RatingSession

COOKIE: Final = "steward_rater"
COOKIE_S: Final = 90 * 24 * 3600


def endpoints(session: RatingSession) -> list[Endpoint[Handler[Rater]]]:
    async def show(request: Request, _: Rater) -> Response:
        """A page with a button, not a redirect: previews of links open nothing, and the cookie stays strict."""
        rater = await asyncio.to_thread(session.find_rater, request.path_params["token"])
        if rater is None:
            return refuse_invite()
        done, total = await asyncio.to_thread(session.progress, rater)
        return render("rating_start.html", guide=session.guide, rater=rater, done=done, total=total)

    async def accept(request: Request, _: Rater) -> Response:
        token = request.path_params["token"]
        rater = await asyncio.to_thread(session.find_rater, token)
        if rater is None:
            return refuse_invite()
        response = redirect("/lead" if rater.lead else "/next")
        name = name_session_cookie(request, COOKIE)
        response.set_cookie(name, token, max_age=COOKIE_S, secure=name != COOKIE, httponly=True, samesite="strict")
        return response

    return [
        page_endpoint("/invite/{token}", "public", show),
        page_endpoint("/invite/{token}", "public", accept, "POST"),
    ]


def refuse_invite() -> Response:
    words = "Ask the person who sent it for a new one."
    return render("rating_message.html", 404, heading="This invite is not valid", words=words)
