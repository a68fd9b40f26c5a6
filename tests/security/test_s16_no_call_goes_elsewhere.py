"""S16: what is configured is what is asked: no call follows a redirect or goes through a proxy of the environment."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from steward.adapters.scorers.http import HttpScorer
from steward.adapters.trainers.gepa import ChatClient
from steward.adapters.trainers.openai_jobs import FineTuningApi
from steward.cli.status import ask_standing, is_answering
from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.secret import Secret
from steward.workflows.serve.models import fetch_model_names

SOURCE = Path(__file__).parent.parent.parent / "src" / "steward"
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Server(HTTPServer):
    """Answers every request with `code`, and remembers what was asked."""

    def __init__(self, code: int, location: str = "", body: object = None) -> None:
        self.code, self.location, self.body = code, location, json.dumps(body).encode()
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["authorization"]))
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.send_response(self.server.code)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    server = Server(
        200,
        body={
            "score": 1.0,
            "data": [{"id": "m"}],
            "choices": [{"message": {"content": "an answer"}}],
            "state": "ok",
            "sentence": "",
        },
    )
    yield server
    server.stop()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(code: int, elsewhere: Server, tmp_path: Path) -> None:
    server = Server(code, f"{elsewhere.url}/there")
    try:
        with pytest.raises(Unavailable, match=f"HTTP {code}"):
            HttpScorer(server.url, Secret("s3cret")).score("a text")
        with pytest.raises(Unavailable, match="no list of models"):
            fetch_model_names(server.url)
        with pytest.raises(urllib.error.HTTPError):
            open_url(urllib.request.Request(server.url, headers={"authorization": "Bearer s3cret"}), 5)
        with pytest.raises(InputError, match=f"status {code}"):
            ChatClient(server.url, "s3cret", 8).ask("m", [])
        with pytest.raises(InputError, match=f"status {code}"):
            FineTuningApi(server.url, "s3cret").find("job")
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "console-token").write_text("t0ken")
        assert ask_standing(tmp_path, server.url)["state"] == "degraded" and not is_answering(server.url)
    finally:
        server.stop()
    assert len(server.asked) == 7 and elsewhere.asked == []


def test_no_proxy_is_asked(elsewhere: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server(502)
    for name in PROXIES:
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert HttpScorer(elsewhere.url).score("a text") == 1.0
        assert fetch_model_names(elsewhere.url) == ["m"] and is_answering(elsewhere.url)
        assert ChatClient(elsewhere.url, "s3cret", 8).ask("m", []) == "an answer"
        assert FineTuningApi(elsewhere.url, "s3cret").find("job")["state"] == "ok"
    finally:
        proxy.stop()
    assert proxy.asked == []


def test_one_place_asks_with_urllib() -> None:
    """Clients that would follow redirects and proxies by themselves are named nowhere else."""
    calls = re.compile(r"urlopen|build_opener|aiohttp\.ClientSession|import httpx|import requests|trust_env|getproxies")
    users = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if calls.search(path.read_text())}
    assert users == {"core/fetch.py"}
