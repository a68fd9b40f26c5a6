"""The search finds pages, models, routes, keys and requests, and nothing that somebody may not see."""

from pathlib import Path

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.pages.search import match_pages
from steward.console.sessions import COOKIE, Sessions
from steward.console.shell import NavigationItem
from steward.core.identity import Principal

ITEMS = [
    NavigationItem("Overview", "/", "", "console.read", "principal", "home"),
    NavigationItem("Alerts", "/alerts", "Watch", "console.read", "deployment", "slo incident"),
    NavigationItem("Audit", "/audit", "Govern", "audit.read", "principal", ""),
]
WHO = Principal(kind="person", id="p", rights=frozenset({"console.read"}))


def test_a_page_is_found_by_its_title_first_and_by_its_words() -> None:
    assert [target.title for target in match_pages(ITEMS, WHO, "")] == ["Overview", "Alerts"]
    assert [target.path for target in match_pages(ITEMS, WHO, "SLO")] == ["/alerts"]
    assert match_pages(ITEMS, WHO, "audit") == []


def test_the_page_shows_what_it_was_asked_as_text(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    app = build(snapshot, Sessions("t"), str, source=pages)
    cookie = f"{COOKIE}={Sessions('t').issue(4e9)}"
    status, _, text = ask(app, "GET", "/search?q=%3Cscript%3E", cookie=cookie)
    assert status == 200 and "&lt;script&gt;" in text and "<script>" not in text.replace('<script type="module"', "")
    assert 'href="/status"' in ask(app, "GET", "/search?q=gpu", cookie=cookie)[2].partition('id="results"')[2]
    assert ask(app, "GET", "/search?q=gpu&go=1", cookie=cookie)[1]["location"] == "/status"
