"""The pages of a human study: invite, task, end, and the lead's progress. They work without JavaScript and offline.

Blind by construction: no method of the rating session returns the name of a run, a model or an item.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from steward.console.app import HEADERS
from steward.core.errors import StewardError
from steward.core.study import Rater, VoteRejected

if TYPE_CHECKING:
    from steward.evaluation.rating_session import RatingSession

COOKIE: Final = "steward_rater"
COOKIE_S: Final = 90 * 24 * 3600
_BODY_LIMIT: Final = 65_536
_HERE: Final = Path(__file__).parent
_log = logging.getLogger(__name__)
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True)


def build(session: RatingSession) -> Starlette:
    """The application."""

    async def whose(request: Request) -> Rater | None:
        return await asyncio.to_thread(session.who, request.cookies.get(COOKIE, ""))

    async def invite(request: Request) -> Response:
        """A page with a button, not a redirect: previews of links open nothing, and the cookie stays strict."""
        token = request.path_params["token"]
        rater = await asyncio.to_thread(session.who, token)
        if rater is None:
            return _message_page("This invite is not valid", "Ask the person who sent it for a new one.", 404)
        if request.method == "POST":
            response = _redirect("/lead" if rater.lead else "/next")
            response.set_cookie(COOKIE, token, max_age=COOKIE_S, httponly=True, samesite="strict")
            return response
        done, total = await asyncio.to_thread(session.progress, rater)
        return _render_page("rating_start.html", guide=session.guide, rater=rater, done=done, total=total)

    async def after(request: Request) -> Response:
        """The next task, or the end."""
        rater = await whose(request)
        if rater is None:
            return _invite_page()
        key = await asyncio.to_thread(session.next, rater)
        if key is not None:
            return _redirect(f"/task/{key}")
        done, total = await asyncio.to_thread(session.progress, rater)
        return _render_page("rating_end.html", guide=session.guide, rater=rater, done=done, total=total)

    async def task(request: Request) -> Response:
        rater = await whose(request)
        if rater is None:
            return _invite_page()
        key, problem, code = request.path_params["key"], "", 200
        if request.method == "POST":
            try:
                await _read_vote(session, rater, key, request)
                return _redirect("/next")
            except VoteRejected as error:
                problem, code = f"Vote not saved: {error}.", 400
            except StewardError:  # its message may name the study's file
                _log.exception("a vote could not be saved")
                problem, code = (
                    "The vote could not be saved. Try again, and tell the person who sent you the invite.",
                    503,
                )
        shown = await asyncio.to_thread(session.show, rater, key)
        if shown is None:
            return _message_page("No such task", "This task is not in your queue.", 404)
        values = {"guide": session.guide, "rater": rater, "shown": shown, "problem": problem}
        return _render_page("rating_task.html", code, **values)

    async def lead(request: Request) -> Response:
        rater = await whose(request)
        if rater is None or not rater.lead:
            return _invite_page()
        overview = await asyncio.to_thread(session.overview)
        return _render_page("rating_lead.html", guide=session.guide, overview=overview)

    async def unknown(request: Request, _: Exception) -> Response:
        response = _message_page("No such page", "Open your invite again to continue.", 404)
        response.headers.update(HEADERS)
        return response

    async def home(request: Request) -> Response:
        return _redirect("/next")

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes: list[Route | Mount] = [
        _make_route("/", home),
        _make_route("/invite/{token}", invite, "GET", "POST"),
        _make_route("/next", after),
        _make_route("/task/{key}", task, "GET", "POST"),
        _make_route("/lead", lead),
        _make_route("/healthz", alive),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    return Starlette(routes=routes, exception_handlers={404: unknown})


async def _read_vote(session: RatingSession, rater: Rater, key: str, request: Request) -> None:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _BODY_LIMIT:
            raise VoteRejected(f"the form is larger than {_BODY_LIMIT} bytes; shorten the comment")
    form = parse_qs(data.decode("utf-8", "replace"))
    one = {name: values[0] for name, values in form.items()}
    levels = {name[6:]: value for name, value in one.items() if name.startswith("level:")}
    comment = one.get("comment", "").strip()
    await asyncio.to_thread(session.vote, rater, key, one.get("vote", ""), levels, comment, "unsafe" in one)


def _make_route(path: str, act: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
    async def endpoint(request: Request) -> Response:
        response = await act(request)
        response.headers.update(HEADERS)
        return response

    return Route(path, endpoint, methods=list(methods) or ["GET"])


def _redirect(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def _invite_page() -> Response:
    return _message_page("Open your invite first", "The link in your invite starts or resumes your queue.", 401)


def _message_page(heading: str, words: str, code: int) -> Response:
    return _render_page("rating_said.html", code, heading=heading, words=words)


def _render_page(name: str, code: int = 200, /, **values: object) -> Response:
    return Response(_pages.get_template(name).render(**values), code, media_type="text/html")
