from starlette.applications import Starlette

from console_client import ask, snapshot
from steward.console.app import build
from steward.console.sessions import Sessions


def app() -> Starlette:
    return build(snapshot, Sessions("token"), lambda: "")


def test_a_style_sheet_is_sent_once_and_then_only_when_it_changed() -> None:
    status, headers, text = ask(app(), "GET", "/static/steward.css")
    assert status == 200 and headers["content-type"].startswith("text/css") and "{" in text
    assert headers["cache-control"] == "no-cache"
    again = ask(app(), "GET", "/static/steward.css", if_none_match=headers["etag"])
    assert again[0] == 304 and again[2] == ""


def test_no_other_file_can_be_had() -> None:
    for path in ("/static/../app.py", "/static/", "/static/status.html", "/static/%2e%2e/app.py"):
        assert ask(app(), "GET", path)[0] == 404


def test_a_file_that_changed_is_sent_again() -> None:
    assert ask(app(), "GET", "/static/steward.css", if_none_match='"0123456789abcdef"')[0] == 200
