"""What somebody sees whose session has ended: the sign-in page, and where they were going.

A form that was sent after that is shown again with what was typed, ready to be sent once more: signing in happens in
another tab. Nothing of it is kept on the server, and forms of passwords are none of these: they need no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import FormTooLarge, find_address, read_form, redirect, render

NEXT_LETTERS: Final = 2000
_NOT_NEXT: Final = ("/login", "/logout")


async def ask_to_sign_in(request: Request) -> Response:
    """For whoever asks without a session. A page is come back to after signing in; a form is kept on the page."""
    if request.state.changes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("", "application/x-www-form-urlencoded"):
            try:
                return keep_form(find_address(request), await read_form(request))
            except FormTooLarge:
                return redirect("/login")
        return redirect("/login")
    return redirect(write_sign_in_address(find_address(request).removesuffix("?")))


def keep_form(address: str, form: Mapping[str, str]) -> Response:
    """The form as it was sent, to be sent again."""
    shown = [(name, value) for name, value in form.items() if value.strip()]
    return render("signed_out.html", 401, address=address.removesuffix("?"), form=form, shown=shown)


def write_sign_in_address(address: str) -> str:
    """
    >>> write_sign_in_address("/traffic?range=7d"), write_sign_in_address("/")
    ('/login?next=/traffic%3Frange%3D7d', '/login')
    """
    return "/login" if find_next(address) == "/" else f"/login?next={quote(address)}"


def find_next(text: str) -> str:
    """Where to go after signing in: a page of this console, and of nothing else.

    >>> find_next("/traffic?range=7d"), find_next("//evil.example/"), find_next("/\\\\evil.example"), find_next("")
    ('/traffic?range=7d', '/', '/', '/')
    """
    is_ours = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    is_page = text.partition("?")[0] not in _NOT_NEXT and not text.startswith(tuple(f"{one}/" for one in _NOT_NEXT))
    return text if is_ours and is_page and text.isascii() and len(text) <= NEXT_LETTERS else "/"
