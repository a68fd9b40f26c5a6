"""Apprise, through its own client, to an HTTP server and an SMTP server."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from steward.adapters.notifiers.apprise import send_apprise
from steward.core.errors import InputError, Unavailable
from steward.core.secret import Secret


class AppriseReceiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _AppriseAnswer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> Secret:
        return Secret(f"json://user:secret-word@127.0.0.1:{self.server_address[1]}/hook")


class _AppriseAnswer(BaseHTTPRequestHandler):
    server: AppriseReceiver

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture
def receiver() -> Iterator[AppriseReceiver]:
    server = AppriseReceiver()
    yield server
    server.shutdown()
    server.server_close()


def test_subject_text_and_whether_it_is_bad_arrive(receiver: AppriseReceiver) -> None:
    send_apprise(receiver.url, "[PAGE] disk-filling", "97 % of <disk> & more\n", is_bad=True)
    send_apprise(receiver.url, "[RESOLVED] disk-filling", "over", is_bad=False)
    assert [(one["title"], one["message"].strip(), one["type"]) for one in receiver.received] == [
        ("[PAGE] disk-filling", "97 % of <disk> & more", "failure"),
        ("[RESOLVED] disk-filling", "over", "success"),
    ]


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_service_that_refuses_is_unavailable_and_its_url_is_not_named(receiver: AppriseReceiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Unavailable) as refused:
        send_apprise(receiver.url, "s", "t")
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize("url", ["garbage", "no-such-service://x", ""])
def test_a_url_of_no_service_is_named_as_the_mistake(url: str) -> None:
    with pytest.raises(InputError, match="none that Apprise knows"):
        send_apprise(Secret(url), "s", "t")


def test_a_missing_extra_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InputError, match=r"needs the extra `apprise`; .*pip install .*\[apprise\]"):
        send_apprise(Secret("json://localhost"), "s", "t")
