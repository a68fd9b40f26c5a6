"""One task of a human study: the question, the answers, the vote; and the end of the queue."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import FormTooLarge, Handler, page_endpoint, read_form, redirect, render
from steward.core.endpoint import Endpoint
from steward.core.errors import Exhausted, StewardError, describe_trace
from steward.core.study import Rater, VoteRejected

if TYPE_CHECKING:
    from steward.evaluation.rating_session import RatingSession

_log = logging.getLogger(__name__)


def endpoints(session: RatingSession) -> list[Endpoint[Handler[Rater]]]:
    async def go_on(request: Request, rater: Rater) -> Response:
        """The next task, or the end."""
        key = await asyncio.to_thread(session.next, rater)
        if key is not None:
            return redirect(f"/task/{key}")
        done, total = await asyncio.to_thread(session.progress, rater)
        return render("rating_end.html", guide=session.guide, rater=rater, done=done, total=total)

    async def home(request: Request, rater: Rater) -> Response:
        return redirect("/next")

    async def show(request: Request, rater: Rater) -> Response:
        return await show_task(session, rater, request.path_params["key"])

    async def vote(request: Request, rater: Rater) -> Response:
        key = request.path_params["key"]
        try:
            await save_vote(session, rater, key, request)
        except (VoteRejected, FormTooLarge) as error:
            code = 413 if isinstance(error, FormTooLarge) else 400
            return await show_task(session, rater, key, f"Vote not saved: {error}.", code)
        except Exhausted as error:
            _log.error("a vote could not be saved: %s", error)
            words = f"The vote could not be saved: {error}. Try again later, and tell the person who sent the invite."
            return await show_task(session, rater, key, words, 503)
        except StewardError as error:  # its message may name the study's file
            _log.error("a vote could not be saved\n%s", describe_trace(error))
            words = "The vote could not be saved. Try again, and tell the person who sent you the invite."
            return await show_task(session, rater, key, words, 503)
        return redirect("/next")

    return [
        page_endpoint("/", "public", home),
        page_endpoint("/next", "study.rate", go_on),
        page_endpoint("/task/{key}", "study.rate", show),
        page_endpoint("/task/{key}", "study.rate", vote, "POST"),
    ]


async def show_task(session: RatingSession, rater: Rater, key: str, problem: str = "", code: int = 200) -> Response:
    shown = await asyncio.to_thread(session.show, rater, key)
    if shown is None:
        words = "This task is not in your queue."
        return render("rating_message.html", 404, heading="No such task", words=words)
    return render("rating_task.html", code, guide=session.guide, rater=rater, shown=shown, problem=problem)


async def save_vote(session: RatingSession, rater: Rater, key: str, request: Request) -> None:
    """:raises VoteRejected: a vote that the study does not take; :raises FormTooLarge: a comment beyond all bounds"""
    form = await read_form(request)
    levels = {name[6:]: value for name, value in form.items() if name.startswith("level:")}
    comment = form.get("comment", "").strip()
    await asyncio.to_thread(session.vote, rater, key, form.get("vote", ""), levels, comment, "unsafe" in form)
