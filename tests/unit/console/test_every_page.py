"""What holds for every page of the console, those of tomorrow too: the pages are read from the table of endpoints."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from console_client import snapshot
from console_home import HOSTILE, NOW, HomeConsole, read_text
from every_page import CSV_FILES, DEMO_PAGES, ESCAPED, HOME_PAGES, fill_every_page, hide_store, list_page_paths
from served_home import SETTINGS, serve_home
from steward.core.records import Admitted, Health, SeriesPoint, Settled

BAD_QUERIES = (
    "range=1000000d", "from=2099-01-01&to=2099-01-02", "from=yesterday", "limit=1000000", "page=1000000", "page=-1",
    "words=" + "%22%3E%3Cscript%3Ealert(1)" * 9, "state=%00", "by=%3Cscript%3E", "before=99999999999999999999",
    "model=%3Cscript%3E&key=%22&route='", "span=%3Cscript%3E", "version=%3Cscript%3E", "kind=%3Cscript%3E", "level=x",
)  # fmt: skip


PRIVATE = SETTINGS + "privacy: {profile: default}\n"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path, PRIVATE) as home:
        yield HomeConsole(home)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HomeConsole, list[str]]]:
    """A home that these tests only look at, and the addresses of its pages."""
    with serve_home(tmp_path_factory.mktemp("filled"), PRIVATE) as home:
        console = HomeConsole(home)
        yield console, list_page_paths(console, fill_every_page(console))


class TagReader(HTMLParser):
    """Elements with their attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def read_tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = TagReader()
    reader.feed(page)
    return reader.tags


def test_every_page_is_whole_and_nothing_that_others_wrote_is_markup(filled: tuple[HomeConsole, list[str]]) -> None:
    console, paths = filled
    told = set()
    for path in paths:
        page = console.get(path)
        assert "</html>" in page and page.count("<h1") == 1 and "<title>" in page, path
        assert HOSTILE not in page and "<script>alert" not in page, path
        tags = read_tags(page)
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert [one.get("src") for one in scripts] == ["/static/steward.js"], path
        handlers = [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
        assert handlers == [], path
        if ESCAPED in page:
            told.add(path.partition("?")[0])
    assert told >= {  # so that the hostile words were there to be seen
        *("/", "/traffic", "/requests", "/satisfaction", "/alerts", "/alerts/alert-1", "/prompts", "/prompts/greet"),
        *("/evaluations", "/data", "/load", "/usage", "/access", "/privacy", "/privacy/rights", "/audit", "/search"),
        "/privacy/retention",
    }, sorted(told)


def test_every_page_says_that_the_store_is_gone_and_shows_what_it_last_knew(tmp_path: Path) -> None:
    now = [NOW]
    with serve_home(tmp_path, PRIVATE) as home:
        check_without_store(HomeConsole(home, lambda: now[0]), now)


def check_without_store(console: HomeConsole, now: list[float]) -> None:
    paths = list_page_paths(console, fill_every_page(console))
    known = {path: read_title(console.get(path)) for path in paths}
    console.store.close()
    hide_store(console.home)
    console.source.answers.expire()
    now[0] += 11.0  # the sentence on top is judged every ten seconds
    for path in paths:
        status, _, page = console.ask("GET", path)
        assert status == 200 and "The store does not answer" in page, (path, status)
        assert read_title(page) == known[path], path


def read_title(page: str) -> str:
    return read_text(page.partition("<h1")[2].partition("</h1>")[0])


def test_a_page_that_was_never_seen_says_that_the_store_is_gone_and_what_to_do(console: HomeConsole) -> None:
    paths = list_page_paths(console, fill_every_page(console))
    console.store.close()
    hide_store(console.home)
    for path in paths:
        status, _, page = console.ask("GET", path)
        assert status in (200, 404, 503) and "</html>" in page and "store" in page, (path, status)


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_whatever_a_query_says_every_page_answers(filled: tuple[HomeConsole, list[str]], query: str) -> None:
    console, paths = filled
    for path in paths:
        status, _, page = console.ask("GET", f"{path}{'&' if '?' in path else '?'}{query}")
        assert status in (200, 400, 404), (path, status)
        assert "</html>" in page and "<script>alert" not in page and "<script>&" not in page, path


def test_every_field_has_a_label_and_every_form_a_button(filled: tuple[HomeConsole, list[str]]) -> None:
    """A keyboard alone, and no script, sends any form."""
    console, paths = filled
    for path in paths:
        page = console.get(path)
        for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
            assert "<button" in form or 'role="search"' in form or 'id="palette-q"' in form, (path, form[:200])
        labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
        wrapped = "".join(re.findall(r"<label[^>]*>.*?</label>", page, re.DOTALL))
        for tag, one in read_tags(page):
            if tag not in ("input", "select", "textarea") or one.get("type") == "hidden":
                continue
            is_named = one.get("id") in labelled or "aria-label" in one or f'name="{one.get("name")}"' in wrapped
            assert is_named, (path, one)


def test_nobody_without_a_right_sees_a_page(filled: tuple[HomeConsole, list[str]]) -> None:
    console, paths = filled
    for path in paths:
        if path.startswith(("/account", "/login")):
            continue
        status, _, _ = console.ask("GET", path, rights=frozenset({"public"}))
        assert status == 403, path


def test_a_browser_looks_at_every_page(filled: tuple[HomeConsole, list[str]]) -> None:
    """Those of a single thing by another one of their kind."""
    looked_at = {path.partition("?")[0] for path in (*DEMO_PAGES, *HOME_PAGES)}
    others = {"/data/ev_data.run", "/load/ev_loadtest.run"}  # as /evaluations/ev_1
    singles = (
        "/requests/",
        "/access/keys/",
        "/alerts/",
        "/evaluations/",
        "/readiness/evidence/",
    )  # their ids are other ones there
    paths = {path.partition("?")[0] for path in filled[1]} - others
    assert {path for path in paths if not path.startswith(singles)} <= looked_at


@pytest.mark.parametrize("path", CSV_FILES)
def test_the_table_of_a_page_is_saved_as_csv(filled: tuple[HomeConsole, list[str]], path: str) -> None:
    console, _ = filled
    status, headers, text = console.ask("GET", path)
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows[0]) > 3 and {len(row) for row in rows} == {len(rows[0])}
    page = console.get(path.removesuffix(".csv"))
    if path not in ("/releases.csv", "/registry.csv", "/training.csv", "/access/sessions.csv"):  # which are empty here
        assert len(rows) > 1 and f'href="{path}' in page
    assert len(list(csv.reader(io.StringIO(console.ask("GET", f"{path}?words=nowhere-at-all")[2])))) <= len(rows)


