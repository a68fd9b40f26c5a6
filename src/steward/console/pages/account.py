"""A person's own page: who they are here, what they may do, another password, signing out everywhere."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import Response

from steward.console.pages.login import AT_ONCE
from steward.console.sessions import PROJECT_COOKIE, SECURE_COOKIE, Attempts, name_cookie
from steward.console.shell import FormTooLarge, Page, ask_to_wait, page_endpoint, read_form, redirect, render_page
from steward.console.sign_in_limits import explain_wait
from steward.core.errors import InputError, Refused
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.workflows.people import People


def page(people: People) -> Page:
    attempts = Attempts()  # of each person: whoever has found an open session shall not find out the password
    checking = asyncio.Semaphore(AT_ONCE)

    async def show(request: Request, who: Principal) -> Response:
        return await _render(people, request, who, "") if who.kind == "person" else redirect("/login")

    async def change(request: Request, who: Principal) -> Response:
        if who.kind != "person":
            return redirect("/login")
        try:
            form = await read_form(request)
            if wait_s := attempts.find_wait_s(who.actor, time.monotonic()):
                return ask_to_wait(await _render(people, request, who, explain_wait(wait_s), 429), wait_s)
            attempts.add(who.actor, time.monotonic())
            async with checking:
                await asyncio.to_thread(people.change_password, who, form.get("old", ""), form.get("new", ""))
        except FormTooLarge:
            return await _render(people, request, who, "The form is too large.", 413)
        except InputError as error:
            return await _render(people, request, who, str(error), 400)
        except Refused:
            return await _render(people, request, who, "The old password is wrong.", 401)
        response = redirect("/login")
        name = name_cookie(request)
        response.delete_cookie(name, secure=name == SECURE_COOKIE)
        return response

    async def choose(request: Request, who: Principal) -> Response:
        """The cookie only says where; what somebody may do there is looked up at each request."""
        if who.kind != "person":
            return redirect("/login")
        try:
            project = (await read_form(request)).get("project", "").strip()
        except FormTooLarge:
            return await _render(people, request, who, "The form is too large.", 413)
        if project and project not in await asyncio.to_thread(people.list_projects, find_token(request)):
            return await _render(people, request, who, f"You have no role in the project {cut_text(project)!r}.", 400)
        response = redirect("/")
        if project:
            response.set_cookie(PROJECT_COOKIE, project, httponly=True, samesite="lax")
        else:
            response.delete_cookie(PROJECT_COOKIE)
        return response

    return Page(
        (
            page_endpoint("/account", "public", show, tenancy="project"),
            page_endpoint("/account", "public", change, "POST", tenancy="project"),
            page_endpoint("/account/project", "public", choose, "POST", tenancy="project"),
        )
    )


async def _render(people: People, request: Request, who: Principal, message: str, code: int = 200) -> Response:
    rights = sorted(who.rights - {"public"})
    projects = await asyncio.to_thread(people.list_projects, find_token(request))
    own = "/" not in who.id
    return render_page(
        request, "account.html", code, who=who, rights=rights, message=message, own=own, projects=projects
    )


def find_token(request: Request) -> str:
    return request.cookies.get(name_cookie(request), "")
