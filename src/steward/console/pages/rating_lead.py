"""The lead's page of a human study: progress, agreement, disagreements that wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import Handler, page_endpoint, render
from steward.core.endpoint import Endpoint
from steward.core.study import Rater

if TYPE_CHECKING:
    from steward.evaluation.rating_session import RatingSession


def endpoints(session: RatingSession) -> list[Endpoint[Handler[Rater]]]:
    async def show(request: Request, rater: Rater) -> Response:
        overview = await asyncio.to_thread(session.overview)
        return render("rating_lead.html", guide=session.guide, overview=overview)

    return [page_endpoint("/lead", "study.lead", show)]
