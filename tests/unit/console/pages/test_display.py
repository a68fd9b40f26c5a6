"""Time zone and colours are kept in cookies."""

from console_client import ask, snapshot
from steward.console.app import build
from steward.console.sessions import COOKIE, Sessions
from steward.console.shell import FORM_LIMIT


def test_a_zone_and_a_theme_are_kept_and_used() -> None:
    app, cookie = build(snapshot, Sessions("t"), str), f"{COOKIE}={Sessions('t').issue(4e9)}"
    status, headers, _ = ask(app, "POST", "/display", b"zone=Asia%2FTokyo&theme=dark", cookie=cookie)
    assert status == 303 and "steward_" in headers["set-cookie"]
    more = f"{cookie}; steward_zone=Asia/Tokyo; steward_theme=dark"
    page = ask(app, "GET", "/display", cookie=more)[2]
    assert 'data-theme="dark"' in page and 'value="Asia/Tokyo"' in page


def test_a_zone_that_there_is_not_is_said() -> None:
    app, cookie = build(snapshot, Sessions("t"), str), f"{COOKIE}={Sessions('t').issue(4e9)}"
    status, _, page = ask(app, "POST", "/display", b"zone=<Mars>", cookie=cookie)
    assert status == 400 and "&lt;Mars&gt;" in page and "Europe/Berlin" in page


def test_the_cookies_last_a_year_and_go_nowhere_else() -> None:
    app, cookie = build(snapshot, Sessions("t"), str), f"{COOKIE}={Sessions('t').issue(4e9)}"
    plain = ask(app, "POST", "/display", b"zone=+UTC+&theme=light", cookie=cookie)
    assert (plain[0], plain[1]["location"]) == (303, "/display")
    words = plain[1]["set-cookie"]
    assert words.startswith("steward_theme=light;") and "Max-Age=31536000" in words  # 365 days
    assert "SameSite=strict" in words and "Secure" not in words
    secure = f"__Host-{cookie}"
    assert "Secure" in ask(app, "POST", "/display", b"zone=UTC", cookie=secure, scheme="https")[1]["set-cookie"]
    assert ask(app, "POST", "/display", b"zone=UTC&theme=%22pink", cookie=cookie)[1]["set-cookie"].startswith(
        'steward_theme=""'
    )


def test_a_form_beyond_all_bounds_and_a_zone_of_many_letters_are_refused_shortly() -> None:
    app, cookie = build(snapshot, Sessions("t"), str), f"{COOKIE}={Sessions('t').issue(4e9)}"
    assert ask(app, "POST", "/display", b"zone=" + b"x" * FORM_LIMIT, cookie=cookie)[0] == 400
    status, _, page = ask(app, "POST", "/display", b"zone=" + b"x" * 101, cookie=cookie)
    assert status == 400 and "x" * 99 + "…" in page
