"""`steward selftest security`, against a steward, a gateway that makes every mistake, and one that answers nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, deploy_mock, inside


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: it has to bear attacks."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


class Careless(ThreadingHTTPServer):
    """A gateway as the advisories describe them; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), CarelessHandler)


class CarelessHandler(BaseHTTPRequestHandler):
    server: Careless
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        text, status = '{"data": []}', 200
        if "passwd" in self.path:
            text = "root:x:0:0:root:/root:/bin/sh"
        if b"{{ 1234 * 1234 }}" in body:
            text = str(1234 * 1234)
        if b'"pattern"' in body:
            status = 500
        fields = json.loads(body) if body.startswith(b"{") else {}
        for name in ("api_base", "base_url"):
            if name in fields:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    urllib.request.urlopen(fields[name], timeout=2).close()
        self.send_response(status)
        if origin := self.headers.get("origin"):
            self.send_header("access-control-allow-origin", origin)
            self.send_header("access-control-allow-credentials", "true")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_OPTIONS = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def careless() -> Iterator[Careless]:
    server = Careless()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_steward_holds_all_that_can_be_told_from_outside(deployed: Deployment) -> None:
    key = f"file:{deployed.home / 'first-key'}"
    done = inside("selftest", "security", deployed.url, "--key", key, "--model", "mock", "--json")
    report = json.loads(done.stdout)
    assert [one for one in report["results"] if one["verdict"] != "held"] == []
    assert done.returncode == 0 and report["held"] == len(report["results"]) == 19


def test_the_console_holds_too(deployed: Deployment) -> None:
    done = inside("selftest", "security", deployed.console_url, "--json")
    report = json.loads(done.stdout)
    assert [one for one in report["results"] if one["verdict"] == "failed"] == [] and done.returncode == 0
    assert report["not_run"] == 3


def test_a_careless_gateway_fails_everything(careless: Careless, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-mine")
    url = f"http://127.0.0.1:{careless.server_port}"
    done = inside("selftest", "security", url, "--key", f"file:{tmp_path / 'key'}", "--json")
    report = json.loads(done.stdout)
    passed = {one["number"]: one["because"] for one in report["results"] if one["verdict"] != "failed"}
    assert done.returncode == 1 and set(passed) == {21, 30}, passed  # Python's own server bounds heads
    assert not any(word in asked for asked in careless.asked for word in ("DELETE", "PUT", "PATCH", "generate", "new"))
    assert len(careless.asked) < 60


def test_the_table_says_why(careless: Careless) -> None:
    done = inside("selftest", "security", f"http://127.0.0.1:{careless.server_port}")
    assert done.returncode == 1 and "CVE-2026-42208" in done.stdout and "3 not run" in done.stdout
    assert "lets pages of https://evil.example read answers with credentials" in done.stdout


@pytest.mark.parametrize(
    ("url", "code"), [("http://127.0.0.1:9", 4), ("localhost", 2), ("ftp://a", 2), ("http://a:x", 2)]
)
def test_what_answers_nothing_is_no_pass(url: str, code: int) -> None:
    done: Any = inside("selftest", "security", url)
    assert done.returncode == code and url in done.stderr
