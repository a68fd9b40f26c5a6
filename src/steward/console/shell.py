"""What all pages share: who is asking, what they may see, the headers, the layout and its navigation.

A path is reachable only because it stands in a table of endpoints. Pages work without JavaScript; the script of the
layout replaces `#live` when something has changed. Knows nothing of what pages show.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qs

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from steward.core.endpoint import Endpoint, Method, Tenancy, covers, index_endpoints
from steward.core.errors import Exhausted, StewardError, describe_trace, find_exhausted
from steward.core.identity import Principal, Right

log = logging.getLogger(__name__)

Who = TypeVar("Who")
Handler = Callable[[Request, Who], Awaitable[Response]]
Group = Literal["", "Watch", "Run", "Improve", "Govern"]

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
SECURE_PREFIX: Final = "__Host-"  # of cookies over TLS: no page of a neighbouring name can set one
HSTS: Final = "max-age=63072000"  # two years, as Mozilla advises; only of a name, never of this machine's own
CHANGES: Final[dict[Method, bool]] = {"GET": False, "POST": True, "PUT": True, "PATCH": True, "DELETE": True}
FROM_ELSEWHERE: Final = "A page of another site sent this. Open the console itself and try again."
_LOCAL_NAME: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
RETRY_S: Final = {429: "60", 503: "5"}  # when to try again, where the answer says no better
FORM_LIMIT: Final = 65_536  # bytes of a form
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True
)


class Page(NamedTuple):
    """Endpoints that belong together. One with a title stands in the navigation, at its first endpoint's path, below
    the heading `group`; `words` are what else the search finds it by."""

    endpoints: tuple[Endpoint[Handler[Any]], ...]
    title: str = ""
    group: Group = ""
    words: str = ""


class NavigationItem(NamedTuple):
    """A page that can be gone to, and what somebody needs to see it."""

    title: str
    path: str
    group: Group
    permission: Right
    tenancy: Tenancy
    words: str

    def is_open_to(self, who: Principal) -> bool:
        return who.has(self.permission) and covers(self.tenancy, who)


class FormTooLarge(ValueError):
    """A form of more bytes than its endpoint reads."""


def page_endpoint(
    path: str, permission: Right, handler: Handler[Who], method: Method = "GET", tenancy: Tenancy = "none"
) -> Endpoint[Handler[Who]]:
    """An endpoint that reads: it touches no client's request and changes no setting. Only a form has a body."""
    return Endpoint(
        method=method,
        path=path,
        permission=permission,
        tenancy=tenancy,
        guards="none",
        audit="none",
        max_body_bytes=FORM_LIMIT if method == "POST" else 0,
        handler=handler,
    )


def act_endpoint(
    path: str, permission: Right, handler: Handler[Who], tenancy: Tenancy = "principal"
) -> Endpoint[Handler[Who]]:
    """A form that changes something; what it calls records the act before it is done."""
    return Endpoint(
        method="POST",
        path=path,
        permission=permission,
        tenancy=tenancy,
        guards="none",
        audit="administrative",
        max_body_bytes=FORM_LIMIT,
        handler=handler,
    )


