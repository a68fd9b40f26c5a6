"""The pages of a human study: invite, task, end, and the lead's. Whole with scripts off and without a network.

Blind by construction: the desk that is given here returns no name of a run, a model or an item.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qs

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from steward.console.app import HEADERS
from steward.core.errors import StewardError
from steward.core.study import Guide, NotTaken, Overview, Rater, Shown

COOKIE: Final = "steward_rater"
COOKIE_S: Final = 90 * 24 * 3600
_BODY_LIMIT: Final = 65_536
_HERE: Final = Path(__file__).parent
_log = logging.getLogger(__name__)
_pages = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True)


class Desk(Protocol):
    """What the pages ask of a study. Methods block; they run in threads."""

    @property
    def guide(self) -> Guide: ...

    def who(self, token: str) -> Rater | None: ...
    def next(self, rater: Rater) -> str | None: ...
    def progress(self, rater: Rater) -> tuple[int, int]: ...
    def show(self, rater: Rater, key: str) -> Shown | None: ...
    def vote(
        self, rater: Rater, key: str, pressed: str, levels: Mapping[str, str], comment: str, unsafe: bool
    ) -> None: ...
    def overview(self) -> Overview: ...


def build(desk: Desk) -> Starlette:
    """The application."""

    async def whose(request: Request) -> Rater | None:
        return await asyncio.to_thread(desk.who, request.cookies.get(COOKIE, ""))

    async def invite(request: Request) -> Response:
        """A page with a button, not a redirect: previews of links open nothing, and the cookie stays strict."""
        token = request.path_params["token"]
        rater = await asyncio.to_thread(desk.who, token)
        if rater is None:
            return _said("This invite is not valid", "Ask whoever sent it for a new one.", 404)
        if request.method == "POST":
            response = _to("/lead" if rater.lead else "/next")
            response.set_cookie(COOKIE, token, max_age=COOKIE_S, httponly=True, samesite="strict")
            return response
        done, total = await asyncio.to_thread(desk.progress, rater)
        return _page("rating_start.html", guide=desk.guide, rater=rater, done=done, total=total)

    async def after(request: Request) -> Response:
        """The next task, or the end."""
        rater = await whose(request)
        if rater is None:
            return _stranger()
        key = await asyncio.to_thread(desk.next, rater)
        if key is not None:
            return _to(f"/task/{key}")
        done, total = await asyncio.to_thread(desk.progress, rater)
        return _page("rating_end.html", guide=desk.guide, rater=rater, done=done, total=total)

    async def task(request: Request) -> Response:
        rater = await whose(request)
        if rater is None:
            return _stranger()
        key, problem, code = request.path_params["key"], "", 200
        if request.method == "POST":
            try:
                await _vote(desk, rater, key, request)
                return _to("/next")
            except NotTaken as error:
                problem, code = f"Not taken: {error}.", 400
            except StewardError:  # its message may name the study's file
                _log.exception("a vote was not kept")
                problem, code = "The vote could not be kept; try again, and tell whoever sent the invite.", 503
        shown = await asyncio.to_thread(desk.show, rater, key)
        if shown is None:
            return _said("No such task", "It is not in your queue.", 404)
        values = {"guide": desk.guide, "rater": rater, "shown": shown, "problem": problem}
        return _page("rating_task.html", code, **values)

    async def lead(request: Request) -> Response:
        rater = await whose(request)
        if rater is None or not rater.lead:
            return _stranger()
        overview = await asyncio.to_thread(desk.overview)
        return _page("rating_lead.html", guide=desk.guide, overview=overview)

    async def unknown(request: Request, _: Exception) -> Response:
        response = _said("No such page", "Open your invite again to go on.", 404)
        response.headers.update(HEADERS)
        return response

    async def home(request: Request) -> Response:
        return _to("/next")

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes: list[Route | Mount] = [
        _route("/", home),
        _route("/invite/{token}", invite, "GET", "POST"),
        _route("/next", after),
        _route("/task/{key}", task, "GET", "POST"),
        _route("/lead", lead),
        _route("/healthz", alive),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    return Starlette(routes=routes, exception_handlers={404: unknown})


async def _vote(desk: Desk, rater: Rater, key: str, request: Request) -> None:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _BODY_LIMIT:
            raise NotTaken(f"more than {_BODY_LIMIT} bytes; shorten the comment")
    form = parse_qs(data.decode("utf-8", "replace"))
    one = {name: values[0] for name, values in form.items()}
    levels = {name[6:]: value for name, value in one.items() if name.startswith("level:")}
    comment = one.get("comment", "").strip()
    await asyncio.to_thread(desk.vote, rater, key, one.get("vote", ""), levels, comment, "unsafe" in one)


def _route(path: str, act: Callable[[Request], Awaitable[Response]], *methods: str) -> Route:
    async def endpoint(request: Request) -> Response:
        response = await act(request)
        response.headers.update(HEADERS)
        return response

    return Route(path, endpoint, methods=list(methods) or ["GET"])


def _to(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def _stranger() -> Response:
    return _said("Open your invite first", "The link that you were sent starts or goes on with your queue.", 401)


def _said(heading: str, words: str, code: int) -> Response:
    return _page("rating_said.html", code, heading=heading, words=words)


def _page(name: str, code: int = 200, /, **values: object) -> Response:
    return Response(_pages.get_template(name).render(**values), code, media_type="text/html")
