"""Signing in with the token that `steward up` prints, and out again."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from steward.console.sessions import SECURE_COOKIE, SESSION_S, Attempts, Sessions, find_address, name_cookie
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, redirect, render
from steward.core.identity import Principal


def page(sessions: Sessions) -> Page:
    attempts = Attempts()

    async def show(request: Request, who: Principal) -> Response:
        return render("login.html", message="")

    async def sign_in(request: Request, who: Principal) -> Response:
        at, address = time.monotonic(), find_address(request)  # a clock that is set back locks nobody out for longer
        if attempts.are_spent(address, at):
            return render("login.html", 429, message="Too many attempts. Wait a minute and try again.")
        if not sessions.is_token(await _read_token(request)):
            attempts.add(address, at)
            return render("login.html", 401, message="Wrong token. `steward up` prints it when it starts.")
        response = redirect("/")
        response.set_cookie(
            name_cookie(request),
            sessions.issue(time.time()),
            max_age=SESSION_S,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(request: Request, who: Principal) -> Response:
        name = name_cookie(request)
        sessions.end(request.cookies.get(name, ""), time.time())
        response = redirect("/login")
        response.delete_cookie(name, secure=name == SECURE_COOKIE)
        return response

    return Page(
        (
            page_endpoint("/login", "public", show),
            page_endpoint("/login", "public", sign_in, "POST"),
            page_endpoint("/logout", "public", sign_out, "POST"),
        )
    )


async def _read_token(request: Request) -> str:
    try:
        return (await read_form(request)).get("token", "")
    except FormTooLarge:
        return ""
