"""The search finds pages, models, routes, keys and requests, and nothing that somebody may not see."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from console_client import ask, snapshot, source
from steward.console.app import build
from steward.console.pages.search import SearchHit, find_hits, match_pages
from steward.console.sessions import COOKIE, Sessions
from steward.console.shell import NavigationItem
from steward.core.identity import Principal
from steward.settings import Settings

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


class Places:
    """What a console knows: models and routes of a plan, keys and one request."""

    def __init__(self) -> None:
        self.store = self.traces = self.keys = self

    def plan(self) -> Any:
        def named(*names: str) -> tuple[Any, ...]:
            return tuple(SimpleNamespace(name=name) for name in names)

        return SimpleNamespace(models=named("small", "large & co"), routes=named("smalltalk"))

    def find(self, request_id: str, *, tenant: str | None) -> Any:
        known = {"req_ab": "m", "req_nobody": ""}
        if request_id not in known:
            return None
        return SimpleNamespace(request_id=request_id, model=known[request_id], outcome="ok")

    def list_keys(self, *, tenant: str | None) -> list[Any]:
        return [SimpleNamespace(name="Small shop", id="key_1"), SimpleNamespace(name="web", id="key_2")]


def find(text: str, *rights: str, tenant: str = "default") -> list[SearchHit]:
    places: Any = Places()
    who = Principal(kind="person", id="p", tenant=tenant, rights=frozenset(rights))
    return find_hits(places, who, text)


def test_models_routes_and_keys_are_found_by_a_part_of_their_name() -> None:
    model = SearchHit("Model", "small", "/traffic?model=small")
    route = SearchHit("Route", "smalltalk", "/traffic?route=smalltalk")
    assert find("SMALL") == [model, route]
    assert find("& c") == [SearchHit("Model", "large & co", "/traffic?model=large+%26+co")]
    assert find("small", "keys.read") == [model, route, SearchHit("Key", "Small shop", "/traffic?key=key_1", "key_1")]
    assert find("small", tenant="other") == []  # models are the whole deployment's
    assert [target.title for target in find("key_", "keys.read")] == ["Small shop", "web"] and find("nothing") == []


def test_a_request_is_found_by_its_whole_id_of_at_least_six_letters() -> None:
    assert find("req_ab", "usage.read") == [SearchHit("Request", "req_ab", "/requests/req_ab", "m, ok")]
    assert find("req_nobody", "usage.read")[0].note == "no model, ok"
    assert find("req_a", "usage.read") == find("req_ab") == find("req_ab ", "usage.read") == []
    assert find("req_gone", "usage.read") == []


def test_one_hit_is_gone_to_where_that_was_asked_for(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    app = build(snapshot, Sessions("t"), str, source=pages)
    cookie = f"{COOKIE}={Sessions('t').issue(4e9)}"
    assert ask(app, "GET", "/search?q=gpu", cookie=cookie)[0] == 200
    assert ask(app, "GET", "/search?q=gpu&go=0", cookie=cookie)[0] == 200
    assert ask(app, "GET", "/search?q=&go=1", cookie=cookie)[0] == 200  # many
    assert ask(app, "GET", "/search?q=nothingatall&go=1", cookie=cookie)[0] == 200  # none
    pages.store.close()


def test_200_letters_are_searched_for_and_no_more(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    app = build(snapshot, Sessions("t"), str, source=pages)
    cookie = f"{COOKIE}={Sessions('t').issue(4e9)}"
    text = ask(app, "GET", f"/search?q={'z' * 300}", cookie=cookie)[2]
    assert "z" * 200 in text and "z" * 201 not in text


def test_twenty_hits_are_shown_and_the_others_counted_and_nothing_is_looked_up_for_no_word(tmp_path: Path) -> None:
    names = [f"helper-{number}" for number in range(23)]
    models = [{"name": name, "backend": "openai", "url": "http://127.0.0.1:9/v1"} for name in names]
    pages = source(tmp_path, settings=Settings.model_validate({"models": models}))
    pages.store.migrate()
    app = build(snapshot, Sessions("t"), str, source=pages)
    cookie = f"{COOKIE}={Sessions('t').issue(4e9)}"
    page = ask(app, "GET", "/search?q=helper-", cookie=cookie)[2]
    assert page.count('<span class="kind">Model</span>') == 20 and "3 more; write more of the name." in page
    page = ask(app, "GET", "/search?q=helper-1", cookie=cookie)[2]  # and 10 to 19
    assert page.count('<span class="kind">Model</span>') == 11 and "more; write" not in page
    assert "helper-1" not in ask(app, "GET", "/search?q=", cookie=cookie)[2]
    pages.store.close()
