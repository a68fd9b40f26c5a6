"""Signing in at a provider leads to the page that was asked for, and nowhere else."""

import re
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.applications import Starlette

from console_client import ask, snapshot
from steward.console.app import build
from steward.console.sessions import Sessions
from steward.core.errors import Refused, Unavailable
from steward.core.identity import ALL_RIGHTS, Principal
from steward.workflows.people import SignedIn


class Provider:
    """As `SingleSignOn`, with a provider that says yes to whoever comes back with what was sent."""

    session_s = 60.0

    class plan:
        name = "corp"

    def send(self) -> tuple[str, str]:
        return "https://corp.example/authorize", "0af3"

    def take_back(self, query: dict[str, str], cookie: str) -> SignedIn:
        if "down" in query:
            raise Unavailable("https://secret.example does not answer")
        if cookie != "0af3" or "code" not in query:
            raise Refused("try again", status=401, type="t", code="c")
        return SignedIn(token="stw_session_1", principal=Principal(kind="person", id="anna", rights=ALL_RIGHTS))


@pytest.fixture
def app() -> Starlette:
    provider: Any = Provider()
    return build(snapshot, Sessions("token"), str, provider=provider)


def read_cookie(headers: dict[str, str]) -> str:
    morsel = SimpleCookie(headers["set-cookie"])["steward_pending"]
    return f"steward_pending={morsel.coded_value}"


def sign_in(app: Starlette, wanted: str, query: str = "?code=c") -> tuple[int, str]:
    status, headers, _ = ask(app, "GET", f"/login/provider{wanted}")
    assert (status, headers["location"]) == (303, "https://corp.example/authorize")
    status, _, page = ask(app, "GET", f"/login/provider/callback{query}", cookie=read_cookie(headers))
    return status, page


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("?next=/traffic%3Frange%3D7d", "/traffic?range=7d"),
        ("", "/"),
        ("?next=//evil.example/", "/"),
        ("?next=https%3A%2F%2Fevil.example", "/"),
        ("?next=/logout", "/"),
        (f"?next=/search%3Fq%3D{'x' * 1984}", f"/search?q={'x' * 1984}"),  # 2,000 letters as it is kept
        (f"?next=/search%3Fq%3D{'x' * 1985}", "/"),  # more than a cookie holds beside the rest
    ],
)
def test_the_page_that_was_asked_for_comes_after_signing_in(app: Starlette, wanted: str, path: str) -> None:
    status, page = sign_in(app, wanted)
    assert status == 200
    assert re.findall(r'url=([^"]*)"', page) == [path] and f'<a href="{path}">' in page


def test_a_sign_in_that_fails_keeps_where_somebody_was_going(app: Starlette) -> None:
    status, page = sign_in(app, "?next=/traffic%3Frange%3D7d", "?error=access_denied")
    assert status == 401 and 'href="/login/provider?next=/traffic%3Frange%3D7d"' in page
    assert 'name="next" value="/traffic?range=7d"' in page


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_cookie_that_waits_lives_ten_minutes_and_goes_to_the_sign_in_alone(app: Starlette, scheme: str) -> None:
    morsel = SimpleCookie(ask(app, "GET", "/login/provider", scheme=scheme)[1]["set-cookie"])["steward_pending"]
    assert (morsel["max-age"], morsel["path"], morsel["samesite"]) == ("600", "/login/provider", "lax")
    assert (bool(morsel["secure"]), bool(morsel["httponly"])) == (scheme == "https", True)


def test_a_provider_that_does_not_answer_is_told_with_the_way_back(app: Starlette, caplog: Any) -> None:
    status, page = sign_in(app, "?next=/traffic", "?code=c&down=yes")
    assert status == 503 and "the provider or the store does not answer" in page and "secret" not in page
    assert 'value="/traffic"' in page and "secret" in caplog.text  # which the operator's log tells
