"""Time zone and colours are kept in cookies."""

from console_client import ask, snapshot
from steward.console.app import build
from steward.console.sessions import COOKIE, Sessions


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
