"""The keeper's look at engines: threads, lost pages, other keepers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Unavailable
from steward.workflows.engine_metrics import MOST_BYTES, EngineScrape, fetch_page


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path}/s.db")
    opened.migrate()
    yield opened
    opened.close()


class Engines:
    """Pages by URL, counted; a page that is None cannot be had."""

    def __init__(self, pages: dict[str, str | None]) -> None:
        self.pages, self.asked = pages, threading.Semaphore(0)

    def fetch(self, url: str) -> str:
        self.asked.release()
        page = self.pages[url]
        if page is None:
            raise Unavailable("it answered HTTP 500")
        return page


def turn(scrape: EngineScrape) -> None:
    """Ask, and take in what all threads have answered."""
    scrape.run()
    for *_, answer in scrape._asked:
        answer.exception(timeout=60)
    scrape._take_in()


def test_what_engines_tell_is_kept_by_model(store: SqlStore) -> None:
    pages: dict[str, str | None] = {"u1": "vllm:num_requests_waiting 3\nvllm:prompt_tokens_total 5", "u2": None}
    now = [60.0]
    scrape = EngineScrape(store.gauges, lambda: {"a": "u1", "b": "u2"}, lambda: now[0], Engines(pages).fetch)
    turn(scrape)
    now[0], pages["u1"] = 75.0, "vllm:num_requests_waiting 5\nvllm:prompt_tokens_total 11"
    turn(scrape)
    (waiting,) = store.gauges.read(60, 0, 1000, "waiting")
    assert (waiting.subject, waiting.count, waiting.total, waiting.last) == ("a", 2, 8.0, 5.0)
    (tokens,) = store.gauges.read(60, 0, 1000, "engine_prompt_tokens")
    assert (tokens.count, tokens.total) == (1, 6.0)
    assert [(state.model, state.state, state.error) for state in store.gauges.read_states()] == [
        ("a", "ok", ""), ("b", "unreachable", "it answered HTTP 500"),
    ]  # fmt: skip


def test_a_page_that_another_keeper_has_overtaken_is_left_out(store: SqlStore) -> None:
    engines, now = Engines({"u": "vllm:prompt_tokens_total 100"}), [60.0]
    first, second = (EngineScrape(store.gauges, lambda: {"a": "u"}, lambda: now[0], engines.fetch) for _ in range(2))
    first.run()
    now[0], engines.pages["u"] = 75.0, "vllm:prompt_tokens_total 120"
    for *_, answer in first._asked:
        answer.result(timeout=60)
    turn(second)
    first._take_in()
    assert store.gauges.read(60, 0, 1000, "engine_prompt_tokens") == []
    assert store.gauges.read_states()[0].at == 75.0


def test_a_model_that_is_served_no_more_is_forgotten(store: SqlStore) -> None:
    plans = [{"a": "u"}]
    scrape = EngineScrape(store.gauges, lambda: plans[0], lambda: 60.0, Engines({"u": "vllm:a 1"}).fetch)
    turn(scrape)
    assert len(store.gauges.read_states()) == 1
    plans[0] = {}
    turn(scrape)
    assert store.gauges.read_states() == []
    EngineScrape(store.gauges, dict).run()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = MOST_BYTES + 1 if self.path == "/long" else 5
        self.send_response({"/redirect": 302, "/broken": 500}.get(self.path, 200))
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"x" * size)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/broken", "HTTP 500"), ("/redirect", "HTTP 302"), ("/long", "more than 4 MiB"), (None, "refused")],
)
def test_pages_that_cannot_be_had(path: str | None, reason: str) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        port = server.server_address[1]
        if path is not None:
            thread.start()
        else:
            server.server_close()
        with pytest.raises(Unavailable, match=reason):
            fetch_page(f"http://127.0.0.1:{port}{path or '/'}")
        if path is not None:
            thread.join(60)


def test_a_page(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert fetch_page(f"http://127.0.0.1:{server.server_address[1]}/") == "xxxxx"
        thread.join(60)


def test_the_time_of_a_page_must_be_later_than_the_one_before(store: SqlStore) -> None:
    engines, now = Engines({"u": "vllm:prompt_tokens_total 100"}), [60.0]
    scrape = EngineScrape(store.gauges, lambda: {"a": "u"}, lambda: now[0], engines.fetch)
    turn(scrape)
    engines.pages["u"] = "vllm:prompt_tokens_total 130"
    turn(scrape)  # the same moment again: nothing is added
    assert store.gauges.read(60, 0, 1000, "engine_prompt_tokens") == []
    now[0] = 60.5
    turn(scrape)
    (tokens,) = store.gauges.read(60, 0, 1000, "engine_prompt_tokens")
    assert tokens.total == 30.0 and store.gauges.read_states()[0].at == 60.5


def test_a_fault_of_another_kind_is_named_by_its_kind_and_asked_again(store: SqlStore) -> None:
    def fail(url: str) -> str:
        raise ValueError("secret")

    scrape = EngineScrape(store.gauges, lambda: {"a": "u"}, lambda: 60.0, fail)
    turn(scrape)
    (state,) = store.gauges.read_states()
    assert (state.state, state.error) == ("unreachable", "ValueError") and scrape._asked == []


def test_an_engine_that_has_not_answered_yet_is_not_asked_again(store: SqlStore) -> None:
    go_on, engines = threading.Event(), Engines({"u1": "vllm:num_requests_waiting 3"})

    def fetch(url: str) -> str:
        page = engines.fetch(url)
        go_on.wait(60)
        return page

    scrape = EngineScrape(store.gauges, lambda: {"a": "u1"}, lambda: 60.0, fetch)
    scrape.run()
    scrape.run()
    assert len(scrape._asked) == 1
    go_on.set()
    scrape._asked[0][3].result(timeout=60)