def serve(
    endpoints: Iterable[Endpoint[Handler[Who]]],
    identify: Callable[[Request], Awaitable[tuple[Principal, Who]]],
    refuse: Callable[[Request, Endpoint[Handler[Who]]], Awaitable[Response]],
    missing: Callable[[], Response] = lambda: PlainTextResponse("no such page", status_code=404),
    explain: Callable[[Request, StewardError], Response] | None = None,
    note_change: Callable[[], None] = lambda: None,
) -> Starlette:
    """The application of a table of endpoints.

    `identify` returns the principal whose rights count and what handlers take; `refuse` answers whoever lacks the
    permission; `missing` answers unknown paths; `explain` answers what handlers raise of steward's own errors;
    `note_change` is called after a handler that may have changed something.
    """

    def guard(methods: Mapping[str, Endpoint[Handler[Who]]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            endpoint = methods.get(request.method) or methods["GET"]  # HEAD is a GET
            request.state.changes = CHANGES[endpoint.method]
            principal, who = await identify(request)
            request.state.max_body_bytes = endpoint.max_body_bytes
            if request.state.changes and is_from_elsewhere(request):
                return _secure(PlainTextResponse(FROM_ELSEWHERE, status_code=403), request)
            allowed = principal.has(endpoint.permission) and covers(endpoint.tenancy, principal)
            try:
                response = await endpoint.handler(request, who) if allowed else await refuse(request, endpoint)
            except HTTPException:
                raise
            except Exception as error:  # the server would log what it says, which may repeat what somebody wrote
                response = _answer_failure(request, error, explain)
            if request.state.changes:
                note_change()
            return _secure(response, request)

        return answer

    async def answer_unknown_path(request: Request, error: Exception) -> Response:
        return _secure(missing(), request)

    async def answer_unknown_method(request: Request, error: Exception) -> Response:
        headers = error.headers if isinstance(error, HTTPException) else None  # names the methods that there are
        return _secure(PlainTextResponse("method not allowed", status_code=405, headers=headers), request)

    table = index_endpoints(endpoints)
    routes = [Route(path, guard(methods), methods=list(methods)) for path, methods in table.items()]
    return Starlette(routes=routes, exception_handlers={404: answer_unknown_path, 405: answer_unknown_method})


def _answer_failure(
    request: Request, error: Exception, explain: Callable[[Request, StewardError], Response] | None
) -> Response:
    """What a page says that could not be made; a mistake of ours is logged by where it happened."""
    lacks = isinstance(error, Exhausted) or (isinstance(error, OSError) and find_exhausted(error) is not None)
    if lacks and isinstance(error, Exhausted | OSError):
        return answer_exhausted(error)
    if isinstance(error, StewardError) and explain is not None:
        return explain(request, error)
    log.error("a page cannot be answered\n%s", describe_trace(error))
    return PlainTextResponse("Internal error: this is a bug in steward. Its log says where.", status_code=500)


def answer_exhausted(error: Exhausted | OSError) -> Response:
    """503 with what has run out, which recovers by itself. :raises OSError: another failure"""
    reason = error if isinstance(error, Exhausted) else find_exhausted(error)
    if reason is None:
        raise error
    log.error("a page cannot be answered: %s", reason)
    words = f"Nothing was saved: {reason}. Try again when that is mended."
    return PlainTextResponse(words, status_code=503, headers={"retry-after": "5"})


def render(template: str, code: int = 200, /, **values: object) -> Response:
    return Response(_templates.get_template(template).render(**values), code, media_type="text/html")


def render_page(request: Request, template: str, code: int = 200, /, **values: object) -> Response:
    """A page in the console's layout. Its template extends `layout.html` and knows `reader`, which writes numbers and
    times, `who`, and what the handler gives it."""
    state = request.state
    who: Principal = state.principal
    frame = {
        "navigation": group_navigation(state.navigation, who),
        "here": request.scope["path"],
        "who": who,
        "reader": state.reader,
        "headline": state.headline,
        "stale": state.stale,
        "wall": request.query_params.get("wall") == "1",
        "demo": state.demo,
    }
    return render(template, code, **(frame | values))


def find_address(request: Request) -> str:
    """Path and query as they were asked for. `request.url` is not, since a client makes up its host."""
    query: bytes = request.scope["query_string"]
    return f"{request.scope['path']}?{query.decode('latin-1')}"


def redirect(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def list_navigation(pages: Iterable[Page]) -> list[NavigationItem]:
    """Every page that has a title, in the order of the list."""
    return [
        NavigationItem(page.title, first.path, page.group, first.permission, first.tenancy, page.words)
        for page in pages
        if page.title
        for first in page.endpoints[:1]
    ]


def group_navigation(items: Iterable[NavigationItem], who: Principal) -> dict[Group, list[NavigationItem]]:
    """What `who` may open, below its headings, each heading where it first stands."""
    groups: dict[Group, list[NavigationItem]] = {}
    for item in items:
        if item.is_open_to(who):
            groups.setdefault(item.group, []).append(item)
    return groups


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field. :raises FormTooLarge: by its declared or its actual length"""
    limit: int = request.state.max_body_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise FormTooLarge(f"the form is larger than {limit} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise FormTooLarge(f"the form is larger than {limit} bytes")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def is_from_elsewhere(request: Request) -> bool:
    """Whether a page of another site makes a browser send this: it says so by Sec-Fetch-Site, an older one by Origin.

    A request that carries its proof in `Authorization` is none that another page can make.
    """
    if "authorization" in request.headers or "x-api-key" in request.headers:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def is_local_name(host: str) -> bool:
    """Whether a Host header names this machine and nothing else. `request.url` is put together from the header, so that
    its parts are whatever a client wants them to be.

    >>> [is_local_name(host) for host in ("localhost:8081", "[::1]", "localhost:4000/#@x", "evil.example")]
    [True, True, False, False]
    """
    return _LOCAL_NAME.fullmatch(host) is not None


def _secure(response: Response, request: Request) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # a report that is sent as it lies has a policy of its own
    if request.scope["scheme"] == "https" and not is_local_name(request.headers.get("host", "")):
        response.headers["Strict-Transport-Security"] = HSTS  # of localhost, it would end every other plain port too
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code in RETRY_S:
        response.headers.setdefault("Retry-After", RETRY_S[response.status_code])
    return response


def ask_to_wait(response: Response, wait_s: float) -> Response:
    """A 429 that says when to try again."""
    response.headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return response


def name_session_cookie(request: Request, name: str) -> str:
    """What a session's cookie is called on this connection."""
    return SECURE_PREFIX + name if request.scope["scheme"] == "https" else name
