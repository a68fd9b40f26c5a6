"""The server of a human study: its table of pages, and who may open them. Works without JavaScript and offline.

Blind by construction: no method of the rating session returns the name of a run, a model or an item.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from steward.console.pages import health, rating_invite, rating_lead, rating_task, static
from steward.console.shell import Handler, name_session_cookie, render, serve
from steward.core.endpoint import Endpoint
from steward.core.identity import ANONYMOUS, Principal, Right
from steward.core.study import Rater

if TYPE_CHECKING:
    from steward.evaluation.rating_session import RatingSession

NOBODY: Final = Rater("")  # what handlers of public pages get from a stranger
RATER_RIGHTS: Final[frozenset[Right]] = frozenset({"public", "study.rate"})
LEAD_RIGHTS: Final[frozenset[Right]] = RATER_RIGHTS | {"study.lead"}


def build(session: RatingSession) -> Starlette:
    """The application."""

    async def identify(request: Request) -> tuple[Principal, Rater]:
        token = request.cookies.get(name_session_cookie(request, rating_invite.COOKIE), "")
        rater = await asyncio.to_thread(session.find_rater, token)
        return (ANONYMOUS, NOBODY) if rater is None else (make_principal(rater), rater)

    return serve(list_endpoints(session), identify, refuse, refuse_uninvited)


def list_endpoints(session: RatingSession) -> list[Endpoint[Handler[Rater]]]:
    """Every path of a study."""
    return [
        *rating_invite.endpoints(session),
        *rating_task.endpoints(session),
        *rating_lead.endpoints(session),
        *health.page().endpoints,
        *static.page().endpoints,
    ]


def make_principal(rater: Rater) -> Principal:
    rights = LEAD_RIGHTS if rater.lead else RATER_RIGHTS
    return Principal(kind="person", id=rater.name, rights=rights, auth_method="token")


async def refuse(request: Request, endpoint: Endpoint[Handler[Rater]]) -> Response:
    words = "The link in your invite starts or resumes your queue."
    return render("rating_message.html", 401, heading="Open your invite first", words=words)


def refuse_uninvited() -> Response:
    words = "Open your invite again to continue."
    return render("rating_message.html", 404, heading="No such page", words=words)
