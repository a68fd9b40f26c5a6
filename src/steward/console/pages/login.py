"""Signing in, as a person with name and password or with the token that `steward up` prints, and out again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.sessions import (
    SECURE_COOKIE,
    Attempts,
    Sessions,
    find_address,
    name_cookie,
    set_cookie,
)
from steward.console.shell import FormTooLarge, Page, ask_to_wait, page_endpoint, read_form, redirect, render
from steward.console.sign_in_limits import MARK_S, SignInLimits, explain_wait
from steward.console.signed_out import find_next
from steward.core.errors import Refused, StewardError
from steward.core.identity import Principal
from steward.core.networks import Network
from steward.workflows.people import People, SignedIn

MARK: Final = "steward_device"
AT_ONCE: Final = 2  # passwords that are checked at the same time: each takes 64 MiB
WAITING: Final = 20
CHECK_S: Final = 5.0  # after which some of those that wait have been checked


def page(
    sessions: Sessions,
    people: People | None = None,
    trusted: Callable[[], Sequence[Network]] = tuple,
    provider: str = "",
) -> Page:
    """`people` None: nobody but the token's bearer signs in. `provider`: the name of one to sign in at."""
    attempts = Attempts()
    persons = _PersonSignIn(people, trusted, provider) if people is not None else None

    async def show(request: Request, who: Principal) -> Response:
        wanted = find_next(request.query_params.get("next", ""))
        return render("login.html", message="", people=people is not None, provider=provider, next=wanted)

    async def sign_in(request: Request, who: Principal) -> Response:
        try:
            form = await read_form(request)
        except FormTooLarge:
            return refuse(413, "The form is too large.", {})
        if persons is not None and form.get("name"):
            return await persons.answer(request, form)
        at, address = time.monotonic(), find_address(request, trusted())
        if wait_s := attempts.find_wait_s(address, at):  # a clock that is set back locks nobody out for longer
            return ask_to_wait(refuse(429, explain_wait(wait_s), form), wait_s)
        if not sessions.is_token(form.get("token", "")):
            attempts.add(address, at)
            return refuse(401, "Wrong token. `steward up` prints it when it starts.", form)
        response = redirect(find_next(form.get("next", "")))
        set_cookie(response, request, sessions.issue(time.time()), int(sessions.limits.longest_s))
        return response

    def refuse(code: int, words: str, form: dict[str, str]) -> Response:
        wanted = find_next(form.get("next", ""))
        return render("login.html", code, message=words, people=people is not None, provider=provider, next=wanted)

    async def sign_out(request: Request, who: Principal) -> Response:
        name = name_cookie(request)
        token = request.cookies.get(name, "")
        sessions.end(token, time.time())
        if people is not None:
            try:
                await asyncio.to_thread(people.sign_out, token)
            except StewardError:
                words = "You are not signed out: the store does not answer. Please try again later."
                return render("login.html", 503, message=words, people=True, provider=provider)
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


class _PersonSignIn:
    """Name, password and code from the form, within the limits."""

    def __init__(self, people: People, trusted: Callable[[], Sequence[Network]], provider: str) -> None:
        self._people, self._trusted, self._provider = people, trusted, provider
        self._limits = SignInLimits(people.device_key)
        self._checking = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def answer(self, request: Request, form: dict[str, str]) -> Response:
        name = form["name"][:64]
        address, mark = find_address(request, self._trusted()), request.cookies.get(MARK, "")
        now, wall = time.monotonic(), time.time()
        if self._waiting >= WAITING or not self._limits.take(address, name, mark, now, wall):
            wait_s = self._limits.find_wait_s(address, name, mark, now, wall) or CHECK_S
            return ask_to_wait(self._refuse(429, explain_wait(wait_s), form), wait_s)
        try:
            signed_in = await self._check(name, form.get("password", ""), form.get("code", ""))
        except Refused as error:
            return self._refuse(error.status, str(error), form)
        except StewardError:
            words = "Nobody can sign in at the moment: the store does not answer. Please try again later."
            return self._refuse(503, words, form)
        wanted = find_next(form.get("next", ""))
        response = redirect(wanted if wanted != "/" else find_home_page(signed_in.principal))
        set_cookie(response, request, signed_in.token, int(self._people.limits.longest_s))
        secure = request.scope["scheme"] == "https"
        mark = self._limits.make_mark(name, time.time())
        response.set_cookie(MARK, mark, max_age=MARK_S, secure=secure, httponly=True, samesite="strict", path="/login")
        return response

    def _refuse(self, code: int, message: str, form: dict[str, str]) -> Response:
        """The form again; it keeps where somebody was going."""
        wanted = find_next(form.get("next", ""))
        return render("login.html", code, message=message, people=True, provider=self._provider, next=wanted)

    async def _check(self, name: str, password: str, code: str) -> SignedIn:
        self._waiting += 1
        try:
            async with self._checking:
                return await asyncio.to_thread(self._people.sign_in, name, password, code)
        finally:
            self._waiting -= 1


def find_home_page(who: Principal) -> str:
    """The page that somebody sees after signing in."""
    return "/" if who.has("console.read") else "/account"
