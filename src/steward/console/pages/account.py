"""A person's own page: who they are here, what they may do, another password, signing out everywhere."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from steward.console.sessions import SECURE_COOKIE, name_cookie
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, redirect, render_page
from steward.core.errors import InputError, Refused
from steward.core.identity import Principal
from steward.workflows.people import People


def page(people: People) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return _render(request, who, "") if who.kind == "person" else redirect("/login")

    async def change(request: Request, who: Principal) -> Response:
        if who.kind != "person":
            return redirect("/login")
        try:
            form = await read_form(request)
            await asyncio.to_thread(people.change_password, who, form.get("old", ""), form.get("new", ""))
        except FormTooLarge:
            return _render(request, who, "The form is too large.", 413)
        except InputError as error:
            return _render(request, who, str(error), 400)
        except Refused:
            return _render(request, who, "The old password is wrong.", 401)
        response = redirect("/login")
        name = name_cookie(request)
        response.delete_cookie(name, secure=name == SECURE_COOKIE)
        return response

    return Page(
        (
            page_endpoint("/account", "public", show, tenancy="principal"),
            page_endpoint("/account", "public", change, "POST", tenancy="principal"),
        )
    )


def _render(request: Request, who: Principal, message: str, code: int = 200) -> Response:
    rights = sorted(who.rights - {"public"})
    return render_page(request, "account.html", code, who=who, rights=rights, message=message, own="/" not in who.id)
