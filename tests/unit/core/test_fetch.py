"""What is configured is what is asked: no redirect is followed, and no proxy of the environment is used."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from steward.core.fetch import open_url


class Answers(BaseHTTPRequestHandler):
    """`/200` is answered with 200 and so on; 302 leads to `/200`."""

    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2])
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/200")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_is_read_though_the_environment_names_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with open_url(f"{url}/200", 10.0) as answer:
        assert (answer.status, answer.read()) == (200, b"ok")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_other_status_is_an_error_and_a_redirect_too(url: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        open_url(f"{url}/{status}", 10.0)
    with caught.value as error:
        assert error.code == status
