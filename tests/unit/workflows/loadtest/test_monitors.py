"""A metrics page that was named is looked at before the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steward.core.errors import InputError, Unavailable
from steward.loadtest.config import LoadConfig
from steward.workflows.loadtest.monitors import MonitorOptions, check_metrics_page

PAGES = {"/vllm": "vllm:num_requests_running 2\n", "/other": "node_load1 0.5\n", "/html": "<p>Hello</p>"}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in PAGES else 404)
        self.end_headers()
        self.wfile.write(PAGES.get(self.path, "").encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def check(url: str, page: str | None) -> None:
    options = MonitorOptions(metrics_url=None if page is None else url + page if page.startswith("/") else page)
    check_metrics_page(LoadConfig(url=url, model="m"), options)


def test_a_page_with_a_series_that_is_known_is_taken(url: str) -> None:
    check(url, "/vllm")
    check(url, None)  # none was named, and the server has none


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        ("/gone", Unavailable, "Not Found"),
        ("http://127.0.0.1:9/metrics", Unavailable, "refused"),
        ("/other", InputError, "has node_load1"),
        ("/html", InputError, "is no metrics page"),
        ("nonsense", InputError, "expected a URL such as http"),
    ],
)
def test_a_page_that_would_give_nothing_is_told_before_the_run(
    url: str, page: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        check(url, page)
