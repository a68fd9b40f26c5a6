import pytest

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.sessions import Sessions
from steward.console.shell import FORM_LIMIT
from steward.console.signed_out import NEXT_LETTERS, find_next, write_sign_in_address

TYPED = b"name=web+shop&reason=%3Cb%3Enew%3C%2Fb%3E&empty="


@pytest.mark.parametrize(
    "text",
    [
        "", "traffic", "//evil.example/", "/\\evil.example", "https://evil.example/", "/login", "/login?next=/x",
        "/login/provider", "/logout", "/a\nb", "/ü", "/" + "a" * NEXT_LETTERS,
    ],
)  # fmt: skip
def test_nobody_is_led_out_of_the_console_or_back_to_the_sign_in_page(text: str) -> None:
    assert find_next(text) == "/"


def test_the_longest_address_that_is_come_back_to() -> None:
    longest = "/" + "a" * (NEXT_LETTERS - 1)
    assert find_next(longest) == longest and find_next("/loginx") == "/loginx"
    assert write_sign_in_address("/requests?key=a&b=ü") == "/login"  # nothing that a browser sends


def test_who_opens_a_page_is_led_back_to_it_after_signing_in() -> None:
    app = build(snapshot, Sessions("t"), str)
    status, headers, _ = ask(app, "GET", "/status?wall=1")
    assert (status, headers["location"]) == (303, "/login?next=/status%3Fwall%3D1")
    page = ask(app, "GET", headers["location"])[2]
    assert '<input type="hidden" name="next" value="/status?wall=1">' in page
    again = ask(app, "POST", "/login", b"token=wrong&next=%2Fstatus%3Fwall%3D1")
    assert again[0] == 401 and 'name="next" value="/status?wall=1"' in again[2]
    status, headers, _ = ask(app, "POST", "/login", b"token=t&next=%2Fstatus%3Fwall%3D1")
    assert (status, headers["location"]) == (303, "/status?wall=1")
    assert ask(app, "POST", "/login", b"token=t&next=%2F%2Fevil.example")[1]["location"] == "/"


def test_a_form_that_was_sent_after_the_session_ended_is_kept_with_what_was_typed() -> None:
    app = build(snapshot, Sessions("t"), str, source=source())
    status, headers, page = ask(app, "POST", "/access/keys?x=1", TYPED)
    assert status == 401 and headers["cache-control"] == "no-store"
    assert '<form method="post" action="/access/keys?x=1">' in page and 'target="_blank"' in page
    assert '<input type="hidden" name="name" value="web shop">' in page
    assert '<input type="hidden" name="reason" value="&lt;b&gt;new&lt;/b&gt;">' in page and "<b>new" not in page
    assert page.count("<dt>") == 2  # what was left empty is not shown


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"export=" + b"x" * FORM_LIMIT, {}),
        (b"--b\r\n\r\n--b--", {"content_type": "multipart/form-data; boundary=b"}),
    ],
)
def test_what_cannot_be_kept_leads_to_the_sign_in_page(body: bytes, headers: dict[str, str]) -> None:
    app = build(snapshot, Sessions("t"), str, source=source())
    status, answer, _ = ask(app, "POST", "/access/keys", body, **headers)
    assert (status, answer["location"]) == (303, "/login")


def test_a_form_of_another_site_is_refused_and_not_shown_again() -> None:
    app = build(snapshot, Sessions("t"), str, source=source())
    status, _, page = ask(app, "POST", "/access/keys", TYPED, sec_fetch_site="cross-site")
    assert status == 403 and "web shop" not in page