MODELS_STATES = {  # state of the models, what the headline says, and its colour
    "healthy": ({"big": "ok", "small": "ok"}, 0, "All objectives are met.", "good"),
    "degraded": ({"big": "down", "small": "ok"}, 0, "big is down.", "warning"),
    "errors": (
        {"big": "ok", "small": "ok"},
        15,
        "12.5 % of requests fail: 15 of 120 in the last 5 minutes.",
        "warning",
    ),
    "failing": ({"big": "down", "small": "down"}, 0, "big, small are down.", "bad"),
}
CALM = ("All systems operational", "All objectives are met", "objectives met")
SLO = "slos:\n  - {name: answers, kind: availability, objective: 0.9}\n"


@pytest.mark.parametrize("name", MODELS_STATES)
def test_no_page_says_that_all_is_well_where_it_is_not(tmp_path: Path, name: str) -> None:
    states, errors, sentence, colour = MODELS_STATES[name]
    models = tuple(Health(name=one, state=cast(Any, state)) for one, state in states.items())
    point = SeriesPoint(
        at=0.0, requests=120, errors=errors, output_tokens=9, p50_s=0.1, p95_s=0.2, p99_s=0.3, ttft_p50_s=0.1
    )
    seen = msgspec.structs.replace(snapshot(), models=models, series=(point,))
    with serve_home(tmp_path, PRIVATE + SLO) as home:
        console = HomeConsole(home, read_snapshot=lambda: seen)
        paths = list_page_paths(console, fill_every_page(console))
        for alert in console.store.alerts.list_alerts(9, open_only=True):
            console.store.alerts.put(msgspec.structs.replace(alert, ended_at=NOW - 60))
        fill_requests(console, 500)
        for path in paths:
            page = console.get(path)
            headline = re.search(r'<p class="headline (\w+)"[^>]*>(.*?)</p>', page)
            assert headline is not None and (headline[1], read_text(headline[2])) == (colour, sentence), path
            if name != "healthy":
                assert not [words for words in CALM if words in read_text(page)], path
        badge = console.get("/badge.svg")
        assert ("objectives met" in badge) == (name == "healthy") and ("failing" in badge) == (name == "failing")
        standing = msgspec.json.decode(console.get("/api/status"))["state"]
        assert standing == {"healthy": "operational", "failing": "down"}.get(name, "degraded")
        console.store.close()


def fill_requests(console: HomeConsole, count: int) -> None:
    """Enough for the objectives to be judged; all of them were answered."""
    records: list[Any] = []
    for number in range(count):
        name, at = f"q{number}", NOW - 600 - number
        admitted = Admitted(request_id=name, at=at, key_id="k", project="p", endpoint="/", route="r", streamed=False)
        settled = Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="big", duration_s=1.0)
        records += [admitted, settled]
    console.store.ledger.drain("w", "s2", 1, records)
