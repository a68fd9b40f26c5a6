"""The console: its list of pages, and what a visitor without the permission gets.

Knows nothing of stores and processes: it is given functions that return what to show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.api import PREFIX, answer_refusal
from steward.console.headline import Headlines
from steward.console.home_pages import list_home_pages
from steward.console.pages import (
    account,
    alert_intake,
    alerts,
    badge,
    device_sign_in,
    display,
    drift,
    first_run,
    health,
    live,
    login,
    metrics,
    overview,
    requests,
    satisfaction,
    search,
    single_sign_on,
    static,
    status,
    traffic,
)
from steward.console.reader import find_reader
from steward.console.recognised import RecognisedPeople
from steward.console.sessions import PROJECT_COOKIE, PROJECT_HEADER, Sessions, asks_by_itself, name_cookie
from steward.console.shell import Handler, NavigationItem, Page, list_navigation, redirect, render, render_page, serve
from steward.console.signed_out import ask_to_sign_in
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint
from steward.core.errors import Contradiction, InputError, Refused, StewardError, UnknownName
from steward.core.extend import RequestSender
from steward.core.identity import ANONYMOUS, Principal
from steward.core.networks import Network
from steward.core.records import Snapshot
from steward.gateway.http import CERTIFICATE
from steward.security.authenticator import certificate_required
from steward.workflows.people import TOKEN_PREFIX, People
from steward.workflows.single_sign_on import SingleSignOn

NO_API: Final = Page(())


def list_source_pages(source: ConsoleSource) -> list[Page]:
    """Pages that read the store, in the order of the navigation. A new one is a module in `pages/` and a line here."""
    return [
        overview.page(source),
        traffic.page(source),
        requests.page(source),
        satisfaction.page(source),
        alerts.page(source),
        alert_intake.page(source),
        drift.page(source),
        first_run.page(source),
        badge.page(source),
        live.page(source),
        *list_home_pages(source),
    ]


def list_pages(
    snapshot: Callable[[], Snapshot],
    sessions: Sessions,
    metrics_text: Callable[[], str],
    people: People | None = None,
    trusted: Callable[[], Sequence[Network]] = tuple,
    provider: SingleSignOn | None = None,
    source: ConsoleSource | None = None,
) -> list[Page]:
    """Every page, in the order of the navigation."""
    pages = [
        *(list_source_pages(source) if source is not None else []),
        status.page(snapshot, source),
        display.page(),
        login.page(sessions, people, trusted, provider.plan.name if provider is not None else ""),
        *([single_sign_on.page(provider), device_sign_in.page(provider, trusted)] if provider is not None else []),
        *([account.page(people)] if people is not None else []),
        metrics.page(metrics_text),
        health.page(),
        static.page(),
    ]
    return [*pages, search.page(list_navigation(pages), source)]


def build(
    snapshot: Callable[[], Snapshot],
    sessions: Sessions,
    metrics: Callable[[], str],
    find_by_key: Callable[[RequestSender], Awaitable[Principal]] | None = None,
    api: Page = NO_API,
    needs_certificate: bool = False,
    people: People | None = None,
    trusted: Callable[[], Sequence[Network]] = tuple,
    provider: SingleSignOn | None = None,
    source: ConsoleSource | None = None,
) -> Starlette:
    """The application. `snapshot` and `metrics` may block; they run in threads. `find_by_key` says whose a key or a
    client's certificate is; with `needs_certificate` nobody without one sees more than whether the console lives.
    """
    pages = [*list_pages(snapshot, sessions, metrics, people, trusted, provider, source), api]
    navigation = list_navigation(pages)
    headlines = Headlines(source) if source is not None else None
    recognised = RecognisedPeople()

    async def identify(request: Request) -> tuple[Principal, Principal]:
        state = request.state
        state.navigation, state.problem, state.headline, state.stale, state.demo = navigation, None, None, None, False
        state.reader = find_reader(request.cookies, request.headers.get("accept-language", ""))
        principal = await find_principal(request)
        state.principal = principal
        if headlines is not None and has_headline(request.scope["path"], principal):
            state.headline = await headlines.find(principal)
            state.demo = headlines.demo
        return principal, principal

    async def find_principal(request: Request) -> Principal:
        principal = ANONYMOUS
        if needs_certificate and CERTIFICATE not in request.scope and not sessions.is_this_machine(request):
            request.state.problem = certificate_required()
        elif people is not None and (session := find_session_token(request)):
            principal = await find_person(request, people, recognised, session)
        elif find_by_key is None or not (has_key(request) or CERTIFICATE in request.scope):
            principal = sessions.identify(request)
        elif not has_key(request) and (known := sessions.identify(request)).kind == "operator":
            principal = known
        else:
            try:
                principal = await find_by_key(KeySender(request))
            except Refused as error:
                principal, request.state.problem = ANONYMOUS, error
        return principal

    return serve(
        [endpoint for page in pages for endpoint in page.endpoints],
        identify,
        refuse,
        explain=explain_error,
        note_change=source.answers.expire if source is not None else ignore_change,
        missing=lambda: render("missing.html", 404),
    )


async def find_person(request: Request, people: People, recognised: RecognisedPeople, session: str) -> Principal:
    """Whose session it is; for pages that read, whose it just was where the store does not answer."""
    project = find_project(request)
    try:
        person = await asyncio.to_thread(people.find, session, project, not asks_by_itself(request))
    except StewardError:
        known = None if request.state.changes else recognised.find(session, project)
        request.state.problem = no_store_error() if known is None else None
        return known or ANONYMOUS
    recognised.note(session, project, person)
    return person or ANONYMOUS


def ignore_change() -> None:
    """Nothing is kept that a change could make untrue."""


def has_headline(path: str, who: Principal) -> bool:
    """Whether a page of the layout is asked for, by somebody who may read it and sees all of a tenant."""
    if not who.has("console.read") or who.within is not None:
        return False
    return not path.startswith(("/api/", "/static/", "/live", "/metrics", "/healthz"))


def explain_error(request: Request, error: StewardError) -> Response:
    """A page that says what went wrong and what to do, with the status that it has."""
    code = 404 if isinstance(error, UnknownName) else 400 if isinstance(error, InputError) else 503
    if isinstance(error, Refused):
        code = error.status
    elif isinstance(error, Contradiction):
        raise error
    title = {404: "Not found", 400: "This cannot be shown", 403: "Not allowed"}.get(code, "The store does not answer")
    return render_page(request, "problem.html", code, title=title, message=str(error))


async def refuse(request: Request, endpoint: Endpoint[Handler[Principal]]) -> Response:
    """A person is sent to the login; a program is told what is missing."""
    if request.state.problem is not None and not endpoint.path.startswith(PREFIX):
        problem: Refused = request.state.problem
        return PlainTextResponse(str(problem), status_code=problem.status, headers=dict(problem.headers))
    if endpoint.permission == "metrics.read":
        words = "metrics need 'Authorization: Bearer TOKEN', with the text of run/metrics-token in the home"
        return PlainTextResponse(words, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if endpoint.path.startswith(PREFIX):
        return answer_refusal(request.state.problem or explain_denial(request, endpoint))
    if endpoint.path.startswith("/api/"):
        return PlainTextResponse("sign in first", status_code=401)
    who: Principal = request.state.principal
    if who.kind in ("person", "operator"):
        reason = f"This needs the right '{endpoint.permission}'."
        if who.kind == "operator":
            reason += " The token opens pages to read. Sign in as a person: steward users add NAME --role owner"
        if who.within is not None and who.has(endpoint.permission):
            if not endpoint.path.strip("/") and (first := find_first_page(request.state.navigation, who)) is not None:
                return redirect(first)
            reason = f"This page shows more than the project '{who.within}', which your role is for."
        elif who.has(endpoint.permission):
            reason = "This page shows all tenants; it opens to the tenant 'default' only."
        return render_page(request, "denied.html", 403, message=reason)
    return await ask_to_sign_in(request)


def explain_denial(request: Request, endpoint: Endpoint[Handler[Principal]]) -> Refused:
    """401 for whoever proved nothing, 403 for whoever may do too little."""
    kind = "invalid_request_error"
    if request.state.principal.auth_method in ("none", "local"):
        asks = (("www-authenticate", "Bearer"),)
        message = "Send a key as 'Authorization: Bearer stw_…'."
        return Refused(message, status=401, type=kind, code="unauthenticated", headers=asks)
    who: Principal = request.state.principal
    reason = f"This needs the right '{endpoint.permission}'."
    if who.has(endpoint.permission) and who.within is not None:
        reason = f"This answers for more than the project '{who.within}', which is all that you may see."
    return Refused(reason, status=403, type=kind, code="forbidden")


def find_first_page(navigation: Sequence[NavigationItem], who: Principal) -> str | None:
    return next((item.path for item in navigation if item.is_open_to(who)), None)


def find_project(request: Request) -> str | None:
    """The project that a person has chosen to act in: by the header, of a command, or the cookie, of a browser."""
    name = request.headers.get(PROJECT_HEADER) or request.cookies.get(PROJECT_COOKIE, "")
    return name[:200] or None


def find_session_token(request: Request) -> str:
    """A person's, from the header or the cookie; empty where there is none."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip().startswith(TOKEN_PREFIX):
        return text.strip()
    cookie = request.cookies.get(name_cookie(request), "")
    return cookie if cookie.startswith(TOKEN_PREFIX) and "authorization" not in request.headers else ""


def no_store_error() -> Refused:
    return Refused(
        "The store does not answer, so nobody can be recognised. Please try again later.",
        status=503,
        type="server_error",
        code="unavailable",
    )


def has_key(request: Request) -> bool:
    """Whether the request carries a key or a JSON Web Token, rather than the console's token or cookie."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return (scheme.lower() == "bearer" and text.strip().startswith(("stw_", "eyJ"))) or "x-api-key" in request.headers


class KeySender:
    """A request to the console as whoever checks keys sees it."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def headers(self) -> Mapping[str, str]:
        return self._request.headers

    @property
    def certificate(self) -> str | None:
        name: str | None = self._request.scope.get(CERTIFICATE)
        return name

    def list_hops(self) -> list[str]:
        client, lines = self._request.client, self._request.headers.getlist("x-forwarded-for")
        return [client.host if client else "", *reversed(",".join(lines).split(",") if lines else [])]
