"""How this browser shows the console: its time zone, and light or dark. Kept in cookies of this browser."""

from __future__ import annotations

from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import Response

from steward.console.reader import THEME_COOKIE, ZONE_COOKIE, find_theme, find_zone
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, redirect, render_page
from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.identity import Principal

YEAR_S = 365 * 86400


def page() -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return render_page(request, "display.html", zones=sorted(available_timezones()))

    async def keep(request: Request, who: Principal) -> Response:
        try:
            form = await read_form(request)
        except FormTooLarge as error:
            raise InputError(str(error)) from error
        zone = form.get("zone", "").strip()
        if find_zone(zone) is None:
            raise InputError(f"time zone {cut_text(zone)!r}: expected a name such as Europe/Berlin or UTC")
        response = redirect("/display")
        values = {ZONE_COOKIE: zone, THEME_COOKIE: find_theme(form.get("theme", ""))}
        for name, value in values.items():
            response.set_cookie(
                name, value, max_age=YEAR_S, samesite="strict", secure=request.scope["scheme"] == "https"
            )
        return response

    return Page(
        (page_endpoint("/display", "console.read", show), page_endpoint("/display", "console.read", keep, "POST")),
    )
